"""A password that is looked for everywhere, and servers that repeat it in every way."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.raw.server import DEFAULT, DROP, Action

CORE = "Kanari7enVogelTon9"  # letters and digits only: whatever escapes a text leaves it as it is
USER = "monitor"
PASSWORD = f'{CORE} "q\\ü€'

QUOTED = PASSWORD.replace("\\", "\\\\").replace('"', '\\"')
IN_BASE64 = base64.b64encode(PASSWORD.encode()).decode()
IN_PLAIN = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
IN_CLEAR = (PASSWORD, QUOTED, json.dumps(PASSWORD)[1:-1], repr(PASSWORD.encode())[2:-1])
ALL = " or ".join((*IN_CLEAR, IN_BASE64, IN_PLAIN, IN_PLAIN[4:30]))


def needles() -> Iterator[bytes]:
    """The core, in hex, and the part of its base64 that does not depend on what stands around it, at each place."""
    core = CORE.encode()
    yield core
    yield core.hex().encode()
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + core)
        yield encoded[math.ceil(8 * shift / 6) : 8 * (shift + len(core)) // 6]


NEEDLES = tuple(needles())


def long_canary(label: str, length: int) -> str:
    """A canary as long as a token is, in letters and digits: the core again and again, and other things between."""
    pieces: list[str] = []
    while sum(map(len, pieces)) < length:
        pieces.append(CORE + hashlib.sha256(f"{label} {len(pieces)}".encode()).hexdigest()[:22])
    return "".join(pieces)[:length]


def pem(label: str, body: str) -> str:
    """In the form of PEM; the body is none."""
    lines = [body[i : i + 64] for i in range(0, len(body), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])


TOKEN = long_canary("access token", 2048)
KEY = pem("PRIVATE KEY", long_canary("key", 1624))
OAUTH_SECRETS = {
    "client_secret": f"{CORE}~client.secret-1",
    "private_key": KEY + pem("CERTIFICATE", "MIIB" * 200),
    "refresh_token": long_canary("refresh token", 1200),
    "service_account": json.dumps(
        {
            "type": "service_account",
            "client_email": "monitor@project.iam.gserviceaccount.example",
            "private_key_id": "abc",
            "private_key": KEY,
            "token_uri": "https://oauth2.googleapis.com/token",
        },
        indent=2,
    ),
}


def seen_in(text: str | bytes) -> list[str]:
    """What of the password stands in a text."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    lower = data.lower()
    return [
        needle.decode() for needle in NEEDLES if needle in data or (needle == NEEDLES[0] and needle.lower() in lower)
    ]


@dataclass(frozen=True)
class Echo:
    """What a server says, phase by phase. `shows`: whether a person gets to see any of it, the password blotted out."""

    script: dict[str, Action | Sequence[Action]]
    shows: bool = True
    options: dict[str, Any] = field(default_factory=dict)


def _line(text: str) -> bytes:
    return text.encode() + b"\r\n"


_HEAD, _, _TAIL = PASSWORD.partition(" ")

SMTP: dict[str, Echo] = {
    "auth-refused": Echo({"auth": _line(f"535 5.7.8 wrong: {ALL}")}),
    "auth-unrecognised": Echo({"auth": _line(f"500 5.5.1 unrecognised command AUTH PLAIN {IN_PLAIN}")}),
    "auth-in-lines": Echo({"auth": _line(f"535-5.7.8 {_HEAD}\r\n535-5.7.8 {_TAIL}\r\n535 5.7.8 {IN_PLAIN[:20]}")}),
    "auth-no-smtp": Echo({"auth": _line(f"AUTH PLAIN {IN_PLAIN}")}),
    "auth-bare": Echo({"auth": b"535 5.7.8 wrong\r\n"}, shows=False),
    "banner": Echo({"banner": _line(f"421 4.3.0 {ALL}")}),
    "mail": Echo({"mail": _line(f"550 5.7.1 {ALL}")}),
    "rcpt": Echo({"rcpt": _line(f"450 4.2.0 {ALL}")}),
    "accepted": Echo({"eod": _line(f"250 2.0.0 Ok: queued as {CORE} {ALL}"), "quit": _line(f"421 4.3.0 {ALL}")}),
    "refused": Echo({"eod": _line(f"554 5.6.0 {ALL}")}),
    "doubtful": Echo({"eod": _line(f"what is {ALL}")}),
}
IMAP: dict[str, Echo] = {
    "login-refused": Echo({"authenticate": _line(f"{{tag}} NO [AUTHENTICATIONFAILED] {ALL}")}),
    "login-in-clear": Echo(
        {"login": _line(f'{{tag}} BAD cannot parse LOGIN "{USER}" "{QUOTED}"')}, options={"capabilities": "IMAP4rev1"}
    ),
    "login-bye": Echo({"authenticate": _line(f"* BYE unknown AUTHENTICATE PLAIN {IN_PLAIN}")}),
    "login-untagged": Echo({"authenticate": _line(f"* NO [ALERT] {ALL}\r\n{{tag}} NO [X-{CORE}] go")}),
    "login-no-imap": Echo({"authenticate": _line(f"AUTHENTICATE PLAIN {IN_PLAIN}")}),
    "login-bare": Echo({"authenticate": _line("{tag} NO no")}, shows=False),
    "examine": Echo({"examine": _line(f"{{tag}} NO [CANNOT] {ALL}")}),
    "second-greeting": Echo({"greeting": [DEFAULT, *[_line(f"* BYE {ALL}")] * 50], "examine": [DROP]}),
}
