"""The results of many loops in one table: a fleet's by what is wrong first, a matrix's by sender and receiver."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain

from tasks.mail.config.matrix import Cell
from tasks.mail.model.outcome import Outcome, Status
from tasks.mail.model.result import LoopResult
from tasks.mail.model.safe_text import one_line
from tasks.mail.report.document import Block, Cells, Code, Heading, Link, Own, Paragraph, Strong, Table, section
from tasks.mail.report.formats import as_markdown
from tasks.mail.report.report import hundredths

SIGNS = {Status.OK: "✓", Status.WARNING: "!", Status.ERROR: "✗"}
# Of several outcomes with one status, the first names the whole: what is known to be broken before what is not known.
_GRAVITY = [
    *(Outcome.LOST, Outcome.BOUNCED, Outcome.REJECTED, Outcome.DEFERRED, Outcome.UNSENT, Outcome.UNVERIFIED),
    *(Outcome.MISCONFIGURED, Outcome.JUNKED, Outcome.MISPLACED, Outcome.DUPLICATED, Outcome.LATE),
    *(Outcome.DELIVERED, Outcome.SKIPPED),
]
_STATUSES = [Status.ERROR, Status.WARNING, Status.OK]

FleetRow = dict[str, str | float | None]


def summary(results: Sequence[LoopResult]) -> tuple[Status, Outcome, str]:
    """Many checks as if they were one: the worst of them. A skipped one, no finding, counts only where all were."""
    ran = [result for result in results if result.outcome is not Outcome.SKIPPED]
    worst = min(ran or results, key=_gravity)
    count = Counter(one.outcome for one in results if one.status is not Status.OK)
    parts = [f"{sum(one.status is Status.OK for one in results)} of {len(results)} loops ok"]
    parts += [f"{count[outcome]} {outcome}" for outcome in _GRAVITY if count[outcome]]
    return worst.status, worst.outcome, ", ".join(parts)


def _gravity(result: LoopResult) -> tuple[int, int]:
    return _STATUSES.index(result.status), _GRAVITY.index(result.outcome)


def fleet_rows(results: Sequence[LoopResult]) -> list[FleetRow]:
    """A row for each check, the worst first, and by name among equals; the delivery time is in seconds."""
    return [
        {
            "loop": one_line(one.loop, None),
            "status": str(one.status),
            "outcome": str(one.outcome),
            "delivery": None if one.delivery_seconds is None else round(one.delivery_seconds, 2),
            "sentence": one_line(one.sentence, None),
        }
        for one in sorted(results, key=lambda one: (*_gravity(one), one.loop))
    ]


def fleet_markdown(rows: Sequence[FleetRow]) -> str:
    """The same rows as Markdown."""
    cells = [
        (
            Code(row["loop"]),
            str(row["outcome"]),
            Own("" if row["delivery"] is None else f"{row['delivery']} s"),
            str(row["sentence"]),
        )
        for row in rows
    ]
    return as_markdown([Table(("loop", "outcome", "delivery", "what to do"), cells)])


def matrix_markdown(results: Mapping[Cell, LoopResult], shown: str | None, report: Mapping[Cell, str]) -> str:
    """The artifact. `shown` is the pattern; `report` has for each loop the key of its own artifacts."""
    status, _, text = summary([*results.values()])
    blocks: list[Block] = [Paragraph(Strong((Own(f"{status}: "), text)))]
    if shown is not None:
        blocks.append(Paragraph(f"{shown[0].upper()}{shown[1:]}."))
    receivers = list(dict.fromkeys(receiver for _, receiver in results))
    rows: list[Cells] = [
        (Strong(sender), *(_cell(results.get((sender, receiver))) for receiver in receivers))
        for sender in dict.fromkeys(sender for sender, _ in results)
    ]
    head = ("loop", "outcome", "what to do")
    bad = [(Code(one.loop), one.outcome, one.sentence) for one in results.values() if one.status is not Status.OK]
    blocks += [Table(("from / to", *receivers), rows), *section("Not ok", Table(head, bad))]
    links = [(Own(", "), Link(one.loop, f"/v2/artifacts/key/{report[cell]}")) for cell, one in results.items()]
    return as_markdown([*blocks, Heading("Reports of the loops"), Paragraph(tuple(chain(*links))[1:])])


def _cell(result: LoopResult | None) -> str:
    """Sign, outcome and delivery time, or the stage at which it stopped."""
    if result is None:
        return "left out"
    parts = [f"{SIGNS[result.status]} {result.outcome}"]
    if result.delivery_seconds is not None:
        parts.append(hundredths(result.delivery_seconds))
    elif result.stage is not None and result.outcome not in (Outcome.LOST, Outcome.BOUNCED):
        parts.append(f"at {result.stage}")
    return ", ".join(parts)
