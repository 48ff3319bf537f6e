"""What one run of a check tells about the mail: pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tasks.mail.facts import ErrorType, Placement
from tasks.mail.result import LoopResult, Outcome, Status
from tasks.mail.visible import one_line

# The mail was not tried, or nobody could see what became of it.
SILENT = frozenset({Outcome.UNVERIFIED, Outcome.MISCONFIGURED, Outcome.SKIPPED})
ARRIVED = frozenset({Outcome.DELIVERED, Outcome.LATE, Outcome.JUNKED, Outcome.MISPLACED, Outcome.DUPLICATED})
WITHOUT_RECORD = {"CRASHED": "crashed", "CANCELLED": "cancelled", "FAILED": "failed", "COMPLETED": "no record"}
LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `status` is None where it says nothing about the mail: `outcome` then says what was the matter."""

    loop: str
    at: datetime
    status: Status | None
    outcome: str
    sentence: str = ""
    stage: str | None = None
    delivery_seconds: float | None = None
    folder: str | None = None
    placement: Placement | None = None

    @property
    def good(self) -> bool:
        """Whether mail got through: a warning says that it did, though not as it should."""
        return self.status in (Status.OK, Status.WARNING)

    @property
    def missing(self) -> bool:
        """Whether the message did not get where it should be looked for: lost, bounced, or never accepted."""
        return self.status is not None and self.outcome not in ARRIVED


def loop_name(name: object) -> str:
    """The name of a loop, as a run was given it: anything, in a deployment that does not enforce its schema."""
    return one_line(str(name), LONGEST_NAME)


def of_result(result: LoopResult, at: datetime) -> Check:
    """The check behind a result; `at` is when its run began, and counts where nothing was sent."""
    silent = result.outcome in SILENT or result.error_type is ErrorType.UNEXPECTED
    return Check(
        loop=loop_name(result.loop),
        at=result.sent_at or at,
        status=None if silent else result.status,
        outcome=str(result.outcome),
        sentence=one_line(result.sentence, None),
        stage=result.stage,
        delivery_seconds=result.delivery_seconds,
        folder=result.folder,
        placement=result.placement,
    )


def of_state(loop: object, at: datetime, kind: str, name: str, message: str | None) -> Check:
    """The check of a run without a readable record, from its state: type, name and message.

    A state that is named after an outcome tells the verdict all the same, though neither times nor folder.
    """
    status, outcome = None, WITHOUT_RECORD.get(kind, "never started" if kind == "SCHEDULED" else "never ended")
    known = next((word for word in Outcome if word.title() == name), None)
    if known is not None and kind in WITHOUT_RECORD:
        outcome = str(known)
        if known not in SILENT:
            status = {"FAILED": Status.ERROR}.get(kind, Status.OK if known is Outcome.DELIVERED else Status.WARNING)
    return Check(loop_name(loop), at, status, outcome, one_line(message or "", None))
