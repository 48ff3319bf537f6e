"""A loop is not called silent before its schedule makes its next check due and that had the time it takes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tasks.alerts.rules import ALLOWED, LONGER, TRIAL, Rule, span_for, spans, tolerated_silence
from tasks.mail.model.durations import span

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("within", "every", "told_after"),
    [
        ("45m", 15 * MINUTE, "45m"),
        ("1m", 20 * MINUTE / 60, "1m"),
        ("45m", HOUR, "3h"),
        ("45m", DAY, "26h"),
        ("3d", DAY, "3d"),
        ("45m", 61 * HOUR, "8d"),  # no check at a weekend
        ("45m", 31 * DAY, "33d"),
        ("45m", 365 * DAY, None),
        ("15m", 15 * MINUTE, "3h"),  # the next check takes its time, too
    ],
)
def test_a_loop_is_not_told_as_silent_before_its_schedule_makes_it_due(
    within: str, every: timedelta, told_after: str | None
) -> None:
    assert span_for(within, tolerated_silence(every, every)) == told_after
    assert told_after is None or (span(told_after) or timedelta()) > every


def test_where_nothing_is_due_no_span_is_long_enough() -> None:
    assert span_for("45m", None) is None


def test_the_spans_of_a_rule_begin_with_its_own_and_get_longer() -> None:
    for within in ("1m", "3h", "1d", "26h", "40d"):
        lengths = [span(one) or timedelta() for one in spans(within)]
        assert spans(within)[0] == within
        assert lengths == sorted(set(lengths))
        assert set(spans(within)) <= {within, *LONGER}


def test_a_check_has_five_minutes_to_find_its_mail_or_as_long_as_its_interval_is() -> None:
    assert tolerated_silence(10 * MINUTE, HOUR) == 10 * MINUTE + ALLOWED
    assert tolerated_silence(10 * MINUTE / 60, 20 * MINUTE / 60) == MINUTE / 2


def test_the_loop_of_the_trial_is_missed_by_the_copies_that_are_made_for_it_alone() -> None:
    rule = Rule.model_validate({"when": "silent", "within": "45m", "channels": ["a"]})
    copy = rule.model_copy(update={"loops": (TRIAL,)})
    failing = Rule.model_validate({"when": "failing", "channels": ["a"]})
    assert [one.misses(TRIAL) for one in (rule, copy, failing)] == [False, True, False]
    assert [one.misses("office") for one in (rule, copy, failing)] == [True, False, False]
