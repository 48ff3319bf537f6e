"""`mail-loop alerts apply` and `show`: what the file says is what the server does, and nothing else is touched."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient

from flows.alerts.automations import (
    PREFIX,
    SILENCE_SUFFIX,
    as_plain_text,
    automations,
    is_ours,
    put_automation,
    remove_blocks,
    save_block,
    url_of,
)
from flows.alerts.loops import deployed, doubts, parameters_of, schedules_of, silences, start_clocks
from flows.equip import Say, ensure_automation
from flows.prefect_api.probe import impatient_client
from tasks.alert_store import RULES_VARIABLE, STATE_VARIABLE, rules_in, was_taken, write_variable
from tasks.alerting import SETTLED
from tasks.alerts.message import Markup
from tasks.alerts.rules import Alerts, hosts_of, shared, way_of
from tasks.alerts.state import Standing
from tasks.mail.model.errors import ConfigError
from tasks.mail.model.safe_text import one_line
from tasks.pages import items

_STATES = STATE_VARIABLE.format(loop="")


async def apply_rules(alerts: Alerts, say: Say) -> None:
    """Make the server do what the file says. Raises ConfigError before anything is changed."""
    async with impatient_client() as client:
        deployments = await deployed(client)
        loops, schedules = parameters_of(deployments), schedules_of(deployments)
        urls = {name: await url_of(name, channel) for name, channel in alerts.channels.items()}
        for name, channel in alerts.channels.items():
            if (way := way_of(channel, urls[name])) is not None:
                _refuse_mail(alerts, name, way, loops)
        before = await in_force(client)
        made: dict[str, UUID] = {}
        markup: dict[str, Markup] = {}
        for name, channel in alerts.channels.items():
            url, markup[name] = as_plain_text(channel, urls[name])
            made[name] = await save_block(client, name, channel, url)
        ids, fresh = await _automations(client, alerts, made, markup, say)
        silent: dict[str, dict[str, list[str]]] = {}
        for name, _, target in alerts.pairs():
            begin = f"{PREFIX}{name} to {target}{SILENCE_SUFFIX}"
            if found := [str(id_) for one, id_ in ids.items() if one.startswith(begin)]:
                silent.setdefault(name, {})[target] = found
        rules = {name: rule.model_dump(mode="json", exclude_unset=True) for name, rule in alerts.rules.items()}
        channels = {name: str(block) for name, block in made.items()}
        known = {name: one for name, one in markup.items() if one != "any"}
        value = {"rules": rules, "automations": silent, "channels": channels, "markup": known}
        if value != before:
            await write_variable(client, RULES_VARIABLE, value)
        for gone in before.get("channels", {}):
            kept = made.get(gone)
            if await remove_blocks(client, gone, kept):
                say(f"removed: channel {gone}")
        for name, rule in alerts.rules.items():
            if rule.when == "silent":
                await start_clocks(client, name, rule, schedules, anew=fresh)
                for doubt in await doubts(name, rule, schedules, all_known=all(one.complete for one in deployments)):
                    say(doubt)
    await ensure_automation()
    say(f"in force: {_count(len(alerts.rules), 'rule')}, {_count(len(alerts.channels), 'channel')}")


async def begin_anew(changed: Collection[UUID]) -> None:
    """Start the clock of the loops of deployments that are new, or have another schedule than it was set by."""
    async with impatient_client() as client:
        silent = {name: rule for name, rule in rules_in(await in_force(client)).items() if rule.when == "silent"}
        if not silent or not changed:
            return
        ids = {str(one) for one in changed}
        schedules = schedules_of(one for one in await deployed(client) if one.id in ids)
        for name, rule in silent.items():
            await start_clocks(client, name, rule, schedules, anew=True)


def _refuse_mail(alerts: Alerts, channel: str, way: frozenset[str], loops: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise ConfigError where a rule would call by mail for a loop that this very mail may depend on."""
    for name, rule in alerts.rules.items():
        if channel not in rule.channels:
            continue
        where = f"rules.{name}.channels: {channel} is mail"
        if rule.loops is None:
            raise ConfigError(f"{where}, and the rule holds for all loops: name those that do not depend on that mail")
        for loop in rule.loops:
            if loop not in loops:
                raise ConfigError(
                    f"{where}, and the server knows no loop {loop}, so whether that depends on it cannot be told: "
                    "deploy the loop first, or choose another channel"
                )
            if not way or (domain := shared(way, hosts_of(loops[loop]))) is not None:
                both = f"both go by {domain}" if way else "and which way it takes is not known"
                raise ConfigError(
                    f"{where}, and the loop {loop} may depend on it ({both}), so a call that mail is broken would be "
                    "stuck with it: choose another channel"
                )


