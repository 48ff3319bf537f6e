"""The other commands, and what the command says when it is used wrongly."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from flows.server import processes
from tasks.sandbox import Sandbox
from tests.cli.conftest import Command, config, written
from tests.support.command.forks import ROOT


async def test_help_teaches_a_configuration_and_the_exit_codes(mail_loop: Command) -> None:
    ended = await mail_loop("--help")
    assert ended.code == 0
    for taught in ("mail-loop demo", "mail-loop check my.yaml", "password_secret", "0 ok, 1 warning, 2 error, 3"):
        assert taught in ended.out


async def test_the_configuration_that_help_teaches_is_valid(mail_loop: Command, tmp_path: Path) -> None:
    text = (await mail_loop("--help")).out.partition("my.yaml:\n")[2].partition("\nexit codes")[0]
    file = tmp_path / "my.yaml"
    file.write_text(text, encoding="utf-8")
    ended = await mail_loop("validate", file)
    assert ended.code == 0, ended.err
    assert ended.out == (
        f"{file}: ok: loop my: relay.example.org:587 -> probe@example.net -> probe at imap.example.net:993\n"
    )


async def test_validate_says_what_is_wrong_in_every_file_and_sends_nothing(
    box: Sandbox, mail_loop: Command, tmp_path: Path
) -> None:
    good = written(tmp_path, "good", config(box))
    bad = written(tmp_path, "bad", config(box, smtp__hots="x"))
    ended = await mail_loop("validate", good, bad)
    assert ended.code == 3
    assert ended.out.startswith(f"{good}: ok: ")
    assert ended.err == f"{bad}: smtp.hots: unknown field; did you mean host?\n"
    assert box.commands == []


async def test_validate_notes_a_password_that_is_too_short_to_be_hidden_everywhere(
    mail_loop: Command, tmp_path: Path
) -> None:
    """In the file or in the environment, of a loop, a matrix and a fleet; it stays valid, and no password is told."""
    why = "has fewer than 8 characters, so it is hidden in servers' texts only where it stands alone: "
    why += "choose a longer password"
    login = {"host": "mail.test", "username": "bert"}
    loop = {
        "smtp": {**login, "password_secret": "short-one", "from_addr": "a@b.test", "to_addr": "c@d.test"},
        "imap": {**login, "password_secret": "long-one"},
    }
    loop["smtp"]["subject_prefix"] = "[x]"
    named = written(tmp_path, "named", loop)
    clear = written(tmp_path, "clear", {**loop, "imap": {**login, "password": "s3cret7"}})
    fleet = written(tmp_path, "fleet", {"loops": {"one": loop, "two": {**loop, "imap": loop["imap"]}}})
    sender = {name: value for name, value in loop["smtp"].items() if name != "to_addr"}
    receiver = {**loop["imap"], "password_secret": "short-one", "address": "c@d.test"}
    matrix = written(tmp_path, "matrix", {"senders": {"a": sender}, "receivers": {"b": receiver}})
    ended = await mail_loop("validate", clear, named, fleet, matrix, SHORT_ONE="s3cret7", LONG_ONE="s3cret-8")
    assert (ended.code, ended.out.count(": ok: ")) == (0, 4)
    assert ended.err.splitlines() == [
        f"{clear}: note: smtp.password_secret, imap.password: {why}",
        f"{named}: note: smtp.password_secret: {why}",
        f"{fleet}: note: loops.one.smtp.password_secret, loops.two.smtp.password_secret: {why}",
        f"{matrix}: note: senders.a.password_secret, receivers.b.password_secret: {why}",
    ]


async def test_validate_notes_ports_that_do_not_fit_and_passwords_with_a_line_end(
    mail_loop: Command, tmp_path: Path
) -> None:
    """Both are valid: the exit code is 0."""
    smtp = {"host": "r.test", "username": "u", "password": "s3cret-of-u\n", "subject_prefix": "[x]", "port": 465}
    smtp |= {"from_addr": "a@a.test", "to_addr": "b@b.test"}
    imap = {"host": "i.test", "username": "u", "password_secret": "of-env", "tls": "starttls", "port": 993}
    file = written(tmp_path, "loop", {"smtp": smtp, "imap": imap})
    ended = await mail_loop("validate", file, OF_ENV=" s3cret-of-env\n")
    assert (ended.code, ended.out.count(": ok: ")) == (0, 1)
    assert ended.err.splitlines() == [
        f"{file}: note: smtp.port 465 is for TLS from the first byte: set smtp.tls to implicit",
        f"{file}: note: imap.port 993 is for TLS from the first byte: set imap.tls to implicit",
        f"{file}: note: smtp.password, imap.password_secret: ends with a line end, which is taken off: "
        "store it without",
        f"{file}: note: imap.password_secret: begins or ends with a blank, which belongs to the password: "
        "see whether it should",
    ]


async def test_validate_prints_the_lines_that_a_worker_needs_and_nothing_else_on_stdout(
    mail_loop: Command, tmp_path: Path
) -> None:
    """Of files of every kind and of prefect.yaml, each line once; what is wrong with one is told beside them."""
    addresses = {"from_addr": "a@a.test", "to_addr": "b@b.test", "subject_prefix": "[x]"}
    smtp = {"host": "R.test", "username": "u", "password_secret": "s", **addresses}
    loop = written(tmp_path, "loop", {"smtp": smtp | {"tls": "none"}})
    again = written(tmp_path, "again", {"smtp": smtp | {"verify": False}, "imap": {"host": "i.test", "username": "u"}})
    fleet = written(tmp_path, "fleet", {"loops": {"a": {"smtp": smtp}, "b": {"smtp": smtp | {"host": "2001:DB8::1"}}}})
    matrix = ROOT / "examples" / "matrix.yaml"
    ended = await mail_loop("validate", "--secrets", loop, fleet, matrix, ROOT / "prefect.yaml", warnings="ignore")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines() == [
        "mailbox-password@imap.example.net",
        "outside-password@imap.example.net",
        "own-password@imap.example.org",
        "relay-password@relay.example.org",
        "relay-password@relay2.example.org",
        "s@2001:db8::1",
        "s@r.test,clear",
    ]
    ended = await mail_loop("validate", "--secrets", again, loop)
    assert (ended.code, ended.out) == (3, "s@r.test,clear\n")
    assert ended.err.startswith(f"{again}: imap.username: needs a password")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "the following arguments are required: COMMAND"),
        (("chek",), "invalid choice: 'chek'"),
        (("check",), "the following arguments are required: FILE"),
        (("check", "--max-wait", "0", "x.yaml"), "'0' is not a positive number of seconds"),
        (("check", "--max-wait", "nan", "x.yaml"), "'nan' is not a positive number of seconds"),
    ],
)
async def test_wrong_usage_is_exit_code_3_with_one_sentence(
    mail_loop: Command, arguments: tuple[str, ...], said: str
) -> None:
    """Not 2, which would say that mail is broken."""
    ended = await mail_loop(*arguments)
    assert (ended.code, ended.out) == (3, "")
    assert said in ended.err
    assert "Traceback" not in ended.err


async def test_stop_ends_nothing_where_nothing_of_ours_runs(mail_loop: Command) -> None:
    ended = await mail_loop("stop")
    assert (ended.code, ended.out) == (0, "nothing of ours was running\n")


async def test_stop_ends_the_server_that_a_killed_check_of_a_former_version_left(
    mail_loop: Command, tmp_path: Path
) -> None:
    """It is in the state folder itself."""
    home = tmp_path / "state" / "mail-loop"
    left = processes.start(home, "server", [sys.executable, "-c", "import time; time.sleep(600)"], os.environ)
    try:
        assert (await mail_loop("stop")).out == "ended: server\n"
        assert not left.alive
    finally:
        processes.stop(home, "server")
