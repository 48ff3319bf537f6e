"""Channels: notification blocks of Prefect, made from the secrets that the operator names."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from prefect.blocks.notifications import CustomWebhookNotificationBlock, SlackWebhook
from prefect.client.orchestration import PrefectClient
from prefect.exceptions import ObjectNotFound
from pydantic import SecretStr

from tasks.alerts.message import Markup
from tasks.alerts.rules import Channel
from tasks.credentials import secret_value
from tasks.mail.model.errors import ConfigError

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
    if channel.webhook is not None:
        url = await secret_value(channel.webhook, f"channels.{name}.webhook")
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise ConfigError(f"channels.{name}.webhook: the value of {channel.webhook} is no http or https URL")
        return url
    if channel.apprise is not None:
        from apprise import Apprise

        url = await secret_value(channel.apprise, f"channels.{name}.apprise")
        if Apprise.instantiate(url, suppress_exceptions=True) is None:
            raise ConfigError(f"channels.{name}.apprise: the value of {channel.apprise} is no URL that Apprise knows")
        return url
    return ""


def as_plain_text(channel: Channel, url: str) -> tuple[str, Markup]:
    """The URL with which a channel is told to take text for text, where it can be told, and what is markup there."""
    if channel.apprise is None:
        plain = channel.block is not None and channel.block.partition("/")[0] in _PLAIN_BLOCKS
        return url, "plain" if plain else "any"
    from apprise import Apprise

    told = f"{url}{'&' if '?' in url else '?'}format=text"  # the last one counts
    services = Apprise(told)
    if len(services) != 1:
        return url, "any"
    understood: str = services[0].url()  # type: ignore[no-untyped-call]  # Apprise gives it no types
    if parse_qs(urlsplit(understood).query).get("format") != ["text"]:
        return url, "any"
    markup = _MARKUP_OF_SERVICE.get(type(services[0]).__name__)
    return (told, markup) if markup else (url, "any")


async def save_block(client: PrefectClient, name: str, channel: Channel, url: str) -> UUID:
    """Make sure that the channel has its block on the server; returns the block's id. Raises ConfigError."""
    if channel.block is not None:
        kind, _, document = channel.block.partition("/")
        try:
            found = await client.read_block_document_by_name(document, kind, include_secrets=False)
        except ObjectNotFound:
            raise ConfigError(f"channels.{name}.block: there is no block {channel.block} on the server") from None
        return found.id
    if channel.webhook is not None:
        webhook = CustomWebhookNotificationBlock(
            name=name,
            url="{{url}}",  # what stands here is shown to whoever may read blocks, a secret is not
            json_data={"subject": "{{subject}}", "text": "{{body}}"},
            secrets={"url": url},
        )
        saved: UUID = await webhook.save(_BLOCK.format(channel=name), overwrite=True)
        return saved
    # Of Prefect's blocks this one hands its URL to Apprise as it is, whatever service that names.
    made: UUID = await SlackWebhook(url=SecretStr(url)).save(_BLOCK.format(channel=name), overwrite=True)
    return made


async def remove_blocks(client: PrefectClient, name: str, kept: UUID | None) -> bool:
    """Remove the blocks that an earlier apply made for a channel, but for the one to be kept."""
    removed = False
    for kind in _BLOCK_TYPES:
        try:
            found = await client.read_block_document_by_name(_BLOCK.format(channel=name), kind, include_secrets=False)
        except ObjectNotFound:
            continue
        if found.id != kept:
            await client.delete_block_document(found.id)
            removed = True
    return removed
