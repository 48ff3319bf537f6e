"""Imports run one way, so that a reader can take the rooms one at a time. Their table is in tests/support/house.py."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.checks.bounds import PROGRAM_SECONDS
from tests.support.house import (
    APART,
    BELOW,
    CODE,
    GRAPH,
    MODULES,
    ROOM_OF_FOLDER,
    ROOMS,
    ROOT,
    Room,
    allowed,
    between_folders,
    circle,
    files,
    folder,
    imports,
    module,
    named,
    packages,
    room_of,
)

WIDEST = 15  # modules in a folder
LONGEST = 250  # lines of a module
FORBIDDEN = ("email", "tasks", "token", "select", "types", "ssl", "logging")  # they would shadow what Prefect imports
EVERYTHING = files(*CODE, "tests", "bench")


def assert_none(pairs: Iterable[tuple[str, object]], about: str) -> None:
    """No offender; else all of them, each with what it imports or how much it has."""
    lines = [f"{name} -> {what}" for name, what in sorted(pairs, key=str)]
    assert lines == [], "\n".join([about, *lines])


def test_each_room_is_there_and_each_folder_is_in_one() -> None:
    """A rule about a folder that has moved would hold for nothing, and a folder without a rule would be free."""
    there = {folder(path) for path in MODULES.values()}
    assert sorted(ROOM_OF_FOLDER.keys() - there) == [], "a row of the table is about a folder that is not there"
    assert sorted(there - ROOM_OF_FOLDER.keys()) == [], "no row of the table has this folder"
    assert sum(len(room.all_folders) for room in ROOMS) == len(ROOM_OF_FOLDER), "a folder is in two rows"


def test_a_room_may_import_from_lower_floors_only_and_nobody_imports_the_sandbox() -> None:
    """The table keeps its own order, so senders and mailboxes never meet, nor do histories, metrics and alerts."""
    rooms = {room.name: room for room in ROOMS}
    up = {(room.name, name) for room in ROOMS for name in allowed(room) if rooms[name].floor >= room.floor}
    assert_none(up, "rows that name a room which is not below:")
    assert [room.name for room in ROOMS if APART in allowed(room)] == []
    assert allowed(rooms[APART]) == set()


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_a_room_imports_what_its_row_names_and_no_more(room: Room) -> None:
    """A row that says more than the code does is as wrong: it would tell a reader of imports that are not there."""
    inside = [name for name in MODULES if room_of(name) is room]
    pairs = {(name, other) for name in inside for other in GRAPH[name] if room_of(other) is not room}
    forbidden = {(name, other) for name, other in pairs if room_of(other).name not in allowed(room)}
    assert_none(forbidden, f"{room.name} may import {room.may or 'nothing of ours'}:")
    foreign = {(name, package) for name in inside for package in packages(MODULES[name])}
    unknown = {(name, package) for name, package in foreign if package not in room.packages.split()}
    assert_none(unknown, f"{room.name} may import {room.packages or 'no packages'}:")
    assert sorted({*room.packages.split()} - {package for _, package in foreign}) == [], "named, and not imported"
    if room.may != BELOW:
        assert sorted(allowed(room) - {room_of(other).name for _, other in pairs}) == [], "named, and not imported"


def test_one_module_alone_knows_opentelemetry() -> None:
    assert [name for name, path in MODULES.items() if "opentelemetry" in packages(path)] == ["tasks.tracing.export"]


def test_modules_do_not_import_in_a_circle() -> None:
    assert_none(pairwise(circle(GRAPH)), "modules in a circle:")


def test_folders_do_not_import_in_a_circle() -> None:
    """What lies in a folder may use the folder itself."""
    graph = between_folders()
    ring = set(pairwise(circle(graph)))
    pairs = {(a, b) for a in GRAPH for b in GRAPH[a] if (folder(MODULES[a]), folder(MODULES[b])) in ring}
    assert_none(pairs, "folders in a circle:")


def test_imports_are_absolute() -> None:
    relative = {(str(path), name) for path in EVERYTHING for name in named(path) if name.startswith(".")}
    assert_none(relative, "relative imports:")


def test_no_folder_is_wider_than_fifteen_modules() -> None:
    """Those of the tests and of the bench, too; `__init__` is the folder itself."""
    width = Counter(folder(path) for path in EVERYTHING if path.name != "__init__.py")
    assert_none({(name, count) for name, count in width.items() if count > WIDEST}, "modules in a folder:")


def test_no_module_is_longer_than_250_lines() -> None:
    length = {str(path): (ROOT / path).read_text(encoding="utf-8").count("\n") for path in MODULES.values()}
    assert_none({(path, lines) for path, lines in length.items() if lines > LONGEST}, "lines of a module:")


def test_no_test_imports_another_one() -> None:
    """What tests share is in tests/support."""
    graph = imports({module(path): path for path in files("tests", "bench")})
    pairs = {(a, b) for a in graph for b in graph[a] if b.rpartition(".")[2].startswith("test_")}
    assert_none(pairs, "tests that import another one:")


def test_no_module_shadows_what_others_import() -> None:
    assert [name for name, path in MODULES.items() if path.stem in FORBIDDEN] == []


def loaded_by(name: str) -> set[str]:
    """Our modules that importing this one loads, directly or through others."""
    found, waiting = set(), [name]
    while waiting:
        if (one := waiting.pop()) not in found:
            found.add(one)
            waiting += GRAPH[one]
    return found


def within(*folders: str) -> set[str]:
    """The modules in these folders, and below them."""
    return {name for name in MODULES if any(f"{name}.".startswith(f"{folder}.") for folder in folders)}


@pytest.mark.parametrize(
    ("leg", "other_leg"),
    [
        ("tasks.mail.senders.registry", ("tasks.mail.mailboxes", "tasks.mail.search")),
        ("tasks.mail.search.watch", ("tasks.mail.senders.smtp",)),
        ("tasks.mail.search.inbound", ("tasks.mail.senders.smtp",)),
    ],
)
def test_the_receipt_is_the_only_link_between_the_legs(leg: str, other_leg: tuple[str, ...]) -> None:
    loaded = loaded_by(leg)
    assert {"tasks.mail.model.facts", "tasks.mail.model.errors"} < loaded
    assert all(within(one) for one in other_leg)
    assert_none({(leg, other) for other in loaded & within(*other_leg)}, "loaded with one leg:")


def test_help_loads_nothing_heavy() -> None:
    """`mail-loop --help` is there at once."""
    heavy = {"asyncio", "email_validator", "importlib.metadata", "pydantic", "rich", "yaml"}
    code = (
        "import sys, flows.cli.main, contextlib, io\n"
        "with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.suppress(SystemExit):\n"
        "    flows.cli.main.main(['--help'])\n"
        f"sys.exit(' '.join(sys.modules.keys() & {heavy}) or 'exit codes' not in said.getvalue())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=PROGRAM_SECONDS
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["flows.cli.main", "flows.direct"])
def test_prefect_is_not_loaded_before_it_is_needed(name: str) -> None:
    """`mail-loop --help`, `validate` and `check --direct` start without it."""
    code = f"import sys, {name}; sys.exit('prefect' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, timeout=PROGRAM_SECONDS).returncode == 0


def test_what_tokens_need_is_not_loaded_for_a_check_with_passwords() -> None:
    """Together it would take a quarter of a second."""
    heavy = {"authlib", "cryptography", "httpx", "joserfc"}
    code = f"import sys, flows.direct; sys.exit(' '.join({heavy} & sys.modules.keys()) or 0)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=PROGRAM_SECONDS
    )
    assert (done.returncode, done.stderr) == (0, "")


def identifiers(path: Path) -> set[str]:
    """What a module names in its code, imports and keywords of calls included; texts and comments do not count."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.alias):
            found |= {*node.name.split("."), node.asname or ""}
        elif isinstance(node, ast.ImportFrom):
            found |= {*(node.module or "").split(".")}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.arg | ast.keyword):
            found.add(node.arg or "")
    return found


@pytest.mark.parametrize("room", ["tasks.mail.search", "tasks.mail.verdict", "tasks.mail.report"])
def test_neither_search_nor_verdict_nor_report_knows_by_which_protocol_a_mailbox_is_read(room: str) -> None:
    """What is IMAP's own stays behind the Mailbox of its room, so that another protocol is one file and one line."""
    words = re.compile(r"imap|(?<![a-z])uids?(?![a-z])|uid_?(?:next|validity)", re.IGNORECASE)
    named = {(name, word) for name in within(room) for word in identifiers(MODULES[name])}
    assert_none({(name, word) for name, word in named if words.search(word)}, "names:")
