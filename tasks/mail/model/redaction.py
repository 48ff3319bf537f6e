"""Passwords kept out of every text: a server may repeat what it was told, and so may an exception. Pure."""

from __future__ import annotations

import base64
import json
import math
import re
import traceback
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from tasks.mail.model.safe_text import LONGEST, one_line, printable, unlinked

HIDDEN = "********"
SHORTEST_SECRET = 4  # a shorter one would be given away by the holes it leaves
BASE64_WORD = re.compile(r"[A-Za-z0-9+/]{4,}={0,2}")


def forms(password: str, username: str = "") -> tuple[str, ...]:
    """What no text may show: the password as it is, as it is written in quotes, and in base64 wherever it stands."""
    if not password:
        return ()
    raw = password.encode("utf-8", "replace")
    escaped = password.replace("\\", "\\\\")
    quoted = (escaped.replace('"', '\\"'), escaped.replace("'", "\\'"), escaped)
    others = (json.dumps(password)[1:-1], repr(raw)[2:-1], quote(password, safe=""), " ".join(password.split()))
    plain = b"\0" + username.encode("utf-8", "replace") + b"\0" + raw
    encoded = (base64.b64encode(raw).decode(), base64.b64encode(plain).decode(), *_inside_base64(raw))
    return tuple(dict.fromkeys((password, *quoted, *others, *encoded)))


def without(secrets: Sequence[str], text: str) -> str:
    """`text` with `secrets` blotted out: a server may quote the command that it did not understand, or a part of it."""

    def blot(word: re.Match[str]) -> str:
        return HIDDEN if any(word[0] in secret or secret in word[0] for secret in long) else word[0]

    long = [secret for secret in secrets if len(secret) >= SHORTEST_SECRET]
    return BASE64_WORD.sub(blot, _without_whole(long, text)) if long else text


def line_without(secrets: Sequence[str], text: str, limit: int | None = LONGEST) -> str:
    """`text` in one line, blotted before it is cut; and once more when it is joined, for a reply may break a secret."""
    return one_line(without(secrets, " ".join(_without_whole(secrets, text).split())), limit)


def code_without(secrets: Sequence[str], code: str | None) -> str | None:
    """The same for a response code of IMAP, which is in upper case."""
    return code and without([secret.upper() for secret in secrets], code)


def told(error: BaseException, secrets: Sequence[str]) -> str:
    """The traceback of an error for the log, indented, so that no text in it can pass for a line of the log."""
    lines = without(secrets, "".join(traceback.format_exception(error))).splitlines()
    return "\n".join(f"  {unlinked(printable(line))}" for line in lines)


def _without_whole(secrets: Sequence[str], text: str) -> str:
    """The longest first: in base64 one may hold the other."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN) if len(secret) >= SHORTEST_SECRET else text
    return text


def _inside_base64(secret: bytes) -> Iterator[str]:
    """The part of its base64 that does not depend on what stands around it, for each of the three alignments."""
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + secret).decode()
        yield encoded[math.ceil(8 * shift / 6) : 8 * (shift + len(secret)) // 6]
