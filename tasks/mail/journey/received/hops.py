"""The servers that a message went through, from its Received fields (RFC 5321 4.4, RFC 5322 3.6.7).

Each server writes them in its own way, and a stranger may have written any of them: what cannot be read is shown.

Of a HopRecord they fill these fields, "" and None where the server did not say; each text is one printable line.
`from_` is the name that the client gave of itself (HELO), or else by which the server calls it. `peer` is the client as
the server saw it: `reverse.name [address]`, or one of both. `tls` says version and cipher; a server that tells neither
may still say ESMTPS in `with_`. `at` is UTC, cut off to the second. `raw` is the whole field (cut where it is absurdly
long), and all there is, where it could not be read.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_tz
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from tasks.mail.model.durations import MONTHS
from tasks.mail.model.journey_record import HopRecord
from tasks.mail.model.safe_text import one_line, printable

MAX_FIELD_CHARS = 4096  # characters of a field that is read; honest ones have a few hundred
_KEYWORDS = {"from", "by", "via", "with", "id", "for", "tls", "envelope-from"}

# Blanks are single by then, and every repetition is bounded or cannot begin twice: the time is linear in the text.
_MARK = re.compile(r"\\.|[()]")
_WORD = re.compile(r"<[^<>]*>|[^ ();<]+|[^ ]")
_HELO = re.compile(r"(?:^|\s)(?:HELO|EHLO)[ =](\S+)", re.IGNORECASE)
_ZONE = r"(?:[.,]\d{1,9})? ?(?P<zone>[+-]\d\d:?\d\d(?!\d)|[A-Z]{1,5}(?![A-Z\d]))?"
_TIME = rf"(?P<hour>\d\d?) ?: ?(?P<minute>\d\d)(?: ?: ?(?P<second>\d\d))?(?!\d){_ZONE}"
_DATE = re.compile(
    rf"(?<!\d)(?P<day>\d\d?)[ -]?(?P<month>{'|'.join(MONTHS)})[ -]?(?P<year>\d{{4}}|\d\d) {_TIME}",
    re.ASCII | re.IGNORECASE,
)
_ISO_DATE = re.compile(  # SendGrid
    rf"(?<![\d-])(?P<year>\d{{4}})-(?P<month>\d\d)-(?P<day>\d\d)[ T]{_TIME}", re.ASCII | re.IGNORECASE
)


def hops(received: Sequence[str]) -> tuple[HopRecord, ...]:
    """The hops of a message, oldest first, from its Received values as they stand, topmost first."""
    return tuple(_hop(value[: MAX_FIELD_CHARS + 1]) for value in reversed(received))


def queue_ids(hops: Sequence[HopRecord]) -> tuple[tuple[str, str], ...]:
    """What to look for in whose log: (host, queue id), each once, in the order of `hops`.

    Exchange writes its version where others write the id.
    """
    ids = ((hop.by, hop.id) for hop in hops if not hop.with_.upper().startswith(("MICROSOFT SMTP SERVER", "MAPI")))
    return tuple(dict.fromkeys((host, number) for host, number in ids if host and number))


@dataclass(slots=True)
class _Clause:
    """What stands behind a keyword."""

    words: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)

    @property
    def first(self) -> str:
        return self.words[0].strip("<>,") if self.words else ""


@lru_cache(64)  # several questions are asked about the hops of the same message
def _hop(value: str) -> HopRecord:
    if len(value) > MAX_FIELD_CHARS:
        return HopRecord(raw=one_line(value, MAX_FIELD_CHARS))
    raw = one_line(_utf8(value), None)
    clauses, top, comments = _clauses(raw)
    none = _Clause()
    client, by, with_ = (clauses.get(keyword, none) for keyword in ("from", "by", "with"))
    ironport = with_.first.partition("/TLS/")[2]
    from_, peer = _client(client)
    if not from_ and (before := clauses[""].comments) and before[0].startswith("from "):
        from_ = before[0].removeprefix("from ")  # a user of the same machine, as Sendmail writes it
    hop = HopRecord(
        from_=one_line(from_),
        peer=one_line(peer),
        by=one_line(_by(by)),
        with_=one_line(" ".join(with_.words[:3])),
        id=one_line(clauses.get("id", none).first),
        for_=one_line(clauses.get("for", none).first),
        tls=one_line(_session(comments, clauses.get("tls", none).first) or ironport),
        at=_date(top),
    )
    read = hop.at is not None or (hop.by and (hop.from_ or hop.with_ or hop.id))
    return hop if read else HopRecord(raw=raw)


def _utf8(value: str) -> str:
    """8-bit octets are UTF-8 (RFC 6532), which the standard library gives as surrogates."""
    try:
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return printable(value)


def _words(text: str) -> Iterator[tuple[str, bool]]:
    """The words of a field, and its outermost comments (True) without their parentheses.

    A parenthesis that has no other half stands for itself, so that it does not swallow the rest.
    """
    ends, begun = dict[int, int](), list[int]()
    for mark in _MARK.finditer(text):
        if mark[0] == "(":
            begun.append(mark.start())
        elif mark[0] == ")" and begun:
            ends[begun.pop()] = mark.end()
    place = 0
    while word := _WORD.search(text, place):
        if end := ends.get(word.start()):
            yield text[word.end() : end - 1], True
            place = end
        else:
            place = word.end()
            if word[0] not in "()":
                yield word[0], False


def _clauses(text: str) -> tuple[dict[str, _Clause], str, list[str]]:
    """The clauses by keyword, the first of each, and "" for what stands before; all outside of comments; all comments.

    What follows `from` is the client's word, though it were a keyword; unless it gave none, as only what the server
    saw of it (IIS, Momentum), or the last `by` tells.
    """
    clauses = {"": _Clause()}
    clause, top, comments = clauses[""], [], []
    words = list(_words(text))
    last_by = max(
        (place for place, (word, comment) in enumerate(words) if word.lower() == "by" and not comment), default=0
    )
    for place, (word, comment) in enumerate(words):
        if comment:
            clause.comments.append(word)
            comments.append(word)
            continue
        top.append(word)
        from_nobody = clause is clauses.get("from") and not clause.words and not clause.comments and place != last_by
        if word == ";":
            clause = _Clause()
        elif word.lower() in _KEYWORDS and not from_nobody:
            clause = _Clause()
            clauses.setdefault(word.lower(), clause)
        else:
            clause.words.append(word)
    return clauses, " ".join(top), comments


def _client(clause: _Clause) -> tuple[str, str]:
    """What the client called itself, and what the server saw."""
    called = clause.words[0] if clause.words else ""
    helo, name, address = "", "", ""
    for comment in clause.comments:
        if said := _HELO.search(comment):
            helo = helo or said[1]
            comment = comment[: said.start()]  # a _HELO may be an address too
        words = comment.split(maxsplit=2)[:2]
        seen = next((place for place, word in enumerate(words) if _address(word)), None)
        if seen is not None and not address:
            address, name = _address(words[seen]), words[0].rpartition("@")[2] if seen else ""
    if not address:
        places = clause.words[1:3] if not called.startswith("[") and not helo else clause.words[:3]
        address = next(filter(None, map(_address, places)), "")
    if helo and not name and not _address(called):
        name = called
    name = "" if name.lower() == "unknown" or "=" in name else name.rstrip(".")
    return (helo or called), f"{name} [{address}]" if name and address else name or (address and f"[{address}]")


def _address(word: str) -> str:
    """The IP address that a word such as `[192.0.2.7]:25` or `user@192.0.2.7` is, else ""."""
    text = word.rpartition("@")[2][:80].strip(",")
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    text = text[5:] if text.lower().startswith("ipv6:") else text
    text = text.partition(":")[0] if text.count(":") == 1 else text  # a port within the brackets
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    return str((isinstance(address, IPv6Address) and address.ipv4_mapped) or address)


def _by(clause: _Clause) -> str:
    """The server's name. One that calls itself localhost may say in a comment which one it is, as amavis does."""
    name = clause.first.rstrip(".")
    if name.lower() == "localhost":
        pairs = (comment.split(maxsplit=2)[:2] for comment in clause.comments)
        return next((pair[0] for pair in pairs if len(pair) == 2 and _address(pair[1])), name)
    return name


