"""The syntax of one Authentication-Results field (RFC 8601, 2.2; before it RFC 7601, 7001 and 5451).

Read leniently, since few write it as the RFC has it: what is not a result is left out, nothing is ever an error, and
time is linear in the length, whatever a stranger wrote.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tasks.mail.journey.authentication.trust import comment_end
from tasks.mail.model.journey_record import MethodRecord
from tasks.mail.model.safe_text import one_line

_KEYWORD = re.compile(r"[a-z](?:[a-z0-9_.-]{0,62}[a-z0-9])?")
_WORD = re.compile(r'(?:"(?:[^"\\]|\\.)*+"?|[^\s;()="]++)++', re.DOTALL)  # a quoted string may be a part of it
_BLANK = re.compile(r"\s+")
_QUOTE = re.compile(r'\\(.)|"', re.DOTALL)
# Amazon writes keys of Received-SPF (RFC 7208, 9.1) with semicolons between: they are no methods.
_SPF_KEYS = {"client-ip", "envelope-from", "helo", "identity", "mechanism", "problem", "receiver"}
MOST_RESULTS = 100  # of one field; honest ones have some ten
_MAX_PAIRS = 50  # of one result


@dataclass(frozen=True, slots=True)
class _Token:
    """A `word`, a `comment`, `;` or `=`. `apart`: white space or a comment stands before it."""

    kind: str
    text: str
    apart: bool


@dataclass(frozen=True, slots=True)
class Stated:
    """One field: whose it is, and what it states; `none` has no results.

    Of two DKIM signatures each has its own; names and results are in lower case.
    """

    authserv_id: str
    methods: tuple[MethodRecord, ...]


def stated(value: str) -> Stated:
    """What one field says. Exchange begins with the results at once: there is no authserv-id then."""
    parts: list[list[_Token]] = [[]]
    for token in _tokens(value):
        if token.kind == ";":
            parts.append([])
        else:
            parts[-1].append(token)
    authserv_id = ""
    if not any(token.kind == "=" for token in parts[0]):  # what follows the id there is its version
        authserv_id = next((_unquoted(token.text) for token in parts[0] if token.kind == "word"), "")
        del parts[0]
    methods: list[MethodRecord] = []
    for part in parts:
        if len(methods) == MOST_RESULTS:
            break
        pairs, remark = _pairs(part)
        if not pairs:
            continue
        (name, result), *rest = pairs
        name, result = name.partition("/")[0].lower(), result.lower()
        if methods and name in _SPF_KEYS:
            methods[-1] = _with(methods[-1], pairs)
        elif _KEYWORD.fullmatch(name) and _KEYWORD.fullmatch(result):
            reason = next((text for key, text in rest if key.lower() == "reason"), remark)
            methods.append(_with(MethodRecord(name, result, one_line(reason)), rest))
    return Stated(authserv_id, tuple(methods))


def _with(method: MethodRecord, pairs: Sequence[tuple[str, str]]) -> MethodRecord:
    """The method with more properties; the first of a name stays."""
    more = {one_line(key.lower()): one_line(text) for key, text in reversed(pairs) if key.lower() != "reason"}
    return replace(method, properties={**more, **method.properties})


def _pairs(tokens: Sequence[_Token]) -> tuple[list[tuple[str, str]], str]:
    """The `key=value` of one part in order, and the comment right behind the first, or nothing."""
    pairs: list[tuple[str, str]] = []
    key, remark, place = "", "", 0
    while place < len(tokens) and len(pairs) < _MAX_PAIRS:
        token = tokens[place]
        place += 1
        if token.kind == "word":
            # White space and comments may stand around the point in `header.d` and the slash in `dkim/1`.
            key = key + token.text if key and (token.text[0] in "./" or key[-1] in "./") else token.text
        elif token.kind == "comment":
            remark = remark or (token.text if len(pairs) == 1 and not key else "")
        elif key:
            value: list[str] = []
            while place < len(tokens) and tokens[place].kind == "comment":
                place += 1
            # Nothing may be the value: the next word is then a key. A second `=` belongs to it: base64 may end so.
            if [token.kind for token in tokens[place : place + 2]] == ["word", "="] and tokens[place].apart:
                value.append("")
            while place < len(tokens) and tokens[place].kind != "comment" and not (value and tokens[place].apart):
                value.append(tokens[place].text)
                place += 1
            pairs.append((key, _unquoted("".join(value))))
            key = ""
    return pairs, remark


def _tokens(text: str) -> Iterator[_Token]:
    place, apart = 0, True
    while place < len(text):
        if blank := _BLANK.match(text, place):
            place, apart = blank.end(), True
        elif text[place] == "(":
            end = comment_end(text, place)
            inner = text[place + 1 : end - 1] if text[end - 1] == ")" else text[place + 1 : end]
            yield _Token("comment", re.sub(r"\\(.)", r"\1", inner, flags=re.DOTALL), True)
            place, apart = end, True
        elif word := _WORD.match(text, place):
            yield _Token("word", word[0], apart)
            place, apart = word.end(), False
        else:  # ; or =, or a parenthesis that closes nothing
            yield _Token(text[place] if text[place] in ";=" else "word", text[place], apart)
            place, apart = place + 1, False


def _unquoted(text: str) -> str:
    return _QUOTE.sub(lambda found: found[1] or "", text) if '"' in text else text