async def _automations(
    client: PrefectClient, alerts: Alerts, made: Mapping[str, UUID], markup: Mapping[str, Markup], say: Say
) -> tuple[dict[str, UUID], bool]:
    """Create, change and remove automations; returns the ids by name, and whether one on silence is new or changed."""
    wanted = [
        one
        for name, rule, channel in alerts.pairs()
        for one in automations(name, rule, channel, made[channel], markup[channel])
    ]
    found = [one for one in await client.read_automations() if is_ours(one)]
    ids: dict[str, UUID] = {}
    fresh = False
    for one in wanted:
        twins = [other for other in found if other.name == one.name]
        for twin in twins[1:]:
            await client.delete_automation(twin.id)
        if twins and not twins[0].enabled:
            say(f"switched off in Prefect, and left so: {one.name.removeprefix(PREFIX)}")
        ids[one.name], done = await put_automation(client, one, twins[0] if twins else None)
        if done:
            say(f"{done}: {one.name.removeprefix(PREFIX)}")
            fresh = fresh or SILENCE_SUFFIX in one.name
    names = {one.name for one in wanted}
    for other in found:
        if other.name not in names:
            await client.delete_automation(other.id)
            say(f"removed: {other.name.removeprefix(PREFIX)}")
    return ids, fresh


async def show_rules(say: Say) -> None:
    """Say which rules are in force on the server, and which calls are open."""
    async with impatient_client() as client:
        value = await in_force(client)
        rules = rules_in(value)
        if not rules:
            say("no rules are in force: mail-loop alerts apply alerts.yaml")
            return
        for name, rule in rules.items():
            when = f"for {rule.within}" if rule.when == "silent" else f"after {_count(rule.checks, 'check')}"
            loops = ", ".join(rule.loops) if rule.loops else "all loops"
            say(f"{name}: {rule.when} {when}, {loops}, to {', '.join(rule.channels)}")
        off = [one.name for one in await client.read_automations() if is_ours(one) and not one.enabled]
        for paused in off:
            say(f"switched off in Prefect: {paused.removeprefix(PREFIX)}")
        lines = [*await _outages(client), *await silences(client, rules, value.get("automations", {}))]
        for line in lines:
            say(line)
        if not any(line.startswith(("called: ", "being called: ")) for line in lines):
            say("nobody has been called for anything that goes on")


async def _outages(client: PrefectClient) -> list[str]:
    """A sentence for each outage, whether somebody has been called for it or the channels have yet to take the call."""
    found, now = [], datetime.now(UTC)

    async def read(*, limit: int, offset: int) -> list[dict[str, Any]]:
        where = {"variables": {"name": {"like_": _STATES}}, "limit": limit, "offset": offset}
        page: list[dict[str, Any]] = (await client.request("POST", "/variables/filter", json=where)).json()
        return page

    async for variable in items(read):
        for rule, fields in variable["value"].items():
            standing = Standing.model_validate(fields)
            if standing.called:
                settled = ((channel, call) for channel, call in standing.pending.items() if now - call.at >= SETTLED)
                untaken = [channel for channel, call in settled if not await was_taken(client, call.event)]
                since = f"{standing.since:%Y-%m-%d %H:%M} UTC" if standing.since else "some time"
                loop = variable["name"].removeprefix(_STATES)
                called = f"not called yet, for {', '.join(untaken)} has not taken it" if untaken else "called"
                found.append(one_line(f"{called}: {loop} is {standing.outcome} since {since} (rule {rule})"))
    return found


async def in_force(client: PrefectClient) -> dict[str, Any]:
    """What the last apply left on the server: rules, automations and channels; empty where there was none."""
    found = await client.read_variable_by_name(RULES_VARIABLE)
    return found.value if found is not None and isinstance(found.value, dict) else {}


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
