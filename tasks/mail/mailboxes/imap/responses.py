"""What an IMAP server sends, read without trust: FETCH, LIST, STATUS, SEARCH, QUOTA, response codes.

A response is a tuple of its parts: text, literal, text, literal, ..., text; a text before a literal ends in `{size}`.
Whatever does not read as expected yields None, never an exception.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from tasks.mail.mailboxes.imap.encoding import decode_name
from tasks.mail.mailboxes.mailbox import Folder
from tasks.mail.model.facts import Quota
from tasks.mail.model.redaction.redactor import NOTHING, Redactor
from tasks.mail.model.safe_text import as_text

Response = tuple[bytes, ...]

_MAX_TOKENS = 10_000
_MAX_LINE_OCTETS = 4096  # that are looked at, of a line that may have a million
MAX_FOUND = 5000  # UIDs taken of one answer, the lowest first

# A quoted string without an end takes the rest for good: to try again from each quote would take quadratic time.
_TOKEN = re.compile(
    rb"""\s*(?: (?P<paren>[()])
      | "(?P<quoted>(?:[^"\\]|\\.)*+)"?
      | (?P<atom> BODY\[[^][]*\](?:<\d+>)? | [^\s()"]+ )
    )""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_LITERAL = re.compile(rb"~?\{\d+\}$")
_FETCH = re.compile(rb"(\d{1,10}) FETCH \(", re.IGNORECASE)
_COUNT = re.compile(rb"(\d{1,10}) ([A-Z]+)\s*$", re.IGNORECASE)
_SEARCH = re.compile(rb"SEARCH\b([ \d]*)", re.IGNORECASE)
_ESEARCH = re.compile(rb"ESEARCH\b.*?\bALL ([\d:,]+)", re.IGNORECASE | re.DOTALL)
_QUOTA = re.compile(rb"QUOTA\b", re.IGNORECASE)
_LIMIT = re.compile(rb"(?<![\w-])(STORAGE|MESSAGE) (\d{1,19}) (\d{1,19})\b", re.IGNORECASE)
_CODE = re.compile(rb"\[([^\s\]]{1,64})(?: ([^\]]*))?\] ?(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Token:
    """`kind` is one of: ( ) atom string."""

    kind: str
    value: bytes


def _tokens(response: Response, start: int = 0) -> Iterator[_Token]:
    """The tokens of a response, from position `start` of its first text, as many as there may be in an honest one."""
    return islice(_all_tokens(response, start), _MAX_TOKENS)


def _all_tokens(response: Response, start: int) -> Iterator[_Token]:
    for number, part in enumerate(response):
        if number % 2:
            yield _Token("string", part)
            continue
        end = len(part)
        if number + 1 < len(response) and (mark := _LITERAL.search(part)) is not None:
            end = mark.start()
        position = start if number == 0 else 0
        while (match := _TOKEN.match(part, position, end)) is not None:
            position = match.end()
            if match["paren"]:
                yield _Token(match["paren"].decode(), b"")
            elif match["atom"] is not None:
                yield _Token("atom", match["atom"])
            else:
                yield _Token("string", re.sub(rb"\\(.)", rb"\1", match["quoted"], flags=re.DOTALL))


def _pairs(tokens: Iterator[_Token]) -> dict[bytes, bytes | None]:
    """The names and values of a list whose `(` is behind us. NIL is None; of a list, the parts are joined by blanks."""
    found: dict[bytes, bytes | None] = {}
    name: bytes | None = None
    parts: list[bytes] = []
    depth = 0
    for token in tokens:
        if token.kind == "(":
            depth += 1
            parts = []
        elif token.kind == ")":
            depth -= 1
            if depth < 0:
                break
            if depth == 0 and name is not None:
                found[name], name = b" ".join(parts), None
        elif depth > 0:
            parts.append(token.value)
        elif depth == 0:
            if name is None:
                name = token.value.upper()
            else:
                nil = token.kind == "atom" and token.value.upper() == b"NIL"
                found[name], name = None if nil else token.value, None
    return found


def number(value: bytes | None) -> int | None:
    """A number of up to 32 bits, else None."""
    if value is None or not value.isdigit() or len(value) > 10 or int(value) >= 2**32:
        return None
    return int(value)


def fetched(response: Response) -> tuple[int, dict[bytes, bytes | None]] | None:
    """The sequence number and the items of a FETCH response."""
    if (head := _FETCH.match(response[0])) is None or not (seq := number(head[1])):
        return None
    return seq, _pairs(_tokens(response, head.end()))


def message_count(response: Response) -> tuple[int, str] | None:
    """`4 EXISTS`, `2 EXPUNGE` and the like."""
    if (match := _COUNT.match(response[0])) is None or (value := number(match[1])) is None:
        return None
    return value, match[2].decode().upper()


def listed_folder(response: Response, utf8: bool = False) -> Folder | None:
    """A LIST response: attributes, delimiter, name. A name that could end a command line is left out."""
    tokens = _tokens(response)
    opening = [next(tokens, _Token("", b"")) for _ in range(2)]
    if opening[0].value.upper() != b"LIST" or opening[1].kind != "(":
        return None
    attributes: set[str] = set()
    for token in tokens:
        if token.kind == ")":
            break
        attributes.add(token.value.decode("ascii", "replace").upper())
    delimiter, name = next(tokens, None), next(tokens, None)
    if delimiter is None or name is None or name.kind not in ("atom", "string"):
        return None
    if any(octet < 0x20 or octet == 0x7F for octet in name.value):
        return None
    between = delimiter.value.decode("utf-8", "replace") if delimiter.kind == "string" else ""  # the atom is NIL
    return Folder(decode_name(name.value, utf8), frozenset(attributes), name.value, between)


def selected(responses: Iterable[Response]) -> tuple[dict[str, int], dict[str, int]]:
    """From SELECT and EXAMINE: counts (EXISTS, RECENT), and the numbers in response codes such as UIDNEXT."""
    counts, codes = {}, {}
    for response in responses:
        if (counted := message_count(response)) is not None:
            counts[counted[1]] = counted[0]
        name, argument, _ = response_code(response[0].partition(b" ")[2])
        if name is not None and (value := number(argument)) is not None:
            codes[name] = value
    return counts, codes


def status_items(response: Response) -> dict[bytes, bytes | None] | None:
    """The items of a STATUS response."""
    tokens = _tokens(response)
    first, _name, opening = (next(tokens, _Token("", b"")) for _ in range(3))
    return _pairs(tokens) if first.value.upper() == b"STATUS" and opening.kind == "(" else None


def response_code(text: bytes) -> tuple[str | None, bytes, bytes]:
    """The response code of a status text in upper case, its arguments, and the words behind it."""
    if (match := _CODE.match(text)) is None:
        return None, b"", text
    return match[1].decode("ascii", "replace").upper(), match[2] or b"", match[3]


def readable(text: bytes, limit: int = 200, redact: Redactor = NOTHING) -> str:
    """A server's words for people, with passwords hidden."""
    return redact.line(as_text(text[:_MAX_LINE_OCTETS]), limit)


def capabilities(untagged: Sequence[Response], text: bytes) -> frozenset[str]:
    """What a greeting or an answer lists as offered, by itself or in its response code; none where it lists nothing."""
    listed = [response[0][11:] for response in untagged if response[0][:11].upper() == b"CAPABILITY "]
    name, arguments, _ = response_code(text)
    listed += [arguments] if name == "CAPABILITY" else []
    return frozenset(b" ".join(listed).decode("ascii", "replace").upper().split())


def found_uids(responses: Iterable[Response]) -> list[int]:
    """The UIDs in a SEARCH response, or in the ESEARCH of IMAP4rev2."""
    uids: set[int] = set()
    for response in responses:
        if match := _SEARCH.match(response[0]):
            uids.update(uid for text in match[1].split() if (uid := number(text)))
        elif match := _ESEARCH.match(response[0]):
            for part in match[1].split(b","):
                first, _, last = part.partition(b":")
                ends = sorted(filter(None, (number(first), number(last or first))))
                if len(ends) == 2:
                    uids.update(range(ends[0], min(ends[1], ends[0] + MAX_FOUND) + 1))
                if len(uids) > MAX_FOUND:  # a line of a megabyte holds 50,000 ranges
                    break
        if len(uids) > MAX_FOUND:
            break
    return sorted(uids)[:MAX_FOUND]


def quotas(responses: Iterable[Response]) -> tuple[Quota, ...]:
    """The limits of these two kinds in the answers to GETQUOTAROOT (RFC 9208, before it RFC 2087)."""
    found = []
    for response in responses:
        if _QUOTA.match(response[0]):
            # What the limits belong to has a name that may be a literal, so they stand at the end.
            limits = response[-1][-_MAX_LINE_OCTETS:].rpartition(b"(")[2]
            found += [Quota(kind.decode().upper(), int(used), int(most)) for kind, used, most in _LIMIT.findall(limits)]
    return tuple(found)
