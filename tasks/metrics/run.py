"""One run of a check, as the metrics take it, and which have been taken."""

import hashlib
import math
import re
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from tasks.mail.checks import WITHOUT_RECORD, Check, of_result, of_state
from tasks.mail.config.addresses import SLUG, SLUG_LENGTH
from tasks.mail.model.cause import Cause
from tasks.mail.model.outcome import LEG_STAGES, Outcome, Status
from tasks.mail.model.result import LoopResult

# How a run can end that leaves no verdict: as a history says it, in the form of a label.
ENDS = tuple(end.replace(" ", "_") for end in WITHOUT_RECORD.values())

_Key = TypeVar("_Key", bound=Hashable)
_NO_CAUSE = "none"
CAUSES = (*Cause, _NO_CAUSE)

# Every outcome with every status that a check can give it.
_EITHER = (Status.WARNING, Status.ERROR)
STATUSES_BY_OUTCOME: dict[Outcome, tuple[Status, ...]] = dict.fromkeys(Outcome, (Status.ERROR,)) | {
    Outcome.DELIVERED: tuple(Status),
    Outcome.LATE: (Status.WARNING,),
    Outcome.JUNKED: _EITHER,
    Outcome.MISPLACED: _EITHER,
    Outcome.DUPLICATED: (Status.WARNING,),
    Outcome.LOST: _EITHER,
    Outcome.SKIPPED: (Status.WARNING,),
}


@dataclass(frozen=True, slots=True)
class Sighting:
    """A run of a loop that ended, and when: with its result, or with what its state alone says.

    `deployment`: the id of that whose schedule has started it.
    """

    at: datetime
    check: Check
    result: LoopResult | None = None
    deployment: str | None = None

    @property
    def loop(self) -> str:
        return self.check.loop

    @property
    def verdict(self) -> tuple[Outcome, Status] | None:
        """None where the run left no verdict, not even one that says nothing about the mail."""
        if self.result is not None:
            return self.result.outcome, self.result.status
        outcome = next((one for one in Outcome if one == self.check.outcome), None)
        return None if outcome is None else (outcome, self.check.status or STATUSES_BY_OUTCOME[outcome][-1])

    @property
    def failure(self) -> str | None:
        """The cause of a warning or an error, _NO_CAUSE where none is known; None where nothing failed."""
        if self.verdict is None or self.verdict[0] is Outcome.SKIPPED or self.verdict[1] is Status.OK:
            return None
        return (self.result.cause if self.result else None) or _NO_CAUSE

    @property
    def end(self) -> str:
        """How a run ended that left no verdict: one of ENDS."""
        return self.check.outcome.replace(" ", "_")

    @property
    def good(self) -> bool | None:
        """Whether mail got through, as a history counts it; None where the run says nothing about the mail."""
        return None if self.check.status is None else self.check.good

    @property
    def stages(self) -> list[tuple[str, str, float]]:
        """Leg, stage and seconds, of the stages that there are."""
        if self.result is None:
            return []
        known = self.result.stages
        times = ((leg, name, known[leg].get(name)) for leg, names in LEG_STAGES.items() for name in names)
        return [(leg, name, seconds) for leg, name, seconds in times if seconds is not None and is_time(seconds)]


def of_a_result(result: LoopResult, at: datetime, deployment: str | None = None) -> Sighting:
    """`at` is when the check ended."""
    return Sighting(at, of_result(result, at), result, deployment)


def of_a_state(loop: str, at: datetime, kind: str, name: str, deployment: str | None = None) -> Sighting:
    """A run that has ended without a record, from its state: type and name."""
    return Sighting(at, of_state(loop, at, kind, name, None), None, deployment)


def is_loop_name(name: str) -> bool:
    """Whether this can name a loop: a record may hold what others put there."""
    return len(name) <= SLUG_LENGTH and re.fullmatch(SLUG, name) is not None


def is_time(seconds: float) -> bool:
    """Whether it is a length of time: one that is not would spoil a sum for good."""
    return 0 <= seconds < math.inf


def identity(result: LoopResult) -> bytes:
    """What identifies a result, be it read from an event or from an artifact."""
    return hashlib.blake2b(result.model_dump_json().encode(), digest_size=16).digest()


class Remembered(Generic[_Key]):
    """What has been taken, for as long as it may be met again: a set whose members know when they last were."""

    def __init__(self) -> None:
        self._met: dict[_Key, datetime] = {}

    def add(self, key: _Key, now: datetime) -> bool:
        """Remember `key`; returns whether it is new."""
        new = self._met.pop(key, None) is None
        self._met[key] = now
        return new

    def forget(self, before: datetime) -> None:
        """Forget what has not been met since."""
        for key in [key for key, met in self._met.items() if met < before]:
            del self._met[key]

    def __contains__(self, key: object) -> bool:
        return key in self._met

    def __len__(self) -> int:
        return len(self._met)
