"""What the documents say is what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from tasks.alerts.rules import load_alerts
from tasks.mail.config.fleet import FIELDS, fleet_config
from tasks.mail.config.loading.files import load_any
from tasks.mail.config.loop import ImapConfig, Limits, SmtpConfig
from tasks.mail.config.mailbox import BounceMailbox
from tasks.mail.config.matrix import Matrix, Receiver, matrix_config
from tasks.mail.config.oauth import SenderOAuth
from tasks.mail.model.outcome import Outcome
from tasks.mail.model.result import LoopResult
from tests.support import drawing

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTIONS: list[type[BaseModel]] = [SmtpConfig, ImapConfig, Limits, BounceMailbox, SenderOAuth]


def row(name: str, model: type[BaseModel]) -> str:
    """A field's row in the reference."""
    field = model.model_fields[name]
    if field.is_required():
        default = "required"
    elif field.default is PydanticUndefined or field.default is None:
        default = ""
    else:
        default = f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"
    return f"| `{name}` | {default} | {field.description} |"


def test_the_reference_has_every_field_with_its_default() -> None:
    rows = [row(name, model) for model in SECTIONS for name in model.model_fields]
    assert [row for row in rows if row not in REFERENCE] == []


def test_the_reference_has_every_field_of_the_result() -> None:
    names = [field.alias or name for name, field in LoopResult.model_fields.items()]
    assert [name for name in names if f"`{name}`" not in REFERENCE] == []


def test_the_readme_explains_every_outcome() -> None:
    assert [one for one in Outcome if not re.search(rf"^\| [^|]*\b{one}\b", README, re.MULTILINE)] == []


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.name)
def test_the_examples_are_valid(path: Path) -> None:
    load = load_alerts if path.name == "alerts.yaml" else load_any
    load(path)


@pytest.mark.parametrize("name", ["microsoft365", "gmail"])
def test_the_document_of_a_provider_has_its_example(name: str) -> None:
    example = (ROOT / "examples" / f"{name}.yaml").read_text(encoding="utf-8")
    assert f"```yaml\n{example}```\n" in (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["microsoft365", "gmail", "configuration"])
def test_the_links_of_a_document_lead_somewhere(name: str) -> None:
    """To files, and to headings in them."""
    text = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    for file, _, heading in (link.partition("#") for link in re.findall(r"\]\(((?!https?:)[^)]+)\)", text)):
        path = (ROOT / "docs" / file) if file else ROOT / "docs" / f"{name}.md"
        assert path.exists(), file
        headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8") if path.is_file() else "", re.MULTILINE)
        slugs = [re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings]
        assert not heading or heading in slugs, heading


def test_the_reference_has_every_field_of_a_matrix() -> None:
    for name, field in (*Matrix.model_fields.items(), ("address", Receiver.model_fields["address"])):
        description = re.escape(field.description or "")
        assert re.search(rf"^\| `{name}` \| [^|]* \| {description} \|$", REFERENCE, re.MULTILINE), name


def test_the_deployment_of_the_reference_is_the_matrix_of_the_examples() -> None:
    block, _ = re.findall(r"```yaml\n(- entrypoint.*?)```", REFERENCE, re.DOTALL)
    anchors = "- &pool {}\n- &one_at_a_time {}\n"
    deployment = yaml.safe_load(anchors + block)[-1]
    assert matrix_config(deployment["parameters"]) == load_any(ROOT / "examples" / "matrix.yaml")


def test_the_reference_has_every_field_of_a_loop_of_a_fleet() -> None:
    assert [
        name for name in FIELDS if not re.search(rf"^\| [^|]*`{name}`[^|]* \| [A-Z]", REFERENCE, re.MULTILINE)
    ] == []


def test_the_fleet_of_the_reference_is_valid() -> None:
    (block,) = re.findall(r"```yaml\n(defaults:.*?)```", REFERENCE, re.DOTALL)
    assert len(fleet_config(yaml.safe_load(block)).members) == 2


def test_the_configuration_of_the_readme_is_valid_and_has_fifteen_lines_or_so(tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    (tmp_path / "my.yaml").write_text(block, encoding="utf-8")
    load_any(tmp_path / "my.yaml")
    assert len(block.splitlines()) <= 15


def test_the_links_of_the_readme_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_tests_that_stand_behind_a_promise_exist() -> None:
    security = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(tests/[^`]*)`", security))
    assert len(named) > 10
    assert [path for path in named if not (ROOT / path).is_file()] == []


def test_the_picture_of_the_rooms_and_their_table_are_current() -> None:
    """Else: python -m tests.support.drawing --write."""
    assert drawing.PICTURE.read_text(encoding="utf-8") == drawing.picture()
    assert drawing.DOCUMENT.read_text(encoding="utf-8") == drawing.document()
    assert drawing.table() in drawing.document()


def test_what_the_architecture_names_is_there() -> None:
    """Files, functions in them, and links."""
    text = drawing.DOCUMENT.read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:flows|tasks|tests)/[^`]*)`", text))
    assert len(named) > 60
    assert [path for path in named if not (ROOT / path).exists()] == []
    for word, path in re.findall(r"`(\w+)` in `([^`]+\.py)`", text):
        assert word in (ROOT / path).read_text(encoding="utf-8"), (word, path)
    assert [link for link in re.findall(r"\]\(([^)#:]+)\)", text) if not (ROOT / "docs" / link).exists()] == []


def answers() -> dict[str, list[str]]:
    """The names in each answer of "Where is it?"."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+\?) \| (.+) \|$", text.partition("## Where is it?")[2], re.MULTILINE)
    return {question: re.findall(r"`([^`]+)`", answer) for question, answer in rows}


@pytest.mark.parametrize("question", answers())
def test_an_answer_of_where_is_it_names_files_that_are_there_and_names_that_stand_in_them(question: str) -> None:
    names = answers()[question]
    paths = [ROOT / name for name in names if "/" in name]
    assert paths
    assert [path for path in paths if not path.exists()] == []
    files = [file for path in paths for file in ([path] if path.is_file() else path.glob("*.py"))]
    code = "\n".join(file.read_text(encoding="utf-8") for file in files)
    symbols = [name for name in names if name.isidentifier()]
    assert [
        one for one in symbols if not re.search(rf"^\s*(?:(?:async )?def |class |)({one})\b(?=[(:\[ ]| =)", code, re.M)
    ] == []
