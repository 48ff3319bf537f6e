"""The relay's own name for the message, in its reply to the final dot: pure."""

from __future__ import annotations

import re

# What an id may be made of. It is shown as it is, so that is narrow; what is longer than any server's is none.
ID = r"([\w.,@+=/$-]+)"
LONGEST = 250

# Where it stands, the surest first.
PLACES = (
    rf"\b(?:queued|accepted|received|saved|stored|spooled) (?:on \S{{1,250}} |for delivery )?"
    rf"(?:as|with id|under(?: id)?|id):? <?{ID}",
    rf"\bqueued on \S{{1,250}} {ID}",  # Yandex
    rf"<{ID}> \[(?:InternalId|Hostname)=",  # Exchange
    rf" \d{{6,12}} {ID} - gsmtp",  # Gmail
    rf"(?<![\w-])(?:id|msgid|envid)[=:] ?<?{ID}",  # Exim, GMX, Mail.ru, Aliyun
    rf"\b(?:envelope|message|mail|queue|transaction) id <?{ID}",  # Oracle, Sina
    r"\bqp (\d{1,20})\b",  # qmail
    rf"\b(?:queued|accepted|received|received ok)[.:]? [(\[]{ID}[)\]]",  # Haraka, Mimecast
    rf"(?<!\S)<?{ID}>? message accepted",  # Sendmail, OpenSMTPD, Kerio, CommuniGate, Proofpoint
    rf"\bmessage {ID} (?:accepted|queued)",  # IronPort
    rf"\bmessage queued {ID}",
    rf"(?<!\S)<[^<>\s]{{1,250}}> {ID} saved",  # Dovecot over LMTP
)
# Behind a bare `Ok` at the very end there may be anything: Courier, Amazon SES, Momentum, Elastic Email.
LAST = re.compile(rf"(?:^|\s)ok[.:,]? <?{ID}>?$", re.IGNORECASE | re.ASCII)
SURE = tuple(re.compile(place, re.IGNORECASE | re.ASCII) for place in PLACES)

NUMBERED = re.compile(r"\d|[A-Z]{8}", re.ASCII)  # what tells an id from a word
CODE = re.compile(r"[245]\.\d{1,3}\.\d{1,3}|[245]\d\d", re.ASCII)
# An address, a date, a count or a host.
ANOTHER = re.compile(
    r"\d{1,3}(?:\.\d{1,3}){3}|\d{4}-\d\d-\d\d|\d+(?:\.\d{1,3})?(?:s|ms|k|kb|b)?|[\w-]+(?:\.[\w-]+)*\.[a-z]{2,12}",
    re.ASCII,
)


def queue_id(text: str) -> str | None:
    """None where the relay does not say it."""
    sure = (_trimmed(found[1]) for place in SURE for found in place.finditer(text))
    if (name := next(filter(_is_id, sure), None)) is not None:
        return name
    last = LAST.search(text.rstrip())
    name = _trimmed(last[1]) if last else ""
    return name if _is_id(name) and len(name) >= 8 and not ANOTHER.fullmatch(name) else None


def _trimmed(name: str) -> str:
    """Without the full stop that ends the sentence."""
    return name.rstrip(".,")


def _is_id(name: str) -> bool:
    return 0 < len(name) <= LONGEST and NUMBERED.search(name) is not None and CODE.fullmatch(name) is None
