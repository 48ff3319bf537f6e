"""What several loops that share relays and mailboxes show together is told behind them, and changes no exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.sandbox import Sandbox, Script
from tests.cli.conftest import Command, Served, written
from tests.support.raw.relays import USERS, matrix, receiver, sender
from tests.support.raw.relays import backup as backup
from tests.support.raw.relays import main as main

SECRETS = {f"{user.upper()}_PASSWORD": password for user, password in USERS.items()}


def loop(relay: Sandbox, system: Sandbox, user: str) -> dict[str, Any]:
    """One loop in a file of its own."""
    mailbox = receiver(system, user, f"{user}-password")
    smtp = sender(relay, "own-password") | {"to_addr": mailbox.pop("address")}
    return {"smtp": smtp, "imap": mailbox, "limits": {"max_wait": 2}}


async def test_several_files_end_with_the_pattern(
    main: Sandbox, backup: Sandbox, mail_loop: Command, tmp_path: Path
) -> None:
    """Two relays on one host, two mailboxes on one host: each is called what tells it from the other."""
    main.play(Script(deliver_to=None))
    relays = {"main": main, "backup": backup}
    files = [written(tmp_path, f"{r}-{u}", loop(relay, main, u)) for r, relay in relays.items() for u in USERS]
    ended = await mail_loop("check", "--direct", *files, **SECRETS)
    assert (ended.code, ended.err) == (2, "")
    *lines, last = ended.out.splitlines()
    assert len(lines) == 4
    host = main.host
    assert last == (
        f"pattern: every loop from {host}:{main.smtp_port} fails (lost), while {host}:{backup.smtp_port} to "
        f"own@sandbox.test and outside@sandbox.test get through: the outbound of {host}:{main.smtp_port}, whose "
        "postmaster must act"
    )


async def test_with_json_the_pattern_is_on_stderr_and_changes_no_exit_code(
    main: Sandbox, backup: Sandbox, mail_loop: Command, tmp_path: Path
) -> None:
    main.play(Script(deliver_to="Junk"))
    ended = await mail_loop("check", "--direct", "--json", written(tmp_path, "office", matrix(main, backup)), **SECRETS)
    assert ended.code == 1
    assert sorted((r["loop"], r["outcome"]) for r in ended.results) == [
        ("office-backup-outside", "delivered"),
        ("office-backup-own", "delivered"),
        ("office-main-outside", "junked"),
        ("office-main-own", "junked"),
    ]
    assert ended.err == (
        "pattern: every loop from main ends as junk, while backup to own and outside do not: how main sends (SPF, "
        "DKIM, reputation), for its postmaster\n"
    )


async def test_a_mailbox_that_no_relay_reaches_is_named_as_the_matrix_names_it(
    main: Sandbox, backup: Sandbox, mail_loop: Command, tmp_path: Path
) -> None:
    data = matrix(main, backup)
    data["receivers"]["outside"]["address"] = "nobody@sandbox.test"
    ended = await mail_loop("check", "--direct", written(tmp_path, "office", data), **SECRETS)
    assert ended.code == 2
    assert ended.out.splitlines()[-1] == (
        "pattern: every loop into outside fails (rejected at rcpt: 550 5.1.1 <nobody@sandbox.test>: Recipient address "
        "rejected: no such mailbox in this sandbox), while main and backup to own get through: the inbound of outside, "
        "whose postmaster must act"
    )


async def test_where_all_is_well_or_one_loop_speaks_for_itself_no_pattern_is_told(
    main: Sandbox, backup: Sandbox, mail_loop: Command, tmp_path: Path
) -> None:
    ended = await mail_loop("check", "--direct", written(tmp_path, "office", matrix(main, backup)), **SECRETS)
    assert (ended.code, ended.err) == (0, "")
    assert len(ended.out.splitlines()) == 4
    assert "pattern" not in ended.out
    main.play(Script(deliver_to=None))
    ended = await mail_loop("check", "--direct", written(tmp_path, "one", loop(main, main, "own")), **SECRETS)
    assert ended.code == 2
    verdict, *picture = ended.out.splitlines()
    assert verdict.startswith("one: error (lost)")
    assert all(text.startswith("  ") for text in picture)


@pytest.mark.long
async def test_through_prefect_the_loops_of_a_matrix_are_runs_of_their_own(
    main: Sandbox, backup: Sandbox, mail_loop: Command, prefect_server: Served, tmp_path: Path
) -> None:
    main.play(Script(auth=["535 5.7.8 No"] * 2))
    data = matrix(main, backup)
    env = SECRETS | prefect_server.env | {"warnings": "ignore"}
    ended = await mail_loop("check", written(tmp_path, "office", data), **env)
    assert ended.code == 2
    assert ended.out.splitlines()[-1].startswith(
        "pattern: main itself fails in all 2 of its loops (at auth: 535 5.7.8 "
    )


async def test_validate_tells_a_matrix_in_one_line(
    main: Sandbox, backup: Sandbox, mail_loop: Command, tmp_path: Path
) -> None:
    data = matrix(main, backup) | {"without": {"backup": ["own"]}}
    good = written(tmp_path, "office", data)
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps(data | {"without": {"bakcup": ["own"]}}), encoding="utf-8")
    ended = await mail_loop("validate", good, bad)
    assert ended.code == 3
    assert ended.out == f"{good}: ok: matrix office: main, backup -> own, outside (3 loops)\n"
    assert ended.err == f"{bad}: without: there is no sender 'bakcup'; did you mean backup?\n"
    assert main.commands == []


async def test_max_wait_holds_for_every_loop_of_a_matrix(
    main: Sandbox, backup: Sandbox, mail_loop: Command, tmp_path: Path
) -> None:
    main.play(Script(deliver_to=None))
    data = matrix(main, backup, max_wait=3000.0)
    ended = await mail_loop("check", "--direct", "--max-wait", "0.5", written(tmp_path, "office", data), **SECRETS)
    assert ended.out.count("within 0.5 s") == 2
