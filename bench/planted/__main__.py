"""Which of some forty planted faults the tests find: `python -m bench.planted`, half an hour.

Each fault is planted in a copy of the tree, in which the unit tests of its room are run, then what else knows the room,
on scripted servers too, until a test fails; that one has to fail once more by itself, and to pass without the fault.
With `--tree` it is the tree, and the tests, of another checkout. Ends with 1 if a fault is not found, with 2 if its
place is not.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import count
from pathlib import Path

from bench.planted.faults import FAULTS, Fault

ROOT = Path(__file__).resolve().parents[2]
CODE = ("flows", "tasks")
# What is run: the unit tests of the room, then what else knows it, on scripted servers too. Below tests/, without .py.
FIRST = {
    "match": "unit/probe",
    "bounce": "unit/probe",
    "hops": "unit/journey",
    "ledger": "unit/search unit/probe",
    "smtp": "unit/senders",
    "imap": "unit/mailboxes",
    "causes": "unit/causes",
    "verdict": "unit/verdict",
    "redaction": "unit/model",
}
THEN = {
    "match": "unit/test_parsers_hypothesis raw/imap/test_crowded_mailbox raw/test_found_messages raw/test_arrival",
    "bounce": "unit/test_parsers_hypothesis unit/verdict raw/test_bounce_mailbox raw/imap/test_crowded_mailbox",
    "hops": "unit/test_parsers_hypothesis unit/verdict unit/report unit/tracing snapshots raw/imap/test_server_clocks",
    "ledger": "unit/test_parsers_hypothesis raw/test_ledger raw/imap/test_profiles",
    "smtp": "unit/verdict raw/smtp raw/test_secure_defaults raw/test_raw sandbox",
    "imap": "unit/search raw/imap/test_imap_faults raw/test_ledger raw/test_secure_defaults raw/imap/test_profiles",
    "causes": "unit/verdict raw/smtp/test_causes raw/imap/test_login_causes",
    "verdict": "snapshots unit/report unit/engine raw/smtp raw/test_found_messages raw/test_arrival sandbox",
    "redaction": "snapshots raw/test_repeated_passwords raw/test_hostile_text raw/smtp/test_any_reply",
}
STEP_SECONDS = 900  # for one step
SECONDS = count(1)  # times of what is written
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+?::.+?)(?: - .*)?$", re.MULTILINE)
PASSED, ALL_PASSED, NOTHING_RUN = "passed", 0, 5


class NotPlanted(Exception):
    """The place of a fault is not there, or there more than once."""


def pattern(text: str) -> re.Pattern[str]:
    """A blank as any white space; beside a bracket, where a line may be broken, with a comma before it or none."""
    loose = re.sub(r"(?<=\\[({\[]) | (?=\\[)}\]])", r",?\\s*", text)
    return re.compile(loose.replace(" ", r"\s+"), re.DOTALL)


def place(tree: Path, fault: Fault) -> tuple[Path, re.Match[str]]:
    """The file that has the place, and where in it; raises NotPlanted."""
    found = [
        (path, match)
        for path in sorted(path for top in CODE for kind in ("*.py", "*.toml") for path in (tree / top).rglob(kind))
        for text in [path.read_text(encoding="utf-8")]
        for one in fault.patterns
        for match in pattern(one).finditer(text)
    ]
    if len(found) != 1:
        where = ", ".join(str(path.relative_to(tree)) for path, _ in found) or "nowhere"
        raise NotPlanted(f"{fault.name}: {len(found)} places ({where}), not one")
    return found[0]


def plant(tree: Path, fault: Fault) -> tuple[Path, str]:
    """Change the place; returns the file, and its text as it was."""
    path, match = place(tree, fault)
    text = path.read_text(encoding="utf-8")
    write(path, text[: match.start(1)] + fault.new + text[match.end(1) :])
    return path, text


def write(path: Path, text: str) -> None:
    """With a time of its own: by that, in whole seconds, and the size Python knows whether to compile it anew."""
    path.write_text(text, encoding="utf-8")
    os.utime(path, times=(0, next(SECONDS)))


def copy_of(tree: Path, folder: Path) -> Path:
    """The tracked files of a checkout, as they are there now."""
    listed = subprocess.run(["git", "-C", tree, "ls-files", "-z"], capture_output=True, check=True, text=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (tree / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(tree / name, folder / name)
    return folder


def run_tests(tree: Path, what: Sequence[str], jobs: int) -> str:
    """The first test that fails, PASSED where none does; a step that takes too long counts as a failure."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--no-header", "-rfE"]
    command += ["-n", str(jobs), "--dist", "loadfile"] if jobs > 1 else []
    # The copy comes before the checkout that is installed, in the programs that tests start as well.
    environment = os.environ | {"PYTHONPATH": str(tree)}
    try:
        done = subprocess.run(
            [*command, *what], cwd=tree, env=environment, capture_output=True, text=True, timeout=STEP_SECONDS
        )
    except subprocess.TimeoutExpired:
        return f"(a test of {' '.join(what)} that did not end)"
    if done.returncode in (ALL_PASSED, NOTHING_RUN):
        return PASSED
    named = FAILED.search(done.stdout)
    return named[1] if named else f"(pytest ended with {done.returncode}: {done.stdout[-300:]}{done.stderr[-300:]})"


