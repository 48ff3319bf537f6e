"""After success, failure and crash on each leg, with all that logs at DEBUG: nothing of a password is anywhere.

The password is random enough to be looked for, has characters that every format escapes in its own way, and the servers
repeat it in every form. Where it is looked for: output, log, database, artifacts, events, parameters, states, results,
all files, and the command lines of all processes.
"""

from __future__ import annotations

import asyncio
import base64
import signal
import sqlite3
import stat
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from prefect.blocks.system import Secret

from flows.prefect_api.connection import at
from flows.server import processes
from flows.server.login import known_login
from flows.server.prefect import SERVER, free_port, server_settings, start_server
from flows.through_prefect import records_written
from tasks.mail.model.result import LoopResult
from tests.prefect.records import SOCKETS_LEFT_OPEN, columns, configured
from tests.prefect.secrecy.canary_checks import DEBUG, Checks, Ended, places, run, started, until
from tests.support import certificates
from tests.support.canaries import IMAP, PASSWORD, SMTP, seen_in
from tests.support.certificates import ServerTls
from tests.support.checks.bounds import PROGRAM_SECONDS
from tests.support.checks.sample import sampled
from tests.support.first_start import FirstStart
from tests.support.raw.server import SILENCE

pytestmark = pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN)

OUTCOMES = {
    "success": "delivered",
    **{f"smtp-{name}": "rejected" for name in SMTP},
    "smtp-auth-no-smtp": "unsent",
    "smtp-banner": "deferred",
    "smtp-rcpt": "deferred",
    "smtp-accepted": "delivered",
    "smtp-doubtful": "unsent",
    **{f"imap-{name}": "unverified" for name in IMAP},
    "smtp-crash": "unsent",
    "imap-crash": "unverified",
    "imap-crash-login": "unverified",
}
SHOWN = {
    *(f"smtp-{name}" for name, echo in SMTP.items() if echo.shows),
    *(f"imap-{name}" for name, echo in IMAP.items() if echo.shows),
    *("smtp-crash", "imap-crash"),  # in imap-crash-login the password, not ASCII, would go in a line of its own
}


# Each takes Prefect a while: one for each place that text of a server's ends in.
RECORDED = {
    *("success", "smtp-auth-unrecognised", "smtp-rcpt", "smtp-accepted", "smtp-crash"),
    *("imap-login-in-clear", "imap-login-bye", "imap-second-greeting", "imap-crash"),
}
# That each kind of record is there at all, and tells of what the servers said.
KEPT = {
    "log.message": b"********",
    "log.level": b"10",
    "artifact.data": b"********",
    "events.payload": b"********",
    "flow_run.parameters": b"********",
    "flow_run_state.message": b"********",
    "task_run_state.message": b"********",
}


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> ServerTls:
    return certificates.good(tmp_path_factory.mktemp("tls"))


def assert_as_expected(ended: Ended, names: set[str]) -> None:
    """Every check came to its end, and the servers did repeat the password where they should."""
    expected = {name: outcome for name, outcome in OUTCOMES.items() if name in names}
    assert {name: result["outcome"] for name, result in ended.results.items()} == expected, ended.err[-4000:]
    assert {name for name, result in ended.results.items() if "********" in str(result)} == SHOWN & names
    crashed = {name for name, result in ended.results.items() if result["error_type"] == "unexpected_error"}
    assert crashed == {"smtp-crash", "imap-crash", "imap-crash-login"} & names
    assert ended.err.count("RuntimeError: cannot send b") >= len(crashed)
    for record in (" DEBUG asyncio Using selector", "Traceback (most recent call last)"):
        assert record in ended.err


async def test_without_prefect(tmp_path: Path, tls: ServerTls) -> None:
    async with Checks(tmp_path / "files", tls) as checks:
        await checks.add_all(OUTCOMES)
        ended = await run(checks, tmp_path / "home", "--direct")
    assert_as_expected(ended, set(OUTCOMES))
    assert (seen_in(ended.out), seen_in(ended.err)) == ([], [])
    assert places(tmp_path / "home") == []
    assert [line for line in ended.children if seen_in(line)] == []


