"""Version and cipher of TLS, as a server writes them into its Received field; in linear time."""

import re
from collections.abc import Sequence

_VERSION = re.compile(r"(TLS|SSL)[v -]?(\d)[._]?(\d)?", re.IGNORECASE)
# A comment that holds nothing else.
_FORMS = (
    re.compile(r"using (?P<version>(?:TLS|SSL)\S*) with cipher (?P<cipher>\S+)", re.IGNORECASE),  # Postfix, Dovecot
    re.compile(r"version=(?P<version>[^\s,]+),? cipher=(?P<cipher>[^\s,]+)", re.IGNORECASE),  # Sendmail, Exchange
    re.compile(r"cipher=(?P<cipher>[^\s,]+),? version=(?P<version>[^\s,]+)", re.IGNORECASE),  # Haraka until 2.8
    re.compile(r"(?P<version>)cipher=(?P<cipher>[^\s,]+)", re.IGNORECASE),  # Momentum
    re.compile(r"(?P<version>TLS[v\d][\w.]*)(?::(?P<cipher>[^\s:]+)\S*)?$", re.IGNORECASE),  # Exim, OpenSMTPD
    re.compile(r"(?P<version>)(?P<cipher>[A-Z\d][\w-]*) encrypted$"),  # qmail
)
# Else a version that stands by itself among other words, and what has the form of a cipher: Courier behind a login,
# chasquid, Kerio. A part of a host's name or of an address is neither.
_ANY_VERSION = re.compile(r"(?<![\w.@-])(?:TLS|SSL)[v -]?\d(?:[._]\d)?(?![\w.@-])", re.IGNORECASE)
_ANY_CIPHER = re.compile(r"(?<![\w.@-])[A-Z][A-Z\d]{1,15}(?:[_-][A-Z\d]{1,15}){2,8}(?![\w.@-])")


def session(comments: Sequence[str], cipher: str) -> str:
    """What the first comment about TLS says of it; `cipher` is that of the clause `tls` (RFC 8314)."""
    for comment in comments:
        if found := next(filter(None, (form.match(comment) for form in _FORMS)), None):
            return _told(found["version"], cipher or found["cipher"] or "")
        if version := _ANY_VERSION.search(comment):
            named = _ANY_CIPHER.search(comment, version.end())
            return _told(version[0], cipher or (named[0] if named else ""))
    return cipher


def _told(version: str, cipher: str) -> str:
    if known := _VERSION.fullmatch(version):
        version = f"{known[1].upper()}v{known[2]}" + (f".{known[3]}" if known[3] else "")
    return f"{version} {cipher}".strip()
