"""What a notice says in plain text: what reads like an SMTP reply, whether it refuses, and why a server gave up."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import takewhile
from typing import NamedTuple

from tasks.mail.model.safe_text import one_line
from tasks.mail.probe.bounces.words import (
    ADDRESS,
    BECAUSE,
    COMES,
    FRAME,
    GREETING,
    KNOWN,
    LABEL,
    SAYS_GIVEN_UP,
    SAYS_TRYING,
    SENTENCE_END,
)

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
_IN_MARKS = re.compile(rf"[(<\[](?:[\w.-]{{1,80}} )?#({_ENHANCED})[^)>\]]{{0,200}}[)>\]]", re.ASCII)  # qmail, Exchange
_CODE = re.compile(rf"(?<![\w.])({_ENHANCED})\b", re.ASCII)
_PERMANENT = re.compile(r"5\d\d\D|5\.\d", re.ASCII)
_MAX_LINE_CHARS = 1000
LETTERS = re.compile(r"[^\W\d_]{3}|[^\x00-\x7f]{2}")  # what a reason has, whatever its language


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
            yield _continued(lines, number, found[found.lastindex or 0])


def is_permanent(reply: str) -> bool:
    return _PERMANENT.match(reply) is not None


def code_in(reason: str) -> str:
    """The enhanced code of a reason; one that says nothing gives way to one that does."""
    found = _CODE.findall(reason)
    return next((code for code in found if not is_vague(code)), found[0] if found else "")


def _code_near(text: str) -> str:
    """The enhanced code that stands in marks."""
    return found[1] if (found := _IN_MARKS.search(text)) else ""


def is_vague(status: str) -> bool:
    return not _CODE.fullmatch(status) or status.endswith(".0.0")


def _continued(lines: Lines, number: int, begun: str) -> str:
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


# -- why, by the first of several signs that is there


class Reason(NamedTuple):
    """Why, in the words of the notice, and the enhanced code that belongs to it; empty where it says neither."""

    words: str
    code: str


def reason_in(text: str, subject: str, permanent: bool) -> Reason:
    lines = [line[:_MAX_LINE_CHARS].rstrip() for line in text.split("\n")]
    for find in (
        _reply(permanent),
        _marked,
        _labelled,
        _behind_address,
        _known,
        _because,
        _titled(subject),
        _below,
        _sentence,
    ):
        for found in find(lines):
            if LETTERS.search(ADDRESS.sub("", found)):
                return Reason(one_line(_trimmed(found)), code_in(found) or _code_near(text))
    return Reason("", _code_near(text))


def _trimmed(reason: str) -> str:
    """Without what enclosed it."""
    text = reason.strip().strip("\"'*=# ")
    closing = next((pair for pair in ("()", "[]") if text.count(pair[1]) > text.count(pair[0])), None)
    return text.removesuffix(closing[1]) if closing else text


def _reply(permanent: bool) -> Callable[[Lines], Iterable[str]]:
    """A reply of the server; where a message was given up a permanent one before another."""
    return lambda lines: sorted(replies(lines), key=lambda one: (is_permanent(one) is not permanent, one[1] == "."))


def _marked(lines: Lines) -> Iterator[str]:
    """The sentence around `(#5.1.1)`, or before it."""
    for number, line in enumerate(lines):
        if found := _IN_MARKS.search(line):
            before = f"{line[: found.start()]} {found[0]}" if LETTERS.search(line[: found.start()]) else ""
            yield before or " ".join([*_paragraph_before(lines, number), found[0]])


def _paragraph_before(lines: Lines, number: int) -> list[str]:
    before = reversed(lines[max(number - 4, 0) : number])
    return [line.strip() for line in takewhile(lambda line: line.strip() and not ADDRESS.search(line), before)][::-1]


def _labelled(lines: Lines) -> Iterator[str]:
    """What follows `Reason:` or the like."""
    for number, line in enumerate(lines):
        if found := LABEL.match(line):
            yield _continued(lines, number, found[1])
        elif COMES.search(line.rstrip()):
            yield from _next(lines, number)


def _next(lines: Lines, number: int) -> Iterator[str]:
    """The next line that says something, with those that it goes on in; nothing where that begins with an address."""
    rest = [line.strip() for line in lines[number + 1 : number + 8]]
    begun = next((place for place, line in enumerate(rest) if LETTERS.search(line) and not FRAME.search(line)), None)
    if begun is not None and not ADDRESS.match(text := " ".join(takewhile(bool, rest[begun : begun + 3]))):
        yield text


def _behind_address(lines: Lines) -> Iterator[str]:
    """What stands beside or below the address of the recipient."""
    for number, line in enumerate(lines):
        found = ADDRESS.search(line)
        if found is None or FRAME.search(line):
            continue
        for beside in (_continued(lines, number, line[found.end() :]), line[: found.start()]):
            text = beside.strip(" \t:;,.-*[]<>\"'=")
            if len(text.split()) > 1 and LETTERS.search(text) and not _is_frame(text):
                yield text.partition("because ")[2] or text
        if lines[number + 1 : number + 2] and lines[number + 1].strip():
            yield from _next(lines, number)


def _below(lines: Lines) -> Iterator[str]:
    """What comes next after the sentence with the address."""
    for number, line in enumerate(lines):
        if ADDRESS.search(line) and (SAYS_GIVEN_UP.search(line) or not FRAME.search(line)):
            yield from (text for text in _next(lines, number) if not SAYS_TRYING.search(text))


def _is_frame(text: str) -> bool:
    """Whether it says that the message failed, and not why."""
    fails = SAYS_GIVEN_UP.search(text) or SAYS_TRYING.search(text)
    return FRAME.search(text) is not None or (fails is not None and not KNOWN.search(text))


def _known(lines: Lines) -> Iterator[str]:
    yield from (line for line in lines if KNOWN.search(ADDRESS.sub("", line)) and not FRAME.search(line))


def _because(lines: Lines) -> Iterator[str]:
    """The half of a sentence that says why."""
    for number, line in enumerate(lines):
        if found := BECAUSE.search(line):
            rest = takewhile(bool, (line.strip() for line in lines[number + 1 : number + 3]))
            yield " ".join([found[1], *rest])


def _titled(subject: str) -> Callable[[Lines], Iterable[str]]:
    rest = subject.partition(":")[2]
    return lambda lines: [rest] if KNOWN.search(rest) else []


def _sentence(lines: Lines) -> Iterator[str]:
    """The first sentences that say more than a greeting and the failure: in whatever language the notice is."""
    for paragraph in "\n".join(line.strip() for line in lines).split("\n\n"):
        sentences = SENTENCE_END.split(" ".join(paragraph.split()))
        more = [text for text in sentences if not _is_frame(text) and (len(text.split()) > 3 or not text.isascii())]
        if more and not GREETING.search(more[0]):
            yield " ".join(more[:2])
