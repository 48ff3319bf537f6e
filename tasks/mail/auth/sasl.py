"""SASL mechanisms (RFC 4422): the initial response of each, and its answers. Each leg has its own way to send them."""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Exchange:
    """What the client says in one login, in base64. Without an `initial` response the server speaks first.

    `answers` are functions of the challenges, in base64 as they came; of one that is none they raise
    binascii.Error or UnicodeError.
    """

    mechanism: str
    initial: bytes = field(default=b"", repr=False)
    answers: tuple[Callable[[str], bytes], ...] = ()


def plain(username: str, password: str) -> Exchange:
    """RFC 4616."""
    return Exchange("PLAIN", b64encode(f"\0{username}\0{password}".encode()))


def login(username: str, password: str) -> Exchange:
    """No standard. Its challenges are prompts, which not every server encodes."""
    return Exchange("LOGIN", b64encode(username.encode()), (lambda prompt: b64encode(password.encode()),))


def cram_md5(username: str, password: str) -> Exchange:
    """RFC 2195."""

    def answer(challenge: str) -> bytes:
        digest = hmac.new(password.encode(), b64decode(challenge.encode("ascii")), "md5").hexdigest()
        return b64encode(f"{username} {digest}".encode())

    return Exchange("CRAM-MD5", answers=(answer,))


_MECHANISMS = {"PLAIN": plain, "LOGIN": login, "CRAM-MD5": cram_md5}


def choose(offered: Collection[str], order: Sequence[str], username: str, password: str) -> Exchange | None:
    """That of the first mechanism in `order` that the server offers; None where it offers none of them."""
    name = next((name for name in order if name in offered), None)
    return None if name is None else _MECHANISMS[name](username, password)
