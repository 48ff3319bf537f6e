"""Which loops share a relay or a mailbox, and one name for each of these, the same wherever it is met."""

from __future__ import annotations

import pytest

from tasks.mail.config.loop import CheckConfig, LoopConfig, inbound_config, loop_config
from tasks.mail.config.plan import Planned, ends


def loop(smtp: str = "", imap: str | None = "", **smtp_fields: object) -> LoopConfig:
    """A loop by `user@host:port` of the relay and `user@host` of the mailbox, each part with a default."""
    account, _, relay = smtp.rpartition("@")
    host, _, port = relay.partition(":")
    fields: dict[str, object] = {
        "host": host or "relay.example.org",
        "port": int(port or 587),
        "from_addr": "probe@example.org",
        "to_addr": "inbox@example.net",
        "subject_prefix": "[mail-loop]",
    }
    if account:
        fields |= {"username": account, "password_secret": "x"}
    data: dict[str, object] = {"name": "office", "smtp": fields | smtp_fields}
    if imap is not None:
        user, _, server = imap.rpartition("@")
        login = {"username": user or "inbox", "password_secret": "x"}
        data["imap"] = {"host": server or "imap.example.net", **login}
    return loop_config(data)


def named(*configs: CheckConfig | Planned) -> list[tuple[str, str] | None]:
    return ends([one if isinstance(one, Planned) else Planned(one) for one in configs])


def senders(*configs: LoopConfig) -> list[str]:
    return [both[0] for both in named(*configs) if both is not None]


def receivers(*configs: LoopConfig) -> list[str]:
    return [both[1] for both in named(*configs) if both is not None]


def test_hosts_are_enough_where_they_differ() -> None:
    assert named(loop("a.test", "@m.test"), loop("b.test", "@n.test")) == [("a.test", "m.test"), ("b.test", "n.test")]


@pytest.mark.parametrize(
    ("first", "second", "names"),
    [
        (loop(), loop(to_addr="other@example.net"), ["relay.example.org"] * 2),
        (loop("u@a.test"), loop("v@a.test"), ["u at a.test", "v at a.test"]),
        (loop("u@a.test:587"), loop("u@a.test:465"), ["a.test:587", "a.test:465"]),
        (loop("a.test"), loop("v@a.test"), ["a.test:587", "v at a.test"]),
        (
            loop("u@a.test", from_addr="p@one.test"),
            loop("v@a.test", from_addr="p@two.test"),
            ["p@one.test", "p@two.test"],
        ),
        (loop("u@a.test", from_addr="p@one.test"), loop("u@a.test", from_addr="p@two.test"), ["a.test"] * 2),
    ],
    ids=["one", "by user", "by port", "with and without user", "by address", "one for two addresses"],
)
def test_a_sender_is_an_account_at_a_relay(first: LoopConfig, second: LoopConfig, names: list[str]) -> None:
    assert senders(first, second) == names


@pytest.mark.parametrize(
    ("first", "second", "names"),
    [
        (loop(), loop("other.test", to_addr="inbox+2@example.net"), ["imap.example.net"] * 2),
        (
            loop(imap="u@m.test", to_addr="u@example.net"),
            loop(imap="v@m.test", to_addr="v@example.net"),
            ["u@example.net", "v@example.net"],
        ),
        (loop(imap="u@m.test"), loop(imap="v@m.test"), ["u at m.test", "v at m.test"]),
        (loop(imap=None), loop(imap=None, to_addr="v@example.net"), ["inbox@example.net", "v@example.net"]),
    ],
    ids=["one", "by address", "by user", "without a mailbox"],
)
def test_a_receiver_is_a_mailbox(first: LoopConfig, second: LoopConfig, names: list[str]) -> None:
    assert receivers(first, second) == names


def test_what_an_inbound_check_finds_has_no_known_sender() -> None:
    login = {"host": "m.test", "username": "u", "password_secret": "x", "search_subject": "x"}
    assert named(inbound_config({"name": "in", "imap": login}), loop("a.test", "@m.test")) == [
        None,
        ("a.test", "m.test"),
    ]


def test_a_matrix_has_names_of_its_own_and_what_it_tells_apart_stays_apart() -> None:
    """Two senders at one relay, under two names."""
    first = Planned(loop(from_addr="p@one.test"), "office", "one", "own")
    second = Planned(loop(from_addr="p@two.test"), "office", "two", "own")
    assert named(first, second) == [("one", "own"), ("two", "own")]


def test_a_loop_of_its_own_file_takes_the_names_of_the_matrix() -> None:
    assert named(Planned(loop("a.test"), "office", "one", "own"), loop("a.test")) == [("one", "own")] * 2


def test_the_same_name_in_two_matrices_is_told_with_theirs() -> None:
    first = Planned(loop("a.test", "@m.test"), "office", "main", "own")
    second = Planned(loop("b.test", "@n.test"), "branch", "main", "home")
    assert named(first, second) == [("main of office", "own"), ("main of branch", "home")]
