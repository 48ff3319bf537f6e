"""How a password may stand in a text: its spellings and encodings, and texts as they read once escapes are undone.

Escapes are percent signs, HTML, quotes, quoted-printable, UTF-7; each character of such a view knows where it stands
in the text as it is. Spellings are normal forms, wrong charsets, base64, hex.
"""

import base64
import binascii
import html
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from unicodedata import normalize

from tasks.mail.model.safe_text import as_text, unlinked

_Piece = tuple[str, int]  # characters, and how many characters of the text stand for them

_DEEP = 2  # escapes of escapes: of a URL in JSON


@dataclass(frozen=True, slots=True)
class TextView:
    """`starts` and `ends` are places in the text as it is."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where these characters of the view stand in the text as it is."""
        return self.starts[start], self.ends[end - 1]


def unescaped(view: TextView, deep: int = _DEEP) -> Iterator[TextView]:
    """The view, and the views of it with the escapes of one kind undone."""
    yield view
    for marks, escapes, pieces in _KINDS if deep else ():
        if any(mark in view.text for mark in marks):
            other = _undone(view, escapes, pieces)
            if other is not None:
                yield from unescaped(other, deep - 1)


def _undone(view: TextView, escapes: re.Pattern[str], pieces: Callable[[str], Iterator[_Piece]]) -> TextView | None:
    """The view without its escapes; None where it has none."""
    texts: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    at = 0
    for match in escapes.finditer(view.text):
        place, end = match.span()
        texts.append(view.text[at:place])
        starts += view.starts[at:place]
        ends += view.ends[at:place]
        for text, length in pieces(match[0]):
            texts.append(text)
            starts += [view.starts[place]] * len(text)
            ends += [view.ends[place + length - 1]] * len(text)
            place += length
        at = end
    if not texts:
        return None
    texts.append(view.text[at:])
    return TextView("".join(texts), [*starts, *view.starts[at:]], [*ends, *view.ends[at:]])


def _octets_in_hex(text: str, width: int) -> Iterator[_Piece]:
    """Octets in hex, each behind a mark, `width` characters in all: UTF-8, or else Latin-1."""
    octets = bytes(int(text[i + width - 2 : i + width], 16) for i in range(0, len(text), width))
    at = 0
    while at < len(octets):
        size = 1 + sum(octets[at] >= lead for lead in (0xC0, 0xE0, 0xF0))
        try:
            character = octets[at : at + size].decode()
        except UnicodeDecodeError:
            size, character = 1, chr(octets[at])
        yield character, size * width
        at += size


def _marked(text: str) -> Iterator[_Piece]:
    """Octets behind a mark of one character, or a mark for a blank."""
    return iter([(" ", 1)]) if len(text) == 1 else _octets_in_hex(text, 3)


def _quoted_printable(text: str) -> Iterator[_Piece]:
    return iter([("", len(text))]) if text.isspace() or text[1:].isspace() else _marked(text)


def _backslash(text: str) -> Iterator[_Piece]:
    kind = text[1]
    if kind == "x" and len(text) > 2:
        yield from _octets_in_hex(text, 4)
    elif kind in "uU" and len(text) > 2:
        letters = text.encode("ascii").decode("unicode_escape", "replace")  # there are 0x110000 characters
        if len(letters) > 1:  # JSON has halves of characters beyond 16 bits
            letters = letters.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        yield letters, len(text)
    else:
        yield {"t": "\t"}.get(kind, kind), len(text)


def _entity(text: str) -> Iterator[_Piece]:
    yield html.unescape(text), len(text)


def _utf7(text: str) -> Iterator[_Piece]:
    """Modified UTF-7, as in names of folders (RFC 3501, 5.1.3)."""
    coded = text[1:].removesuffix("-").replace(",", "/")
    try:
        yield base64.b64decode(coded + "=" * (-len(coded) % 4)).decode("utf-16-be") if coded else "&", len(text)
    except (binascii.Error, UnicodeDecodeError):
        yield text, len(text)


