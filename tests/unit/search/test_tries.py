"""When another try to read a mailbox is worth it: what waiting does not change is settled by a second look."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import MailboxFailure
from tasks.mail.model.outcome import ErrorType
from tasks.mail.search.pace import SECOND_LOOK, Tries
from tests.support.checks.facts import moment

NO_TLS, NO_NAME, OTHER = Cause.TLS_MODE, Cause.NAME_NOT_FOUND, None


def failures(tries: Sequence[tuple[float, Cause | None]]) -> list[MailboxFailure]:
    """What becomes of tries that begin at these seconds and fail half a second later."""
    clock = iter([0.0, *(at for begun, _ in tries for at in (begun, begun + 0.5))])
    recorded = Tries(now=lambda: moment(next(clock)))
    found = []
    for _, lasting in tries:
        recorded.begin()
        found.append(MailboxFailure(ErrorType.CONNECTION, "connect", "no", cause=lasting))
        recorded.failed(found[-1])
    return found


@pytest.mark.parametrize(
    ("tries", "settled"),
    [
        ([(0.0, NO_TLS), (10.0, NO_TLS)], True),
        ([(0.0, NO_TLS), (3.0, NO_TLS), (6.0, NO_TLS), (10.0, NO_TLS)], True),
        ([(0.0, NO_TLS), (3.0, NO_TLS), (9.5, NO_TLS)], False),
        ([(0.0, OTHER), (10.0, OTHER), (300.0, OTHER)], False),
        ([(0.0, NO_NAME), (5.0, OTHER), (10.0, NO_NAME)], False),
        ([(0.0, NO_NAME), (10.0, NO_TLS)], False),
        ([(0.0, NO_NAME), (10.0, NO_TLS), (20.0, NO_TLS)], True),
        ([(0.0, NO_TLS)], False),
    ],
)
def test_a_second_look_ten_seconds_later_settles_what_waiting_does_not_change(
    tries: Sequence[tuple[float, Cause | None]], settled: bool
) -> None:
    *before, last = failures(tries)
    assert last.permanent is settled
    assert not any(failure.permanent for failure in before)


@pytest.mark.parametrize(
    ("lasting", "retry_delay", "pause"),
    [(NO_TLS, 60.0, SECOND_LOOK), (NO_TLS, 3.0, 3.0), (OTHER, 60.0, 60.0)],
)
def test_a_second_look_is_not_put_off_by_a_longer_delay(
    lasting: Cause | None, retry_delay: float, pause: float
) -> None:
    tries = Tries()
    tries.begin()
    tries.failed(MailboxFailure(ErrorType.CONNECTION, "connect", "no", cause=lasting))
    assert tries.pause(retry_delay) == pause


def test_a_failure_tells_when_the_first_and_the_last_try_began_and_when_it_was() -> None:
    tried = failures([(1.0, OTHER), (4.0, OTHER), (9.0, OTHER)])[-1].tried
    assert tried is not None
    assert (tried.count, tried.first, tried.last, tried.ended) == (3, moment(1.0), moment(9.0), moment(9.5))
