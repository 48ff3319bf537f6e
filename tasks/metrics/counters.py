"""What is counted and timed, check by check: counters that begin at 0, and never count anything twice."""

from prometheus_client import CollectorRegistry, Counter, Histogram, Summary, disable_created_metrics

from tasks.metrics.loop import CAUSES, ENDS, STATUSES_BY_OUTCOME, Sighting, is_time

BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
_MAX_REMEMBERED = 10_000  # messages that were reported as late, for the case that they are reported again

# A moment for each series would be one more series, and by half as many again: Prometheus takes it for that.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library leaves it without types


class Counters:
    """The series of each loop, all of them from the first moment on: increase() does not see a series begin."""

    def __init__(self, registry: CollectorRegistry) -> None:
        text = "Checks that ended, by what became of the message and how bad that is."
        self._checks = Counter("mail_loop_checks", text, ["loop", "outcome", "status"], registry=registry)
        text = "Checks that ended with a warning or an error, by why; those that were skipped are left out."
        self._failures = Counter("mail_loop_failures", text, ["loop", "cause"], registry=registry)
        text = "Runs of a check that ended without a verdict, by how they ended."
        self._without = Counter("mail_loop_runs_without_verdict", text, ["loop", "end"], registry=registry)
        text = "From the acceptance by the relay to the mailbox, of each message that arrived."
        self._delivery = Histogram("mail_loop_delivery_seconds", text, ["loop"], buckets=BUCKETS, registry=registry)
        text = "Time that a check spent in a stage of a leg."
        self._stage = Summary("mail_loop_stage_seconds", text, ["loop", "leg", "stage"], registry=registry)
        self._reported: dict[str, None] = {}

    def begin(self, sighting: Sighting) -> None:
        """Create all series of a loop with value 0; of the stages those that its checks are seen to have."""
        loop = sighting.loop
        for outcome, statuses in STATUSES_BY_OUTCOME.items():
            for status in statuses:
                self._checks.labels(loop, outcome, status)
        for cause in CAUSES:
            self._failures.labels(loop, cause)
        for end in ENDS:
            self._without.labels(loop, end)
        self._delivery.labels(loop)
        for leg, stage, _ in sighting.stages:
            self._stage.labels(loop, leg, stage)

    def count(self, sighting: Sighting) -> None:
        """Count a run, and time what it timed: its own message, and those of earlier runs that it reports."""
        loop, result = sighting.loop, sighting.result
        if (verdict := sighting.verdict) is None:
            self._without.labels(loop, sighting.end).inc()
            return
        self._checks.labels(loop, *verdict).inc()
        if (cause := sighting.failure) is not None:
            self._failures.labels(loop, cause).inc()
        for leg, stage, seconds in sighting.stages:
            self._stage.labels(loop, leg, stage).observe(seconds)
        if result is not None:
            late = [probe.delivery_seconds for probe in result.counted_probes if self._is_new(probe.probe_id)]
            for taken in (result.delivery_seconds, *late):
                if taken is not None and is_time(taken):
                    self._delivery.labels(loop).observe(taken)

    def _is_new(self, probe_id: str) -> bool:
        if probe_id in self._reported:
            return False
        self._reported[probe_id] = None
        if len(self._reported) > _MAX_REMEMBERED:
            del self._reported[next(iter(self._reported))]
        return True

    def forget(self, loop: str) -> None:
        """Drop the series of a loop that is gone."""
        for metric in (self._checks, self._failures, self._without, self._delivery, self._stage):
            metric.remove_by_labels({"loop": loop})
