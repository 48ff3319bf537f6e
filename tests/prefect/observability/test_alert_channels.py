"""A stranger's words through a real Prefect server into every kind of channel: text, and nothing that works."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import pytest_asyncio
from prefect.automations import SendNotification
from prefect.blocks.abstract import NotificationError
from prefect.blocks.core import Block
from prefect.blocks.notifications import (
    DiscordWebhook,
    MattermostWebhook,
    MicrosoftTeamsWebhook,
    PagerDutyWebHook,
    SlackWebhook,
    TwilioSMS,
)
from prefect.client.orchestration import get_client
from prefect.server.utilities.user_templates import render_user_template
from prefect.settings import PREFECT_HOME, temporary_settings
from pydantic import SecretStr

from flows.alerts import apply as applying
from flows.prefect_api.connection import at
from flows.server import processes
from flows.server.login import known_login
from flows.server.prefect import SERVER, free_port, start_server
from tasks.alert_store import RULES_VARIABLE
from tasks.alerts import message
from tasks.alerts.rules import Alerts
from tasks.alerts.state import Standing
from tasks.mail.config.section import validated
from tasks.mail.model.outcome import Outcome, Status
from tasks.mail.model.result import LoopResult
from tests.prefect.records import SOCKETS_LEFT_OPEN, forget_server, leave_connections
from tests.support.chats.attacks import WORDS
from tests.support.chats.readers import Seen, readable
from tests.support.chats.receiver import Receiver
from tests.support.first_start import FirstStart
from tests.support.raw.smtp import RawSmtp

pytestmark = [
    pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN),
    pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning"),
    pytest.mark.asyncio(loop_scope="module"),
]

DOCS = Path(__file__).resolve().parents[3] / "docs" / "alerts.md"
LOOP, RUN = "hostile", "5f8c2f0e-9a53-4d3c-8f0e-2d4c3f0a1b2c"
# The words of the table, as many to a call as a call has room for.
SENTENCES = {
    "1": f"{WORDS['address']} / {WORDS['slack']} / {WORDS['entities']} / {WORDS['mattermost']}",
    "2": f"{WORDS['discord']} / {WORDS['markdown']} / {WORDS['templates']} / {WORDS['played']}",
    "3": f"{WORDS['html']} / {WORDS['links']}",
}


@dataclass(frozen=True)
class Way:
    """How a channel is named in alerts.yaml, what in the address of its calls tells them, and its line in the docs."""

    where: str
    mark: str
    documented: str


# The names of the channels are those of their secrets and blocks.
WAYS = {
    "slack": Way("apprise", "/services/T0000000A/B0000000A/", "Slack"),
    "slack-markdown": Way("apprise", "/services/T0000000A/B0000000B/", "Slack"),
    "slack-native": Way("apprise", "/services/T0000000A/B0000000C/", "Slack"),
    "slack-block": Way("slack-webhook", "/services/T0000000A/B0000000D/", "Slack"),
    "telegram": Way("apprise", "/bot123456789:", "Telegram"),
    "telegram-markdown": Way("apprise", "/bot223456789:", "Telegram"),
    "discord": Way("apprise", "/api/webhooks/100000000000000001", "Discord"),
    "discord-markdown": Way("apprise", "/api/webhooks/100000000000000002", "Discord"),
    "discord-block": Way("discord-webhook", "/api/webhooks/100000000000000003", "Discord"),
    "two-services": Way("apprise", "/api/webhooks/100000000000000004", "Discord"),
    "mattermost": Way("apprise", "/hooks/aaaaaaaaaaaaaaaaaaaaaaaaaa", "any other"),
    "mattermost-block": Way("mattermost-webhook", "/hooks/bbbbbbbbbbbbbbbbbbbbbbbbbb", "any other"),
    "teams": Way("apprise", "/workflows/aaaa", "any other"),
    "teams-block": Way("ms-teams-webhook", "/workflows/bbbb", "any other"),
    "opsgenie": Way("apprise", "api.opsgenie.com", "any other"),
    "twilio": Way("apprise", "/Accounts/AC" + "1" * 32, "any other"),
    "twilio-block": Way("twilio-sms", "/Accounts/AC" + "2" * 32, "any other"),
    "json": Way("apprise", "/json", "any other"),
    "webhook": Way("webhook", "/webhook", "webhook"),
    "pagerduty": Way("apprise", "a" * 32, "PagerDuty"),
    "pagerduty-block": Way("pager-duty-webhook", "b" * 32, "PagerDuty"),
    "ntfy": Way("apprise", "topic-1", "ntfy"),
    "ntfy-markdown": Way("apprise", "topic-2", "ntfy"),
    "mail": Way("apprise", "", "mailto"),
}
PLAIN = ("PagerDuty", "ntfy", "mailto")


def urls(receiver: Receiver, smtp: RawSmtp) -> dict[str, str]:
    """The secrets."""
    token, here = "c" * 24, receiver.here
    return {
        "slack": f"slack://T0000000A/B0000000A/{token}",
        "slack-markdown": f"slack://T0000000A/B0000000B/{token}/?format=markdown&footer=no",
        "slack-native": f"https://hooks.slack.com/services/T0000000A/B0000000C/{token}",
        "telegram": "tgram://123456789:abcdefg_hijklmnop/-1001/",
        "telegram-markdown": "tgram://223456789:abcdefg_hijklmnop/-1001/?format=markdown",
        "discord": f"discord://100000000000000001/{token}",
        "discord-markdown": f"https://discord.com/api/webhooks/100000000000000002/{token}?format=markdown",
        "two-services": f"discord://100000000000000004/{token}, discord://100000000000000004/{token}",
        "mattermost": f"mmost://{here}/{'a' * 26}",
        "teams": "workflows://teams.test:443/aaaa/sig",
        "opsgenie": "opsgenie://00000000-0000-0000-0000-000000000000/?action=new",
        "twilio": f"twilio://AC{'1' * 32}:{'a' * 32}@15551234567/15557654321",
        "json": f"json://{here}/json",
        "webhook": f"http://{here}/webhook",
        "pagerduty": f"pagerduty://{'a' * 32}@{'k' * 20}",
        "ntfy": f"ntfy://{here}/topic-1",
        "ntfy-markdown": f"ntfy://{here}/topic-2?format=markdown",
        "mail": f"mailto://{smtp.host}:{smtp.port}/?from=a@far.example.net&to=b@far.example.net&mode=insecure",
    }


async def blocks(receiver: Receiver) -> None:
    """What an operator has in Prefect already."""
    token = "c" * 24
    host, port = receiver.here.split(":")
    made: list[Any] = [
        SlackWebhook(url=SecretStr(f"https://hooks.slack.com/services/T0000000A/B0000000D/{token}")),
        DiscordWebhook(webhook_id=SecretStr("100000000000000003"), webhook_token=SecretStr(token)),
        MattermostWebhook(hostname=host, port=int(port), secure=False, token=SecretStr("b" * 26)),
        MicrosoftTeamsWebhook(
            url=SecretStr("https://teams.test:443/workflows/bbbb/triggers/manual/paths/invoke?sig=sig")
        ),
        TwilioSMS(
            account_sid=f"AC{'2' * 32}",
            auth_token=SecretStr("a" * 32),
            from_phone_number="15551234567",
            to_phone_numbers=["15557654321"],
        ),
        PagerDutyWebHook(integration_key=SecretStr("b" * 32), api_key=SecretStr("k" * 20)),
    ]
    for block in made:
        await block.save("ops", overwrite=True)


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    with Receiver(tmp_path_factory.mktemp("services")) as running:
        yield running


@pytest.fixture(scope="module")
def api(
    receiver: Receiver,
    first_start: FirstStart,
    tmp_path_factory: pytest.TempPathFactory,
    pytestconfig: pytest.Config,
) -> Iterator[str]:
    """A Prefect server, and an environment in which the services are on loopback."""
    home = first_start(tmp_path_factory.mktemp("channels"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DO_NOT_TRACK", "1")
        patch.setenv("HTTPS_PROXY", f"http://{receiver.here}")
        patch.setenv("NO_PROXY", "127.0.0.1")
        patch.setenv("REQUESTS_CA_BUNDLE", str(receiver.ca_file))
        forget_server()
        try:
            url = start_server(home, free_port())
            leave_connections(pytestconfig, url)
            with at(url, known_login(home)), temporary_settings({PREFECT_HOME: home}):
                yield url
                forget_server()
        finally:
            processes.stop(home, SERVER)


Calls = dict[str, dict[str, Seen]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def calls(api: str, receiver: Receiver) -> AsyncIterator[Calls]:
    """What each channel showed of each sentence. Where it showed nothing, it is missing."""
    async with RawSmtp() as smtp:
        await blocks(receiver)
        with pytest.MonkeyPatch.context() as patch:
            for name, url in urls(receiver, smtp).items():
                patch.setenv(f"{name.upper().replace('-', '_')}_URL", url)
            await put_in_force()
            for name, sentence in SENTENCES.items():
                await call(f"{LOOP}-{name}", sentence)
        yield {name: read(receiver, smtp, way) for name, way in WAYS.items()}
    async with get_client() as client:
        await client.delete_variable_by_name(RULES_VARIABLE)


async def put_in_force() -> None:
    channels = {
        name: {way.where: f"{name}-url"} if way.where in ("apprise", "webhook") else {"block": f"{way.where}/ops"}
        for name, way in WAYS.items()
    }
    loops = [f"{LOOP}-{name}" for name in SENTENCES]
    rule = {"when": "failing", "loops": loops, "channels": list(channels)}
    async with get_client() as client:  # mail is a channel for loops that are known not to depend on it
        known = await client.create_flow_from_name("mail-loop-check")
        for loop in loops:
            smtp = {"host": "relay.example.org", "from_addr": "a@near.test", "to_addr": "b@near.test"}
            await client.create_deployment(known, name=loop, parameters={"name": loop, "smtp": smtp})
    await applying.apply_rules(validated(Alerts, {"channels": channels, "rules": {"failing": rule}}), lambda said: None)


async def call(loop: str, sentence: str) -> None:
    """What each automation on the server does at such a verdict, by Prefect's templates and blocks.

    It is done here, one after the other: that events set off automations is seen elsewhere, and so many at once are too
    many for SQLite.
    """
    now = datetime.now(UTC)
    result = LoopResult(
        loop=loop, status=Status.ERROR, outcome=Outcome.REJECTED, sentence=sentence, who_acts=sentence, sent_at=now
    )
    standing = Standing(called=True, bad=1, checks=1, since=now, outcome="rejected")
    payload = {
        "subject": message.subject("failing", loop, "rejected"),
        "body": message.body("failing", result, standing, now, None, f"http://ui.test/a_b*c/~ops/{RUN}"),
    }
    async with get_client() as client:
        for automation in await client.read_automations():
            (action,) = automation.actions
            if not isinstance(action, SendNotification):
                continue
            context = {"event": {"payload": payload}}
            subject = await render_user_template(action.subject, context)
            body = await render_user_template(action.body, context)
            found = await client.read_block_document(action.block_document_id, include_secrets=True)
            block: Any = Block._from_block_document(found)
            with block.raise_on_failure(), suppress(NotificationError):  # what is refused is missing, and that is seen
                await block.anotify(subject=subject, body=body)


def read(receiver: Receiver, smtp: RawSmtp, way: Way) -> dict[str, Seen]:
    """The calls that a channel showed, by the name of the sentence."""
    seen = [mail_seen(raw) for raw in smtp.messages] if way.documented == "mailto" else receiver.of(way.mark)
    return {
        name: one for one in seen for name in SENTENCES if f"{LOOP}-{name}: failing (rejected)" in readable(one.text)
    }


def mail_seen(raw: bytes) -> Seen:
    message = message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    live = () if message.get_content_type() == "text/plain" else ("HTML",)
    body = message.get_body(("plain", "html"))
    assert isinstance(body, EmailMessage)
    return Seen(f"{message['Subject']}\n{body.get_content()}", live)


@pytest.mark.parametrize("name", SENTENCES)
@pytest.mark.parametrize("channel", WAYS)
async def test_a_strangers_words_are_shown_and_nothing_of_them_works(calls: Calls, channel: str, name: str) -> None:
    assert name in calls[channel], "the call was refused or mangled"
    seen = calls[channel][name]
    assert seen.live == ()
    assert readable(SENTENCES[name]) in readable(seen.text)
    assert f"Who acts: {readable(SENTENCES[name])}"[:100] in readable(seen.text)
    if WAYS[channel].documented in PLAIN:
        assert SENTENCES[name].replace("://", ": //") in " ".join(seen.text.split())


@pytest.mark.parametrize("channel", WAYS)
async def test_the_link_to_the_run_works_in_every_channel(calls: Calls, channel: str) -> None:
    (link,) = re.findall(r"The run: (\S+)", calls[channel]["1"].text)
    assert unquote(link) == f"http://ui.test/a_b*c/~ops/{RUN}"


async def test_nobody_refused_a_call(calls: Calls, receiver: Receiver) -> None:
    assert receiver.refused == []


async def test_the_docs_say_what_each_kind_of_channel_shows() -> None:
    text = DOCS.read_text(encoding="utf-8")
    for way in WAYS.values():
        assert re.search(rf"^\| [^|]*{re.escape(way.documented)}", text, re.MULTILINE), way.documented
