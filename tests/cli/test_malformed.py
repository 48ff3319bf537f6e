"""The whole table of malformed files through the command: told in one line each, with nothing sent and little used."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command.forks import ROOT
from tests.support.command.run import Ended
from tests.support.malformed import SECRET, SUFFIXES, good, text_of
from tests.support.malformed_files import Written, write_all

MOST_SECONDS = 120
MOST_OCTETS = 300 * 2**20

# Runs a command in place of a person: root gives up what lets it read everything, and the memory used is told. Not by
# this process, which is large: a child counts as its own what its parent has, until it is another program.
RUNNER = """
import ctypes, os, resource, subprocess, sys
if os.geteuid() == 0:
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        if ctypes.CDLL(None, use_errno=True).prctl(24, capability, 0, 0, 0):  # PR_CAPBSET_DROP
            sys.exit(os.strerror(ctypes.get_errno()))
code = subprocess.call(sys.argv[2:], stdin=subprocess.DEVNULL, timeout=float(sys.argv[1]))
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024, file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture(scope="module")
def listener() -> Iterator[socket.socket]:
    """Where all mail of the malformed files would go; nobody answers there."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture(scope="module")
def malformed(listener: socket.socket, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Written]]:
    folder = tmp_path_factory.mktemp("malformed")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield list(write_all(folder, listener.getsockname()[1]))
    (folder / "a-folder-of-someone-else" / "shut").chmod(0o700)


def mail_loop(*arguments: str) -> tuple[Ended, int]:
    """The command from the folder of the malformed files, and the most memory that it had at a time."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment |= {"PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(Path.cwd() / "state")}
    command = [sys.executable, "-W", "error", "-m", "flows.cli.main", *arguments]
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, str(MOST_SECONDS), *command],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    err, _, octets = done.stderr.rstrip("\n").rpartition("\n")
    return Ended(done.returncode, done.stdout, err), int(octets)


def sent(listener: socket.socket) -> bool:
    """Whether anybody has connected."""
    return bool(select.select([listener], [], [], 0)[0])


def test_validate_tells_each_malformed_file_in_one_sentence(malformed: list[Written], listener: socket.socket) -> None:
    ended, octets = mail_loop("validate", *(case.path for case in malformed))
    assert (ended.code, ended.out) == (3, "")
    assert ended.err.splitlines() == [case.message for case in malformed]
    assert SECRET not in ended.err
    assert octets < MOST_OCTETS
    assert not sent(listener)


def test_check_ends_misconfigured_for_each_malformed_file_and_sends_nothing(
    malformed: list[Written], listener: socket.socket
) -> None:
    ended, octets = mail_loop("check", "--direct", *(case.path for case in malformed))
    assert (ended.code, ended.err) == (3, "")
    begin = "error (misconfigured): The configuration is wrong, so nothing was sent: "
    for line, case in zip(ended.out.splitlines(), malformed, strict=True):
        assert line.partition(": ")[2].startswith(begin)
        assert line.partition(begin)[2].rstrip(".?") == case.message.rstrip(".?")
    assert SECRET not in ended.out
    assert octets < MOST_OCTETS
    assert not sent(listener)


def test_check_gives_programs_the_same_sentences_and_starts_no_server_for_them(
    malformed: list[Written], listener: socket.socket
) -> None:
    """Through Prefect, had there been anything to run."""
    ended, _ = mail_loop("check", "--json", *(case.path for case in malformed))
    assert (ended.code, ended.err) == (3, "")
    results = [json.loads(line) for line in ended.out.splitlines()]
    assert [result["error_msg"] for result in results] == [case.message for case in malformed]
    assert {(result["outcome"], result["error_type"]) for result in results} == {
        ("misconfigured", "configuration_error")
    }
    assert SECRET not in ended.out
    assert not (Path.cwd() / "state").exists()
    assert not sent(listener)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_without_a_fault_the_same_file_is_right_and_sends(suffix: str, listener: socket.socket, tmp_path: Path) -> None:
    """So what keeps the others from sending is their fault."""
    file = tmp_path / f"\udcff good{suffix}"
    data = good(listener.getsockname()[1])
    file.write_text(text_of(data | {"smtp": data["smtp"] | {"timeout": 0.1}}, suffix) or "", encoding="utf-8")
    assert mail_loop("validate", str(file))[0].code == 0
    ended, _ = mail_loop("check", "--direct", str(file))
    assert (ended.code, "(unsent)" in ended.out) == (2, True), ended.out + ended.err
    assert sent(listener)
    listener.accept()[0].close()
