"""A password in the spellings and encodings that are no escapes: normal forms, wrong charsets, base64, hex."""

import base64
import math
from collections.abc import Iterator
from unicodedata import normalize

from tasks.mail.model.safe_text import as_text, unlinked

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
    """Its base64, without what depends on what stands around it, at each of the three places that it may begin at."""
    return (one for octets in _octets(password) for one in _inside(octets))


def login_in_base64(username: str) -> Iterator[str]:
    """The same of what is before the password in AUTH PLAIN."""
    return _inside(b"\0" + username.encode("utf-8", "replace") + b"\0") if username else iter(())


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


def _inside(octets: bytes) -> Iterator[str]:
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + octets).decode()
        inside = encoded[math.ceil(8 * shift / 6) : 8 * (shift + len(octets)) // 6]
        yield from dict.fromkeys((inside, inside.replace("+", "-").replace("/", "_")))
