"""Rules as automations of Prefect, and channels as its notification blocks, made from the secrets that are named."""

from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from prefect.automations import AutomationCore, EventTrigger, Posture, ResourceSpecification, SendNotification
from prefect.blocks.core import Block
from prefect.blocks.notifications import CustomWebhookNotificationBlock, SlackWebhook
from prefect.client.orchestration import PrefectClient
from prefect.events.schemas.automations import Automation
from prefect.exceptions import ObjectNotFound
from pydantic import SecretStr

from tasks.alert_store import CALL, CHANNEL, EVERY_SPAN, LOOP_RESOURCE, RULE, watched
from tasks.alerts import message
from tasks.alerts.message import Markup, in_markup
from tasks.alerts.rules import TRIAL, Channel, Rule, spans
from tasks.credentials import secret_value
from tasks.mail.model.durations import span as length_of
from tasks.mail.model.errors import ConfigError

PREFIX = "mail-loop alert: "
SILENCE_SUFFIX = ", no check"
_DESCRIPTION = "Written by mail-loop alerts apply, which puts it back to what its file says."
_EVERY_LOOP = f"{LOOP_RESOURCE}*"
_BLOCK = "mail-loop-{channel}"
_BLOCK_TYPES = ("custom-webhook", "slack-webhook")  # of the blocks that we make
_PLAIN_BLOCKS = {"pager-duty-webhook"}
# By the classes of Apprise; of any other it is not known what it reads.
_MARKUP_OF_SERVICE: dict[str, Markup] = {
    "NotifyDiscord": "discord",
    "NotifyEmail": "plain",
    "NotifyNtfy": "plain",
    "NotifyPagerDuty": "plain",
    "NotifySlack": "slack",
    "NotifyTelegram": "telegram",
}


async def url_of(name: str, channel: Channel) -> str:
    """The URL behind a channel; empty for a block of the operator's. Raises ConfigError."""
    if (secret := channel.webhook or channel.apprise) is None:
        return ""
    field = f"channels.{name}.{'webhook' if channel.webhook else 'apprise'}"
    url = await secret_value(secret, field)
    if channel.webhook:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise ConfigError(f"{field}: the value of {secret} is no http or https URL")
        return url
    from apprise import Apprise

    if Apprise.instantiate(url, suppress_exceptions=True) is None:
        raise ConfigError(f"{field}: the value of {secret} is no URL that Apprise knows")
    return url


def as_plain_text(channel: Channel, url: str) -> tuple[str, Markup]:
    """The URL with which a channel takes text for text, where it can be made to, and what is markup there."""
    if channel.apprise is None:
        plain = channel.block is not None and channel.block.partition("/")[0] in _PLAIN_BLOCKS
        return url, "plain" if plain else "any"
    from apprise import Apprise

    plain_url = f"{url}{'&' if '?' in url else '?'}format=text"  # the last one counts
    services = Apprise(plain_url)
    if len(services) != 1:
        return url, "any"
    understood: str = services[0].url()  # type: ignore[no-untyped-call]  # Apprise gives it no types
    if parse_qs(urlsplit(understood).query).get("format") != ["text"]:
        return url, "any"
    markup = _MARKUP_OF_SERVICE.get(type(services[0]).__name__)
    return (plain_url, markup) if markup else (url, "any")


async def save_block(client: PrefectClient, name: str, channel: Channel, url: str) -> UUID:
    """Make sure that the channel has its block on the server; returns the block's id. Raises ConfigError."""
    if channel.block is not None:
        kind, _, document = channel.block.partition("/")
        try:
            found = await client.read_block_document_by_name(document, kind, include_secrets=False)
        except ObjectNotFound:
            raise ConfigError(f"channels.{name}.block: there is no block {channel.block} on the server") from None
        return found.id
    # Of Prefect's blocks this one hands its URL to Apprise as it is, whatever service that names.
    block: Block = SlackWebhook(url=SecretStr(url))
    if channel.webhook is not None:
        block = CustomWebhookNotificationBlock(
            name=name,
            url="{{url}}",  # what stands here is shown to all who may read blocks, a secret is not
            json_data={"subject": "{{subject}}", "text": "{{body}}"},
            secrets={"url": url},
        )
    saved: UUID = await block.save(_BLOCK.format(channel=name), overwrite=True)
    return saved


async def remove_blocks(client: PrefectClient, name: str, kept: UUID | None) -> bool:
    """Remove the blocks that an earlier apply made for a channel, but for the one to be kept."""
    removed = False
    for kind in _BLOCK_TYPES:
        with suppress(ObjectNotFound):
            found = await client.read_block_document_by_name(_BLOCK.format(channel=name), kind, include_secrets=False)
            if found.id != kept:
                await client.delete_block_document(found.id)
                removed = True
    return removed


def automations(name: str, rule: Rule, channel: str, block: UUID, markup: Markup) -> list[AutomationCore]:
    """What a rule is for one channel: one that calls and reports the recovery, and for silence one for each span."""
    call = SendNotification(
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
        actions=[call],
    )
    lengths = spans(rule.within or "") if rule.when == "silent" else ()
    return [calling, *(_silence_automation(name, rule, channel, block, markup, span) for span in lengths)]


def _silence_automation(name: str, rule: Rule, channel: str, block: UUID, markup: Markup, span: str) -> AutomationCore:
    """Calls once when a loop that may be silent for so long, which its last good check has said, has been.

    The event that says so counts for the automations of all spans, and starts the clock of one anew.
    """
    loops = [f"{LOOP_RESOURCE}{loop}" for loop in rule.loops] if rule.loops else _EVERY_LOOP
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


async def put_automation(client: PrefectClient, wanted: AutomationCore, there: Automation | None) -> tuple[UUID, str]:
    """Create or change an automation; one that was switched off stays so. Returns its id, and what was done."""
    if there is None:
        return await client.create_automation(wanted), "created"
    if content(there) == content(wanted):
        return there.id, ""
    await client.update_automation(there.id, wanted.model_copy(update={"enabled": there.enabled}))
    return there.id, "changed"


def is_ours(automation: AutomationCore) -> bool:
    """Whether an earlier apply made it."""
    return automation.name.startswith(PREFIX) and automation.description == _DESCRIPTION


def content(automation: AutomationCore) -> dict[str, Any]:
    """What makes it up, without what the server adds."""
    shown = automation.model_dump(mode="json", include={"description", "trigger", "actions"})
    trigger = {  # a set has no order, and comes back in any
        name: sorted(value) if isinstance(value, list) else value
        for name, value in shown["trigger"].items()
        if name != "id"
    }
    return shown | {"trigger": trigger}
