"""Many checks in one run, recorded briefly: a loop that is ok is an event and a line in the run's own report.

A task run and a report for each check are most of what a check costs Prefect. Whatever is not ok is recorded as ever.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from prefect.client.orchestration import get_client

from tasks.alert_store import RULES_VARIABLE, STATE_VARIABLE
from tasks.alerting import evaluate_alerts, labels_of
from tasks.alerts.rules import Rule
from tasks.finish import record_reported
from tasks.mail.config.loop import CheckConfig
from tasks.mail.model.outcome import Outcome, Status
from tasks.mail.model.result import LoopResult
from tasks.pages import PAGE_SIZE, chunks
from tasks.publish import announce
from tasks.tracing.export import export_trace

_ASK_SECONDS = 20.0

log = logging.getLogger(__name__)


class Brief:
    """The checks of one run. `plain` are those without a report of their own."""

    def __init__(self) -> None:
        self.plain: list[LoopResult] = []
        self._rules: list[Rule] | None = []
        self._remembered: set[str] = set()
        self._asking: asyncio.Task[None] | None = None

    def begin(self, loops: Sequence[str]) -> None:
        """Read once for all of them which rules there are, while the first are checked."""
        self._asking = asyncio.create_task(self._ask(loops))

    async def _ask(self, loops: Sequence[str]) -> None:
        """Where that fails, each check reads them."""
        try:
            async with asyncio.timeout(_ASK_SECONDS), get_client() as client:
                names = [RULES_VARIABLE, *(STATE_VARIABLE.format(loop=loop) for loop in loops)]
                found: dict[str, Any] = {}
                for some in chunks(names):
                    where = {"variables": {"name": {"any_": some}}, "limit": PAGE_SIZE}
                    response = await client.request("POST", "/variables/filter", json=where)
                    found |= {one["name"]: one["value"] for one in response.json()}
                self._rules = [
                    Rule.model_validate(one) for one in found.pop(RULES_VARIABLE, {"rules": {}})["rules"].values()
                ]
                self._remembered = {*found}
        except Exception as error:
            log.warning("Whether somebody must be called is asked for each loop: %s", type(error).__name__)
            self._rules = None

    async def record(self, result: LoopResult, config: CheckConfig, reported_at: datetime) -> None:
        """Record one result that was reported."""
        if result.status is not Status.OK or result.outcome is not Outcome.DELIVERED or result.earlier_probes:
            await record_reported(result, config, reported_at)
            return
        if self._asking is not None:
            await self._asking
        skip = self._changes_nothing(result.loop)
        labels, spans = (labels_of(result), {}) if skip else await evaluate_alerts(result)
        announce(result, labels, spans)
        self.plain.append(result)
        await export_trace(result, config, reported_at)

    def _changes_nothing(self, loop: str) -> bool:
        """Whether a good check of the loop changes nothing: no outage is remembered, and no silence can end."""
        if self._rules is None or STATE_VARIABLE.format(loop=loop) in self._remembered:
            return False
        return not any(rule.misses(loop) for rule in self._rules)
