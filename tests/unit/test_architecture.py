"""Imports run one way, so that a reader can take the rooms one at a time."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(path.relative_to(ROOT) for room in ("flows", "tasks") for path in (ROOT / room).rglob("*.py"))
PURE = ("alerts", "blame", "history", "metrics", "tracing")
FORBIDDEN = ("email", "tasks", "token", "select", "types", "ssl", "logging")  # they would shadow what Prefect imports


def imports(path: Path) -> set[str]:
    """The modules that a file imports, in whatever place and form."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def reaches(path: Path, package: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for name in imports(path))


def room(*parts: str) -> list[Path]:
    return [path for path in MODULES if path.parts[: len(parts)] == parts]


@pytest.mark.parametrize("path", room("tasks", "mail"), ids=str)
def test_what_mail_is_knows_no_prefect_and_nothing_above_it(path: Path) -> None:
    assert not reaches(path, "prefect")
    assert not reaches(path, "flows")
    assert not any(reaches(path, f"tasks.{name.stem}") for name in room("tasks") if len(name.parts) == 2)


@pytest.mark.parametrize("path", [path for pure in PURE for path in room("tasks", pure)], ids=str)
def test_what_is_made_of_results_is_reckoned_without_prefect(path: Path) -> None:
    """Histories, metrics, traces, who is to blame, and who is called."""
    assert not reaches(path, "prefect")
    assert not any(reaches(path, f"tasks.{name.stem}") for name in room("tasks") if len(name.parts) == 2)


def test_one_module_alone_knows_opentelemetry() -> None:
    assert [path for path in MODULES if reaches(path, "opentelemetry")] == [Path("tasks/tracing/otlp.py")]


@pytest.mark.parametrize("path", room("tasks", "mail"), ids=str)
def test_what_mail_is_knows_no_traces(path: Path) -> None:
    assert not reaches(path, "tasks.tracing")


@pytest.mark.parametrize("path", room("tasks", "fleet"), ids=str)
def test_a_fleet_is_read_without_prefect(path: Path) -> None:
    assert not reaches(path, "prefect")
    assert not any(reaches(path, f"tasks.{name.stem}") for name in room("tasks") if len(name.parts) == 2)


@pytest.mark.parametrize("path", room("tasks", "mail"), ids=str)
def test_a_check_knows_nothing_of_other_checks(path: Path) -> None:
    assert not reaches(path, "tasks.correlation")
    assert not reaches(path, "tasks.fleet")


@pytest.mark.parametrize("path", room("tasks"), ids=str)
def test_tasks_know_no_flows(path: Path) -> None:
    assert not reaches(path, "flows")


@pytest.mark.parametrize("path", room("tasks", "sandbox"), ids=str)
def test_the_sandbox_stands_apart(path: Path) -> None:
    assert not reaches(path, "prefect")
    assert not reaches(path, "tasks.mail")


@pytest.mark.parametrize("path", [p for p in MODULES if p.parts[:2] != ("tasks", "sandbox")], ids=str)
def test_nothing_depends_on_the_sandbox(path: Path) -> None:
    assert not reaches(path, "tasks.sandbox")


def loaded_by(module: str) -> set[str]:
    """Our modules that importing `module` loads, directly or through others."""
    found, waiting = set(), [module]
    while waiting:
        path = Path(*waiting.pop().split(".")).with_suffix(".py")
        if path in MODULES and (name := ".".join(path.with_suffix("").parts)) not in found:
            found.add(name)
            waiting += imports(path)
    return found


@pytest.mark.parametrize(
    ("module", "other_leg"),
    [
        (
            "tasks.send",
            {
                "tasks.search",
                "tasks.mail.mailboxes.imap.mailbox",
                "tasks.mail.search.search",
                "tasks.mail.search.inbound",
            },
        ),
        (
            "tasks.search",
            {
                "tasks.send",
                "tasks.mail.senders.smtp.dialogue",
                "tasks.mail.senders.smtp.connection",
                "tasks.mail.senders.smtp.replies",
            },
        ),
    ],
)
def test_the_receipt_is_the_only_link_between_the_legs(module: str, other_leg: set[str]) -> None:
    loaded = loaded_by(module)
    assert {"tasks.mail.model.facts", "tasks.mail.model.errors"} < loaded
    assert not loaded & other_leg


def test_no_module_shadows_what_others_import() -> None:
    assert not [path for path in MODULES if path.stem in FORBIDDEN and path.name != "__init__.py"]


def test_help_loads_nothing_heavy() -> None:
    """`mail-loop --help` is there at once."""
    heavy = {"asyncio", "email_validator", "importlib.metadata", "pydantic", "rich", "yaml"}
    code = (
        "import sys, flows.cli.main, contextlib, io\n"
        "with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.suppress(SystemExit):\n"
        "    flows.cli.main.main(['--help'])\n"
        f"sys.exit(' '.join(sys.modules.keys() & {heavy}) or 'exit codes' not in said.getvalue())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", ["flows.cli.main", "flows.direct"])
def test_prefect_is_not_loaded_before_it_is_needed(module: str) -> None:
    """`mail-loop --help`, `validate` and `check --direct` start without it."""
    code = f"import sys, {module}; sys.exit('prefect' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
