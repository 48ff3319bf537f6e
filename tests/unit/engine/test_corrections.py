"""What became of each probe of a loop, once later runs have told of them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.mail.checks import OPEN, accounts
from tasks.mail.model.outcome import Outcome, Reported, Status
from tasks.mail.model.result import EarlierProbe, LoopResult

NOW = datetime(2026, 11, 23, 14, 15, tzinfo=UTC)


def number(name: int | str) -> str:
    return f"{name:>032}"


def result(name: int | str, outcome: Outcome, *told: EarlierProbe, seconds: float | None = None) -> LoopResult:
    return LoopResult(
        loop="office",
        status=Status.OK,
        outcome=outcome,
        sentence="",
        probe_id=number(name),
        delivery_seconds=seconds,
        earlier_probes=told,
    )


def probe(name: int | str, seconds: float | None = 2220.0, reported: Reported = Reported.LOST) -> EarlierProbe:
    return EarlierProbe(
        probe_id=number(name),
        token=number(name)[:6],
        arrived_at=NOW,
        delivery_seconds=seconds,
        reported=reported,
        folder="INBOX",
        uidvalidity=1,
        uid=1,
    )


UNCOLLECTED = Reported.UNCOLLECTED


@pytest.mark.parametrize(
    ("outcome", "told", "after"),
    [
        (Outcome.LOST, probe(1), (Outcome.LATE, 2220.0)),
        (Outcome.LOST, probe(1, None, UNCOLLECTED), (Outcome.LATE, None)),  # late it is, by whatever clock
        (Outcome.UNVERIFIED, probe(1, 3.0, UNCOLLECTED), (Outcome.DELIVERED, 3.0)),
        (Outcome.UNVERIFIED, probe(1), (Outcome.LATE, 2220.0)),
        (Outcome.UNSENT, probe(1), (Outcome.LATE, 2220.0)),  # in doubt, and taken after all
        (Outcome.DELIVERED, probe(1), (Outcome.DELIVERED, 1.0)),  # a second copy
        (Outcome.BOUNCED, probe(1), (Outcome.BOUNCED, 1.0)),
        (Outcome.LOST, probe(2), (Outcome.LOST, 1.0)),  # another one
    ],
)
def test_what_arrived_after_all_is_what_became_of_it(
    outcome: Outcome, told: EarlierProbe, after: tuple[Outcome, float | None]
) -> None:
    first, last = accounts([result(1, outcome, seconds=1.0), result(3, Outcome.DELIVERED, told, seconds=2.0)])
    assert (first.outcome, first.delivery_seconds) == after
    assert (last.outcome, last.delivery_seconds, last.arrival) == (Outcome.DELIVERED, 2.0, None)


def test_what_is_told_again_counts_as_it_was_told_first() -> None:
    results = [result(1, Outcome.LOST), *(result(2 + n, Outcome.LOST, probe(1, 10.0 + n)) for n in range(3))]
    assert [account.delivery_seconds for account in accounts(results)] == [10.0, None, None, None]


RESULTS = st.lists(
    st.builds(
        lambda name, outcome, told: result(name, outcome, *map(probe, told)),
        st.integers(0, 9),
        st.sampled_from(Outcome),
        st.lists(st.integers(0, 12), max_size=4),
    ),
    max_size=8,
    unique_by=lambda one: one.probe_id,
)


@given(RESULTS)
def test_each_probe_has_one_account_whatever_the_results_say(results: list[LoopResult]) -> None:
    found = accounts(results)
    assert [account.result for account in found] == results
    for place, account in enumerate(found):
        later = {told.probe_id for one in results[place + 1 :] for told in one.earlier_probes}
        sooner = {told.probe_id for one in results[: place + 1] for told in one.earlier_probes}
        if account.result.probe_id not in sooner:
            assert (account.arrival is not None) is (
                account.result.outcome in OPEN and account.result.probe_id in later
            )
        assert account.outcome in {account.result.outcome, Outcome.LATE, Outcome.DELIVERED}
