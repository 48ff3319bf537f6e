"""What the results of several loops show together, and what they do not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.correlation.pattern import Path, pattern
from tasks.mail.model.result import LoopResult

stable = settings(derandomize=True, database=None, deadline=None, max_examples=300)

SEEN: dict[str, object] = {"copies": 1, "placement": "expected", "delivery_seconds": 1.0}
OUTCOMES: dict[str, dict[str, Any]] = {
    "ok": {"status": "ok", "outcome": "delivered", **SEEN},
    "accepted": {"status": "ok", "outcome": "delivered"},  # no mailbox was looked into
    "late": {"status": "warning", "outcome": "late", **SEEN, "delivery_seconds": 90.0},
    "slow": {"status": "ok", "outcome": "delivered", **SEEN, "delivery_seconds": 95.0},  # where nothing is late
    "junked": {"status": "warning", "outcome": "junked", **SEEN, "placement": "junk"},
    "misplaced": {"status": "warning", "outcome": "misplaced", **SEEN, "placement": "other"},
    "twice": {"status": "warning", "outcome": "duplicated", **SEEN, "copies": 2},
    "lost": {"status": "error", "outcome": "lost", "leg": "imap", "stage": "search", "error_type": "no_recent_message"},
    "bounced": {"status": "error", "outcome": "bounced", "leg": "imap", "stage": "search", "error_type": "bounced"},
    "550": {
        "status": "error",
        "outcome": "rejected",
        "leg": "smtp",
        "stage": "rcpt",
        "error_type": "recipient_refused",
        "error_msg": "550 5.7.1 Blocked",
    },
    "login": {
        "status": "error",
        "outcome": "rejected",
        "leg": "smtp",
        "stage": "auth",
        "error_type": "auth_error",
        "error_msg": "535 5.7.8 Bad credentials",
    },
    "put-off": {
        "status": "error",
        "outcome": "deferred",
        "leg": "smtp",
        "stage": "auth",
        "error_type": "auth_error",
        "error_msg": "454 4.7.0 Temporary authentication failure",
        "cause": "login_unavailable",
        "who_acts": "whoever runs A",
    },
    "no-token": {
        "status": "error",
        "outcome": "unsent",
        "leg": "smtp",
        "stage": "token",
        "error_type": "connection_error",
        "error_msg": "no token from login.test: HTTP 503",
        "cause": "token_request_failed",
        "who_acts": "whoever runs the token endpoint",
    },
    "down": {
        "status": "error",
        "outcome": "unsent",
        "leg": "smtp",
        "stage": "connect",
        "error_type": "connection_error",
        "error_msg": "connection refused",
    },
    "unread": {
        "status": "error",
        "outcome": "unverified",
        "leg": "imap",
        "stage": "login",
        "error_type": "auth_error",
        "error_msg": "NO [AUTHENTICATIONFAILED] no",
    },
    "unreached": {
        "status": "error",
        "outcome": "unverified",
        "leg": "imap",
        "stage": "connect",
        "error_type": "connection_error",
        "error_msg": "connection refused",
    },
    "broken": {
        "status": "error",
        "outcome": "unverified",
        "error_type": "unexpected_error",
        "error_msg": "KeyError: 1",
    },
    "wrong": {"status": "error", "outcome": "misconfigured", "error_type": "configuration_error"},
    "skipped": {"status": "warning", "outcome": "skipped"},
}

Table = Mapping[str, str]


def paths(table: Table) -> list[Path]:
    """`{"A M": "ok"}` as paths; blanks after a name tell further loops of the same pair apart."""
    found = []
    for cell, kind in table.items():
        sender, receiver = cell.split()
        result = LoopResult(loop=f"{sender}-{receiver}".lower(), sentence="...", **OUTCOMES[kind])
        found.append(Path(sender, receiver, result))
    return found


def grid(*rows: str) -> dict[str, str]:
    """Rows of a matrix: relay A, then B, then C, into the mailboxes M, N, O, P; `-` where there is no loop."""
    table = {}
    for sender, row in zip("ABCDE", rows, strict=False):
        for receiver, kind in zip("MNOPQ", row.split(), strict=False):
            if kind != "-":
                table[f"{sender} {receiver}"] = kind
    return table


@pytest.mark.parametrize(
    ("table", "said"),
    [
        pytest.param(
            grid("lost lost", "ok ok"),
            "every loop from A fails (lost), while B to M and N get through: "
            "the outbound of A, whose postmaster must act",
            id="a relay's outbound",
        ),
        pytest.param(
            grid("lost ok", "lost ok"),
            "every loop into M fails (lost), while A and B to N get through: "
            "the inbound of M, whose postmaster must act",
            id="a mailbox",
        ),
        pytest.param(
            grid("lost ok", "ok ok"),
            "only A to M fails (lost), while A to N and B to M get through: "
            "what is between the two, for the postmasters of both",
            id="a pair",
        ),
        pytest.param(
            grid("lost bounced", "ok ok"),
            "every loop from A fails, while B to M and N get through: the outbound of A, whose postmaster must act",
            id="by different ways",
        ),
        pytest.param(
            grid("550 ok", "ok ok"),
            "only A to M fails (rejected at rcpt: 550 5.7.1 Blocked), while A to N and B to M get through: "
            "what is between the two, for the postmasters of both",
            id="with the reply that all of them got",
        ),
        pytest.param(
            grid("lost", "ok"),
            "A to M fails (lost), while B to M gets through: A, or its way to M, but not M as such",
            id="one loop from the relay",
        ),
        pytest.param(
            grid("lost ok"),
            "A to M fails (lost), while A to N gets through: M, or the way of A to it, but not A as such",
            id="one loop into the mailbox",
        ),
        pytest.param(
            grid("lost lost -", "- - ok"),
            "every loop from A fails (lost), and no other into M and N is any better: whether it is A cannot be told "
            "without a loop from another relay",
            id="a relay, and nothing that clears its mailboxes",
        ),
        pytest.param(
            grid("lost -", "lost -", "- ok"),
            "every loop into M fails (lost), and no other from A and B is any better: whether it is M cannot be told "
            "without a loop into another mailbox",
            id="a mailbox, and nothing that clears its relays",
        ),
        pytest.param(
            grid("lost lost lost", "lost ok ok", "lost ok ok"),
            "every loop from A fails (lost), while B to N and O get through: the outbound of A, whose postmaster must "
            "act; every loop into M fails (lost), while B and C to N get through: the inbound of M, whose postmaster "
            "must act",
            id="a relay and a mailbox",
        ),
        pytest.param(
            grid("lost ok ok", "ok lost ok", "ok ok ok"),
            "only A to M fails (lost), while A to N and O and B and C to M get through: what is between the two, for "
            "the postmasters of both; only B to N fails (lost), while B to M and O and A and C to N get through: what "
            "is between the two, for the postmasters of both",
            id="two pairs",
        ),
        pytest.param(
            grid("lost lost -", "ok ok -", "- - lost"),
            "every loop from A fails (lost), while B to M and N get through: the outbound of A, whose postmaster must "
            "act; C to O fails too, with no other loop to compare it with",
            id="a relay, and a loop apart",
        ),
        pytest.param(
            grid("lost lost skipped", "ok ok ok"),
            "every loop from A that could be judged fails (lost), while B to M and N get through: the outbound of A, "
            "whose postmaster must act",
            id="what was not judged is not claimed",
        ),
        pytest.param(
            grid("lost lost"),
            "all 2 loops fail (lost), and all go out through A: whether it is that relay or the mailboxes cannot be "
            "told without a loop from another relay",
            id="everything, through one relay",
        ),
        pytest.param(
            grid("lost", "lost"),
            "all 2 loops fail (lost), and all go into M: whether it is that mailbox or the relays cannot be told "
            "without a loop into another mailbox",
            id="everything, into one mailbox",
        ),
        pytest.param(
            grid("lost lost", "lost lost"),
            "all 4 loops fail (lost), from A and B, into M and N: no single relay or mailbox explains that, so look "
            "for what they share",
            id="everything",
        ),
        pytest.param(
            grid("lost lost", "lost unread"),
            "all 3 loops that could be judged fail (lost), from A and B, into M and N: no single relay or mailbox "
            "explains that, so look for what they share; N could not be read in 1 of its 2 loops (at login: NO "
            "[AUTHENTICATIONFAILED] no), so whether mail arrived is not known: check its user name and password",
            id="everything that could be judged",
        ),
        pytest.param(
            grid("login login", "ok ok"),
            "A itself fails in all 2 of its loops (at auth: 535 5.7.8 Bad credentials): "
            "check its user name and password",
            id="a login",
        ),
        pytest.param(
            grid("put-off put-off", "ok ok"),
            "A itself fails in all 2 of its loops (at auth: 454 4.7.0 Temporary authentication failure): "
            "whoever runs A must act",
            id="a login that the password is not to blame for",
        ),
        pytest.param(
            grid("no-token no-token", "no-token no-token", "ok ok"),
            "there is no token for A and B (at token: no token from login.test: HTTP 503): whoever runs the token "
            "endpoint must act",
            id="relays that were never asked",
        ),
        pytest.param(
            grid("no-token login", "ok ok"),
            "there is no token for A (at token: no token from login.test: HTTP 503): whoever runs the token endpoint "
            "must act; A itself fails in 1 of its 2 loops (at auth: 535 5.7.8 Bad credentials): check its user name "
            "and password",
            id="a relay that was not asked, and refuses a login",
        ),
        pytest.param(
            grid("down ok", "ok ok"),
            "A itself fails in 1 of its 2 loops (at connect: connection refused): "
            "whoever runs it or the network to it must act",
            id="a relay that is there at times is no pair",
        ),
        pytest.param(
            grid("down down", "down down"),
            "no relay can be reached (A and B, at connect: connection refused): "
            "look at this machine's network and DNS first",
            id="no relay at all",
        ),
        pytest.param(
            grid("login", "down"),
            "A itself fails in its only loop (at auth: 535 5.7.8 Bad credentials): check its user name and password; "
            "B itself fails in its only loop (at connect: connection refused): whoever runs it or the network to it "
            "must act",
            id="two relays by themselves",
        ),
        pytest.param(
            grid("down down", "lost ok", "lost ok"),
            "A itself fails in all 2 of its loops (at connect: connection refused): whoever runs it or the network to "
            "it must act; apart from that, every loop into M that could be judged fails (lost), while B and C to N get "
            "through: the inbound of M, whose postmaster must act",
            id="a relay by itself, and a mailbox",
        ),
        pytest.param(
            grid("unread ok", "unread ok"),
            "M could not be read in all 2 of its loops (at login: NO [AUTHENTICATIONFAILED] no), so whether mail "
            "arrived is not known: check its user name and password",
            id="a mailbox that cannot be read",
        ),
        pytest.param(
            grid("unreached unreached", "unreached unreached"),
            "no mailbox can be reached (M and N, at connect: connection refused), so whether mail "
            "arrived is not known: look at this machine's network and DNS first",
            id="no mailbox at all",
        ),
        pytest.param(
            grid("junked ok", "junked ok"),
            "every loop into M ends as junk, while A and B to N do not: the spam filter of M, for whoever runs it",
            id="a spam filter",
        ),
        pytest.param(
            grid("junked junked", "ok ok"),
            "every loop from A ends as junk, while B to M and N do not: how A sends (SPF, DKIM, reputation), for its "
            "postmaster",
            id="a relay's reputation",
        ),
        pytest.param(
            grid("junked ok", "ok ok"),
            "only A to M ends as junk, while A to N and B to M do not: what the spam filter of M makes of A, for "
            "whoever runs it",
            id="a filter against one relay",
        ),
        pytest.param(
            grid("misplaced ok", "misplaced ok"),
            "every loop into M lands in another folder, while A and B to N do not: a filter rule of M, for whoever "
            "set it",
            id="a filter rule",
        ),
        pytest.param(
            grid("twice twice", "ok ok"),
            "every loop from A arrives more than once, while B to M and N do not: a double route behind A, whose "
            "postmaster must act",
            id="a double route",
        ),
        pytest.param(
            grid("late late", "ok ok"),
            "every loop from A is late, while B to M and N are not: the queue of A, whose postmaster must act",
            id="a slow relay",
        ),
        pytest.param(
            grid("late ok", "late ok", "late ok"),
            "every loop into M is late, while A, B and C to N are not: the inbound of M (greylisting, scanning, load), "
            "whose postmaster must act",
            id="a slow mailbox",
        ),
        pytest.param(
            grid("late late", "late late"),
            "all 4 loops are late, from A and B, into M and N: no single relay or mailbox explains that, so look for "
            "what they share",
            id="everything is slow",
        ),
        pytest.param(
            grid("lost junked", "ok junked"),
            "only A to M fails (lost), while A to N and B to M get through: what is between the two, for the "
            "postmasters of both",
            id="a failure is graver than junk",
        ),
        pytest.param(
            grid("late junked", "ok junked"),
            "every loop into N ends as junk, while A and B to M do not: the spam filter of N, for whoever runs it",
            id="junk is graver than lateness",
        ),
    ],
)
def test_the_pattern_is_told_in_one_sentence(table: Table, said: str) -> None:
    assert pattern(paths(table)) == said


@pytest.mark.parametrize(
    "table",
    [
        pytest.param({}, id="no loop"),
        pytest.param(grid("lost"), id="one loop, which speaks for itself"),
        pytest.param(grid("ok ok", "ok ok"), id="all is well"),
        pytest.param(grid("accepted accepted"), id="all is accepted"),
        pytest.param(grid("wrong skipped", "broken ok"), id="what says nothing"),
        pytest.param(grid("lost wrong", "skipped broken"), id="one result among what says nothing"),
        pytest.param(grid("lost -", "- ok"), id="two loops that share nothing"),
        pytest.param(grid("lost - -", "- lost -", "- - ok"), id="three that share nothing"),
        pytest.param(grid("lost accepted", "accepted accepted"), id="acceptance clears nobody"),
        pytest.param(grid("lost lost -", "lost lost -", "- - ok"), id="two relays or two mailboxes"),
        pytest.param(grid("lost ok lost", "ok lost ok", "lost ok lost"), id="no pattern but bad luck"),
        pytest.param(grid("late slow", "slow slow"), id="as slow, where nothing counts as late"),
    ],
)
def test_nothing_is_said_where_nothing_can_be(table: Table) -> None:
    assert pattern(paths(table)) is None


def test_a_pair_with_a_loop_that_gets_through_is_not_blamed() -> None:
    """Two loops of the same relay and mailbox, with different fates: neither is the cause."""
    loops = [*paths({"A M": "lost", "B M": "ok", "A N": "ok"}), *paths({"A M": "ok"})]
    assert pattern(loops) is None


def test_what_a_server_said_stays_in_one_line() -> None:
    first, second = paths(grid("login login"))
    evil = first.result.model_copy(update={"error_msg": "535 a\r\npattern: \x1b[2Jforged"})
    said = pattern([Path("A", "M", evil), Path("A", "N", evil), second])
    assert said is not None
    assert said.isprintable()


sizes = st.integers(2, 5)


@st.composite
def planted(draw: st.DrawFn) -> tuple[dict[str, str], str, str, str]:
    """A full matrix of good loops but for one cause: table, kind of cause, and the two names."""
    senders, receivers = "ABCDE"[: draw(sizes)], "MNOPQ"[: draw(sizes)]
    kind = draw(st.sampled_from(["sender", "receiver", "pair"]))
    bad = draw(st.sampled_from(["lost", "bounced", "550", "junked", "misplaced", "twice", "late"]))
    sender, receiver = draw(st.sampled_from(senders)), draw(st.sampled_from(receivers))
    table = {}
    for s in senders:
        for r in receivers:
            hit = {"sender": s == sender, "receiver": r == receiver, "pair": (s, r) == (sender, receiver)}[kind]
            table[f"{s} {r}"] = bad if hit else "ok"
    return table, kind, sender, receiver


@given(planted())
@stable
def test_the_one_cause_of_a_full_matrix_is_named(case: tuple[dict[str, str], str, str, str]) -> None:
    table, kind, sender, receiver = case
    begin = {
        "sender": f"every loop from {sender} ",
        "receiver": f"every loop into {receiver} ",
        "pair": f"only {sender} to {receiver} ",
    }[kind]
    said = pattern(paths(table))
    assert said is not None
    assert said.startswith(begin)
    assert ";" not in said


tables = st.dictionaries(
    st.tuples(st.sampled_from("ABCDE"), st.sampled_from("MNOPQ")).map(" ".join),
    st.sampled_from(["ok", "ok", "ok", "lost", "550", "skipped", "unread", "accepted"]),
    max_size=16,
)


@given(tables)
@stable
def test_nothing_that_brings_a_message_through_is_blamed(table: dict[str, str]) -> None:
    said = pattern(paths(table)) or ""
    for cell, kind in table.items():
        if kind == "ok":
            sender, receiver = cell.split()
            for blame in (
                f"every loop from {sender} ",
                f"every loop into {receiver} ",
                f"the outbound of {sender},",
                f"the inbound of {receiver},",
                f"only {sender} to {receiver} ",
                f"{sender}, or its way",
                f"{receiver}, or the way",
                f"{receiver} could not be read in all",
                "all ",
            ):
                assert not said.startswith(blame)
                assert f"; {blame}" not in said or blame == "all "


anything = st.dictionaries(
    st.tuples(st.sampled_from("ABC"), st.sampled_from("MNO")).map(" ".join), st.sampled_from([*OUTCOMES]), max_size=9
)


@given(anything)
@stable
def test_whatever_the_results_are_there_is_one_line_or_none(table: dict[str, str]) -> None:
    said = pattern(paths(table))
    assert said is None or (said.isprintable() and not said.endswith((".", ":", ";")))


fine = st.dictionaries(
    st.tuples(st.sampled_from("ABC"), st.sampled_from("MNO")).map(" ".join),
    st.sampled_from(["ok", "slow", "accepted", "skipped", "wrong", "broken"]),
    max_size=9,
)


@given(fine)
@stable
def test_without_a_trouble_nothing_is_said(table: dict[str, str]) -> None:
    assert pattern(paths(table)) is None