@pytest.mark.long
async def test_through_a_prefect_server_that_logs_at_debug_too(
    tmp_path: Path, tls: ServerTls, first_start: FirstStart
) -> None:
    """Both have the same environment."""
    home, port = await asyncio.to_thread(first_start, tmp_path / "home" / "mail-loop"), free_port()
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in DEBUG.items():
                patch.setenv(name, value)
            await asyncio.to_thread(start_server, home, port)
        async with Checks(tmp_path / "files", tls) as checks:
            await checks.add_all(RECORDED)
            ended = await run(checks, tmp_path / "home", **server_settings(home, port))
        with at(f"http://127.0.0.1:{port}/api", known_login(home)):
            await records_written([LoopResult.model_validate(result) for result in ended.results.values()])
    finally:
        await asyncio.to_thread(processes.stop, home, SERVER)
    assert_as_expected(ended, RECORDED)
    assert (seen_in(ended.out), seen_in(ended.err)) == ([], [])
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (home, home / "loops")] == [0o700, 0o700]
    assert places(tmp_path / "home") == []
    kept = list(columns(home / "prefect.db"))
    assert Counter(where for where, _ in kept)["flow_run.id"] == len(RECORDED)
    for where, text in KEPT.items():
        assert any(column == where and text in data for column, data in kept), where
    assert b" DEBUG " in (home / "server.log").read_bytes()
    programs = [line for line in ended.children if b"flows.cli.main" in line or b"\0server\0start" in line]
    assert len(programs) >= 2
    assert [line for line in ended.children if seen_in(line)] == []


async def test_with_secret_blocks(tmp_path: Path, tls: ServerTls, server: str, home: Path) -> None:
    await Secret(value=PASSWORD).save("secrets-block")
    async with Checks(tmp_path / "files", tls, secret="secrets-block", in_clear=False) as checks:
        for name, smtp, imap in (
            ("block-success", {}, {}),
            ("block-smtp", SMTP["auth-refused"].script, None),
            ("block-imap", {}, IMAP["login-refused"].script),
        ):
            await checks.add(name, smtp, imap)
        ended = await run(checks, tmp_path / "home", **configured(server), CANARY_PASSWORD="")
    assert {name: result["outcome"] for name, result in ended.results.items()} == {
        "block-success": "delivered",
        "block-smtp": "rejected",
        "block-imap": "unverified",
    }, ended.err[-4000:]
    assert (seen_in(ended.out), seen_in(ended.err)) == ([], [])
    assert " DEBUG " in ended.err
    assert places(tmp_path / "home") + places(home) == []


@pytest.mark.parametrize("number", sampled([signal.SIGKILL, signal.SIGTERM], 1))
async def test_a_process_that_is_killed_while_it_logs_in(
    tmp_path: Path, tls: ServerTls, server: str, home: Path, number: signal.Signals
) -> None:
    async with Checks(tmp_path / "files", tls) as checks:
        relay, _ = await checks.add(f"smtp-killed-{number}", {"auth": SILENCE})
        _, mailbox = await checks.add(f"imap-killed-{number}", imap={"authenticate": SILENCE})
        assert mailbox is not None
        async with started(checks, tmp_path / "home", **configured(server)) as process:
            communicating = asyncio.create_task(process.communicate())
            await until(lambda: bool(relay.credentials and mailbox.credentials))
            process.send_signal(number)
            async with asyncio.timeout(PROGRAM_SECONDS):
                out, err = await communicating
    assert relay.credentials[0][1] == mailbox.credentials[0][1] == PASSWORD
    assert process.returncode == (-signal.SIGKILL if number is signal.SIGKILL else 3)
    assert b" DEBUG " in err
    assert (seen_in(out), seen_in(err)) == ([], [])
    assert places(tmp_path / "home") + places(home) == []


async def test_what_looks_for_the_password_finds_it_in_records_and_files(
    server: str, home: Path, tmp_path: Path
) -> None:
    """In a copy: others look into the same database."""
    (tmp_path / "found.txt").write_bytes(base64.b64encode(f"x{PASSWORD}".encode()))
    with (
        closing(sqlite3.connect(home / "prefect.db")) as there,
        closing(sqlite3.connect(tmp_path / "prefect.db")) as copy,
    ):
        there.backup(copy)
        copy.execute("CREATE TABLE planted (note TEXT)")
        copy.execute("INSERT INTO planted VALUES (?)", [f"see {PASSWORD}"])
        copy.commit()
    assert {"found.txt", "planted.note"} <= set(places(tmp_path))
