"""Outages: the checks that found in a row that mail does not get through. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tasks.mail.checks import Check


@dataclass(frozen=True, slots=True)
class Outage:
    """Consecutive error verdicts of one loop, with the most frequent outcome among them as the cause.

    `since` is when the first of them was sent, `until` when the first good one after them was, None as long as there
    is none. `open_start`: no good check of the period came before, so it may have begun earlier.
    """

    since: datetime
    until: datetime | None
    checks: int
    outcome: str
    stage: str | None
    sentence: str
    open_start: bool

    @property
    def cause(self) -> str:
        return f"{self.outcome} at {self.stage}" if self.stage else self.outcome

    def length(self, now: datetime) -> timedelta:
        """How long it lasted at the most, or has lasted by now."""
        return (self.until or now) - self.since


def outages(checks: Sequence[Check]) -> tuple[Outage, ...]:
    """The outages among the checks of one loop, given in their order. Checks without a verdict change nothing."""
    found: list[Outage] = []
    failed: list[Check] = []
    seen_good = False
    for check in checks:
        if check.status is None:
            continue
        if not check.good:
            failed.append(check)
            continue
        if failed:
            found.append(_outage(failed, check.at, not seen_good))
            failed = []
        seen_good = True
    if failed:
        found.append(_outage(failed, None, not seen_good))
    return tuple(found)


def _outage(failed: Sequence[Check], until: datetime | None, open_start: bool) -> Outage:
    """Of causes equally frequent the first counts; the sentence is that of the first check with it."""
    (cause, _) = Counter((check.outcome, check.stage) for check in failed).most_common(1)[0]
    sentence = next(check.sentence for check in failed if (check.outcome, check.stage) == cause)
    return Outage(failed[0].at, until, len(failed), *cause, sentence, open_start)
