"""`mail-loop alerts test`: situations played with a mail system of our own, so that the operator's pager rings."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.events import Event
from prefect.events.filters import EventFilter, EventNameFilter, EventOccurredFilter, EventResourceFilter
from prefect.exceptions import ObjectNotFound

from flows.alerts.apply import in_force
from flows.alerts.automations import automations
from flows.equip import Say
from flows.prefect_api.probe import impatient_client
from flows.server import processes
from flows.server.prefect import free_port
from flows.server.sandbox import SANDBOX, sandbox_loop, start_sandbox
from flows.through_prefect import check_through_prefect
from tasks.alert_store import (
    CALL,
    CHANNEL,
    LOOP_RESOURCE,
    RULE,
    RULES_VARIABLE,
    STATE_VARIABLE,
    rules_in,
    was_taken,
    write_variable,
)
from tasks.alerts.message import markup_named
from tasks.alerts.rules import TRIAL, Rule
from tasks.mail.config.loop import loop_config
from tasks.mail.model.errors import ConfigError
from tasks.pages import newest_event

_SHORTEST_SILENCE = "1m"  # of a silence: what every minute calls for is not worth a rule
_SILENCE_SECONDS = 120.0  # for a call about silence: Prefect looks for it now and then
_CALL_SECONDS = 15.0  # for any other: a server writes events down some seconds after it took them
_LIMITS = {"warn_after": 1.0, "max_wait": 4.0}


@dataclass(frozen=True)
class Situation:
    """What is played: the rules that it is for, and what our own mail system does, by its options."""

    when: str
    options: tuple[str, ...] = ()
    relay_down: bool = False


SITUATIONS = {
    "relay-down": Situation("failing", relay_down=True),
    "lost": Situation("failing", ("--discard",)),
    "bounced": Situation("failing", ("--bounce",)),
    "late": Situation("degraded", ("--delay", "2")),
    "junked": Situation("degraded", ("--deliver-to", "Junk")),
    "silent": Situation("silent"),
}


async def play_situations(names: Sequence[str], home: Path, say: Say) -> bool:
    """Play the situations, one after the other; returns whether every call was made, once, and taken."""
    heard = True
    async with impatient_client() as client:
        rules = rules_in(await in_force(client))
        if not rules:
            raise ConfigError("no rules are in force on the server: mail-loop alerts apply alerts.yaml")
        play = _Play(client, home, say)
        for name in names:
            situation = SITUATIONS[name]
            concerned = {key: rule for key, rule in rules.items() if rule.when == situation.when}
            if not concerned:
                say(f"{name}: no rule is about {situation.when} loops, so nobody would be called")
                continue
            await play.forget()
            if situation.when == "silent":
                heard &= await play.silence(name, concerned)
            else:
                heard &= await play.outage(name, situation, concerned)
        await play.forget()
    return heard


class _Play:
    """One loop through a mail system of our own, and what its checks call for."""

    def __init__(self, client: PrefectClient, home: Path, say: Say) -> None:
        self.client = client
        self.home = home
        self.say = say

    async def outage(self, name: str, situation: Situation, rules: dict[str, Rule]) -> bool:
        begun = datetime.now(UTC)
        await self._checks(max(rule.checks for rule in rules.values()), situation)
        heard = await self._heard(name, situation.when, rules, begun)
        begun = datetime.now(UTC)
        await self._checks(max(rule.recovered_after for rule in rules.values()))
        return await self._heard(name, "recovered", rules, begun) and heard

    async def _checks(self, number: int, situation: Situation = SITUATIONS["silent"]) -> None:
        """So many checks of a mail system that does as the situation says."""
        box = await asyncio.to_thread(start_sandbox, self.home, *situation.options)
        try:
            relay: dict[str, Any] = {"port": free_port()} if situation.relay_down else {}
            loop = sandbox_loop(box, TRIAL, _LIMITS, subject_prefix="[mail-loop alerts test]", retries=0, **relay)
            for _ in range(number):
                await check_through_prefect(loop_config(loop))
        finally:
            await asyncio.to_thread(processes.stop, self.home, SANDBOX)

    async def silence(self, name: str, rules: dict[str, Rule]) -> bool:
        """With copies of the rules that hold for this loop alone, and wait for a minute."""
        copies = {
            f"{key}-trial": rule.model_copy(update={"within": _SHORTEST_SILENCE, "loops": (TRIAL,)})
            for key, rule in rules.items()
        }
        async with self._added(copies) as silent:
            begun = datetime.now(UTC)
            await self._checks(1)
            self.say(f"{name}: a good check, and then none for {_SHORTEST_SILENCE}")
            heard = True
            for key, channels in silent.items():
                for channel, automation in channels.items():
                    executed = EventFilter(
                        event=EventNameFilter(name=["prefect.automation.action.executed"]),
                        resource=EventResourceFilter(id=[f"prefect.automation.{automation}"]),
                        occurred=EventOccurredFilter(since=begun),
                    )
                    fired = partial(newest_event, self.client, executed)
                    heard &= await self._rang(name, "silent", key, channel, fired)
            begun = datetime.now(UTC)
            await self._checks(1)
            return await self._heard(name, "recovered", copies, begun) and heard

    @asynccontextmanager
    async def _added(self, copies: dict[str, Rule]) -> AsyncIterator[dict[str, dict[str, str]]]:
        """Copies of rules, in force while the block lasts; yields the automations on silence by rule and channel."""
        before = await in_force(self.client)
        made: list[UUID] = []
        silent: dict[str, dict[str, str]] = {key: {} for key in copies}
        try:
            for key, rule in copies.items():
                for channel in rule.channels:
                    markup = markup_named(before.get("markup", {}).get(channel))
                    wanted = automations(key, rule, channel, UUID(before["channels"][channel]), markup)
                    ids = [await self.client.create_automation(one) for one in wanted]
                    made += ids
                    silent[key][channel] = str(ids[1])  # the one on silence of the rule's own length comes second
            added = {key: rule.model_dump(mode="json", exclude_unset=True) for key, rule in copies.items()}
            changes = {"rules": before["rules"] | added, "automations": before["automations"] | silent}
            await write_variable(self.client, RULES_VARIABLE, before | changes)
            yield silent
        finally:
            await write_variable(self.client, RULES_VARIABLE, before)
            for automation in made:
                await self.client.delete_automation(automation)

    async def _heard(self, name: str, kind: str, rules: dict[str, Rule], since: datetime) -> bool:
        """Whether each channel of each rule was called once, and took the call."""
        heard = True
        for key, rule in rules.items():
            for channel in rule.channels:
                calls = await self._calls(kind, key, channel, since)
                if len(calls) != 1:
                    self.say(f"{name}: {kind}: rule {key} called {channel} {len(calls)} times instead of once")
                    heard = False
                    continue
                taken = partial(was_taken, self.client, str(calls[0].id))
                heard &= await self._rang(name, kind, key, channel, taken)
        return heard

    async def _rang(self, name: str, kind: str, rule: str, channel: str, done: Callable[[], Awaitable[object]]) -> bool:
        begun = time.monotonic()
        while time.monotonic() - begun < (_SILENCE_SECONDS if kind == "silent" else _CALL_SECONDS):
            if await done():
                self.say(f"{name}: {kind}: rule {rule} called {channel}")
                return True
            await asyncio.sleep(0.5)
        self.say(f"{name}: {kind}: {channel} has not taken the call of rule {rule}: see the server's log")
        return False

    async def _calls(self, kind: str, rule: str, channel: str, since: datetime) -> list[Event]:
        """The calls on record since then."""
        of_kind = EventFilter(
            event=EventNameFilter(name=[CALL.format(kind=kind)]),
            resource=EventResourceFilter(id=[f"{LOOP_RESOURCE}{TRIAL}"]),
            occurred=EventOccurredFilter(since=since),
        )
        until = time.monotonic() + _CALL_SECONDS
        found: list[Event] = []
        while not found and time.monotonic() < until:
            await asyncio.sleep(0.5)
            page = (await self.client.read_events(of_kind, limit=50)).events
            found = [one for one in page if one.resource.get(RULE) == rule and one.resource.get(CHANNEL) == channel]
        return found

    async def forget(self) -> None:
        """Begin anew: what earlier checks of this loop called for is over."""
        with suppress(ObjectNotFound):
            await self.client.delete_variable_by_name(STATE_VARIABLE.format(loop=TRIAL))
