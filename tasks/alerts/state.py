"""Where a loop stands with a rule, and whether a check makes that a call."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from tasks.alerts.rules import Rule
from tasks.mail.model.outcome import Outcome, Status
from tasks.mail.model.result import LoopResult

Kind = Literal["failing", "degraded", "silent", "recovered"]

MAX_VARIABLE_CHARS = 5000  # characters of JSON that a Prefect Variable holds
_CUTS = (None, 500, 200, 50, 20)


class Pending(BaseModel, frozen=True):
    """A call of which it is not known yet that the channel has taken it."""

    event: str
    kind: Kind
    subject: str
    body: str
    at: datetime
    tries: int = 1


class Standing(BaseModel, frozen=True):
    """One rule and one loop. `called`: a call was made, and the recovery is still to come.

    `bad` and `good` are checks in a row, `since` is when the first of the bad ones sent, `checks` how many there were.
    """

    called: bool = False
    bad: int = 0
    good: int = 0
    checks: int = 0
    since: datetime | None = None
    outcome: str = ""
    pending: dict[str, Pending] = Field(default_factory=dict)

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to remember."""
        return self == Standing()


def after(rule: Rule, standing: Standing, result: LoopResult, at: datetime) -> tuple[Standing, Kind | None]:
    """Where the loop stands after a check that began `at`, and the call that it makes, if it makes one.

    A call is made once: its outage is over only after `recovered_after` good checks in a row.
    """
    match seen(rule, result):
        case "bad":
            counted = {"bad": standing.bad + 1, "good": 0, "checks": standing.checks + 1}
            outage = {"since": standing.since or at, "outcome": str(result.outcome)}
            now = standing.model_copy(update=counted | outage)
            if now.called or now.bad < rule.checks:
                return now, None
            return now.model_copy(update={"called": True}), "degraded" if rule.when == "degraded" else "failing"
        case "good" if not standing.called:
            return Standing(pending=standing.pending), None
        case "good":
            now = standing.model_copy(update={"bad": 0, "good": standing.good + 1})
            if now.good < rule.recovered_after:
                return now, None
            return Standing(pending=standing.pending), "recovered"
        case _:
            return standing, None


def seen(rule: Rule, result: LoopResult) -> Literal["bad", "good"] | None:
    """What a check is to a rule; None where it says nothing: one that was skipped says nothing of the mail.

    With a warning mail gets through, so it is good to a rule on failing loops. To one on degraded loops an error says
    nothing: the loop is worse than that, which other rules are about.
    """
    if result.outcome is Outcome.SKIPPED:
        return None
    if rule.when == "failing":
        return "bad" if result.status is Status.ERROR else "good"
    if result.status is Status.ERROR:
        return None
    return "good" if result.status is Status.OK else "bad"


def storable(states: Mapping[str, Standing]) -> dict[str, Any]:
    """As much as a Prefect Variable holds. What would be said again is cut first, and at last it is not said again."""
    for cut in _CUTS:
        value = {rule: standing.model_dump(mode="json") for rule, standing in states.items()}
        for standing in value.values():
            for call in standing["pending"].values():
                call["body"] = call["body"][:cut]
        if len(json.dumps(value)) < MAX_VARIABLE_CHARS:
            return value
    return {rule: standing.model_dump(mode="json") | {"pending": {}} for rule, standing in states.items()}
