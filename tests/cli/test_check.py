"""`mail-loop check` in a process of its own: its lines, JSON and exit codes, and nothing left of it."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from flows.server import processes
from flows.server.prefect import free_port
from tasks.sandbox import Sandbox, Script
from tests.cli.conftest import PASSWORD, Command, Served, config, written

EVENTS = "SELECT event FROM events WHERE event LIKE 'mail-loop.%'"


async def test_a_delivered_message_is_a_line_and_its_timeline_and_exit_code_0(
    box: Sandbox, mail_loop: Command, tmp_path: Path
) -> None:
    ended = await mail_loop("check", "--direct", written(tmp_path, "office", config(box)))
    assert ended.code == 0, ended.err
    assert ended.out.startswith("office: ok (delivered): Mail gets through: the message arrived in INBOX ")
    _, *picture = ended.out.splitlines()
    assert all(text.startswith("  ") for text in picture)
    assert "\x1b" not in ended.out, "it is no terminal"
    for shown in ("SMTP", "IMAP", "data", "accepted"):
        assert any(shown in text for text in picture)
    assert ended.err == ""


async def test_json_is_one_object_per_check_and_nothing_else_on_stdout(
    box: Sandbox, mail_loop: Command, tmp_path: Path
) -> None:
    files = [written(tmp_path, name, config(box, imap=None)) for name in ("one", "two")]
    ended = await mail_loop("check", "--direct", "--json", *files)
    assert sorted((str(r["loop"]), r["status"], r["attempts"]) for r in ended.results) == [
        ("one", "ok", 1),
        ("two", "ok", 1),
    ]


async def test_greylisting_shows_both_attempts_and_the_token_of_the_message(
    box: Sandbox, mail_loop: Command, tmp_path: Path
) -> None:
    box.play(Script(rcpt=["450 4.2.0 Greylisted, please try again"]))
    file = written(tmp_path, "office", config(box, imap__delete_after_check=False))
    result = (await mail_loop("check", "--direct", "--json", file)).results[0]
    assert (result["outcome"], result["attempts"]) == ("delivered", 2)
    assert result["attempt_errors"] == [
        {
            "attempt": 1,
            "error_type": "temporary_failure",
            "smtp_code": 450,
            "error_msg": "450 4.2.0 Greylisted, please try again",
            "stage": "rcpt",
        }
    ]
    assert sum(command.startswith("RCPT") for command in box.commands) == 2
    assert box.commands.count("DATA") == 1
    (message,) = await box.folder("monitor")
    assert str(result["token"]).encode() in message.raw
    assert str(result["subject"]).endswith(f" {result['token']}")


@pytest.mark.parametrize(
    ("script", "change", "code", "outcome"),
    [
        (Script(rcpt=["550 5.1.1 No such user"]), {}, 2, "rejected"),
        (Script(rcpt=["450 4.2.0 later"] * 3), {}, 2, "deferred"),
        (Script(deliver_to=None), {"limits__max_wait": 0.5}, 2, "lost"),
        (
            Script(deliver_to=None),
            {"limits__max_wait": 0.5, "imap__no_recent_message_severity": "warning"},
            1,
            "lost",
        ),
        (Script(deliver_to="Junk"), {}, 1, "junked"),
        (Script(copies=2), {}, 1, "duplicated"),
        (Script(delay=0.6), {"limits__warn_after": 0.1}, 1, "late"),
        (Script(), {"smtp__port": 1}, 2, "unsent"),
        (Script(), {"imap__port": 1, "limits__max_wait": 0.5}, 2, "unverified"),
        (Script(), {"smtp__subject_prefix": ""}, 3, "misconfigured"),
        (Script(), {"smtp__password_secret": "not-there"}, 3, "misconfigured"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_the_exit_code_says_how_bad_it_is(
    script: Script, change: dict[str, object], code: int, outcome: str, box: Sandbox, mail_loop: Command, tmp_path: Path
) -> None:
    box.play(script)
    ended = await mail_loop("check", "--direct", "--json", written(tmp_path, "office", config(box, **change)))
    assert (ended.code, ended.results[0]["outcome"]) == (code, outcome), ended.out + ended.err
    assert "Traceback" not in ended.err
    assert PASSWORD not in ended.out + ended.err


async def test_of_several_checks_the_worst_decides_and_each_is_shown(
    box: Sandbox, mail_loop: Command, tmp_path: Path
) -> None:
    good = written(tmp_path, "good", config(box))
    bad = written(tmp_path, "bad", {"smtp": {"host": "x"}})
    named = written(tmp_path, "some-file", {"name": "branch-office", "smtp": {"host": "x"}})
    ended = await mail_loop("check", "--direct", good, bad, named, tmp_path / "missing.yaml")
    assert ended.code == 3
    assert "good: ok (delivered)" in ended.out
    assert "bad: error (misconfigured): The configuration is wrong, so nothing was sent: " in ended.out
    assert "branch-office: error (misconfigured)" in ended.out, "by the loop's name, not by the file's"
    assert "missing: error (misconfigured)" in ended.out


async def test_max_wait_shortens_the_wait(box: Sandbox, mail_loop: Command, tmp_path: Path) -> None:
    box.play(Script(deliver_to=None))
    file = written(tmp_path, "office", config(box, limits__max_wait=3000.0, limits__warn_after=2000.0))
    ended = await mail_loop("check", "--direct", "--max-wait", "0.5", file)
    assert "within 0.5 s" in ended.out


async def test_nyxmons_check_data_is_taken_as_it_stands(box: Sandbox, mail_loop: Command, tmp_path: Path) -> None:
    """Both halves flat, with the old names, as an operator of NyxMon has them."""
    smtp, imap = (dict(section) for section in (config(box)["smtp"], config(box)["imap"]))
    outbound = written(tmp_path, "outbound", smtp)
    inbound = written(
        tmp_path,
        "inbound",
        {**imap, "tls_mode": "implicit", "search_subject": "[loop]", "folder": "INBOX", "max_age_minutes": 30},
    )
    assert (await mail_loop("check", "--direct", outbound)).code == 0
    ended = await mail_loop("check", "--direct", inbound)
    assert ended.code == 0, ended.out
    assert "inbound: ok (delivered): Mail arrives: the newest message with '[loop]' in INBOX is " in ended.out


async def test_an_inbound_check_deletes_what_its_own_loop_sent_and_then_finds_nothing(
    box: Sandbox, mail_loop: Command, tmp_path: Path
) -> None:
    await box.deliver("monitor", b"Subject: [loop] from somebody else, and old\r\nIn-Reply-To: <x@y>\r\n\r\nx\r\n")
    data = config(box)
    send = {"name": "office", "smtp": data["smtp"]}
    look = {"name": "office", "imap": {**data["imap"], "search_subject": "[loop]", "retries": 1}}
    assert (await mail_loop("check", "--direct", written(tmp_path, "send", send))).code == 0
    assert (await mail_loop("check", "--direct", written(tmp_path, "look", look))).code == 0
    assert len(await box.folder("monitor")) == 1
    ended = await mail_loop("check", "--direct", "--json", written(tmp_path, "look", look))
    assert (ended.code, ended.results[0]["error_type"]) == (2, "no_recent_message")


@pytest.mark.long
async def test_through_a_prefect_server_two_commands_share_it_and_leave_their_records(
    box: Sandbox, mail_loop: Command, prefect_server: Served, tmp_path: Path
) -> None:
    """Each check is a run in its database, in which the tests below leave theirs."""
    box.play(Script(rcpt=["450 4.2.0 Greylisted, please try again"]))
    files = [written(tmp_path, name, config(box)) for name in ("one", "two", "three")]
    env = prefect_server.env | {"warnings": "ignore"}
    first, second = await asyncio.gather(
        mail_loop("check", "--json", files[0], files[1], **env), mail_loop("check", "--json", files[2], **env)
    )
    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert (first.err, second.err) == ("", "")
    results = first.results + second.results
    assert {r["outcome"] for r in results} == {"delivered"}
    assert sorted(str(r["attempts"]) for r in results) == ["1", "1", "2"]

    with closing(sqlite3.connect(prefect_server.home / "prefect.db")) as database:

        def rows(query: str) -> list[tuple[str, ...]]:
            return sorted(database.execute(query).fetchall())

        tokens = {str(r["loop"]): r["token"] for r in results}
        runs = sorted((f"{name} {token}", "Delivered") for name, token in tokens.items())
        assert rows("SELECT name, state_name FROM flow_run") == runs
        expected = sorted((f"{leg} {n} {t}", "Completed") for n, t in tokens.items() for leg in ("search", "send"))
        events = [("mail-loop.checked",)] * 3
        async with asyncio.timeout(30):  # the server writes down some seconds later what it learns of by events
            while rows("SELECT name, state_name FROM task_run") != expected or len(rows(EVENTS)) < len(events):
                await asyncio.sleep(0.2)
        assert rows("SELECT key FROM artifact") == [("mail-loop-one",), ("mail-loop-three",), ("mail-loop-two",)]
        assert rows(EVENTS) == events


@pytest.mark.parametrize("arguments", [[], ["--json"]], ids=["text", "json"])
async def test_where_no_prefect_server_is_configured_a_line_says_that_nothing_was_recorded(
    box: Sandbox, mail_loop: Command, tmp_path: Path, arguments: list[str]
) -> None:
    """One, however many checks there are; exit code and stdout are as ever, and no server is started."""
    files = [written(tmp_path, name, config(box)) for name in ("one", "two")]
    ended = await mail_loop("check", *arguments, *files, PREFECT_API_URL="", warnings="ignore")
    assert ended.code == 0, ended
    assert ended.err == (
        "mail-loop: note: nothing was recorded, for no Prefect server is configured: set PREFECT_API_URL "
        "(mail-loop serve starts one), or say --direct\n"
    )
    assert box.commands.count("DATA") == 2
    if arguments:
        assert {(r["outcome"], r["flow_run_id"]) for r in ended.results} == {("delivered", None)}
        assert [r["notes"] for r in ended.results] == [[], []]
    else:
        assert ended.out.count(": ok (delivered): ") == 2
    assert not (tmp_path / "state" / "mail-loop" / "server.log").exists()


async def test_a_profile_of_prefect_that_names_a_server_counts_as_one(
    box: Sandbox, mail_loop: Command, tmp_path: Path
) -> None:
    """What it says of that server is in the result: nothing listens there."""
    (tmp_path / ".prefect").mkdir()
    url = f"http://127.0.0.1:{free_port()}/api"
    profile = f'active = "mine"\n[profiles.mine]\nPREFECT_API_URL = "{url}"\nPREFECT_CLIENT_MAX_RETRIES = "0"\n'
    (tmp_path / ".prefect" / "profiles.toml").write_text(profile, encoding="utf-8")
    ended = await mail_loop("check", "--json", written(tmp_path, "office", config(box)), warnings="ignore")
    assert (ended.code, ended.err) == (0, "")
    (note,) = map(str, ended.results[0]["notes"])
    assert note.startswith(f"Checked without Prefect, so nothing was recorded: the Prefect server at {url} does not ")


async def test_no_copy_of_the_message_stays_and_no_other_message_goes(
    box: Sandbox, mail_loop: Command, tmp_path: Path
) -> None:
    foreign = [b"Subject: mine\r\n\r\nx\r\n", b"Subject: [loop] 2026-01-01T00:00:00Z abcdef\r\n\r\nx\r\n"]
    for raw in foreign:
        await box.deliver("monitor", raw)
    ended = await mail_loop("check", "--direct", written(tmp_path, "office", config(box)))
    assert ended.code == 0
    left = await box.folder("monitor")
    assert [message.raw for message in left] == foreign
    assert not any(message.flags for message in left)


async def test_a_terminated_check_ends_at_once_with_3(
    box: Sandbox, mail_loop: Command, prefect_server: Served, tmp_path: Path
) -> None:
    """SIGTERM from systemd, cron or timeout(1), while the check waits: with and without a Prefect server."""
    file = written(tmp_path, "office", config(box, limits__max_wait=600.0))
    for env in ({}, prefect_server.env):
        box.play(Script(deliver_to=None))
        sent = box.commands.count("DATA")
        async with asyncio.timeout(100):
            # Prefect leaves sockets to the garbage collector; where it is cut off, Python would tell. And on a busy
            # machine it tells of events that it could not send.
            quiet = {"warnings": "ignore", "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL"}
            reached = lambda sent=sent: box.commands.count("DATA") > sent  # noqa: E731
            ended = await mail_loop("check", file, until=reached, **quiet, **env)
        assert ended.code == 3
        assert ended.err == "mail-loop: interrupted\n"


async def test_a_verdict_survives_the_death_of_the_prefect_server(
    box: Sandbox, mail_loop: Command, prefect_server: Served, tmp_path: Path
) -> None:
    """What was found counts, and is no error of the mail: the server is killed while the message is on its way.

    So this is the last test here that has it.
    """
    box.play(Script(delay=4.0))

    def kill_the_server_once_the_message_is_sent() -> bool:
        if "DATA" in box.commands and (server := processes.running(prefect_server.home, "server")) is not None:
            os.killpg(server.pid, signal.SIGKILL)
            return True
        return False

    file = written(tmp_path, "survivor", config(box, limits__max_wait=60.0))
    killed = kill_the_server_once_the_message_is_sent
    ended = await mail_loop("check", "--json", file, then=killed, **prefect_server.env)
    assert ended.code == 0, ended.err
    assert ended.results[0]["outcome"] == "delivered"


async def test_a_reader_that_has_seen_enough_does_not_end_the_other_checks(
    box: Sandbox, mail_loop: Command, tmp_path: Path
) -> None:
    files = [written(tmp_path, name, config(box, imap=None)) for name in ("one", "two", "three")]
    ended = await mail_loop("check", "--direct", *files, closed_stdout=True)
    assert (ended.code, ended.err) == (0, "")
    assert box.commands.count("DATA") == 3
