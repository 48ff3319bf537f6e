"""What becomes of a message in a service: the text that people see, and what in it works. As the services do it.

Telegram, Slack, Discord, Mattermost and Teams document their markup; what is refused there raises Refused here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import unescape
from html.parser import HTMLParser
from typing import Any


class Refused(Exception):
    """The service answers 400."""


@dataclass(frozen=True)
class Seen:
    """`live`: mentions that ring, links that show another text than their target, files and commands."""

    text: str
    live: tuple[str, ...] = ()


Reader = Callable[[Mapping[str, Any]], Seen]

TELEGRAM_TAGS = frozenset(
    "b strong i em u ins s strike del tg-spoiler span a tg-emoji code pre blockquote".split()  # noqa: SIM905
)
TELEGRAM_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|#\d+|#x[0-9a-fA-F]+);")
TAG = re.compile(r"<(/?)([a-z-]+)((?: [a-z-]+=\"[^\"<>]*\")*)>")
WORD_MENTION = re.compile(r"(?<![\w@])@[a-z][\w.-]*", re.IGNORECASE)
MASKED = re.compile(r"(?<!\\)!?\[([^\]\n]*[^\\\]\n]|)\]\(([^)\n]*)\)")
SHOWN = ("subject", "title", "text", "body", "message", "Body", "description")
SLACK_CONTROL = re.compile(r"<([^<>\n]+)>")


def telegram(call: Mapping[str, Any]) -> Seen:
    """Bot API, parse_mode HTML: one tag that it does not know, and the message is refused."""
    assert call["parse_mode"] == "HTML"
    text, live, opened = call["text"], [], []
    for tag in TAG.finditer(text):
        if tag[2] not in TELEGRAM_TAGS:
            raise Refused(f"can't parse entities: unsupported start tag {tag[2]}")
        if not tag[1]:
            opened.append(tag[2])
            live += [tag[0]] if tag[2] == "a" else []
        elif not opened or opened.pop() != tag[2]:
            raise Refused(f"can't parse entities: unexpected end tag {tag[2]}")
    bare = TAG.sub("", text)
    if opened or "<" in bare:
        raise Refused("can't parse entities")
    if len(shown := TELEGRAM_ENTITY.sub(lambda one: unescape(one[0]), bare)) > 4096:
        raise Refused("message is too long")
    return Seen(shown, (*live, *WORD_MENTION.findall(shown), *re.findall(r"tg://\S+", shown)))


def slack(call: Mapping[str, Any]) -> Seen:
    """Incoming webhook: between < and > stand mentions, channels and links, whether `mrkdwn` is on or not."""
    texts = [call[key] for key in ("text",) if key in call]
    for attachment in call.get("attachments", []):
        texts += [attachment[key] for key in ("title", "text") if attachment.get(key)]
    live = []
    for found in SLACK_CONTROL.findall("\n".join(texts)):
        live += [found] if found[0] in "!@#" or "|" in found else []
    shown = SLACK_CONTROL.sub(lambda one: one[1].rpartition("|")[2], "\n".join(texts))
    if call.get("mrkdwn", True) and "text" in call:
        shown = without_emphasis(shown)
    return Seen(re.sub("&(lt|gt|amp);", lambda one: unescape(one[0]), shown), tuple(live))


def discord(call: Mapping[str, Any]) -> Seen:
    """Webhook: mentions are looked for before Markdown, whatever stands before them."""
    embeds = call.get("embeds", [])
    text = "\n".join([call.get("content", ""), *(str(one.get("description", "")) for one in embeds)])
    if len(text) > 2000:
        raise Refused("content: Must be 2000 or fewer in length.")
    live = re.findall(r"@everyone|@here|<@[!&]?\d+>|(?<!\\)<#\d+>|(?<!\\)<a?:\w+:\d+>|(?<!\\)<t:\d+>", text)
    return Seen(_markdown(text), (*live, *_masked(text)))


def mattermost(call: Mapping[str, Any]) -> Seen:
    """Incoming webhook: what Slack's syntax means is put into Markdown first."""
    text = re.sub(r"<!(channel|here|all)>", r"@\1", str(call["text"]))
    text = re.sub(r"<([^<|>]+)\|([^>]+)>", r"[\2](\1)", text)
    return Seen(_markdown(text), (*WORD_MENTION.findall(text), *_masked(text)))


def teams(call: Mapping[str, Any]) -> Seen:
    """Adaptive Card: people are mentioned by its entities, links are Markdown."""
    live, texts = [], []
    for attachment in call["attachments"]:
        card = attachment["content"]
        live += [str(one["text"]) for one in card.get("msteams", {}).get("entities", [])]
        texts += [one["text"] for one in _blocks(card)]
    text = "\n".join(texts)
    return Seen(_markdown(text), (*live, *_masked(text)))


def anything(call: Mapping[str, Any]) -> Seen:
    """JSON for a program that may hand it to any of the others, or to a page."""
    text = "\n".join(value for key, value in call.items() if key in SHOWN)
    live: list[str] = list(_Html.tags(text))
    for reader in (slack, discord, mattermost):
        live += reader({"text": text, "content": text, "mrkdwn": False}).live
    return Seen(_markdown(unescape(text)), tuple(live))


def plain(call: Mapping[str, Any]) -> Seen:
    """A service that shows text as it is: PagerDuty, ntfy without Markdown, mail that is text/plain."""
    alert = call.get("payload", {})
    summary = str(alert.get("summary", ""))
    details = alert.get("custom_details", {})
    text = "\n".join([summary, *map(str, details.values()), call.get("title", ""), call.get("message", "")])
    if len(summary) > 1024:
        raise Refused("'payload.summary' must be at most 1024 characters")
    return Seen(text, ("Markdown",) if call.get("markdown") else ())


def readable(text: str) -> str:
    """What a person reads: blanks of no width, full-width forms and the blank in an address make no difference."""
    text = unicodedata.normalize("NFKC", text.replace("\u200b", "")).replace("] (", "](").replace(": //", "://")
    return " ".join(text.split())


def without_emphasis(text: str) -> str:
    """Without the marks of a simple Markdown, and without what they hide."""
    for mark in (r"\*\*", r"~~", r"\|\|", r"`", r"\*", r"~"):
        text = re.sub(rf"{mark}([^\n]+?){mark}", r"\1", text)
    return re.sub(r"(?<!\w)_([^_\n]+)_(?!\w)", r"\1", text)


def _markdown(text: str) -> str:
    """The text that Markdown shows: escapes are taken first, and stand for themselves."""
    kept: list[str] = []

    def keep(found: re.Match[str]) -> str:
        kept.append(found[1])
        return chr(0xE000 + len(kept) - 1)

    text = re.sub(r"\\([!-/:-@\[-`{-~])", keep, text)
    text = without_emphasis(MASKED.sub(r"\1", text))
    return re.sub("[\ue000-\uefff]", lambda one: kept[ord(one[0]) - 0xE000], text)


def _masked(text: str) -> list[str]:
    return [found[0] for found in MASKED.finditer(text)] + re.findall(r"(?<!\\)<https?://[^>\s]+>", text)


def _blocks(card: Any) -> list[Mapping[str, Any]]:
    """Every TextBlock of a card."""
    if isinstance(card, list):
        return [block for one in card for block in _blocks(one)]
    if not isinstance(card, dict):
        return []
    return [card] if card.get("type") == "TextBlock" else [block for one in card.values() for block in _blocks(one)]


class _Html(HTMLParser):
    """Collects tags."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)

    @classmethod
    def tags(cls, text: str) -> list[str]:
        parser = cls()
        parser.feed(text)
        return parser.found
