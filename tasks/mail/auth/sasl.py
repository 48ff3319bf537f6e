"""The one table of logins: what is offered, and what is configured, make the exchange. For both legs.

A mechanism is a function and its line of _MECHANISMS; which comes before which is in `order`.
"""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from tasks.mail.auth.exchange import Exchange
from tasks.mail.auth.scram import saslname, scram

_BY_TOKEN = ("XOAUTH2", "OAUTHBEARER")
_BY_CERTIFICATE = ("EXTERNAL",)
_SHOWN = ("PLAIN", "LOGIN")  # whoever reads along has the password
_HIDDEN = ("SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What is configured for a login. `host` and `port` are the server's, for mechanisms that name them.

    `in_clear`: without TLS. `by_certificate`: it is the client's certificate that counts.
    """

    username: str
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    host: str = ""
    port: int = 0
    in_clear: bool = False
    by_certificate: bool = False

    @property
    def order(self) -> tuple[str, ...]:
        """The mechanisms that it can be used with. In clear those that do not show the password come first.

        Elsewhere they come last: a server may offer them to all, and yet not have what they take for each account.
        """
        if self.token:
            return _BY_TOKEN
        if self.by_certificate:
            return _BY_CERTIFICATE
        return _HIDDEN + _SHOWN if self.in_clear else _SHOWN + _HIDDEN


def choose(offered: Collection[str], credentials: Credentials) -> Exchange | None:
    """That of the first mechanism that the server offers; None where it offers none that can be used.

    One, and no other behind it: each that is refused is a failed login to the server.
    """
    name = next((name for name in credentials.order if name in offered), None)
    return None if name is None else _MECHANISMS[name](credentials)


def not_offered(offered: Collection[str], credentials: Credentials) -> str:
    """What is missing, and what there is instead."""
    *names, last = credentials.order
    wanted = f"out of {', '.join(names)} and {last}" if names else last
    return f"no AUTH mechanism {wanted} (offered: {' '.join(sorted(offered)) or 'none'})"


def plain(login: Credentials) -> Exchange:
    """RFC 4616."""
    return Exchange("PLAIN", b64encode(f"\0{login.username}\0{login.password}".encode()))


def prompted(login: Credentials) -> Exchange:
    """LOGIN, which is no standard. Its challenges are prompts, which not every server encodes."""
    return Exchange("LOGIN", b64encode(login.username.encode()), (lambda prompt: b64encode(login.password.encode()),))


def cram_md5(login: Credentials) -> Exchange:
    """RFC 2195."""

    def answer(challenge: str) -> bytes:
        digest = hmac.new(login.password.encode(), b64decode(challenge.encode("ascii")), "md5").hexdigest()
        return b64encode(f"{login.username} {digest}".encode())

    return Exchange("CRAM-MD5", answers=(answer,))


def external(login: Credentials) -> Exchange:
    """RFC 4422, appendix A: it is the certificate that proves who may act as this user."""
    return Exchange("EXTERNAL", b64encode(login.username.encode()))


def xoauth2(login: Credentials) -> Exchange:
    """Google's. What is wrong comes as a challenge, and the refusal only after an empty answer to it."""
    text = f"user={login.username}\1auth=Bearer {login.token}\1\1"
    return Exchange("XOAUTH2", b64encode(text.encode()), (lambda error: b"",), optional=True)


def oauthbearer(login: Credentials) -> Exchange:
    """RFC 7628; 3.2.3 for the answer to what is wrong."""
    text = f"n,a={saslname(login.username)},\1host={login.host}\1port={login.port}\1auth=Bearer {login.token}\1\1"
    return Exchange("OAUTHBEARER", b64encode(text.encode()), (lambda error: b64encode(b"\1"),), optional=True)


_MECHANISMS: Mapping[str, Callable[[Credentials], Exchange]] = {
    "PLAIN": plain,
    "LOGIN": prompted,
    "CRAM-MD5": cram_md5,
    "SCRAM-SHA-1": lambda login: scram("sha1", login.username, login.password),
    "SCRAM-SHA-256": lambda login: scram("sha256", login.username, login.password),
    "XOAUTH2": xoauth2,
    "OAUTHBEARER": oauthbearer,
    "EXTERNAL": external,
}
