"""The question and the answer of UID SEARCH, by date and by one of our own header fields: pure."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from tasks.mail.mailboxes.imap.encoding import quoted_string
from tasks.mail.mailboxes.imap.responses import Response, number
from tasks.mail.model.durations import MONTHS

MAX_FOUND = 5000  # UIDs taken of one answer, the lowest first

_SEARCH = re.compile(rb"SEARCH\b([ \d]*)", re.IGNORECASE)
_ESEARCH = re.compile(rb"ESEARCH\b.*?\bALL ([\d:,]+)", re.IGNORECASE | re.DOTALL)


def criteria(since: datetime | None, field: str, value: str, without: str | None = None) -> Sequence[bytes]:
    """Messages that came on the day of `since` or later, with `value` in a header field, and `without` a keyword.

    The server knows days only, by its own clock and zone (RFC 9051, 6.4.4).
    """
    dates = [b"SINCE", _date(since)] if since else []
    keyword = [b"UNKEYWORD", without.encode()] if without else []
    return [*dates, *keyword, b"HEADER", field.encode(), quoted_string(value.encode())]


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


def _date(moment: datetime) -> bytes:
    return f"{moment.day}-{MONTHS[moment.month - 1]}-{moment.year:04}".encode()
