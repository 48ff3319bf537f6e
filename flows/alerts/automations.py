"""Rules as automations of Prefect: what they are made of, and how those on the server are told from others."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from prefect.automations import AutomationCore, EventTrigger, Posture, ResourceSpecification, SendNotification

from tasks.alert_store import CALL, CHANNEL, EVERY_SPAN, RULE, watched
from tasks.alerts import message
from tasks.alerts.message import Markup, in_markup
from tasks.alerts.rules import TRIAL, Rule, spans
from tasks.mail.model.intervals import span as length_of

PREFIX = "mail-loop alert: "
_DESCRIPTION = "Written by mail-loop alerts apply, which puts it back to what its file says."
SILENCE_SUFFIX = ", no check"
_EVERY_LOOP = "mail-loop.loop.*"


def automations(name: str, rule: Rule, channel: str, block: UUID, markup: Markup) -> list[AutomationCore]:
    """What a rule is for one channel: one that calls and tells of the recovery, and for silence one for each span."""
    told = SendNotification(
        block_document_id=block,
        subject=in_markup("{{ event.payload.subject }}", markup),
        body=in_markup("{{ event.payload.body }}", markup),
    )
    kinds = ("recovered",) if rule.when == "silent" else (rule.when, "recovered")
    calling = AutomationCore(
        name=f"{PREFIX}{name} to {channel}",
        description=_DESCRIPTION,
        trigger=EventTrigger(
            posture=Posture.Reactive,
            match=ResourceSpecification({"prefect.resource.id": _EVERY_LOOP, RULE: name, CHANNEL: channel}),
            expect={CALL.format(kind=kind) for kind in kinds},
            threshold=1,
        ),
        actions=[told],
    )
    if rule.when != "silent":
        return [calling]
    return [
        calling,
        *(silence_automation(name, rule, channel, block, markup, span) for span in spans(rule.within or "")),
    ]


def silence_automation(name: str, rule: Rule, channel: str, block: UUID, markup: Markup, span: str) -> AutomationCore:
    """Calls once when a loop that may be silent for so long, which its last good check has said, has been.

    The event that says so counts for the automations of all spans, and starts the clock of one anew.
    """
    loops = [f"mail-loop.loop.{loop}" for loop in rule.loops] if rule.loops else _EVERY_LOOP
    longer = "" if span == rule.within else f" within {span}"
    subject, body = (
        in_markup(one, markup, message.MAX_SENTENCE_CHARS, (message.LINK_REPLACEMENT,)) for one in message.silent(span)
    )
    if rule.loops != (TRIAL,):  # which has no schedule
        body = message.ONLY_IF_SCHEDULED + body
    return AutomationCore(
        name=f"{PREFIX}{name} to {channel}{SILENCE_SUFFIX}{longer}",
        description=_DESCRIPTION,
        trigger=EventTrigger(
            posture=Posture.Proactive,
            match=ResourceSpecification({"prefect.resource.id": loops, RULE: name}),
            after={watched(span)},
            expect={EVERY_SPAN},
            for_each={"prefect.resource.id"},
            threshold=1,
            within=length_of(span) or rule.silence,
        ),
        actions=[SendNotification(block_document_id=block, subject=subject, body=body)],
    )


def is_ours(automation: AutomationCore) -> bool:
    """Whether an earlier apply made it."""
    return automation.name.startswith(PREFIX) and automation.description == _DESCRIPTION


def content(automation: AutomationCore) -> dict[str, Any]:
    """What makes it up, without what the server adds."""
    shown = automation.model_dump(mode="json", include={"description", "trigger", "actions"})
    return shown | {"trigger": {name: _ordered(value) for name, value in shown["trigger"].items() if name != "id"}}


def _ordered(value: object) -> object:
    """A set has no order, and comes back in any."""
    return sorted(value) if isinstance(value, list) else value