_HEX = "[0-9a-fA-F]"
_KINDS: tuple[tuple[str, re.Pattern[str], Callable[[str], Iterator[_Piece]]], ...] = (
    ("%", re.compile(f"(?:%{_HEX}{{2}})+"), _marked),
    ("+", re.compile(rf"(?:%{_HEX}{{2}})+|\+"), _marked),  # as in forms
    ("+", re.compile(rf"(?:\+{_HEX}{{2}})+"), _marked),  # xtext (RFC 3461)
    ("=", re.compile(f"(?:={_HEX}{{2}})+"), _marked),
    ("=_", re.compile(rf"(?:={_HEX}{{2}})+|=\s*\n|_"), _quoted_printable),
    ("&", re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});?"), _entity),
    ("&", re.compile(r"&[A-Za-z0-9+,]*-"), _utf7),
    (
        "\\",
        re.compile(
            rf"(?:\\x{_HEX}{{2}})+|\\u[dD][89abAB]{_HEX}{{2}}\\u[dD][c-fC-F]{_HEX}{{2}}"
            rf"|\\u{_HEX}{{4}}|\\U00{_HEX}{{6}}|\\.",
            re.DOTALL,
        ),
        _backslash,
    ),
)

_LATIN = ("latin-1", "cp1252")


def written(password: str) -> Iterator[str]:
    """The password as texts have it in clear: composed or not, read in another charset, with what we do to texts."""
    for spelt in dict.fromkeys((password, normalize("NFC", password), normalize("NFD", password))):
        read = [spelt]
        if not spelt.isascii():
            octets = spelt.encode("utf-8", "replace")
            read += [octets.decode(charset, "replace") for charset in (*_LATIN, "ascii")]
            read += [octets.decode("ascii", "surrogateescape"), spelt.encode("ascii", "replace").decode()]
            for other in (one for one in _octets(spelt) if one != octets):
                read += [as_text(other), *(other.decode("utf-8", errors) for errors in ("replace", "surrogateescape"))]
        for text in read:
            # Of white space alone nothing is hidden: it stands between all words.
            yield from (one for one in (text, " ".join(text.split()), unlinked(text)) if one.strip())


def in_hex(password: str) -> Iterator[str]:
    """Its octets in hex."""
    return (octets.hex() for octets in _octets(password))


def in_base64(password: str) -> Iterator[str]:
    """Its base64 within that of a longer text."""
    return (one for octets in _octets(password) for one in pieces_in_base64(octets))


def login_in_base64(username: str) -> Iterator[str]:
    """The same of what is before the password in AUTH PLAIN."""
    return pieces_in_base64(b"\0" + username.encode("utf-8", "replace") + b"\0") if username else iter(())


def in_base64_alone(username: str, password: str) -> Iterator[str]:
    """The base64 of the password, and of AUTH PLAIN, where there is nothing around it."""
    for octets in _octets(password):
        for whole in (octets, b"\0" + username.encode("utf-8", "replace") + b"\0" + octets):
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                yield from (encode(whole).decode(), encode(whole).decode().rstrip("="))


def _octets(password: str) -> Iterator[bytes]:
    found = []
    for spelt in (password, normalize("NFC", password), normalize("NFD", password)):
        for charset in ("utf-8", *_LATIN):
            try:
                found.append(spelt.encode(charset))
            except UnicodeEncodeError:
                continue
    return iter(dict.fromkeys(found))


def pieces_in_base64(octets: bytes) -> Iterator[str]:
    """How octets look in the base64 of a longer text, by where they begin; without what their neighbours share."""
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + octets).decode()
        inside = encoded[math.ceil(8 * shift / 6) : 8 * (shift + len(octets)) // 6]
        yield from dict.fromkeys((inside, inside.replace("+", "-").replace("/", "_")))
