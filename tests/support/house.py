"""The house that the code lives in: its rooms, from the ground up, and who imports whom."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = ("flows", "tasks")
BELOW = "all below"


@dataclass(frozen=True)
class Room:
    """A folder with the folders in it that are named. `may`: the rooms that it may import, by their short names.

    `packages`: what it may import of others.
    """

    floor: int
    name: str
    what: str
    may: str = ""
    packages: str = ""
    folders: str = ""

    @property
    def short(self) -> str:
        """Its name in tables and pictures."""
        return self.name.removeprefix("tasks.").removeprefix("mail.")

    @property
    def all_folders(self) -> list[str]:
        return [self.name, *(f"{self.name}.{folder}" for folder in self.folders.split())]


# A room imports from rooms on lower floors, never from one beside it, and of them only what its row names.
ROOMS = (
    Room(
        0,
        "tasks.mail.model",
        "what all speak: facts, outcomes, errors, result; `redaction/`: passwords hidden in texts",
        "",
        "pydantic",
        "redaction",
    ),
    Room(
        1,
        "tasks.mail.config",
        "sections of a check, fleet, matrix; passwords; `loading/`: files",
        "model",
        "email_validator idna pydantic pydantic_core yaml",
        "loading",
    ),
    Room(1, "tasks.mail.causes", "why a server refuses, by stage, words and codes", "model"),
    Room(1, "tasks.mail.net", "names, connections, TLS, times of stages, limits", "model", "aiohappyeyeballs"),
    Room(
        2,
        "tasks.mail.auth",
        "what a login is made of: SASL mechanisms, their responses and answers; `tokens/`: OAuth 2",
        "config model net",
        "authlib cryptography httpx joserfc pydantic",
        "tokens",
    ),
    Room(
        2,
        "tasks.mail.probe",
        "the message: composed, recognised, whose it is; `bounces/`: what notices on it say",
        "config model",
        folders="bounces",
    ),
    Room(
        3,
        "tasks.mail.senders",
        "the sending leg: attempts; `smtp/`",
        "auth causes config model net probe",
        "aiosmtplib",
        "smtp",
    ),
    Room(
        3,
        "tasks.mail.mailboxes",
        "the receiving leg: what a mailbox is, folders; `imap/`, with `pool/` for many checks in one",
        "auth causes config model net probe",
        "aiohappyeyeballs aioimaplib imapclient pydantic",
        "imap imap.pool",
    ),
    Room(
        3,
        "tasks.mail.journey",
        "what a header tells: `received/`, `authentication/`, `filters/`, body",
        "model probe",
        "dkim",
        "authentication filters received",
    ),
    Room(
        4,
        "tasks.mail.search",
        "looking for the probe until it is there; `cleanup/`: probes of earlier runs",
        "config journey mailboxes model net probe senders",
        folders="cleanup",
    ),
    Room(
        5,
        "tasks.mail.verdict",
        "status, outcome, sentence, remedy, and the result of them",
        "causes config journey model probe search senders",
    ),
    Room(
        6,
        "tasks.mail.report",
        "a result as text and Markdown; what all reports are made of and written in; `svg/`: pictures",
        "config model",
        "jinja2",
        "svg",
    ),
    Room(
        7,
        "tasks.mail",
        "the engine: the order of the steps of a check; its lock, its budget, what a result counts as",
        BELOW,
    ),
    Room(8, "tasks.correlation", "what many results show together: who is to blame", "config model report"),
    Room(8, "tasks.history", "results over time, as text, reports and pictures", "mail model report"),
    Room(8, "tasks.metrics", "results as metrics of Prometheus", "config mail model", "prometheus_client"),
    Room(8, "tasks.tracing", "a result as a trace of OpenTelemetry", "config model net report", "opentelemetry"),
    Room(8, "tasks.alerts", "rules, where a loop stands with them, what is said", "config model", "pydantic"),
    Room(9, "tasks", "the rim: Prefect's tasks, credentials, parameters, artifacts", BELOW, "anyio prefect pydantic"),
    Room(
        10,
        "flows",
        "the flows; `server/`, `prefect_api/`, `deploy/`, `alerts/`: what commands do with Prefect",
        BELOW,
        "anyio apprise httpx prefect prometheus_client pydantic sqlalchemy starlette uvicorn yaml",
        "alerts deploy prefect_api server",
    ),
    Room(11, "flows.cli", "the command `mail-loop`, a file for a verb", BELOW, "prefect rich"),
    Room(
        0,
        "tasks.sandbox",
        "a mail system of our own, for demo and tests: it stands apart, and nobody imports it",
        "",
        "aiosmtpd proxyprotocol pymap pysasl trustme",
    ),
)
APART = "tasks.sandbox"
ROOM_OF_FOLDER = {folder: room for room in ROOMS for folder in room.all_folders}


def allowed(room: Room) -> set[str]:
    """The names of the rooms that it may import."""
    if room.may == BELOW:
        return {other.name for other in ROOMS if other.floor < room.floor and other.name != APART}
    names = {other.short: other.name for other in ROOMS}
    return {names[short] for short in room.may.split()}


def files(*tops: str) -> list[Path]:
    """The modules below these folders, from the root."""
    return sorted(path.relative_to(ROOT) for top in tops for path in (ROOT / top).rglob("*.py"))


def module(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def folder(path: Path) -> str:
    return ".".join(path.parent.parts)


MODULES = {module(path): path for path in files(*CODE)}


def named(path: Path) -> Iterator[str]:
    """What a file imports, in whatever place and form, for type checking too: modules, and names in them.

    A relative import begins with a dot.
    """
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = "." * node.level + (node.module or "")
            yield from (f"{start}.{alias.name}" for alias in node.names)


def imports(modules: Mapping[str, Path]) -> dict[str, set[str]]:
    """Which of these modules each of them imports."""
    return {
        name: {found for imported in named(path) if (found := _module(imported, modules)) not in (None, name)}
        for name, path in modules.items()
    }


def _module(imported: str, modules: Mapping[str, Path]) -> str | None:
    """The module that is imported: itself, or one that the name is in."""
    return next((name for name in (imported, imported.rpartition(".")[0]) if name in modules), None)


def packages(path: Path) -> set[str]:
    """The packages of others that a file imports, but for the standard library."""
    tops = {imported.partition(".")[0] for imported in named(path)}
    return tops - sys.stdlib_module_names - {*CODE, ""}


GRAPH = imports(MODULES)


def room_of(name: str) -> Room:
    """The room of a module. Raises KeyError where it lies in a folder that no row names."""
    where = folder(MODULES[name])
    if where not in ROOM_OF_FOLDER:
        raise KeyError(f"no row of the table in tests/support/house.py has the folder {where}")
    return ROOM_OF_FOLDER[where]


def between(rank: Mapping[str, str]) -> dict[str, set[str]]:
    """The imports of modules as imports of what `rank` says they are in."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, imported in GRAPH.items():
        found[rank[name]] |= {rank[other] for other in imported} - {rank[name]}
    return dict(found)


def between_folders() -> dict[str, set[str]]:
    """What lies in a folder may use the folder itself."""
    found = between({name: folder(path) for name, path in MODULES.items()})
    return {one: {other for other in others if not one.startswith(f"{other}.")} for one, others in found.items()}


def circle(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """One that imports run in, empty where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found: list[str] = error.args[1][::-1]
        return found
    return []
