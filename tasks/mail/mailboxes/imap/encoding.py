"""How the arguments of IMAP commands go on the wire, and how folder names and dates come back."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone

from imapclient import imap_utf7

from tasks.mail.model.durations import MONTHS
from tasks.mail.model.header import LATEST_DATE, UNKNOWN_DATE, in_range


def folder_name(name: str, utf8: bool) -> bytes:
    """In modified UTF-7, or in UTF-8 for a server of IMAP4rev2 only. Neither leaves anything that cannot be quoted.

    Modified UTF-7 encodes all but printable ASCII; in UTF-8 a control character becomes a question mark.
    """
    if not utf8:
        return bytes(imap_utf7.encode(name))
    return "".join(c if c.isprintable() else "?" for c in name).encode("utf-8", "replace")


def decode_name(wire: bytes, utf8: bool) -> str:
    """A folder name from modified UTF-7, or from UTF-8 where the server speaks IMAP4rev2 only."""
    if wire.upper() == b"INBOX":
        return "INBOX"
    if not utf8 and wire.isascii():
        try:
            return str(imap_utf7.decode(wire))
        except (ValueError, IndexError):  # UnicodeError and binascii.Error are ValueErrors
            pass
    return wire.decode("utf-8", "replace")


def uid_set(uids: Iterable[int]) -> bytes:
    return ",".join(map(str, sorted(uids))).encode()


def quoted_string(value: bytes) -> bytes:
    return b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def strings(*values: bytes) -> list[bytes]:
    """Values as arguments, cut where the server has to ask for what follows: a literal, which no quotes can carry."""
    lines = [b""]
    for value in values:
        lines[-1] += b" " if lines[-1] else b""
        if all(0x20 <= octet < 0x7F for octet in value):
            lines[-1] += quoted_string(value)
        else:
            lines[-1] += b"{%d}" % len(value)
            lines.append(value)
    return lines


def criteria(since: datetime | None, field: str, value: str, without: str | None = None) -> Sequence[bytes]:
    """Messages that came on the day of `since` or later, with `value` in a header field, and `without` a keyword.

    The server knows days only, by its own clock and zone (RFC 9051, 6.4.4).
    """
    dates = [b"SINCE", f"{since.day}-{MONTHS[since.month - 1]}-{since.year:04}".encode()] if since else []
    keyword = [b"UNKEYWORD", without.encode()] if without else []
    return [*dates, *keyword, b"HEADER", field.encode(), quoted_string(value.encode())]


_DATE = re.compile(rb" ?(\d{1,2})-([A-Z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)", re.IGNORECASE)
_MONTHS = [month.upper().encode() for month in MONTHS]


def internaldate(value: bytes) -> datetime:
    """An INTERNALDATE, or UNKNOWN_DATE: a message does not disappear because its server cannot say when it came.

    One that is too late to be true is LATEST_DATE.
    """
    if (match := _DATE.fullmatch(value)) is None or match[2].upper() not in _MONTHS:
        return UNKNOWN_DATE
    day, year, hour, minute, second = (int(match[group]) for group in (1, 3, 4, 5, 6))
    offset = timedelta(hours=int(match[8]), minutes=int(match[9])) * (-1 if match[7] == b"-" else 1)
    try:
        # A leap second is not a time in Python; a second less is near enough.
        date = datetime(
            year, _MONTHS.index(match[2].upper()) + 1, day, hour, minute, min(second, 59), tzinfo=timezone(offset)
        )
    except ValueError:
        return UNKNOWN_DATE
    return date if in_range(date) else UNKNOWN_DATE if date <= UNKNOWN_DATE else LATEST_DATE
