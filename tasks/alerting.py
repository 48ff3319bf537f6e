"""Calls: after each check it is reckoned where its loop stands with the rules, and who must be called is called, once.

`mail-loop alerts apply` leaves the rules in a Prefect Variable. Where a loop stands with them is in another, as long as
there is something to remember. A call is an event, which the automation of its rule and channel answers. The Variable
is written before the event, and what Prefect says of the automation is read by the next check: a call that a kill has
prevented, or that the channel did not take, is made again, and none is made twice.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_URL, uuid5

from prefect.client.orchestration import PrefectClient, get_client
from prefect.utilities.urls import url_for

from tasks.alert_store import (
    ALIVE,
    CAUSE,
    OUTCOME,
    STATE_VARIABLE,
    STATUS,
    Automations,
    last_check,
    last_watched,
    post_notification,
    read_alerts,
    silence_call,
    was_taken,
    write_variable,
)
from tasks.alerts import message
from tasks.alerts.rules import TRIAL, UNWATCHED, Rule, span_for
from tasks.alerts.state import Kind, Pending, Standing, after, storable
from tasks.mail.model.outcome import Outcome, Status
from tasks.mail.model.result import LoopResult
from tasks.schedules import expected_silence, schedules_of_this_run

_EVALUATION_SECONDS = 20.0  # for all of it
SETTLED = timedelta(seconds=60)  # a server writes down within seconds what became of a call
_MAX_TRIES = 5

log = logging.getLogger(__name__)


def labels_of(result: LoopResult, *, known: bool = False) -> dict[str, str]:
    """The labels of a check's event. It is a sign of life if it is good, or if its trouble is `known` to who acts.

    Where there is no cause there is no label of it.
    """
    alive = known or (result.status is not Status.ERROR and result.outcome is not Outcome.SKIPPED)
    sign = "trial" if result.loop == TRIAL else "yes"  # another one for automations of the operator's own
    labels = {STATUS: str(result.status), OUTCOME: str(result.outcome), ALIVE: sign if alive else "no"}
    return labels | ({CAUSE: str(result.cause)} if result.cause else {})


async def evaluate_alerts(result: LoopResult) -> tuple[dict[str, str], dict[str, str]]:
    """Call who must be called. What goes wrong here is logged, no more.

    Returns the labels of the check's own event, and, by the rules that would miss the loop, for how long it may be
    silent from now on.
    """
    known = False
    spans: dict[str, str] = {}
    try:
        async with asyncio.timeout(_EVALUATION_SECONDS), get_client() as client:
            rules, automations, states = await read_alerts(client, result.loop)
            known = await _Calls(client, result, rules, states).make()
            silent = {name: rule for name, rule in rules.items() if rule.misses(result.loop)}
            if silent and labels_of(result, known=known)[ALIVE] != "no":
                spans = await _spans(client, result.loop, silent)
                await _end_silence(client, result, {name: silent[name] for name in spans}, automations)
    except Exception as error:
        log.error("Whether somebody must be called for %s is not known: %s", result.loop, type(error).__name__)
    return labels_of(result, known=known), spans


class _Calls:
    """Where one loop stands, and the calls of one check."""

    def __init__(
        self, client: PrefectClient, result: LoopResult, rules: Mapping[str, Rule], states: Mapping[str, Standing]
    ) -> None:
        self.client = client
        self.result = result
        self.rules = {name: rule for name, rule in rules.items() if rule.holds_for(result.loop)}
        self.before = states
        self.now = dict(states)
        self.at = result.sent_at or datetime.now(UTC)

    async def make(self) -> bool:
        """Make them; returns whether the check is bad, but somebody has been called for that."""
        new: dict[tuple[str, str], Pending] = {}
        for name, rule in self.rules.items():
            if rule.when == "silent":
                continue
            before = self.before.get(name, Standing())
            standing, kind = after(rule, before, self.result, self.at)
            if kind is not None:
                calls = await self._compose(name, rule, kind, before if kind == "recovered" else standing)
                standing = standing.model_copy(update={"pending": calls})
                new |= {(name, channel): call for channel, call in calls.items()}
            self.now[name] = standing
        self.now = {name: standing for name, standing in self.now.items() if name in self.rules}
        await self._save()
        for (name, channel), call in new.items():
            await post_notification(self.client, self.result.loop, name, channel, call)
        await self._settle(new)
        called = (self.now[name].called for name, rule in self.rules.items() if rule.when == "failing")
        return self.result.status is Status.ERROR and any(called)

    async def _compose(self, name: str, rule: Rule, kind: Kind, standing: Standing) -> dict[str, Pending]:
        """The call for each channel of the rule."""
        last_good = None
        if kind != "recovered":
            last_good = await last_check(self.client, self.result.loop, {STATUS: ["ok", "warning"]})
        call = _notification(kind, self.result, standing, self.at, last_good)
        ids = {channel: _id(self.result.loop, name, channel, kind, standing.since, 1) for channel in rule.channels}
        return {channel: call.model_copy(update={"event": event}) for channel, event in ids.items()}

    async def _settle(self, new: Iterable[tuple[str, str]]) -> None:
        """Forget the calls that were taken, and make those again that were not."""
        for name, standing in list(self.now.items()):
            left: dict[str, Pending] = {}
            for channel, call in standing.pending.items():
                left |= {channel: call} if (name, channel) in new else await self._again(name, channel, call)
            self.now[name] = standing.model_copy(update={"pending": left})
        await self._save()

    async def _again(self, rule: str, channel: str, call: Pending) -> dict[str, Pending]:
        if datetime.now(UTC) - call.at < SETTLED:
            return {channel: call}
        if await was_taken(self.client, call.event):
            return {}
        where = f"{call.kind} of {self.result.loop} by rule {rule}"
        if call.tries >= _MAX_TRIES:
            log.error("The channel %s has not taken the call about %s in %d tries.", channel, where, call.tries)
            return {channel: call} if self.now[rule].called else {}  # mail-loop alerts show says that nobody was called
        log.warning("The channel %s has not taken the call about %s: it is made again.", channel, where)
        tries = call.tries + 1
        event = _id(self.result.loop, rule, channel, call.kind, call.at, tries)
        again = call.model_copy(update={"tries": tries, "event": event, "at": datetime.now(UTC)})
        await post_notification(self.client, self.result.loop, rule, channel, again)
        return {channel: again}

    async def _save(self) -> None:
        """Write down where the loop stands, if that has changed."""
        now = {name: standing for name, standing in self.now.items() if not standing.is_idle}
        if now == self.before:
            return
        name = STATE_VARIABLE.format(loop=self.result.loop)
        if not now:
            await self.client.delete_variable_by_name(name)
        else:
            await write_variable(self.client, name, storable(now))
        self.before = now


async def _spans(client: PrefectClient, loop: str, silent: Mapping[str, Rule]) -> dict[str, str]:
    """For how long the loop may be silent from now on, by rule. Nothing where no schedule has started this check."""
    if loop == TRIAL:
        return {name: rule.within or "" for name, rule in silent.items()}
    if (schedules := await schedules_of_this_run(client)) is None:
        return {}
    at_least = await expected_silence(schedules, datetime.now(UTC))
    return {name: span_for(rule.within or "", at_least) or UNWATCHED for name, rule in silent.items()}


async def _end_silence(
    client: PrefectClient, result: LoopResult, silent: Mapping[str, Rule], automations: Automations
) -> None:
    """Report a recovery where a silence was called about: the server knows whether it was."""
    now = datetime.now(UTC)
    for name, rule in silent.items():
        last = await last_watched(client, result.loop, name)
        if last is None or now - last < rule.silence:
            continue
        standing = Standing(since=last)
        for channel, ids in automations.get(name, {}).items():
            if (call_id := await silence_call(client, result.loop, ids, last)) is not None:
                call = _notification("recovered", result, standing, now)
                call = call.model_copy(update={"event": _id("recovered", call_id)})
                await post_notification(client, result.loop, name, channel, call)


def _notification(
    kind: Kind, result: LoopResult, standing: Standing, at: datetime, last_good: datetime | None = None
) -> Pending:
    """What is said of the loop, with a link to the run; it has no id yet."""
    url = url_for("flow-run", result.flow_run_id) if result.flow_run_id else None
    subject = message.subject(kind, result.loop, str(result.outcome))
    body = message.body(kind, result, standing, at, last_good, url)
    return Pending(event="", kind=kind, subject=subject, body=body, at=datetime.now(UTC))


def _id(*what: object) -> str:
    """The same for the same call, so that one that is handed in twice is one."""
    return str(uuid5(NAMESPACE_URL, ":".join(map(str, ("mail-loop", *what)))))
