"""The fields of a status notification (RFC 3464), as loosely as servers write them."""

import re
from collections.abc import Iterator, Mapping, Sequence

from tasks.mail.model.safe_text import one_line
from tasks.mail.probe.match import decoded

Group = Mapping[str, str]

_PER_MESSAGE = ("reporting-mta", "x-original-message-id", "original-message-id", "reporting-ua")
PER_RECIPIENT = (
    "action",
    "status",
    "diagnostic-code",
    "final-recipient",
    "original-recipient",
    "remote-mta",
    "disposition",
)
_KNOWN = {*_PER_MESSAGE, *PER_RECIPIENT}
_FIELD = re.compile(r"[ \t]{0,8}([A-Za-z][A-Za-z-]{2,40})[ \t]{0,8}:(.*)")
_REPLY_LINE = re.compile(r"[245]\d\d[ -]")  # what goes on in the next line, though that is not indented
_TYPED = re.compile(r"[\w/-]+ ?;(.*)", re.ASCII)
STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_COMMENT = re.compile(r"\((.*)\)")


def groups(text: str) -> Iterator[Group]:
    """The groups of fields in a text, each with those that are known here; between two stands an empty line."""
    group, last = dict[str, str](), ""
    for line in [*text.splitlines(), ""]:
        field = _FIELD.match(line)
        name = field[1].lower() if field else ""
        if not line.strip():
            if group:
                yield group
            group, last = {}, ""
        elif field and name in _KNOWN:
            if name in group and name == "final-recipient":  # the empty line is missing
                yield group
                group = {}
            last = "" if name in group else name
            group.setdefault(name, field[2].strip())
        elif last and (line[0] in " \t" or (last == "diagnostic-code" and _REPLY_LINE.match(line))):
            group[last] += f" {line.strip()}"
        else:
            last = ""


def is_about_recipient(group: Group) -> bool:
    return "final-recipient" in group and not group.keys().isdisjoint({"action", "status", "diagnostic-code"})


def first(told: Sequence[Group], name: str) -> str:
    """The value of a field in the first group that has it."""
    return next((group[name] for group in told if group.get(name)), "")


def plain(value: str) -> str:
    """The value without a comment: `failed (will not retry)`."""
    return value.partition("(")[0].strip()


def comment(value: str) -> str:
    found = _COMMENT.search(value)
    return one_line(found[1]) if found else ""


def typed(value: str) -> str:
    """The value of a field such as Diagnostic-Code, without its type."""
    text = decoded(value)
    return one_line(match[1] if (match := _TYPED.fullmatch(text)) else text)


def server(value: str) -> str:
    """The name in a field such as `dns; mail.example.net. (192.0.2.1)`."""
    return plain(typed(value)).rstrip(".")
