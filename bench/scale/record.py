"""What came of a run: what Prefect has on record, and what the relay's own log says was sent."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bench.scale.postgres import Database
from tests.support.servers.lab import Lab

RUNS = """
    SELECT run.id, run.name, run.state_name, run.state_type, run.expected_start_time AS due, run.start_time AS began,
           run.end_time AS ended, deployment.name AS deployment, flow.name AS flow, state.message
    FROM flow_run run JOIN deployment ON deployment.id = run.deployment_id JOIN flow ON flow.id = run.flow_id
    LEFT JOIN flow_run_state state ON state.id = run.state_id
    WHERE 'mail-loop-fleet' = ANY(ARRAY(SELECT jsonb_array_elements_text(deployment.tags::jsonb)))
"""
DEPLOYMENTS = """
    SELECT deployment.name, deployment.parameters, schedule.schedule
    FROM deployment JOIN deployment_schedule schedule ON schedule.deployment_id = deployment.id
    WHERE deployment.tags::jsonb ? 'mail-loop-fleet'
"""
RESULTS = "SELECT payload FROM events WHERE event = 'mail-loop.checked'"
TABLES = """
    SELECT relname AS name, n_live_tup AS rows, pg_total_relation_size(relid) AS bytes
    FROM pg_stat_user_tables ORDER BY bytes DESC
"""
EVENTS = """
    SELECT regexp_replace(event, '(task-run|flow-run)\\.[A-Z].*', '\\1.<state>') AS name, count(*) AS rows,
           sum(pg_column_size(events.*)) AS bytes,
           sum((SELECT sum(pg_column_size(one.*)) FROM event_resources one WHERE one.event_id = events.id)) AS resources
    FROM events GROUP BY 1 ORDER BY 2 DESC
"""
QUEUED = re.compile(r"postfix/\S*cleanup\[\d+\]: (?P<queue_id>\w+): message-id=<(?P<id>[0-9a-f]{32})@")
REQUEST = re.compile(r'"(?P<method>[A-Z]+) (?P<path>/api/[^ ?"]*)')
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{32}")


@dataclass(frozen=True)
class Run:
    """A flow run. `loops` are the checks that it is for."""

    id: str
    deployment: str
    state: str
    type: str
    message: str
    due: datetime
    began: datetime | None
    ended: datetime | None
    loops: int

    @property
    def late(self) -> float | None:
        """Seconds from when it was due until it began."""
        return None if self.began is None else max(0.0, (self.began - self.due).total_seconds())


@dataclass(frozen=True)
class Deployment:
    """When its runs are due, and how many checks each of them is for."""

    name: str
    loops: int
    every: timedelta
    anchor: datetime

    def due(self, begin: datetime, end: datetime) -> int:
        """How often within a period."""
        first, last = ((moment - self.anchor) // self.every for moment in (begin, end))
        return last - first


@dataclass
class Record:
    """All of it, for the runs that were due in the window."""

    begin: datetime
    end: datetime
    runs: list[Run]
    due_runs: int
    due_checks: int
    results: list[Mapping[str, Any]]
    sent: Counter[str]
    tables: Sequence[Mapping[str, Any]]
    events: Sequence[Mapping[str, Any]]
    requests: Counter[str] = field(default_factory=Counter)

    @property
    def of_run(self) -> dict[str, list[Mapping[str, Any]]]:
        found: dict[str, list[Mapping[str, Any]]] = {run.id: [] for run in self.runs}
        for result in self.results:
            found.setdefault(str(result["flow_run_id"]), []).append(result)
        return found

    def check_lateness(self) -> list[float]:
        """Seconds from when the run of a check was due until its sending began."""
        due = {run.id: run.due for run in self.runs}
        return [
            max(0.0, (moment(result["sent_at"]) - due[result["flow_run_id"]]).total_seconds())
            for result in self.results
            if result["sent_at"] and result["flow_run_id"] in due
        ]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def read(database: Database, lab: Lab, log: str, begin: datetime, end: datetime) -> Record:
    """Read it, when all runs that were due in the window have ended."""
    deployments = [_deployment(row) for row in database.ask(DEPLOYMENTS)]
    loops = {one.name: one.loops for one in deployments}
    runs = [_run(row, loops) for row in database.ask(RUNS)]
    results = [row["payload"] for row in database.ask(RESULTS)]
    return Record(
        begin=begin,
        end=end,
        runs=[run for run in runs if begin < run.due <= end],
        due_runs=sum(one.due(begin, end) for one in deployments),
        due_checks=sum(one.loops * one.due(begin, end) for one in deployments),
        results=results,
        sent=Counter(found["id"] for found in QUEUED.finditer(lab.relay.log())),
        tables=database.ask(TABLES),
        events=database.ask(EVENTS),
        requests=requests(log.splitlines()),
    )


def requests(lines: Iterable[str]) -> Counter[str]:
    """Requests of the API by method and path, with ids taken out."""
    found = (REQUEST.search(line) for line in lines)
    return Counter(f"{one['method']} {ID.sub('{id}', one['path'])}" for one in found if one)


def _deployment(row: Mapping[str, Any]) -> Deployment:
    schedule, parameters = row["schedule"], row["parameters"]
    return Deployment(
        row["name"],
        len(parameters.get("loops") or {}) or 1,
        timedelta(seconds=float(schedule["interval"])),
        moment(schedule["anchor_date"]),
    )


def _run(row: Mapping[str, Any], loops: Mapping[str, int]) -> Run:
    began, ended = (moment(row[name]) if row[name] else None for name in ("began", "ended"))
    return Run(
        id=row["id"],
        deployment=row["deployment"],
        state=row["state_name"],
        type=row["state_type"],
        message=row["message"] or "",
        due=moment(row["due"]),
        began=began,
        ended=ended,
        loops=loops.get(row["deployment"], 1),
    )


def unexplained(runs: Sequence[Run], dead: Sequence[str]) -> list[Run]:
    """Failed, crashed and cancelled runs that no finding about mail explains, but for those of a killed worker."""
    mail = {"Lost", "Bounced", "Rejected", "Deferred", "Unsent", "Unverified", "Junked"}
    return [
        run
        for run in runs
        if run.type not in ("COMPLETED", "SCHEDULED") and run.state not in mail and run.id not in dead
    ]
