"""Passwords kept out of every text: a server may repeat what it was sent, and so may an exception.

The rule, which SECURITY.md has for users: hidden is the password and each of its encodings, in any case; and, since
texts get cut, each run of at least 8 characters that is more than half of it, and each run of at least 24. A server
that writes shorter pieces into its texts must not learn from what is hidden whether they are parts of the password:
nothing shorter is hidden. Nor is what stands in every report: the values of the configuration, and, in sentences of
ours, our words. A hole in what everybody knows would show the password without an attack.
"""

import dataclasses
import re
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from functools import cached_property
from typing import TypeVar

from pydantic import BaseModel

from tasks.mail.model.outcome import Leg
from tasks.mail.model.redaction import encodings
from tasks.mail.model.redaction.encodings import TextView
from tasks.mail.model.redaction.own_words import own_words
from tasks.mail.model.redaction.traces import LEARNED, LEAST, LONG, Trace, Traces, enough, folded, traces_of
from tasks.mail.model.safe_text import MAX_LINE_CHARS, one_line, printable, unlinked

HIDDEN = "********"
_SEED = 4  # each run of LEAST characters holds one of so many that begins at a multiple of STRIDE
_STRIDE = LEAST - _SEED + 1
_SHORTEST_VALUE = 4  # a shorter value of the configuration stands in too many words
_BASE64_WORD = re.compile(r"[a-z0-9+/_-]+={0,2}", re.IGNORECASE)
_ALONE = r"(?:(?<=[\s\"'`<>(){{}}\[\],;])|^){}(?=[\s\"'`<>(){{}}\[\],;]|[.:!?](?:\s|$)|$)"

# Where what we say ourselves stands among what servers said.
_MIXED = frozenset(
    {"sentence", "who_acts", "error_msg", "notes", "text", "subject", "message_id", "probe_id", "envelope_from"}
)
_OWN_FIELDS = frozenset({"loop", "token", "leg", "stage", "stages", "flow_run_id", *(f"{leg}_stages" for leg in Leg)})

_T = TypeVar("_T")
_Span = tuple[int, int]