def steps(tree: Path, fault: Fault) -> list[tuple[list[str], int]]:
    """What is run, and how many at once: the tests that find most, soonest."""
    found = []
    for names, jobs in ((FIRST[fault.room], 1), (THEN[fault.room], 4)):
        folder = tree / "tests"
        there = [path for name in names.split() for path in (folder / name, folder / f"{name}.py") if path.exists()]
        found.append(([str(path.relative_to(tree)) for path in there], jobs))
    return found


def finder(tree: Path, fault: Fault, quick: bool = False) -> str | None:
    """The test that finds the fault; None where none does."""
    left_out: list[str] = []
    for what, jobs in steps(tree, fault)[: 1 if quick else None]:
        while True:
            path, text = plant(tree, fault)
            try:
                failed = run_tests(tree, [*what, *left_out], jobs)
                # By itself as well: a machine that is busy with other things makes tests fail, too.
                again = failed == PASSED or failed.startswith("(") or run_tests(tree, [failed], 1) != PASSED
            finally:
                write(path, text)
            if failed == PASSED:
                break
            if again and (failed.startswith("(") or run_tests(tree, [failed], 1) == PASSED):
                return failed
            left_out += ["--deselect", failed]
    return None


def chosen(rooms: Sequence[str], numbers: Sequence[int]) -> Iterable[tuple[int, Fault]]:
    for number, one in enumerate(FAULTS, 1):
        if (not rooms or one.room in rooms) and (not numbers or number in numbers):
            yield number, one


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.planted", description=__doc__)
    parser.add_argument("--tree", type=Path, default=ROOT, help="the checkout whose tests are tried")
    parser.add_argument("--room", action="append", default=[], choices=list(FIRST), help="only the faults of this room")
    parser.add_argument("--list", action="store_true", help="only say where each fault is planted")
    parser.add_argument("--quick", action="store_true", help="only the unit tests of its room: ten minutes")
    parser.add_argument("numbers", nargs="*", type=int, metavar="NUMBER", help="only these")
    arguments = parser.parse_args()
    todo = list(chosen(arguments.room, arguments.numbers))
    for _, one in todo:  # all of them, before any time is spent
        place(arguments.tree, one)
    if arguments.list:
        for number, one in todo:
            path, match = place(arguments.tree, one)
            line = path.read_text(encoding="utf-8")[: match.start(1)].count("\n") + 1
            print(f"{number:3} {one.name}: {path.relative_to(arguments.tree)}:{line}: {match[1]!r} -> {one.new!r}")
        return 0
    counts: Counter[bool] = Counter()
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        tree = copy_of(arguments.tree.resolve(), Path(folder))
        for number, one in todo:
            begun = time.monotonic()
            by = finder(tree, one, arguments.quick)
            counts[by is not None] += 1
            result = "NOT FOUND" if by is None else f"found by {by}"
            print(f"{number:3} {one.name}: {result} ({time.monotonic() - begun:.0f} s)", flush=True)
    print(f"{counts[True]} of {counts.total()} found")
    return 1 if counts[False] else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NotPlanted as error:
        print(error, file=sys.stderr)
        sys.exit(2)
