"""What a run of a check says about the mail, and how later runs of its loop correct it: for all that counts results."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tasks.mail.model.outcome import ErrorType, Outcome, Placement, Reported, Status
from tasks.mail.model.result import EarlierProbe, LoopResult
from tasks.mail.model.safe_text import one_line

# The mail was not tried, or nobody could see what became of it.
SILENT = frozenset({Outcome.UNVERIFIED, Outcome.MISCONFIGURED, Outcome.SKIPPED})
_ARRIVED = frozenset({Outcome.DELIVERED, Outcome.LATE, Outcome.JUNKED, Outcome.MISPLACED, Outcome.DUPLICATED})
# What a check says of a message that it did not find: it may arrive all the same.
OPEN = frozenset({Outcome.LOST, Outcome.UNVERIFIED, Outcome.UNSENT, Outcome.DEFERRED, Outcome.REJECTED})
WITHOUT_RECORD = {"CRASHED": "crashed", "CANCELLED": "cancelled", "FAILED": "failed", "COMPLETED": "no record"}
_LONGEST_NAME = 80
_METHODS = ("spf", "dkim", "dmarc", "arc")


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
    authentication: str | None = None

    @property
    def good(self) -> bool:
        """Whether mail got through: a warning says that it did, though not as it should."""
        return self.status in (Status.OK, Status.WARNING)

    @property
    def missing(self) -> bool:
        """Whether the message did not get where it should be looked for: lost, bounced, or never accepted."""
        return self.status is not None and self.outcome not in _ARRIVED


@dataclass(frozen=True, slots=True)
class Account:
    """A run's result, and what a later run reports of its probe: how it came after all, or None."""

    result: LoopResult
    arrival: EarlierProbe | None = None

    @property
    def outcome(self) -> Outcome:
        """What became of the probe, as far as is known now. A lost one that arrived is late, so its outage is over."""
        if self.arrival is None:
            return self.result.outcome
        in_time = self.arrival.reported is Reported.UNCOLLECTED and self.result.outcome is Outcome.UNVERIFIED
        return Outcome.DELIVERED if in_time else Outcome.LATE

    @property
    def delivery_seconds(self) -> float | None:
        """How long the delivery took; None where it is not known, or there was none."""
        return self.result.delivery_seconds if self.arrival is None else self.arrival.delivery_seconds


def accounts(results: Sequence[LoopResult]) -> tuple[Account, ...]:
    """The results of a loop, the oldest first, each with what the later ones report of its probe.

    A second copy of a message that its own check had found changes nothing.
    """
    reports = [(place, probe) for place, result in enumerate(results) for probe in result.counted_probes]
    first = {probe.probe_id: (place, probe) for place, probe in reversed(reports)}  # of several reports of one probe
    found = []
    for place, result in enumerate(results):
        later, arrival = first.get(result.probe_id or "", (-1, None))
        found.append(Account(result, arrival if later > place and result.outcome in OPEN else None))
    return tuple(found)


def loop_name(name: object) -> str:
    """The name of a loop, as a run was given it: anything, in a deployment that does not enforce its schema."""
    return one_line(str(name), _LONGEST_NAME)


def of_results(found: Iterable[tuple[LoopResult, datetime]]) -> list[Check]:
    """The checks behind results, each as later ones of its loop correct it; with each when its run began."""
    loops: dict[str, list[tuple[LoopResult, datetime]]] = defaultdict(list)
    for result, at in sorted(found, key=lambda pair: pair[0].sent_at or pair[1]):
        loops[result.loop].append((result, at))
    return [
        _corrected(of_result(account.result, at), account)
        for listed in loops.values()
        for account, (_, at) in zip(accounts([result for result, _ in listed]), listed, strict=True)
    ]


def _corrected(check: Check, account: Account) -> Check:
    """A message that arrived after all: mail got through, though not as it should."""
    if (arrival := account.arrival) is None:
        return check
    when = f"{arrival.arrived_at:%Y-%m-%d %H:%M} UTC"
    return replace(
        check,
        status=Status.OK if account.outcome is Outcome.DELIVERED else Status.WARNING,
        outcome=str(account.outcome),
        sentence=one_line(f"{check.sentence} It arrived all the same, in {arrival.folder} at {when}.", None),
        delivery_seconds=account.delivery_seconds,
        folder=arrival.folder,
    )


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
        authentication=_authentication(result),
    )


def _authentication(result: LoopResult) -> str | None:
    """What the receiver stated, method by method; None where it stated nothing."""
    stated = result.journey.authentication if result.journey else None
    methods = {one.method: one.result for one in reversed(stated.methods)} if stated else {}
    return ", ".join(f"{name} {methods[name]}" for name in _METHODS if name in methods) or None


def of_state(loop: object, at: datetime, kind: str, name: str, message: str | None) -> Check:
    """The check of a run without a readable record, from its state: type, name and message.

    A state that is named after an outcome has the verdict all the same, though neither times nor folder.
    """
    status, outcome = None, WITHOUT_RECORD.get(kind, "never started" if kind == "SCHEDULED" else "never ended")
    known = next((word for word in Outcome if word.title() == name), None)
    if known is not None and kind in WITHOUT_RECORD:
        outcome = str(known)
        if known not in SILENT:
            status = {"FAILED": Status.ERROR}.get(kind, Status.OK if known is Outcome.DELIVERED else Status.WARNING)
    return Check(loop_name(loop), at, status, outcome, one_line(message or "", None))
