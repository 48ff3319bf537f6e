"""How long each hop took, when servers' clocks are right, and when they are not."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.mail.journey.received.clocks import Step, own_skew, slowest, steps
from tasks.mail.model.journey_record import HopRecord
from tests.support.mail.strategies import stable

SENT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return SENT + timedelta(seconds=seconds)


def hop(by: str, at: float | None) -> HopRecord:
    """A hop at the server `by`, which dates it `at` seconds after the sending, cut off to the second."""
    return HopRecord(by=by, at=None if at is None else after(at).replace(microsecond=0))


def journey(
    *dates: tuple[str, float | None],
    detected: float,
    accepted: float | None = None,
    internaldate: float | None = None,
    sent: float = 0.0,
) -> tuple[Step, ...]:
    return steps(
        [hop(by, at) for by, at in dates],
        sent=after(sent),
        detected=after(detected),
        accepted=None if accepted is None else after(accepted),
        internaldate=None if internaldate is None else after(internaldate),
    )


def delays(found: Sequence[Step]) -> list[float | None]:
    return [step.delay_seconds for step in found]


def skews(found: Sequence[Step]) -> list[float]:
    return [step.skew_seconds for step in found]


def noteworthy(step: Step) -> bool:
    """Whether anything is to be said of a step."""
    return step.slow or step.skew_seconds != 0 or step.apart_seconds > 0


def nothing_but_delays(found: Sequence[Step]) -> bool:
    return not any(step.skew_seconds or step.apart_seconds or step.against or step.margin_seconds for step in found)


# -- right clocks -------------------------------------------------------------------------------------------------


def test_with_right_clocks_nothing_is_changed() -> None:
    found = journey(("relay", 1), ("mx", 4), ("mx", 4), ("imap", 9), detected=10.5, accepted=1.2, internaldate=10)
    assert delays(found) == [1, 3, 0, 5]
    assert nothing_but_delays(found)


def test_a_date_cut_off_to_before_the_sending_is_no_skew() -> None:
    found = journey(("relay", 0.9), ("mx", 2.1), sent=0.8, detected=3)
    assert delays(found) == [0, pytest.approx(1.2)]
    assert nothing_but_delays(found)


@pytest.mark.parametrize(
    ("dates", "expected"), [((5, 4, 6), [5, 0, 1]), ((5, 3, 6), [5, 0, 1]), ((-1, 4, 6), [0, 4, 2])]
)
def test_a_clock_within_the_tolerance_is_not_called_wrong(dates: Sequence[float], expected: list[float]) -> None:
    """But no step takes less than no time."""
    found = journey(*zip(("a", "b", "c"), dates, strict=True), detected=7)
    assert delays(found) == expected
    assert nothing_but_delays(found)


def test_hops_without_a_date_take_no_part_but_are_kept() -> None:
    unread = HopRecord(raw="nonsense")
    found = steps([unread, hop("a", 1), unread, hop("b", None), hop("c", 5)], sent=SENT, detected=after(6))
    assert [step.by for step in found] == ["", "a", "", "b", "c"]
    assert delays(found) == [None, 1, None, None, 4]
    assert found[0] == unread


def test_without_hops_there_are_no_steps() -> None:
    assert journey(detected=5) == ()
    assert slowest(()) is None
    assert own_skew(()) == 0


# -- which step was slow ------------------------------------------------------------------------------------------


def test_the_slowest_step_took_most_of_the_time() -> None:
    found = journey(("relay", 0), ("mx", 301), ("imap", 302), detected=303)
    assert slowest(found) is found[1]
    assert [noteworthy(step) for step in found] == [False, True, False]


@pytest.mark.parametrize(
    ("dates", "detected"),
    [
        ((0, 1, 1), 1.5),  # no longer than a second
        ((5, 10, 15), 16),  # none more than half
        ((0, 10, 20), 21),
        ((0, 10, 10), 60),  # it lay at the last server, or in the mailbox
    ],
)
def test_where_no_single_step_took_most_of_the_time_none_is_the_slowest(
    dates: Sequence[float], detected: float
) -> None:
    found = journey(*zip(("a", "b", "c"), dates, strict=True), detected=detected)
    assert slowest(found) is None
    assert not any(noteworthy(step) for step in found)


def test_a_step_is_not_slow_if_that_may_be_its_clock() -> None:
    """When the server with the wrong clock was passed is not known: at either end of the 100 seconds, or between."""
    found = journey(("a", 0), ("b", 5000), ("c", 100), detected=101)
    assert [(step.delay_seconds, step.margin_seconds) for step in found] == [(0, 0), (50, 50), (50, 50)]
    assert slowest(found) is None


# -- one clock is wrong -------------------------------------------------------------------------------------------


def test_a_clock_outside_of_our_bounds_is_the_wrong_one() -> None:
    fast = journey(("a", 600), ("b", 5), detected=10, accepted=1)
    assert skews(fast) == [594, 0]
    assert delays(fast) == [pytest.approx(0.5), pytest.approx(4.5)]
    assert fast[0].margin_seconds == pytest.approx(0.5)
    slow = journey(("a", 1), ("b", -595), detected=10)
    assert skews(slow) == [0, -595]
    assert [step.apart_seconds for step in (*fast, *slow)] == [0, 0, 0, 0]


def test_a_skew_is_not_overstated() -> None:
    """600 seconds it was in truth, of which the bounds prove a few less."""
    for true in (600, -600):
        (_, step, _) = journey(("a", 1), ("b", 4 + true), ("c", 6), detected=10)
        assert abs(true) - 6 <= abs(step.skew_seconds) <= abs(true)
        assert step.skew_seconds * true > 0


def test_the_time_between_two_dates_of_one_server_is_right_though_its_clock_is_not() -> None:
    for off in (0, 1.5, -1.5, 40, -40, 86400, -86400):
        found = journey(("a", 1), ("mx", 3 + off), ("mx", 33 + off), ("mx", 34 + off), ("c", 38), detected=40)
        assert found[2].delay_seconds == pytest.approx(30, abs=1)
        assert found[3].delay_seconds == pytest.approx(1, abs=1)
        assert math.fsum(delay for delay in delays(found) if delay is not None) <= 40


def test_a_wrong_clock_is_corrected_the_same_before_and_behind_another_server() -> None:
    found = journey(("mx", 1001), ("filter", 21), ("mx", 1031), ("imap", 32), detected=33)
    assert skews(found) == [998, 0, 998, 0]
    assert found[0].delay_seconds == pytest.approx(1, abs=2)
    assert found[1].delay_seconds == pytest.approx(20, abs=2)
    assert found[2].delay_seconds == pytest.approx(10, abs=2)


def test_the_same_server_is_the_same_in_whatever_letters_but_localhost_may_be_any() -> None:
    found = journey(("MX.test", 1001), ("mx.TEST", 1011), detected=20)
    assert found[0].skew_seconds == found[1].skew_seconds > 0
    found = journey(("localhost", 1001), ("localhost", 11), ("", -700), ("", 12), detected=20)
    assert [step.skew_seconds != 0 for step in found] == [True, False, True, False]


def test_many_clocks_outvote_one() -> None:
    found = journey(("a", 1), ("b", 500), ("c", 3), ("d", 4), detected=1000)
    assert skews(found) == [0, 496, 0, 0]
    assert not any(step.apart_seconds for step in found)
    assert math.fsum(delay or 0 for delay in delays(found)) == pytest.approx(4)
    found = journey(("a", 501), ("b", 502), ("c", 3), ("d", 504), detected=1000)
    assert skews(found) == [0, 0, -498, 0]


# -- it cannot be told --------------------------------------------------------------------------------------------


def test_where_neither_bound_nor_vote_decides_two_clocks_are_said_to_be_apart() -> None:
    found = journey(("a", 700), ("b", 100), detected=1000)
    assert delays(found) == [None, None]
    assert skews(found) == [0, 0]
    assert [(step.apart_seconds, step.against) for step in found] == [(0, ""), (599, "a")]
    assert [noteworthy(step) for step in found] == [False, True]
    assert slowest(found) is None


def test_what_lies_around_clocks_in_doubt_is_known_all_the_same() -> None:
    found = journey(("x", 2), ("a", 700), ("a", 750), ("b", 100), ("b", 120), ("c", 800), ("d", 802), detected=1000)
    assert delays(found) == [2, None, 50, None, 20, None, 2]
    assert [step.apart_seconds for step in found] == [0, 0, 0, 649, 629, 0, 0]


def test_the_acceptance_decides_between_two_that_bounds_do_not() -> None:
    """The relay had it before it said so."""
    found = journey(("relay", 700), ("b", 100), detected=1000, accepted=0.5)
    assert skews(found) == [599, 0]
    assert delays(found) == [pytest.approx(0.25), pytest.approx(99.75)]
    assert slowest(found) is None


def test_the_mailbox_decides_between_two_that_bounds_do_not() -> None:
    found = journey(("x", 1), ("a", 700), ("b", 100), detected=1000, internaldate=101)
    assert [step.skew_seconds > 0 for step in found] == [False, True, False]


@pytest.mark.parametrize("internaldate", [-5000, 5000])
def test_a_mailbox_outside_of_our_bounds_is_no_witness(internaldate: float) -> None:
    found = journey(("a", 700), ("b", 100), detected=1000, internaldate=internaldate)
    assert found[1].apart_seconds == 599


def test_a_witness_alone_proves_nothing() -> None:
    """The relay may not show itself, and the mailbox may take its date from a hop."""
    found = journey(("mx", 100), ("imap", 110), detected=120, accepted=0.5, internaldate=99)
    assert delays(found) == [100, 10]
    assert nothing_but_delays(found)


def test_a_clock_that_was_set_back_on_the_way_is_apart_from_itself() -> None:
    found = journey(("mx", 700), ("mx", 100), ("mx", 105), detected=1000)
    assert [(step.apart_seconds, step.against) for step in found] == [(0, ""), (599, "mx"), (594, "mx")]
    assert delays(found)[1:] == [0, 5]


# -- it is our own ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("off", [3600, -3600])
def test_where_servers_agree_with_each_other_and_none_with_us_it_is_our_clock(off: float) -> None:
    found = journey(("a", off + 1), ("b", off + 4), ("c", off + 9), detected=10)
    assert [step.delay_seconds for step in found[1:]] == [3, 5]
    assert own_skew(found) == pytest.approx(-off, abs=10)
    assert abs(own_skew(found)) <= 3600
    assert all(step.skew_seconds == -own_skew(found) for step in found)


def test_one_server_that_disagrees_with_us_is_wrong_itself() -> None:
    assert own_skew(journey(("a", 3601), ("a", 3602), detected=10)) == 0
    assert own_skew(journey(("a", 1), ("b", 3602), detected=10)) == 0
    assert own_skew(journey(("a", 1), ("b", 2), detected=10)) == 0
    assert own_skew(journey(("a", 9000), ("b", -9000), detected=10)) == 0


# -- whatever it is -----------------------------------------------------------------------------------------------

SERVERS = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "localhost", ""]), min_size=1, max_size=12)
WAYS = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.floats(0, 500)), min_size=1, max_size=12)
OFFSETS = st.dictionaries(
    st.sampled_from("abcdefgh"), st.sampled_from([0.0, 0.4, -1.5, 3.0]) | st.floats(-1e5, 1e5), max_size=8
)
FRACTION = st.floats(0, 0.999)


def travel(
    way: Sequence[tuple[str, float]], offsets: Mapping[str, float], sent: float, rest: float
) -> tuple[Step, ...]:
    """A journey whose true delays are those of `way`, with clocks that are off."""
    at, dates = sent, []
    for by, delay in way:
        at += delay
        dates.append((by, at + offsets.get(by, 0.0)))
    return journey(*dates, sent=sent, accepted=sent + way[0][1], detected=at + rest)


@stable
@given(WAYS, FRACTION, st.floats(0, 100))
def test_with_right_clocks_each_delay_is_right_within_a_second(
    way: list[tuple[str, float]], sent: float, rest: float
) -> None:
    found = travel(way, {}, sent, rest)
    assert [step.by for step in found] == [by for by, _ in way]
    assert nothing_but_delays(found)
    for step, (_, true) in zip(found, way, strict=True):
        assert step.delay_seconds is not None
        assert abs(step.delay_seconds - true) < 1.001


@stable
@given(WAYS, OFFSETS, FRACTION, st.floats(0, 100))
def test_with_wrong_clocks_no_time_is_made_up(
    way: list[tuple[str, float]], offsets: dict[str, float], sent: float, rest: float
) -> None:
    found = travel(way, offsets, sent, rest)
    whole = sum(delay for _, delay in way) + rest
    known = [step.delay_seconds for step in found if step.delay_seconds is not None]
    assert all(delay >= 0 for delay in known)
    assert math.fsum(known) <= whole + 0.001
    assert [step.by for step in found] == [by for by, _ in way]
    assert sum(step.slow for step in found) <= 1
    for (before, step), (_, true) in zip(pairwise(found), way[1:], strict=True):
        if step.by == before.by:  # whatever its clock says
            assert step.delay_seconds is not None
            assert abs(step.delay_seconds - true) < 1.001


@stable
@given(WAYS, st.sampled_from("abcdefgh"), st.floats(-1e5, 1e5), FRACTION, st.floats(0, 100))
def test_one_wrong_clock_is_never_laid_to_another(
    way: list[tuple[str, float]], wrong: str, offset: float, sent: float, rest: float
) -> None:
    """And what is said of it is true: its direction, no more than its size; once found, delays are within margins."""
    way = [("x", 1.0), ("y", 1.0), *way, ("z", 1.0)]
    whole = sum(delay for _, delay in way) + rest
    found = travel(way, {wrong: offset}, sent, rest)
    for step, (by, true) in zip(found, way, strict=True):
        assert not step.skew_seconds or by == wrong
        assert step.skew_seconds * offset >= 0
        assert abs(step.skew_seconds) <= abs(offset) + 0.001
        if any(skews(found)):
            assert step.delay_seconds is not None
            assert abs(step.delay_seconds - true) <= step.margin_seconds + 2.001
        if by == wrong and abs(offset) > whole + 3:
            assert step.skew_seconds


@stable
@given(SERVERS, st.data())
def test_whatever_the_dates_no_step_raises_or_takes_more_than_all_the_time(
    servers: list[str], data: st.DataObject
) -> None:
    moments = st.datetimes(timezones=st.just(UTC)) | st.floats(-100, 1100).map(after)
    at = [data.draw(st.none() | moments) for _ in servers]
    sent, detected = data.draw(moments), data.draw(moments)
    found = steps(
        [HopRecord(by=by, at=moment) for by, moment in zip(servers, at, strict=True)],
        sent=sent,
        detected=detected,
        accepted=data.draw(st.none() | moments),
        internaldate=data.draw(st.none() | moments),
    )
    assert len(found) == len(servers)
    known = [step.delay_seconds for step in found if step.delay_seconds is not None]
    assert all(delay >= 0 for delay in known)
    assert math.fsum(known) <= max(0.0, (detected - sent).total_seconds()) + 0.001
    assert all((step.delay_seconds is None and not noteworthy(step)) or step.at for step in found)
    assert math.isfinite(own_skew(found))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("servers", [1, 7, 500])
def test_hundreds_of_hops_take_no_time(sign: int, servers: int) -> None:
    began = time.process_time()
    found = journey(*((f"s{n % servers}", 500 + sign * n) for n in range(500)), detected=1000)
    assert time.process_time() - began < 5
    assert len(found) == 500
