"""The list of secrets and hosts: what its lines allow, which of them are none, and how it is written."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tasks.mail.config.loading.secret_list import (
    LIST_VARIABLE,
    Use,
    add_to,
    allowed_at,
    allowed_by,
    allows,
    list_path,
    missing_at,
    uses_in,
    uses_of,
)
from tasks.mail.config.loop import SmtpConfig, loop_config
from tasks.mail.config.matrix import matrix_config
from tasks.mail.config.state_dir import state_home
from tasks.mail.model.errors import ConfigError

ADDRESSES = {"from_addr": "a@a.test", "to_addr": "b@b.test", "subject_prefix": "[x]"}
MIB = 2**20


def smtp(host: str = "relay.example.org", secret: str | None = "relay-password", **fields: Any) -> SmtpConfig:
    login = {"username": "u", "password_secret": secret} if secret else {}
    return SmtpConfig.model_validate({"host": host, **login, **ADDRESSES, **fields})


def of(section: SmtpConfig) -> Use:
    ((use,),) = uses_in(section).values()
    return use


CLEAR: dict[str, Any] = {"tls": "none"}
UNVERIFIED: dict[str, Any] = {"verify": False}


@pytest.mark.parametrize(
    ("text", "section", "allowed"),
    [
        ("relay-password@relay.example.org", smtp(), True),
        ("", smtp(), False),
        ("other@relay.example.org", smtp(), False),
        ("relay-password@example.org", smtp(), False),
        ("relay-password@a.relay.example.org", smtp(), False),
        ("relay_password@relay.example.org", smtp(), False),  # another block, though the same variable
        ("RELAY-password@Relay.EXAMPLE.org", smtp(), True),
        ("relay-password@relay.example.org", smtp("RELAY.example.org", "Relay-Password"), True),
        ("relay-password@bücher.example", smtp("xn--bcher-kva.example"), True),
        ("relay-password@XN--BCHER-KVA.example", smtp("BÜCHER.example"), True),
        ("relay-password@straße.example", smtp("strasse.example"), False),  # another domain
        ("relay-password@192.0.2.1", smtp("192.0.2.1"), True),
        ("relay-password@192.0.2.1", smtp("192.0.2.10"), False),
        ("relay-password@2001:DB8:0:0::0001", smtp("2001:db8::1"), True),
        ("relay-password@[2001:db8::1]", smtp("2001:0db8:0000::1"), True),
        ("relay-password@2001:db8::1", smtp("2001:db8::2"), False),
        ("relay-password@localhost", smtp("127.0.0.1"), False),
        ("name@sub@relay.example.org", smtp(secret="name@sub"), True),
        # Comments, blanks, line ends.
        ("# relay-password@relay.example.org", smtp(), False),
        ("  relay-password@relay.example.org\t# mine", smtp(), True),
        ("a@b\r\nrelay-password @ relay.example.org\r\n", smtp(), True),
        # What is weak on the way.
        ("relay-password@relay.example.org", smtp(**CLEAR), False),
        ("relay-password@relay.example.org,clear", smtp(**CLEAR), True),
        ("relay-password@relay.example.org,unverified", smtp(**CLEAR), False),
        ("relay-password@relay.example.org , CLEAR", smtp(**CLEAR), True),
        ("relay-password@relay.example.org,clear", smtp(), True),
        ("relay-password@relay.example.org,clear", smtp(tls="implicit"), True),
        ("relay-password@relay.example.org", smtp(**UNVERIFIED), False),
        ("relay-password@relay.example.org,clear", smtp(**UNVERIFIED), False),
        ("relay-password@relay.example.org,unverified", smtp(**UNVERIFIED), True),
        ("relay-password@relay.example.org,clear", smtp(**CLEAR, **UNVERIFIED), False),
        ("relay-password@relay.example.org,unverified,clear", smtp(**CLEAR, **UNVERIFIED), True),
        ("relay-password@relay.example.org,clear\nrelay-password@relay.example.org", smtp(**CLEAR), True),
        ("relay-password@other.example.org,clear\nrelay-password@relay.example.org", smtp(**CLEAR), False),
    ],
)
def test_a_line_allows_one_secret_for_one_host(text: str, section: SmtpConfig, allowed: bool) -> None:
    assert allows(allowed_by(text, "list"), of(section)) is allowed


@pytest.mark.parametrize(
    "line",
    [
        "relay-password",
        "relay-password relay.example.org",
        "relay-password@",
        "@relay.example.org",
        "  @relay.example.org",
        "relay-password@*",
        "relay-password@*.example.org",
        "*@relay.example.org",
        "relay-*@relay.example.org",
        "relay-password@relay.example.org:587",
        "relay-password@smtp://relay.example.org",
        "relay-password@relay.example.org.",
        "relay-password@relay.example.org other.example.org",
        "relay-password@relay.example.org#mine",
        "relay-password@192.0.2.0/24",
        "relay-password@192.0.2",
        "relay-password@[relay.example.org]",
        "relay-password@[2001:db8::1",
        "relay-password@relay..org",
        "relay-\x00password@relay.example.org",
        "a@b\u2028relay-password@relay.example.org",
        "a@b\rrelay-password@relay.example.org",
    ],
)
def test_a_line_that_is_none_is_told_by_file_and_number_and_not_repeated(line: str) -> None:
    with pytest.raises(ConfigError) as told:
        allowed_by(f"# list\nrelay-password@relay.example.org\n{line}\n", "/etc/mail-loop/secrets.allow")
    assert str(told.value) == (
        "/etc/mail-loop/secrets.allow, line 3: must be NAME@HOST, such as relay-password@relay.example.org, without "
        "wildcards and without a port: correct it, or put a # before it"
    )


@pytest.mark.parametrize("options", [",", ",clear,", ",plain", ",clear unverified", ",clear;unverified", ",!clear"])
def test_an_option_that_is_none_is_told(options: str) -> None:
    with pytest.raises(ConfigError, match=r"^list, line 1: after the host may stand ,clear and ,unverified, and "):
        allowed_by(f"relay-password@relay.example.org{options}", "list")


@pytest.mark.parametrize(
    ("section", "line"),
    [
        (smtp(), "relay-password@relay.example.org"),
        (smtp("BÜCHER.example"), "relay-password@xn--bcher-kva.example"),
        (smtp("2001:DB8::0:1"), "relay-password@2001:db8::1"),
        (smtp(**CLEAR, **UNVERIFIED), "relay-password@relay.example.org,clear,unverified"),
        (smtp(secret="Relay-Password"), "Relay-Password@relay.example.org"),
    ],
)
def test_the_line_that_is_told_allows_what_was_asked(section: SmtpConfig, line: str) -> None:
    assert of(section).line == line
    assert allows(allowed_by(line, "list"), of(section))


def test_a_check_needs_a_line_for_each_secret_and_host_and_none_for_a_password_in_clear() -> None:
    imap = {"host": "Imap.example.net", "username": "u", "password_secret": "mailbox"}
    loop = {
        "smtp": smtp().model_dump(exclude_unset=True),
        "imap": imap,
        "bounce_mailbox": imap | {"host": "imap.example.net", "tls": "none"},
    }
    open_relay = smtp(secret=None).model_dump(exclude_unset=True)
    in_clear = {"name": "b", "smtp": open_relay, "imap": {"host": "h.test", "username": "u", "password": "x"}}
    needed = uses_of([loop_config({"name": "a", **loop}), loop_config(in_clear)])
    assert [use.line for use in needed] == ["mailbox@imap.example.net,clear", "relay-password@relay.example.org"]


def test_a_matrix_needs_what_its_loops_need() -> None:
    sender = {name: value for name, value in smtp().model_dump(exclude_unset=True).items() if name != "to_addr"}
    box = {"host": "m.test", "username": "u", "address": "u@m.test"}
    sides = {"senders": {"s": sender}, "receivers": {k: box | {"password_secret": k} for k in ("r1", "r2")}}
    loops = matrix_config({"name": "m", **sides}).loops().values()
    assert [use.line for use in uses_of(loops)] == ["r1@m.test", "r2@m.test", "relay-password@relay.example.org"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "secrets.allow"


def test_lines_are_added_once_and_nothing_is_taken_away(path: Path) -> None:
    assert add_to(path, [of(smtp())]) == ["relay-password@relay.example.org"]
    assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)) == (0o600, 0o700)
    path.write_text("# mine\nold@gone.test\nRELAY-password@relay.example.org", encoding="utf-8")
    assert add_to(path, [of(smtp())]) == []
    assert add_to(path, [of(smtp()), of(smtp(**CLEAR)), of(smtp("b.test"))]) == [
        "relay-password@relay.example.org,clear",
        "relay-password@b.test",
    ]
    assert path.read_text(encoding="utf-8") == (
        "# mine\nold@gone.test\nRELAY-password@relay.example.org\n"
        "relay-password@relay.example.org,clear\nrelay-password@b.test\n"
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["secrets.allow"]


def test_those_who_add_at_the_same_time_lose_nothing(path: Path) -> None:
    uses = [of(smtp(f"h{number}.test")) for number in range(40)]
    with ThreadPoolExecutor(8) as many:
        list(many.map(lambda use: add_to(path, [use]), uses))
    assert missing_at(path, uses) == []


def test_no_link_is_written_through_and_a_wrong_list_is_left_alone(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("a@b.test\n", encoding="utf-8")
    path.parent.mkdir()
    path.symlink_to(other)
    with pytest.raises(ConfigError, match=r"secrets.allow: is a link, and is left alone: add there relay-password@"):
        add_to(path, [of(smtp())])
    assert other.read_text(encoding="utf-8") == "a@b.test\n"
    path.unlink()
    path.write_text("a@b.test\nnonsense\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="line 2: must be NAME@HOST"):
        add_to(path, [of(smtp())])
    assert path.read_text(encoding="utf-8") == "a@b.test\nnonsense\n"


def test_a_list_that_cannot_be_read_allows_nothing_and_is_named(path: Path) -> None:
    assert allowed_at(path) == {}
    path.parent.mkdir()
    path.write_bytes(b"\xef\xbb\xbfa@b.test\r\n")  # as an editor on another system writes it
    assert allowed_at(path) == {("a", "b.test"): frozenset()}
    path.write_bytes(b"a@b.test\nb@b\xfc.test\n")
    with pytest.raises(ConfigError, match=r"secrets.allow, line 2: is not UTF-8: save it as UTF-8"):
        allowed_at(path)
    path.write_bytes(b"#" * (4 * MIB + 1))
    with pytest.raises(ConfigError, match="is larger than 4 MiB"):
        allowed_at(path)
    for make, said in ((os.mkfifo, "is no regular file"), (os.mkdir, "secrets.allow: the list of secrets and hosts ")):
        path.unlink()
        make(path)
        with pytest.raises(ConfigError, match=said):
            allowed_at(path)


def test_the_environment_says_where_the_list_is(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    monkeypatch.delenv(LIST_VARIABLE, raising=False)
    assert list_path() == state_home() / "secrets.allow"
    monkeypatch.setenv(LIST_VARIABLE, str(path))
    assert list_path() == path
    monkeypatch.setenv(LIST_VARIABLE, "secrets.allow")
    with pytest.raises(ConfigError, match=r"^MAIL_LOOP_SECRETS_ALLOW: must be an absolute path"):
        list_path()
