"""The metrics of the exporter, and when it leaves one out: no Prefect, no clock of its own."""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from threading import Lock

from prometheus_client import CollectorRegistry, Counter, Info, ProcessCollector, Summary
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tasks.mail.config.addresses import SLUG, SLUG_LENGTH
from tasks.metrics.counters import Counters
from tasks.metrics.loop import Intervals, Loop, Sighting

READS_AT_ZERO = 4  # reads for which a new loop is shown with 0: a scrape should fall between
MAX_FAILED_READS = 3  # reads in a row that fail before it is no longer said whether mail gets through
IGNORED = ("unreadable", "name", "too_many_loops")
_GAUGES = {
    "up": "Whether mail gets through, by the newest verdict; none where it is stale.",
    "last_success_timestamp_seconds": "When a check last ended that found mail to get through; 0: none known.",
    "last_check_timestamp_seconds": "When a check last ended, whatever it found.",
    "check_interval_seconds": "Time between two checks, by the schedule; none without one.",
}


class Board(Collector):
    """Fed after each read of Prefect, by one thread; collected at each scrape, by others."""

    def __init__(
        self,
        clock: Callable[[], datetime],
        patience: timedelta,
        most_loops: int,
        version: str,
        exclude: Iterable[str] = (),
    ) -> None:
        """`patience`: how old a read may be before it counts as failed, whatever became of the next one.

        `exclude`: patterns, with * and ?, of loops that are left out.
        """
        self._clock, self._patience, self._most_loops, self._exclude = clock, patience, most_loops, tuple(exclude)
        self._lock = Lock()
        self._loops: dict[str, Loop] = {}
        self._intervals = Intervals()
        self._held: dict[str, tuple[int, list[Sighting]]] = {}
        self._read_at: datetime | None = None
        self._resumed: datetime | None = None  # when Prefect could be read again
        self._failures = 0
        self.registry = registry = CollectorRegistry()
        registry.register(self)
        self._counters = Counters(registry)
        self._reads = Counter("mail_loop_exporter_reads", "Reads of Prefect.", ["result"], registry=registry)
        text = "Records that are left out."
        self._ignored = Counter("mail_loop_exporter_ignored", text, ["reason"], registry=registry)
        self._took = Summary("mail_loop_exporter_read_seconds", "Time that a read took.", registry=registry)
        for result in ("success", "failure"):
            self._reads.labels(result)
        for reason in IGNORED:
            self._ignored.labels(reason)
        Info("mail_loop_build", "The version of the exporter.", registry=registry).info({"version": version})
        ProcessCollector(registry=registry)

    def read(self, new: Iterable[Sighting], known: Iterable[Sighting], unreadable: int, seconds: float) -> None:
        """Take what a read found. `known` was there before the exporter: it says how things stand and is not counted.

        A loop that was not known is shown with 0 first, and its checks are counted some reads later.
        """
        with self._lock:
            for sighting in known:
                self._see(sighting)
            before = set(self._loops)
            self._let_go()
            for sighting in new:
                if self._see(sighting):
                    if sighting.loop not in before:
                        self._held.setdefault(sighting.loop, (READS_AT_ZERO, []))
                    if sighting.loop in self._held:
                        self._held[sighting.loop][1].append(sighting)
                    else:
                        self._counters.count(sighting)
            now = self._clock()
            if self._read_at is not None and not self._is_recent():
                self._resumed = now
            self._read_at, self._failures = now, 0
            self._forget(now)
        self._ignored.labels("unreadable").inc(unreadable)
        self._reads.labels("success").inc()
        self._took.observe(seconds)

    def _let_go(self) -> None:
        """Count what was held back long enough."""
        for loop, (left, sightings) in [*self._held.items()]:
            self._held[loop] = (left - 1, sightings)
            if left == 1:
                del self._held[loop]
                for sighting in sightings:
                    self._counters.count(sighting)

    def scheduled(self, intervals: Intervals) -> None:
        """Take how often loops are due."""
        with self._lock:
            self._intervals = intervals

    def failed(self) -> None:
        """Prefect could not be read."""
        with self._lock:
            self._failures += 1
        self._reads.labels("failure").inc()

    @property
    def reads(self) -> bool:
        """Whether the last read of Prefect succeeded, and lately."""
        return self._failures == 0 and self._is_recent()

    def _is_recent(self) -> bool:
        return self._read_at is not None and self._clock() - self._read_at <= self._patience

    def _see(self, sighting: Sighting) -> bool:
        """Learn from a run; False where its loop has no place here."""
        loop = sighting.loop
        if len(loop) > SLUG_LENGTH or not re.fullmatch(SLUG, loop):  # a record may hold what others put there
            self._ignored.labels("name").inc()
            return False
        if any(fnmatchcase(loop, pattern) for pattern in self._exclude):
            return False
        if loop not in self._loops and len(self._loops) >= self._most_loops:
            self._ignored.labels("too_many_loops").inc()
            return False
        self._loops.setdefault(loop, Loop()).see(sighting)
        self._counters.begin(sighting)
        return True

    def _forget(self, now: datetime) -> None:
        """Drop loops that are gone: while Prefect cannot be read, none is known to be."""
        gone = [
            name
            for name, loop in self._loops.items()
            if loop.gone(now, loop.interval(name, self._intervals), self._resumed)
        ]
        for name in gone:
            del self._loops[name]
            self._held.pop(name, None)
            self._counters.forget(name)

    def collect(self) -> Iterator[Metric]:
        """The gauges, as they are now."""
        with self._lock:
            return iter([*self._own(), *self._of_loops(self._clock())])

    def _own(self) -> list[Metric]:
        read_at = self._read_at.timestamp() if self._read_at else 0.0
        gauges = (
            ("up", "Whether the last read of Prefect succeeded.", float(self.reads)),
            ("last_read_timestamp_seconds", "When Prefect was last read with success; 0: never yet.", read_at),
            ("loops", "Loops that are shown.", len(self._loops)),
        )
        return [GaugeMetricFamily(f"mail_loop_exporter_{name}", text, value=value) for name, text, value in gauges]

    def _of_loops(self, now: datetime) -> list[Metric]:
        gauges = (GaugeMetricFamily(f"mail_loop_{name}", text, labels=["loop"]) for name, text in _GAUGES.items())
        up, success, last, interval = gauges
        text = "When the certificate of the server of a leg expires."
        expiry = GaugeMetricFamily("mail_loop_certificate_expiry_timestamp_seconds", text, labels=["loop", "leg"])
        blind = self._failures >= MAX_FAILED_READS or not self._is_recent()
        for name, loop in self._loops.items():
            due = loop.interval(name, self._intervals)
            if not blind and (is_up := loop.up(now, due)) is not None:
                up.add_metric([name], float(is_up))
            success.add_metric([name], loop.success.timestamp() if loop.success else 0.0)
            last.add_metric([name], loop.last.timestamp())
            if due is not None:
                interval.add_metric([name], due.total_seconds())
            for leg, (_, not_after) in loop.certificates.items():
                expiry.add_metric([name, leg], not_after.timestamp())
        return [up, success, last, interval, expiry]
