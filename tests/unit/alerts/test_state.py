"""One call for an outage and one for its end, whatever checks come: from facts alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect.client.schemas.actions import VariableCreate

from tasks.alerts import message
from tasks.alerts.rules import Rule
from tasks.alerts.state import MAX_VARIABLE_CHARS, Kind, Pending, Standing, after, storable
from tasks.mail.model.cause import Cause
from tasks.mail.model.outcome import Outcome, Status
from tasks.mail.model.result import LoopResult
from tests.support.mail.strategies import stable

START = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
RESULTS = {
    "g": (Status.OK, Outcome.DELIVERED),
    "w": (Status.WARNING, Outcome.LATE),
    "e": (Status.ERROR, Outcome.LOST),
    "s": (Status.WARNING, Outcome.SKIPPED),
}


def result(letter: str) -> LoopResult:
    status, outcome = RESULTS[letter]
    return LoopResult(loop="office", status=status, outcome=outcome, sentence="It was so.", who_acts="whoever runs it")


def rule(when: str = "failing", checks: int = 1, recovered_after: int = 1) -> Rule:
    return Rule.model_validate(
        {"when": when, "checks": checks, "recovered_after": recovered_after, "channels": ["pager"]}
    )


def calls(one: Rule, checks: Sequence[str]) -> list[Kind | None]:
    """The call that each check makes, by its letter: good, warning, error, skipped."""
    standing, made = Standing(), []
    for place, letter in enumerate(checks):
        standing, kind = after(one, standing, result(letter), START + place * timedelta(minutes=5))
        made.append(kind)
    return made


@pytest.mark.parametrize(
    ("one", "checks", "expected"),
    [
        (rule(), "geeeg", {1: "failing", 4: "recovered"}),
        (rule(checks=3), "eegeeeeg", {5: "failing", 7: "recovered"}),
        (rule(recovered_after=2), "egegegg", {0: "failing", 6: "recovered"}),
        (rule(), "ew", {0: "failing", 1: "recovered"}),
        (rule(checks=2), "ese", {2: "failing"}),
        (rule(), "esssg", {0: "failing", 4: "recovered"}),
        (rule("degraded"), "gwwg", {1: "degraded", 3: "recovered"}),
        (rule("degraded", checks=2), "wewg", {2: "degraded", 3: "recovered"}),
        (rule("degraded"), "eeeg", {}),
    ],
)
def test_a_call_is_made_once_and_its_end_is_told_once(one: Rule, checks: str, expected: dict[int, Kind]) -> None:
    assert {place: kind for place, kind in enumerate(calls(one, checks)) if kind} == expected


@stable
@given(
    st.lists(st.sampled_from("gwes"), max_size=60),
    st.integers(1, 4),
    st.integers(1, 4),
    st.sampled_from(["failing", "degraded"]),
)
def test_calls_and_recoveries_take_turns(checks: list[str], bad: int, good: int, when: str) -> None:
    made = [kind for kind in calls(rule(when, bad, good), checks) if kind]
    assert made == [when if place % 2 == 0 else "recovered" for place in range(len(made))]


@stable
@given(st.lists(st.sampled_from("gs"), max_size=60), st.integers(1, 4))
def test_good_checks_call_for_nothing_and_leave_nothing_to_remember(checks: list[str], bad: int) -> None:
    standing = Standing()
    for letter in checks:
        standing, kind = after(rule(checks=bad), standing, result(letter), START)
        assert kind is None
    assert standing.is_idle


def test_where_a_loop_stands_survives_as_json() -> None:
    pending = Pending(event="e", kind="failing", subject="s", body="b", at=START)
    standing = Standing(called=True, bad=2, checks=3, since=START, outcome="lost", pending={"pager": pending})
    assert Standing.model_validate(standing.model_dump(mode="json")) == standing


@pytest.mark.parametrize("channels", [1, 2, 4, 10, 30])
@pytest.mark.parametrize("letter", ["x", "\u044f"])
def test_an_outage_is_remembered_however_much_is_said_to_however_many(letter: str, channels: int) -> None:
    """A Prefect Variable holds no more, and a call whose outage cannot be written down is not made."""
    call = Pending(event="e" * 36, kind="failing", subject="s" * 99, body=letter * 900, at=START)
    pending = {f"channel-{number}": call for number in range(channels)}
    states = {"failing": Standing(called=True, bad=2, checks=3, since=START, outcome="lost", pending=pending)}
    value = storable(states)
    assert VariableCreate(name="x", value=value).value == value
    assert len(json.dumps(value)) < MAX_VARIABLE_CHARS
    read = Standing.model_validate(value["failing"])
    assert read.model_copy(update={"pending": pending}) == states["failing"]
    if channels <= 10:
        assert read.pending.keys() == pending.keys()
        assert all(one.body and call.body.startswith(one.body) for one in read.pending.values())
    if channels == 1 and letter == "x":
        assert read == states["failing"]


@pytest.mark.parametrize("kind", ["failing", "recovered"])
def test_the_longest_call_is_one_that_every_service_takes(kind: Kind) -> None:
    """PagerDuty takes 1,024 characters."""
    long = result("e").model_copy(update={"sentence": "*" * 9999, "who_acts": "_" * 9999, "loop": "x" * 63})
    long = long.model_copy(update={"cause": max(Cause, key=len)})
    standing = Standing(called=True, bad=2, checks=99999, since=START, outcome="misconfigured")
    url = f"https://prefect.operations.example.org/v2/runs/flow-run/{'0' * 36}"
    text = message.body(kind, long, standing, START + timedelta(days=999, minutes=59), START, url)
    assert len(message.subject(kind, long.loop, "misconfigured")) + len(text) < 1000
    assert text.endswith(url)


def test_a_call_names_the_cause_behind_who_acts() -> None:
    full = result("e").model_copy(update={"cause": Cause.MAILBOX_FULL})
    text = message.body("failing", full, Standing(bad=1, checks=1, since=START), START, None, None)
    assert text.split("\n")[1:3] == ["Who acts: whoever runs it.", "Cause: mailbox_full."]


def test_links_in_the_words_of_others_do_not_work_and_ours_has_no_markup() -> None:
    linked = result("e").model_copy(update={"sentence": "See tg://a", "who_acts": "http://evil.test"})
    standing = Standing(bad=1, checks=1, since=START)
    text = message.body("failing", linked, standing, START, None, "http://ui.test/a_b/*c~/&d")
    assert text.count("://") == 1
    assert text.endswith("The run: http://ui.test/a%5Fb/%2Ac%7E/%26d")


def test_a_call_says_what_where_since_when_and_which_check_was_good_last() -> None:
    standing = Standing(bad=2, checks=2, since=START)
    text = message.body(
        "failing", result("e"), standing, START + timedelta(minutes=75), START - timedelta(minutes=5), "http://ui/1"
    )
    assert text.split("\n") == [
        "It was so.",
        "Who acts: whoever runs it.",
        "Since 2026-11-24 09:00 UTC (1 h 15 min, 2 checks). The last good check: 2026-11-24 08:55 UTC.",
        "The run: http://ui/1",
    ]
    assert message.subject("failing", "office", "lost") == "[mail-loop] office: failing (lost)"


def test_a_recovery_says_what_it_was_and_for_how_long() -> None:
    standing = Standing(called=True, checks=3, since=START, outcome="lost")
    text = message.body("recovered", result("g"), standing, START + timedelta(minutes=15), None, None)
    assert text == "It was so.\nIt was lost since 2026-11-24 09:00 UTC (15 min, 3 checks)."
    text = message.body("recovered", result("g"), Standing(since=START), START + timedelta(hours=25), None, None)
    assert text == "It was so.\nIt had no good check since 2026-11-24 09:00 UTC (1 d 1 h)."


def test_a_strangers_text_forges_no_line_of_a_call() -> None:
    forged = result("e").model_copy(update={"sentence": "one\nThe run: http://evil", "who_acts": "\x1b[2Jyou"})
    text = message.body("failing", forged, Standing(bad=1, checks=1, since=START), START, None, None)
    assert len(text.split("\n")) == 3
    assert all(line.isprintable() for line in text.split("\n"))
