"""Whether a mailbox is full, by what its server says of its quota (RFC 9208, before it RFC 2087): pure."""

import re
from collections.abc import Iterable

from tasks.mail.mailboxes.imap.responses import Response
from tasks.mail.model.facts import Quota

_QUOTA = re.compile(rb"QUOTA\b", re.IGNORECASE)
_LIMIT = re.compile(rb"(?<![\w-])(STORAGE|MESSAGE) (\d{1,19}) (\d{1,19})\b", re.IGNORECASE)
_MAX_CHARS = 4096  # octets that are looked at


def quotas(responses: Iterable[Response]) -> tuple[Quota, ...]:
    """The limits that the answers to GETQUOTAROOT tell of, as far as they are of these two kinds."""
    found = []
    for response in responses:
        if _QUOTA.match(response[0]):
            # What the limits belong to has a name that may be a literal, so they stand at the end.
            told = response[-1][-_MAX_CHARS:].rpartition(b"(")[2]
            found += [Quota(kind.decode().upper(), int(used), int(most)) for kind, used, most in _LIMIT.findall(told)]
    return tuple(found)
