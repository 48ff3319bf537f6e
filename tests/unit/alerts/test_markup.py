"""Whatever a stranger writes is only shown, by Prefect's own templates and in the markup of each service."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect.server.utilities.user_templates import render_user_template_sync, validate_user_template

from tasks.alerts import message
from tasks.alerts.message import MAX_VALUE_CHARS, Markup, in_markup, markup_named
from tests.support.chats.attacks import WORDS
from tests.support.chats.readers import Reader, Seen, anything, discord, mattermost, readable, slack, teams, telegram
from tests.support.mail.strategies import stable

# The services that read a text which is written so; "any" is for those that nobody has told us of.
SERVICES: list[tuple[Markup, Reader]] = [
    ("slack", slack),
    ("telegram", telegram),
    ("discord", discord),
    *(("any", one) for one in (slack, telegram, discord, mattermost, teams, anything)),
]
PIECES = st.sampled_from(
    [
        *"<>&@*_`~|[]()!#\\:;/. a1",
        "everyone",
        "here",
        "channel",
        "U1",
        "&lt;",
        "&amp;",
        "](",
        "http://e.test",
        "b>",
        "{{",
    ]
)


def seen(reader: Reader, text: str) -> Seen:
    """A call with this text, as the service gets it from Apprise."""
    card = {"type": "TextBlock", "text": text}
    attachments = [{"title": "t", "text": text, "content": {"body": [card]}}]
    call: dict[str, Any] = {"parse_mode": "HTML", "text": text, "content": text}
    return reader(call | ({"attachments": attachments} if reader is teams else {"mrkdwn": False}))


def rendered(text: str, markup: Markup) -> str:
    template = in_markup("{{ event.payload.body }}", markup)
    return render_user_template_sync(template, {"event": {"payload": {"body": text}}})


@pytest.mark.parametrize(("markup", "reader"), SERVICES)
def test_a_known_attack_is_only_shown(markup: Markup, reader: Reader) -> None:
    for name, words in WORDS.items():
        one = seen(reader, rendered(words.replace(*message.LINK_REPLACEMENT), markup))
        assert one.live == (), name
        assert readable(one.text) == readable(words), name


@pytest.mark.parametrize(("markup", "reader"), SERVICES)
@stable
@given(st.lists(PIECES, max_size=40))
def test_no_text_works_and_every_text_is_readable(markup: Markup, reader: Reader, pieces: list[str]) -> None:
    text = "".join(pieces)
    one = seen(reader, rendered(text.replace(*message.LINK_REPLACEMENT), markup))
    assert one.live == ()
    assert readable(one.text) == readable(text)


def test_a_service_that_shows_text_is_given_the_text() -> None:
    text = " ".join(WORDS.values())[:MAX_VALUE_CHARS]
    assert rendered(text, "plain") == text


@pytest.mark.parametrize("markup", get_args(Markup))
def test_a_call_about_silence_says_the_last_verdict_in_the_same_way(markup: Markup) -> None:
    for template in message.silent("45m"):
        validate_user_template(in_markup(template, markup))
    body = in_markup(message.silent("45m")[1], markup, message.MAX_SENTENCE_CHARS, (message.LINK_REPLACEMENT,))
    payload = {"loop": "office", "sentence": WORDS["slack"] + " tg://x" + "x" * 2000}
    text = render_user_template_sync(body, {"event": {"payload": payload, "occurred": "2026-11-24 09:00:00"}})
    assert text.startswith("No good check of office has come within 45m")
    assert "2026-11-24 09:00 UTC: 550 " in text
    assert "://" not in text
    assert len(text) < MAX_VALUE_CHARS or markup != "plain"
    for its, reader in SERVICES:
        assert its != markup or seen(reader, text).live == ()


@pytest.mark.parametrize("markup", get_args(Markup))
def test_a_long_text_is_cut_before_it_is_written_for_a_channel(markup: Markup) -> None:
    assert rendered("<" * 5000, markup) == rendered("<" * MAX_VALUE_CHARS, markup)


@pytest.mark.parametrize("name", ["html", "", None, 5, {}])
def test_where_it_is_not_known_what_is_markup_a_text_is_harmless_everywhere(name: object) -> None:
    assert markup_named(name) == "any"
    assert markup_named("slack") == "slack"
