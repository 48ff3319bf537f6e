"""The tables of docs/scaling.md: pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from bench.figures import median, percentile, seconds, table
from bench.scale.fleet import Shape
from bench.scale.record import Record, unexplained
from bench.scale.usage import Usage

MIB = 2**20
MOST_REQUESTS = 12


def conditions(shape: Shape, minutes: float, machine: str, versions: str) -> str:
    how = f"{shape.shards} {'brief ' if shape.brief else ''}shards" if shape.shards else "a run for each loop"
    if shape.api > 1:
        how += f", {shape.api} processes of the API"
    return (
        f"{shape.loops} loops every {shape.every // 60} minutes in {how}, {shape.workers} workers, {minutes:g} minutes "
        f"of measurement, on {machine}. {versions}."
    )


def outcome(found: Record, dead: Sequence[str], faults: Mapping[str, str], killed_at: datetime | None) -> str:
    """What was due and what became of it."""
    of_run = found.of_run
    began = [run for run in found.runs if run.began]
    late = [run.late for run in began if run.late is not None]
    checks = found.check_lateness()
    due = {run.id for run in found.runs}
    mine = [result for result in found.results if result["flow_run_id"] in due]
    told = Counter(str(result["probe_id"]) for result in found.results if result["probe_id"])
    twice = [one for one, count in found.sent.items() if count > 1]
    lost = {run.id: run.loops - len(of_run[run.id]) for run in found.runs if run.id in dead}
    bad = unexplained(found.runs, dead)
    wrong = [result for result in mine if result["status"] == "error" and result["loop"] not in faults]
    rows: list[tuple[str, object]] = [
        ("runs due by the schedules / made by Prefect / begun", f"{found.due_runs} / {len(found.runs)} / {len(began)}"),
        ("checks due / with a result", f"{found.due_checks} / {len(mine)}"),
        ("checks of the killed worker without a result", sum(lost.values())),
        ("a run began late by: p50 / p95 / most", _spread(late)),
        ("a check began to send late by: p50 / p95 / most", _spread(checks)),
        ("states of runs", _counted(Counter(run.state for run in found.runs))),
        ("outcomes of checks", _counted(Counter(str(result["outcome"]) for result in mine))),
        ("runs that failed, crashed or were cancelled other than by their mail", len(bad)),
        ("errors of loops that have no fault of their own", len(wrong)),
        ("messages that the relay took / sent twice", f"{len(found.sent)} / {len(twice)}"),
        ("results told twice", sum(count > 1 for count in told.values())),
    ]
    if dead:
        rows += aftermath(found, dead, killed_at)
    lines = table(("", "found"), rows)
    notes = [f"- {run.deployment}, due {run.due:%H:%M:%S}: {run.state}: {run.message}" for run in bad[:10]]
    notes += [f"- {result['loop']}: {result['outcome']}: {result['sentence']}" for result in wrong[:10]]
    return "\n\n".join([lines, *(["\n".join(notes)] if notes else [])])


def aftermath(found: Record, dead: Sequence[str], killed_at: datetime | None) -> list[tuple[str, object]]:
    """What became of the runs of the killed worker, and of the messages that these had sent."""
    told = {str(result["probe_id"]) for result in found.results if result["probe_id"]}
    later = {
        str(probe["probe_id"])
        for result in found.results
        for probe in result["earlier_probes"]
        if probe["flow_run_id"] in dead
    }
    untold = {one for one in found.sent if one not in told}
    states = [run for run in found.runs if run.id in dead]
    next_ones = [
        min((run for run in found.runs if run.deployment == one.deployment and run.due > one.due), key=lambda r: r.due)
        for one in states
        if any(run.deployment == one.deployment and run.due > one.due for run in found.runs)
    ]
    others = [run for run in found.runs if killed_at and run.due > killed_at]
    return [
        ("runs of the killed worker, and their states", _counted(Counter(run.state for run in states)) or "none"),
        ("the next runs of the same shards", _counted(Counter(run.state for run in next_ones)) or "none was due"),
        ("messages sent that no result tells / told by the next runs", f"{len(untold)} / {len(untold & later)}"),
        ("runs due after the kill / begun", f"{len(others)} / {sum(run.began is not None for run in others)}"),
    ]


def cpu(used: Mapping[str, float], usage: Mapping[str, Usage], length: float, checks: int) -> str:
    """CPU by program, for the whole window and for each check."""
    rows = [
        (
            name,
            f"{spent:.0f} s",
            f"{100 * spent / length:.0f} %",
            f"{1000 * spent / max(checks, 1):.0f} ms",
            f"{usage[name].memory / MIB:.0f} MiB",
            usage[name].processes,
        )
        for name, spent in used.items()
    ]
    total = sum(used.values())
    rows.append(
        ("all", f"{total:.0f} s", f"{100 * total / length:.0f} %", f"{1000 * total / max(checks, 1):.0f} ms", "", 0)
    )
    return table(("", "CPU", "of one core", "each check", "most memory", "most processes"), rows).replace(
        "| 0 |", "|  |"
    )


def database(found: Record, grown: int, checks: int) -> str:
    """Rows and bytes, the largest tables first. Rows are those of all results, in the window or not."""
    every = max(len(found.results), 1)
    rows: list[tuple[object, ...]] = [
        (one["name"], one["rows"], f"{one['bytes'] / MIB:.1f} MiB", f"{one['rows'] / every:.2f}")
        for one in found.tables[:10]
    ]
    rows.append(
        ("whole database, in the window", "", f"{grown / MIB:.1f} MiB", f"{grown / max(checks, 1) / 1024:.1f} KiB")
    )
    names = [
        (
            f"`{one['name']}`",
            one["rows"],
            f"{((one['bytes'] or 0) + (one['resources'] or 0)) / MIB:.1f} MiB",
            f"{one['rows'] / every:.2f}",
        )
        for one in found.events[:8]
    ]
    shown = table(("table", "rows", "size", "each check"), rows)
    return f"{shown}\n\n{table(('event', 'rows', 'with its resources', 'each check'), names)}"


def requests(found: Record, checks: int) -> str:
    """Requests of the API, the most frequent ones first."""
    total = sum(found.requests.values())
    rows: list[tuple[object, ...]] = [("all", total, f"{total / max(checks, 1):.2f}")]
    rows += [
        (f"`{name}`", count, f"{count / max(checks, 1):.2f}")
        for name, count in found.requests.most_common(MOST_REQUESTS)
    ]
    return table(("request", "number", "each check"), rows)


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "none"
    return " / ".join(seconds(one) for one in (median(values), percentile(values, 95), max(values)))


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items(), key=lambda one: -one[1]))
