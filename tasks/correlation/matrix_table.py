"""The results of a matrix as Markdown: what they show, senders by receivers, and each loop that is not ok. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from tasks.mail.config.matrix import Cell
from tasks.mail.model.outcome import Outcome, Status
from tasks.mail.model.result import LoopResult
from tasks.mail.model.safe_text import one_line
from tasks.mail.report.markdown import code, escape, table
from tasks.mail.report.report import seconds

SIGNS = {Status.OK: "✓", Status.WARNING: "!", Status.ERROR: "✗"}
# Of several outcomes with one status, the first names the whole: what is known to be broken before what is not known.
GRAVITY = [
    Outcome.LOST,
    Outcome.BOUNCED,
    Outcome.REJECTED,
    Outcome.DEFERRED,
    Outcome.UNSENT,
    Outcome.UNVERIFIED,
    Outcome.MISCONFIGURED,
    Outcome.JUNKED,
    Outcome.MISPLACED,
    Outcome.DUPLICATED,
    Outcome.LATE,
    Outcome.DELIVERED,
    Outcome.SKIPPED,
]
STATUSES = [Status.ERROR, Status.WARNING, Status.OK]


class Summary(NamedTuple):
    """A matrix as if it were one check."""

    status: Status
    outcome: Outcome
    text: str


def summary(results: Mapping[Cell, LoopResult]) -> Summary:
    """The worst of the results. One that was skipped counts only where all were: it is no finding."""
    found = list(results.values())
    ran = [result for result in found if result.outcome is not Outcome.SKIPPED]
    worst = min(ran or found, key=lambda one: (STATUSES.index(one.status), GRAVITY.index(one.outcome)))
    count = Counter(one.outcome for one in found if one.status is not Status.OK)
    parts = [f"{sum(one.status is Status.OK for one in found)} of {len(found)} loops ok"]
    parts += [f"{count[outcome]} {outcome}" for outcome in GRAVITY if count[outcome]]
    return Summary(worst.status, worst.outcome, ", ".join(parts))


def markdown(results: Mapping[Cell, LoopResult], shown: str | None, report: Mapping[Cell, str]) -> str:
    """The artifact. `shown` is the pattern; `report` has for each loop the key of its own artifacts."""
    whole = summary(results)
    senders = list(dict.fromkeys(sender for sender, _ in results))
    receivers = list(dict.fromkeys(receiver for _, receiver in results))
    rows = [
        (f"**{escape(sender)}**", *(_cell(results.get((sender, receiver))) for receiver in receivers))
        for sender in senders
    ]
    parts = [f"**{whole.status}: {escape(whole.text)}**"]
    if shown is not None:
        parts.append(escape(f"{shown[0].upper()}{shown[1:]}."))
    parts.append(table(rows, ("from / to", *map(escape, receivers))))
    if troubles := [
        (code(one.loop), escape(one.outcome), escape(one_line(one.sentence, None)))
        for one in results.values()
        if one.status is not Status.OK
    ]:
        parts += ["### Not ok", table(troubles, ("loop", "outcome", "what to do"))]
    links = [f"[{escape(one.loop)}](/v2/artifacts/key/{report[cell]})" for cell, one in results.items()]
    return "\n\n".join([*parts, "### Reports of the loops", ", ".join(links)]) + "\n"


def _cell(result: LoopResult | None) -> str:
    """Sign, outcome and delivery time, or the stage at which it stopped."""
    if result is None:
        return "left out"
    parts = [f"{SIGNS[result.status]} {result.outcome}"]
    if result.delivery_seconds is not None:
        parts.append(seconds(result.delivery_seconds))
    elif result.stage is not None and result.outcome not in (Outcome.LOST, Outcome.BOUNCED):
        parts.append(f"at {result.stage}")
    return escape(", ".join(parts))