def _date(text: str) -> datetime | None:
    """The last date in a text. Without a zone, or in an unknown one, it is taken for UTC (RFC 5322 4.3)."""
    found = [*_DATE.finditer(text)] or [*_ISO_DATE.finditer(text)]
    if not found:
        return None
    date = found[-1].groupdict(default="0")
    year, month = int(date["year"]), date["month"].title()
    if len(date["year"]) == 2:
        year += 2000 if year < 50 else 1900
    if year < 1900:  # RFC 5322 3.3 knows none
        return None
    day, hour, minute, second = (int(date[part]) for part in ("day", "hour", "minute", "second"))
    zone = parsedate_tz(f"1 Jan 2000 00:00:00 {date['zone'].replace(':', '')}")
    east = timedelta(seconds=(zone and zone[9]) or 0)
    try:
        number = MONTHS.index(month) + 1 if month in MONTHS else int(month)
        local = datetime(year, number, day, hour, minute, min(second, 59), tzinfo=timezone(east))  # 60: a leap second
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


_VERSION = re.compile(r"(TLS|SSL)[v -]?(\d)[._]?(\d)?", re.IGNORECASE)
# A comment that holds nothing else.
_FORMS = (
    re.compile(r"using (?P<version>(?:TLS|SSL)\S*) with cipher (?P<cipher>\S+)", re.IGNORECASE),  # Postfix, Dovecot
    re.compile(r"version=(?P<version>[^\s,]+),? cipher=(?P<cipher>[^\s,]+)", re.IGNORECASE),  # Sendmail, Exchange
    re.compile(r"cipher=(?P<cipher>[^\s,]+),? version=(?P<version>[^\s,]+)", re.IGNORECASE),  # Haraka until 2.8
    re.compile(r"(?P<version>)cipher=(?P<cipher>[^\s,]+)", re.IGNORECASE),  # Momentum
    re.compile(r"(?P<version>TLS[v\d][\w.]*)(?::(?P<cipher>[^\s:]+)\S*)?$", re.IGNORECASE),  # Exim, OpenSMTPD
    re.compile(r"(?P<version>)(?P<cipher>[A-Z\d][\w-]*) encrypted$"),  # qmail
)
# Else a version that stands by itself among other words, and what has the form of a cipher: Courier behind a login,
# chasquid, Kerio. A part of a host's name or of an address is neither.
_ANY_VERSION = re.compile(r"(?<![\w.@-])(?:TLS|SSL)[v -]?\d(?:[._]\d)?(?![\w.@-])", re.IGNORECASE)
_ANY_CIPHER = re.compile(r"(?<![\w.@-])[A-Z][A-Z\d]{1,15}(?:[_-][A-Z\d]{1,15}){2,8}(?![\w.@-])")


def _session(comments: Sequence[str], cipher: str) -> str:
    """What the first comment about TLS says of it; `cipher` is that of the clause `tls` (RFC 8314)."""
    for comment in comments:
        if found := next(filter(None, (form.match(comment) for form in _FORMS)), None):
            return _version_and_cipher(found["version"], cipher or found["cipher"] or "")
        if version := _ANY_VERSION.search(comment):
            named = _ANY_CIPHER.search(comment, version.end())
            return _version_and_cipher(version[0], cipher or (named[0] if named else ""))
    return cipher


def _version_and_cipher(version: str, cipher: str) -> str:
    if known := _VERSION.fullmatch(version):
        version = f"{known[1].upper()}v{known[2]}" + (f".{known[3]}" if known[3] else "")
    return f"{version} {cipher}".strip()
