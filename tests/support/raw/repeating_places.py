"""Servers that repeat a password: in whatever form, in every place where they have a word in a check."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from tasks.mail.model.redaction.traces import enough
from tests.support.raw.hostile_places import PLACES, Scene, encoded

USER = "bert"
PASSWORD = "Ostern&2026-bert<7>"  # a word, a date and the user's own name, and what HTML and addresses escape
WORDS = "Ostern 2026-11-29 bert bert's Ostern&20"  # what must stay

SPELLINGS = {
    "in clear": PASSWORD,
    "in upper case": PASSWORD.upper(),
    "cut short": PASSWORD[: enough(len(PASSWORD))],
    "in HTML": html.escape(PASSWORD),
    "in an address": quote(PASSWORD),
    "in base64": base64.b64encode(PASSWORD.encode()).decode(),
    "as AUTH PLAIN": base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode(),
}


@dataclass(frozen=True)
class Repeated:
    """What the servers say; `stays` are those parts of it that are to be seen in a report."""

    texts: Sequence[str]
    stays: Sequence[str] = ()

    @property
    def words(self) -> str:
        return " ".join(self.texts)


PASSWORDS = Repeated(list(SPELLINGS.values()))
HARMLESS = Repeated([WORDS], ["Ostern", "2026", "bert"])


def left(text: str) -> list[str]:
    """What of the password stands in a text, in whatever case and form."""
    views = (text, html.unescape(text), text.replace("\\", ""))
    return [name for name, one in SPELLINGS.items() for view in views if one.casefold() in view.casefold()]


def _with_header(*fields: str) -> Callable[[Scene, Repeated], None]:
    """The message arrives with these fields in front of it, once for each text."""

    def play(at: Scene, said: Repeated) -> None:
        lines = [field.replace("TEXT", one) for field in fields for one in said.texts]
        at.smtp.deliver = lambda raw: at.imap.append("".join(f"{line}\r\n" for line in lines).encode() + raw)

    return play


def _subject(at: Scene, said: Repeated) -> None:
    """Of an inbound check: whatever carries its text."""
    words = encoded(said.words)
    at.imap.append(b"From: %s <a@b>\r\nSubject: [hostile] %s\r\nMessage-ID: <%s>\r\n\r\nx\r\n" % ((words,) * 3))


DATE = "Sun, 29 Nov 2026 20:00:00 +0000"
HEADERS = {
    "Received": _with_header(
        f"Received: from TEXT (TEXT [192.0.2.9]) by TEXT (Postfix) with ESMTP id TEXT for <TEXT@raw.test>; {DATE}",
        f"Received: TEXT; {DATE}",
    ),
    "Authentication-Results": _with_header(
        'Authentication-Results: mx.raw.test; spf=fail reason="TEXT" smtp.mailfrom=TEXT; dkim=TEXT header.d=TEXT'
    ),
    "spam fields": _with_header(
        "X-Rspamd-Action: TEXT",
        "X-SES-Spam-Verdict: TEXT",
        "X-Spam-Status: Yes, score=7.1 required=5.0 tests=TEXT",
    ),
}


def _play(place: str) -> Callable[[Scene, Repeated], None]:
    play, _ = PLACES[place]
    return lambda at, said: play(at, said.words)


REPEATING: dict[str, Callable[[Scene, Repeated], None]] = {
    **{place: _play(place) for place in PLACES},
    **HEADERS,
    "a subject": _subject,
}
