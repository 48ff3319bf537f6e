"""What reads like an SMTP reply in the text of a notice, and whether a text refuses."""

import re
from collections.abc import Iterator, Sequence

from tasks.mail.probe.bounces.words import FRAME, KNOWN, SAYS_GIVEN_UP

Lines = Sequence[str]

_ENHANCED = r"[45]\.\d{1,3}\.\d{1,3}(?![\d.]\d)"
# An SMTP reply with an enhanced code may stand anywhere, one without where a reply begins.
_CODED = re.compile(rf"(?<![\w.@-])[45]\d\d(?:[ -]|: |-: )#?{_ENHANCED}.*", re.ASCII)
_BARE = re.compile(
    r"(?:^[ \t]{0,40}(?:<<<[ \t]{0,4}|\d\d:\d\d:\d\d[ \t]{1,4})?|[:;'\"(\[>] ?"
    r"|\b(?:said|returned|reply|code|error|status|with|was|answered) )"
    r"\(?([45]\d\d(?:[ -]|: ?)(?=\D{0,200}[^\W\d_]{3}).*)",
    re.ASCII | re.IGNORECASE,
)
_ENHANCED_ALONE = re.compile(rf"(?<![\w.@#-]){_ENHANCED}[ :-].*", re.ASCII)
IN_MARKS = re.compile(rf"[(<\[](?:[\w.-]{{1,80}} )?#({_ENHANCED})[^)>\]]{{0,200}}[)>\]]", re.ASCII)  # qmail, Exchange
_CODE = re.compile(rf"(?<![\w.])({_ENHANCED})\b", re.ASCII)
_PERMANENT = re.compile(r"5\d\d\D|5\.\d", re.ASCII)


def refuses(text: str) -> bool:
    """Whether a text says of a message that it was refused or given up: in words, or as an SMTP reply.

    A number alone is none: `Room: 512, second floor`.
    """
    if SAYS_GIVEN_UP.search(" ".join(text.split())):
        return True
    permanent = filter(is_permanent, replies(text.split("\n")))
    return any(_CODE.search(reply) or KNOWN.search(reply) for reply in permanent)


def replies(lines: Lines) -> Iterator[str]:
    """What reads like an SMTP reply, one of a line."""
    for number, line in enumerate(lines):
        found = next(filter(None, (form.search(line) for form in (_CODED, _BARE, _ENHANCED_ALONE))), None)
        if found is not None:
            yield continued(lines, number, found[found.lastindex or 0])


def is_permanent(reply: str) -> bool:
    return _PERMANENT.match(reply) is not None


def code_in(reason: str) -> str:
    """The enhanced code of a reason; one that says nothing gives way to one that does."""
    found = _CODE.findall(reason)
    return next((code for code in found if not is_vague(code)), found[0] if found else "")


def code_near(text: str) -> str:
    """The enhanced code that stands in marks."""
    return found[1] if (found := IN_MARKS.search(text)) else ""


def is_vague(status: str) -> bool:
    return not _CODE.fullmatch(status) or status.endswith(".0.0")


def continued(lines: Lines, number: int, begun: str) -> str:
    """A reply with the lines that it goes on in: further indented, as Postfix folds them, or with the same code."""
    depth, parts = _depth(lines[number]), [begun]
    for line in lines[number + 1 : number + 6]:
        goes_on = (
            _depth(line) > depth or line.lstrip().startswith(begun[:3]) or (parts == [begun] and begun[-1:] == ":")
        )
        if not line.strip() or not goes_on or FRAME.search(line):
            break
        parts.append(line.strip())
    return " ".join(parts).rstrip("'")


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())
