"""The messages of a scripted IMAP server, and what FETCH, STORE and EXPUNGE do with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

SECTION = re.compile(r"BODY(?:\.PEEK)?\[(?P<section>[^]]*)\](?:<(?P<start>\d+)\.(?P<length>\d+)>)?", re.IGNORECASE)
WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s"]+)')


@dataclass(eq=False)
class Message:
    """One message in a folder."""

    uid: int
    raw: bytes
    internaldate: datetime = field(default_factory=lambda: datetime.now(UTC))
    flags: set[str] = field(default_factory=set)


@dataclass
class Asked:
    """One message of a FETCH, and what is told of it. `alone`: no other was asked for; `place`: in the answer."""

    number: int
    message: Message
    items: str
    parts: list[bytes]
    place: int
    alone: bool

    def line(self, *parts: bytes) -> bytes:
        return b"* %d FETCH (%s)\r\n" % (self.number, b" ".join(parts or self.parts))


def asked(view: Sequence[Message], argument: str, uid: bool) -> list[Asked]:
    """What `argument` asks for: a set of messages and the items wanted of them."""
    numbers, _, items = argument.partition(" ")
    wanted = chosen(view, numbers, uid)
    found = []
    for place, (number, message) in enumerate(wanted):
        parts = [b"UID %d" % message.uid] if uid or re.search(r"\bUID\b", items) else []
        if "INTERNALDATE" in items:
            parts.append(b'INTERNALDATE "%s"' % message.internaldate.strftime("%d-%b-%Y %H:%M:%S %z").encode())
        if "FLAGS" in items:
            parts.append(b"FLAGS (%s)" % " ".join(sorted(message.flags)).encode())
        if "RFC822.SIZE" in items:
            parts.append(b"RFC822.SIZE %d" % len(message.raw))
        parts += [_body(message.raw, section) for section in SECTION.finditer(items)]
        found.append(Asked(number, message, items, parts, place, len(wanted) == 1))
    return found


def fetch(view: Sequence[Message], argument: str, uid: bool) -> bytes:
    """The FETCH responses for `argument`."""
    return b"".join(one.line() for one in asked(view, argument, uid))


def store(view: Sequence[Message], argument: str, uid: bool) -> bytes:
    """Change flags; the FETCH responses that tell of it."""
    numbers, action, flags = argument.split(" ", 2)
    named = set(flags.strip("()").split())
    text = b""
    for number, message in chosen(view, numbers, uid):
        if action.startswith("-"):
            message.flags -= named
        else:
            message.flags = message.flags | named if action.startswith("+") else named
        if ".SILENT" not in action.upper():
            shown = " ".join(sorted(message.flags)).encode()
            text += b"* %d FETCH (UID %d FLAGS (%s))\r\n" % (number, message.uid, shown)
    return text


def expunge(messages: list[Message], uids: str) -> None:
    """Remove what is flagged \\Deleted; of those named only, where `uids` names any."""
    named = [message for _, message in chosen(messages, uids or "1:*", uid=True)]
    messages[:] = [message for message in messages if message not in named or "\\Deleted" not in message.flags]


def words(text: str) -> list[str]:
    """The atoms and quoted strings of a command."""
    return [re.sub(r"\\(.)", r"\1", m[1]) if m[1] is not None else m[2] for m in WORD.finditer(text)]


def chosen(view: Sequence[Message], numbers: str, uid: bool) -> list[tuple[int, Message]]:
    """The messages, with their sequence numbers, that a set such as `2,5:*` names."""
    key: Callable[[int, Message], int] = (lambda n, m: m.uid) if uid else (lambda n, m: n)
    listed = [(key(n, m), n, m) for n, m in enumerate(view, 1)]
    highest = max((value for value, _, _ in listed), default=0)
    wanted = []
    for part in numbers.split(","):
        ends = [highest if end == "*" else int(end) for end in part.split(":")]
        wanted.append((min(ends), max(ends)))
    return [(n, m) for value, n, m in listed if any(low <= value <= high for low, high in wanted)]


def _body(raw: bytes, match: re.Match[str]) -> bytes:
    section = match["section"]
    head, blank, _ = raw.partition(b"\r\n\r\n")
    if not section:
        data = raw
    elif section.upper() == "HEADER":
        data = head + blank
    else:
        names = {name.lower() for name in section[section.index("(") + 1 : section.index(")")].encode().split()}
        fields = re.split(rb"\r\n(?![ \t])", head)
        kept = [text + b"\r\n" for text in fields if text.split(b":")[0].strip().lower() in names]
        data = b"".join(kept) + b"\r\n"
    label = b"BODY[%s]" % section.encode()
    if match["start"]:
        start, length = int(match["start"]), int(match["length"])
        data = data[start : start + length]
        label += b"<%d>" % start
    return b"%s {%d}\r\n%s" % (label, len(data), data)
