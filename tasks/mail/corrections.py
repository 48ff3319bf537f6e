"""What became of the probes of a loop, once later runs have told of them: for all that counts results. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tasks.mail.model.outcome import Outcome, Reported
from tasks.mail.model.result import EarlierProbe, LoopResult

# What a check says of a message that it did not find: it may arrive all the same.
OPEN = frozenset({Outcome.LOST, Outcome.UNVERIFIED, Outcome.UNSENT, Outcome.DEFERRED, Outcome.REJECTED})


@dataclass(frozen=True, slots=True)
class Account:
    """A run's result, and what a later run tells of its probe: how it came after all, or None."""

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
    """The results of a loop, the oldest first, each with what the later ones tell of its probe.

    A second copy of a message that its own check had found changes nothing.
    """
    told = {probe.probe_id: (place, probe) for place, probe in reversed([*_tellings(results)])}
    found = []
    for place, result in enumerate(results):
        later, arrival = told.get(result.probe_id or "", (-1, None))
        found.append(Account(result, arrival if later > place and result.outcome in OPEN else None))
    return tuple(found)


def _tellings(results: Sequence[LoopResult]) -> Iterable[tuple[int, EarlierProbe]]:
    """All that the results tell of earlier probes, with the place of the result; of one told again the first counts."""
    return ((place, probe) for place, result in enumerate(results) for probe in result.counted_probes)
