"""The relay's own name for the message, in its reply to the final dot: pure."""

import re

# What an id may be made of. It is shown as it is, so that is narrow; what is longer than any server's is none.
_ID = r"([\w.,@+=/$-]+)"
_MAX_CHARS = 250

# Where it stands, the surest first.
_PLACES = (
    rf"\b(?:queued|accepted|received|saved|stored|spooled) (?:on \S{{1,250}} |for delivery )?"
    rf"(?:as|with id|under(?: id)?|id):? <?{_ID}",
    rf"\bqueued on \S{{1,250}} {_ID}",  # Yandex
    rf"<{_ID}> \[(?:InternalId|Hostname)=",  # Exchange
    rf" \d{{6,12}} {_ID} - gsmtp",  # Gmail
    rf"(?<![\w-])(?:id|msgid|envid)[=:] ?<?{_ID}",  # Exim, GMX, Mail.ru, Aliyun
    rf"\b(?:envelope|message|mail|queue|transaction) id <?{_ID}",  # Oracle, Sina
    r"\bqp (\d{1,20})\b",  # qmail
    rf"\b(?:queued|accepted|received|received ok)[.:]? [(\[]{_ID}[)\]]",  # Haraka, Mimecast
    rf"(?<!\S)<?{_ID}>? message accepted",  # Sendmail, OpenSMTPD, Kerio, CommuniGate, Proofpoint
    rf"\bmessage {_ID} (?:accepted|queued)",  # IronPort
    rf"\bmessage queued {_ID}",
    rf"(?<!\S)<[^<>\s]{{1,250}}> {_ID} saved",  # Dovecot over LMTP
)
# Behind a bare `Ok` at the very end there may be anything: Courier, Amazon SES, Momentum, Elastic Email.
_LAST = re.compile(rf"(?:^|\s)ok[.:,]? <?{_ID}>?$", re.IGNORECASE | re.ASCII)
_SURE = tuple(re.compile(place, re.IGNORECASE | re.ASCII) for place in _PLACES)

_NUMBERED = re.compile(r"\d|[A-Z]{8}", re.ASCII)  # what tells an id from a word
_CODE = re.compile(r"[245]\.\d{1,3}\.\d{1,3}|[245]\d\d", re.ASCII)
# An address, a date, a count or a host.
_ANOTHER = re.compile(
    r"\d{1,3}(?:\.\d{1,3}){3}|\d{4}-\d\d-\d\d|\d+(?:\.\d{1,3})?(?:s|ms|k|kb|b)?|[\w-]+(?:\.[\w-]+)*\.[a-z]{2,12}",
    re.ASCII,
)


def queue_id(text: str) -> str | None:
    """None where the relay does not say it."""
    sure = (_trimmed(found[1]) for place in _SURE for found in place.finditer(text))
    if (name := next(filter(_is_id, sure), None)) is not None:
        return name
    last = _LAST.search(text.rstrip())
    name = _trimmed(last[1]) if last else ""
    return name if _is_id(name) and len(name) >= 8 and not _ANOTHER.fullmatch(name) else None


def _trimmed(name: str) -> str:
    """Without the full stop that ends the sentence."""
    return name.rstrip(".,")


def _is_id(name: str) -> bool:
    return 0 < len(name) <= _MAX_CHARS and _NUMBERED.search(name) is not None and _CODE.fullmatch(name) is None
