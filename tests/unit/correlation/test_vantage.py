"""One loop from several places: what is said of it, and what is not said before it is proved."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from tasks.correlation.vantage import (
    PlaceResult,
    Says,
    Together,
    Watched,
    compare_places,
    places_in_short,
    places_markdown,
)
from tasks.mail.model.result import LoopResult

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
EVERY = timedelta(minutes=5)
KINDS = {
    "g": {"status": "ok", "outcome": "delivered"},
    "w": {"status": "warning", "outcome": "late"},
    "b": {"status": "error", "outcome": "lost", "error_type": "no_recent_message"},
    "u": {"status": "error", "outcome": "unverified", "error_type": "connection_error"},
    "s": {"status": "warning", "outcome": "skipped"},
    "m": {"status": "error", "outcome": "misconfigured", "error_type": "configuration_error"},
    "x": {"status": "error", "outcome": "lost", "error_type": "unexpected_error"},
}


def judged(timeline: Mapping[str, str], longest: float = 60) -> Together:
    """Each character of a place is a minute, the last one now: a result that the server learnt of then, or a dot."""
    seen = {
        place: [
            PlaceResult(
                NOW - timedelta(minutes=len(results) - 1 - minute),
                LoopResult.model_validate({"loop": f"office-from-{place}", "sentence": "x", **KINDS[kind]}),
            )
            for minute, kind in enumerate(results)
            if kind != "."
        ]
        for place, results in timeline.items()
    }
    watched = Watched("office", tuple(timeline), EVERY, timedelta(seconds=longest))
    return compare_places(watched, seen, NOW)


def test_where_all_get_through_nothing_is_said() -> None:
    assert judged({"berlin": "g....g....", "dublin": "..w....g.."}).text is None


def test_it_fails_only_from_one_place_if_others_got_through_between_two_failures_there() -> None:
    found = judged({"berlin": "b....b....", "dublin": "..g....g.."})
    assert found.text == "office: fails only from berlin (lost), while it gets through from dublin"
    assert found.differs


@pytest.mark.parametrize(
    "dublin",
    ["g.........", ".......g..", "g......g..", "..b....g..", "..s....g.."],
    ids=["before both", "after both", "not between", "bad between", "skipped between"],
)
def test_it_is_not_said_before_it_is_proved(dublin: str) -> None:
    """An outage of all that has just begun or just ended looks the same."""
    found = judged({"berlin": "b....b....", "dublin": dublin})
    assert found.text == "office: fails from berlin (lost); whether only from there, the next checks tell"
    assert not found.differs


def test_one_failure_alone_proves_nothing_nor_do_two_with_a_good_check_between_them() -> None:
    assert not judged({"berlin": "g....b....", "dublin": "..g....g.."}).differs
    assert not judged({"berlin": "b.g..b....", "dublin": ".g.g....g."}).differs


def test_each_place_that_got_through_has_to_have_done_so_between() -> None:
    found = judged({"berlin": "b....b....", "dublin": "..g....g..", "oslo": ".......g.."})
    assert not found.differs
    found = judged({"berlin": "b....b....", "dublin": "..g....g..", "oslo": "...g....g."})
    assert found.text == "office: fails only from berlin (lost), while it gets through from dublin and oslo"


def test_a_place_without_checks_is_silent_and_counts_for_nothing() -> None:
    found = judged({"berlin": "b....b....", "dublin": "..g....g..", "oslo": ""})
    assert found.text == ("office: fails only from berlin (lost), while it gets through from dublin; oslo is silent")
    old = judged({"berlin": "g....", "dublin": "g" + "." * 13})
    assert old.says["dublin"] is Says.SILENT  # 13 minutes: two intervals, the longest wait and the margin
    assert old.text == "office: dublin is silent"
    assert judged({"berlin": "g....", "dublin": "g" + "." * 12}).text is None


def test_a_failure_from_everywhere_is_told_as_such_and_so_is_one_that_nothing_can_be_compared_with() -> None:
    assert judged({"berlin": "b....", "dublin": "..u.."}).text == (
        "office: fails from berlin and dublin (lost and unverified), and gets through from nowhere"
    )
    assert judged({"berlin": "b....b....", "dublin": ""}).text == (
        "office: fails from berlin (lost), and nowhere else is anything known; dublin is silent"
    )


@pytest.mark.parametrize("kind", ["s", "m", "x"])
def test_a_check_that_did_not_take_place_says_nothing(kind: str) -> None:
    assert judged({"berlin": "b....b....", "dublin": f"..g.{kind}..{kind}."}).differs
    found = judged({"berlin": "b....b....", "dublin": f"..{kind}....{kind}.."})
    assert found.text == (
        "office: fails from berlin (lost), and nowhere else is anything known; the checks from dublin say nothing"
    )


def test_the_table_has_a_row_for_each_loop_and_a_link_to_each_report() -> None:
    found = judged({"berlin": "b....b....", "dublin": "..g....g..", "oslo": ""})
    shown = places_markdown([found], NOW)
    assert "[lost](/v2/artifacts/key/mail-loop-office-from-berlin), 4 min ago" in shown
    assert "[delivered](/v2/artifacts/key/mail-loop-office-from-dublin), 2 min ago" in shown
    assert shown.rstrip().endswith("| silent |")
    assert places_in_short([found]) == found.text
    assert places_in_short([judged({"berlin": "g", "dublin": "g"})]) == "1 loop alike from everywhere"