class Redactor:
    """What a check knows of its passwords: `logins` are pairs of user name and password, `shown` values in reports."""

    def __init__(self, logins: Iterable[tuple[str, str]] = (), shown: Iterable[str] = ()) -> None:
        self._logins = tuple(dict.fromkeys(login for login in logins if login[1]))
        self._long_ones = tuple(password for _, password in self._logins if LEAST <= len(password) < LONG)
        self._shown = tuple(dict.fromkeys(folded(value) for value in shown if len(value) >= _SHORTEST_VALUE))

    def and_also(self, logins: Iterable[tuple[str, str]], shown: Iterable[str]) -> "Redactor":
        """One that knows of these as well; the same one where it does already."""
        more = Redactor((*self._logins, *logins), (*self._shown, *shown))
        return self if (more._logins, more._shown) == (self._logins, self._shown) else more

    def text(self, text: str, mixed: bool = False) -> str:
        """`text` with the passwords hidden. `mixed`: it is a sentence of ours, with what a server said in it."""
        if self._knows_nothing() or not (hidden := self._hidden(text)):
            return text
        shown, at = [], 0
        for start, end in hidden:
            if not (mixed and folded(text[start:end]) in own_words()):
                shown += [text[at:start], HIDDEN]
                at = end
        return "".join([*shown, text[at:]])

    def line(self, text: str, limit: int | None = MAX_LINE_CHARS) -> str:
        """The same in one line, hidden before it is cut."""
        return one_line(self.text(" ".join(text.split())), limit)

    def traceback_of(self, error: BaseException) -> str:
        """The traceback of an error for the log, indented, so that no text in it can pass for a line of the log."""
        lines = self.text("".join(traceback.format_exception(error)), mixed=True).splitlines()
        return "\n".join(f"  {unlinked(printable(line))}" for line in lines)

    def whole(self, value: _T, field: str = "") -> _T:
        """A result, a record or a fact with the passwords hidden in each text in it; the same where there is none."""
        return value if self._knows_nothing() or field in _OWN_FIELDS else self._whole(value, field)

    def _knows_nothing(self) -> bool:
        return not (self._logins or LEARNED)

    def _whole(self, value: _T, field: str) -> _T:
        match value:
            case Enum():
                return value
            case str():
                return self.text(value, field in _MIXED)  # type: ignore[return-value]  # a T that is a str
            case BaseModel():
                fields = {name: getattr(value, name) for name in type(value).model_fields}
                changed = self._changed(fields)
                return value.model_copy(update=changed) if changed else value
            case tuple() | list() | frozenset():
                return type(value)(self.whole(one, field) for one in value)
            case dict():
                return {self.whole(k): self.whole(v) for k, v in value.items()}  # type: ignore[return-value]  # a dict
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
            changed = self._changed(fields)
            return dataclasses.replace(value, **changed) if changed else value
        return value

    def _changed(self, fields: Mapping[str, object]) -> dict[str, object]:
        clean = {name: self.whole(value, name) for name, value in fields.items()}
        return {name: value for name, value in clean.items() if value != fields[name]}

    # -- what to look for ---------------------------------------------------------------------------------------------

    @cached_property
    def _long(self) -> Mapping[str, int]:
        """The passwords of which a part is hidden, in each of their spellings, and how long a part."""
        spellings = (one for password in self._long_ones for one in encodings.written(password))
        return {folded(one): enough(len(one)) for one in spellings if len(one) >= LEAST}  # one case may be longer

    @cached_property
    def _alone(self) -> re.Pattern[str] | None:
        """The short ones, where they stand alone; with their encodings, whatever letters these have."""
        short = [(user, password) for user, password in self._logins if len(password) < LEAST]
        spellings = {folded(one) for _, password in short for one in encodings.written(password)}
        spellings |= {folded(one) for user, password in short for one in encodings.in_base64_alone(user, password)}
        words = "|".join(map(re.escape, sorted(spellings, key=len, reverse=True)))
        return re.compile(_ALONE.format(f"(?:{words})")) if words else None

    @cached_property
    def _runs(self) -> dict[int, frozenset[str]]:
        """All runs that are to be hidden, in their shortest form, by length."""
        hexes = (one for password in self._long_ones for one in encodings.in_hex(password))
        return _by_length([*self._long.items(), *((one, 2 * enough(len(one) // 2)) for one in hexes)])

    @cached_property
    def _base64(self) -> dict[int, frozenset[str]]:
        """The same of their base64. What is before the password in AUTH PLAIN is known to all, and goes with it."""
        secrets = [one for password in self._long_ones for one in encodings.in_base64(password)]
        logins = [one for user, _ in self._logins for one in encodings.login_in_base64(user)]
        found = [(folded(one), enough(len(one))) for one in secrets] + [(folded(one), len(one)) for one in logins]
        return _by_length([(one, length) for one, length in found if len(one) >= length >= LEAST])

    @cached_property
    def _very_long(self) -> Traces:
        """The long ones, of which any part is hidden."""
        return traces_of(tuple(password for _, password in self._logins if len(password) >= LONG))

    @cached_property
    def _seeds(self) -> frozenset[str]:
        runs = (run for runs in (*self._runs.values(), *self._base64.values()) for run in runs)
        return frozenset(run[i : i + _SEED] for run in runs for i in range(len(run) - _SEED + 1))

    # -- where it stands ----------------------------------------------------------------------------------------------

    def _hidden(self, text: str) -> list[_Span]:
        """The parts of the text to be hidden, in their order."""
        parts: list[_Span] = []
        wholes: list[_Span] = []
        for view in encodings.unescaped(TextView(text, range(len(text)), range(1, len(text) + 1))):
            found, complete = self._found(view.text)
            parts += [view.span(*span) for span in found]
            # A mark of an escape before what needs none is no part of it.
            spans = [view.span(*span) for span in complete]
            wholes += [span for span in spans if not any(_in(one, span) for one in wholes)]
        if not parts and not wholes:
            return []
        shown = list(self._values(text))
        marks = bytearray(len(text))
        for start, end in parts:
            marks[start:end] = b"\1" * (end - start)
        for start, end in shown:
            marks[start:end] = bytes(end - start)
        for start, end in wholes:
            if not any(_in((start, end), value) for value in shown):
                marks[start:end] = b"\1" * (end - start)
        return [match.span() for match in re.finditer(b"\1+", marks)]

    def _found(self, text: str) -> tuple[list[_Span], list[_Span]]:
        """The runs in a text, and the whole passwords."""
        view = _in_one_case(text)
        wholes = [match.span() for match in self._alone.finditer(view.text)] if self._alone else []
        parts: list[_Span] = []
        if any(view.text[i : i + _SEED] in self._seeds for i in range(0, len(view.text), _STRIDE)):
            base64 = [*_places(view.text, self._base64)]
            parts = [*_places(view.text, self._runs), *_base64_words(view.text, base64)]
            wholes += [span for one in self._long for span in _occurrences(one, view.text)]
        if traces := [trace for known in (self._very_long, LEARNED) if known for trace in known.found(view.text)]:
            parts += [*((one.start, one.end) for one in traces), *_base64_words(view.text, _in_base64(traces))]
            wholes += [(one.start, one.end) for one in traces if one.whole]
        return [view.span(*span) for span in parts], [view.span(*span) for span in wholes]

    def _values(self, text: str) -> Iterator[_Span]:
        """Where the text has a value of the configuration; a short one only where it stands as a word."""
        view = _in_one_case(text)
        for value in self._shown:
            for start, end in _occurrences(value, view.text):
                around = view.text[max(0, start - 1) : start] + view.text[end : end + 1]
                if len(value) >= LEAST or not any(map(str.isalnum, around)):
                    yield view.span(start, end)


NOTHING = Redactor()


def _in(inner: _Span, outer: _Span) -> bool:
    return outer[0] <= inner[0] and inner[1] <= outer[1]


def _by_length(found: Iterable[tuple[str, int]]) -> dict[int, frozenset[str]]:
    runs: dict[int, set[str]] = {}
    for one, length in found:
        runs.setdefault(length, set()).update(one[i : i + length] for i in range(len(one) - length + 1))
    return {length: frozenset(some) for length, some in runs.items()}


def _places(text: str, runs: Mapping[int, frozenset[str]]) -> Iterator[_Span]:
    for length, some in runs.items():
        yield from ((i, i + length) for i in range(len(text) - length + 1) if text[i : i + length] in some)


def _in_base64(traces: Iterable[Trace]) -> list[_Span]:
    return [(one.start, one.end) for one in traces if one.in_base64]


def _base64_words(text: str, runs: Sequence[_Span]) -> Iterator[_Span]:
    """The words that pieces of base64 stand in: what is before and behind a secret is encoded with it."""
    words = (match.span() for match in _BASE64_WORD.finditer(text)) if runs else ()
    yield from ((start, end) for start, end in words if any(start < last and first < end for first, last in runs))


def _occurrences(one: str, text: str) -> Iterator[_Span]:
    at = text.find(one)
    while at >= 0:
        yield at, at + len(one)
        at = text.find(one, at + 1)


def _in_one_case(text: str) -> TextView:
    if text.isascii():
        return TextView(text.lower(), range(len(text)), range(1, len(text) + 1))
    letters = [(letter, i) for i, character in enumerate(text) for letter in character.casefold()]
    places = [i for _, i in letters]
    return TextView("".join(letter for letter, _ in letters), places, [i + 1 for i in places])
