"""Message data: which items of a message FETCH asks for, and what its answers hold of each message (RFC 9051, 7.5).

A header too long for one answer is completed by a second one; a server may send one message in several responses.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from tasks.mail.mailboxes.imap.encoding import internaldate
from tasks.mail.mailboxes.imap.responses import Response, fetched, message_count, number
from tasks.mail.mailboxes.mailbox import MAX_BODY_OCTETS
from tasks.mail.model.header import Header, Ref

_HEADER_OCTETS = 16 * 2**10  # of the fields below, in one message; what is left out of longer ones is asked for by name
_OWN = (
    b"X-MAIL-LOOP-ID X-MAIL-LOOP-NAME X-MAIL-LOOP-RUN X-MAIL-LOOP-SIGNATURE MESSAGE-ID SUBJECT FROM DATE "
    b"AUTO-SUBMITTED CONTENT-TYPE"
)
# What a message is known by, and is never long in honest mail.
_KNOWN_BY = _OWN + b" IN-REPLY-TO REFERENCES X-FAILED-RECIPIENTS RETURN-PATH DELIVERED-TO"
# All that is read of any message, for one whose header is longer than what is fetched of it.
_READ = b" ".join(
    [
        _KNOWN_BY,
        b"RECEIVED X-MAIL-LOOP-BODY MIME-VERSION CONTENT-TRANSFER-ENCODING PRECEDENCE TO",
        b"X-ORIGINAL-TO ENVELOPE-TO AUTHENTICATION-RESULTS RECEIVED-SPF X-GREYLIST X-RSPAMD-ACTION",
        b"X-SPAMD-RESULT X-RSPAMD-SCORE X-RSPAMD-REPORT X-FOREFRONT-ANTISPAM-REPORT X-MS-EXCHANGE-ORGANIZATION-SCL",
        b"X-MICROSOFT-ANTISPAM X-MICROSOFT-ANTISPAM-MAILBOX-DELIVERY X-BARRACUDA-SPAM-STATUS X-BARRACUDA-SPAM-REPORT",
        b"X-BARRACUDA-SPAM-SCORE X-PROOFPOINT-SPAM-DETAILS X-SES-SPAM-VERDICT X-SPAM-STATUS X-SPAM-REPORT X-SPAM-HITS",
        b"X-SPAM-SCORE X-SPAM-FLAG X-SPAM X-SPAMD-BAR X-RSPAMD-BAR X-SPAM-LEVEL X-SPAM-BAR",
        b"X-SPAM-CHECKER-VERSION X-SPAM-RESULT X-BARRACUDA-SPAM-FLAG X-MIMECAST-SPAM-SIGNATURE X-MIMECAST-SPAM-SCORE",
        b"X-OVH-SPAM-STATUS X-OVH-SPAM-REASON X-VR-SPAMSTATE X-VR-SPAMSCORE X-GMX-ANTISPAM X-UI-FILTERRESULTS",
        b"X-PMX-SPAM X-PERLMX-SPAM X-SEA-SPAM X-SASI-SPAMPROBABILITY X-HMAILSERVER-SPAM X-HMAILSERVER-REASON-SCORE",
        b"X-MAILSCANNER-SPAMCHECK X-MAILSCANNER-SPAMSCORE X-IRONPORT-ANTI-SPAM-FILTERED X-TM-AS-RESULT X-DSPAM-RESULT",
        b"X-BOGOSITY X-SPAMEXPERTS-CLASS X-YANDEX-SPAM",
    ]
)


@dataclass(frozen=True, slots=True)
class MessagePart:
    """A part of a message, and how many octets of it are asked for."""

    name: bytes
    octets: int

    def item(self, partial: bool = True) -> bytes:
        """What is asked for; without `partial` all of it, for servers that know no part of a part."""
        return b"BODY.PEEK[%b]" % self.name + (b"<0.%d>" % self.octets if partial else b"")


PROBE_HEADERS = MessagePart(b"HEADER.FIELDS (%b RECEIVED)" % _KNOWN_BY, _HEADER_OCTETS)
OWN_HEADERS = MessagePart(b"HEADER.FIELDS (%b X-FAILED-RECIPIENTS RETURN-PATH)" % _OWN, _HEADER_OCTETS // 2)
READ_HEADERS = MessagePart(b"HEADER.FIELDS (%b)" % _READ, 2**16)
WHOLE = MessagePart(b"", MAX_BODY_OCTETS)
_FIELD = re.compile(rb"^([!-9;-~]+)[ \t]*:", re.MULTILINE)
_ASKED = frozenset(name.lower() for name in (_KNOWN_BY + b" RECEIVED").split())


def completed(headers: bytes, own: bytes) -> bytes:
    """A header that was cut off, with those of the fields `own` in front that it lost, or has the half of."""
    fields = list(_FIELD.finditer(own))
    ends = [*(field.start() for field in fields[1:]), len(own)]
    values = [
        (field[1].lower(), own[field.start() : end].rstrip(b"\r\n")) for field, end in zip(fields, ends, strict=True)
    ]
    *_, last = [None, *_FIELD.finditer(headers)]
    if last is not None and last[1].lower() in dict(values):
        headers = headers[: last.start()]
    kept = {field[1].lower() for field in _FIELD.finditer(headers)}
    return b"".join(value + b"\r\n" for name, value in values if name not in kept) + headers


@dataclass(frozen=True, slots=True)
class FetchedRow:
    """One message: the header fields asked for, and when its server says it arrived. `flags` are upper-case.

    `loop_ids`: the values of X-Mail-Loop-Id in `headers`, where they were read before.
    """

    seq: int
    uid: int
    internaldate: datetime
    headers: bytes
    flags: frozenset[str] = frozenset()
    loop_ids: frozenset[str] | None = None

    def header(self, ref: Ref) -> Header:
        """The same as any mailbox has it."""
        return Header(ref, self.internaldate, self.headers, self.flags, self.loop_ids)


@dataclass(slots=True)
class FetchedMessage:
    """One message; its items by name, NIL is None."""

    seq: int
    uid: int | None = None
    items: dict[bytes, bytes | None] = field(default_factory=dict)

    def take(self, items: dict[bytes, bytes | None]) -> None:
        """What came last counts, but for octets that are not there."""
        for name, value in items.items():
            if value or not name.startswith(b"BODY["):
                self.items[name] = value
            else:
                self.items.setdefault(name, value)
        self.uid = number(self.items.get(b"UID")) or None

    @property
    def octets(self) -> bytes:
        """Those of BODY[...]; none where it was left out or is empty."""
        return next((value for name, value in self.items.items() if value and name.startswith(b"BODY[")), b"")

    @property
    def size(self) -> int | None:
        return number(self.items.get(b"RFC822.SIZE"))

    @property
    def is_readable(self) -> bool:
        """Whether any of the fields asked for is there: no mail is without all of them, but answers are."""
        return self.uid is not None and any(name[1].lower() in _ASKED for name in _FIELD.finditer(self.octets))

    @property
    def flags(self) -> frozenset[str]:
        return frozenset((self.items.get(b"FLAGS") or b"").decode("ascii", "replace").upper().split())

    def row(self, headers: bytes) -> FetchedRow:
        """Its row, with these fields. A date that the server does not give is unknown."""
        date = internaldate(self.items.get(b"INTERNALDATE") or b"")
        return FetchedRow(self.seq, self.uid or 0, date, headers, self.flags)


def fetched_messages(responses: Iterable[Response]) -> list[FetchedMessage]:
    """The messages in these responses, each once."""
    found: list[FetchedMessage] = []
    by_seq: dict[int, FetchedMessage] = {}
    by_uid: dict[int, FetchedMessage] = {}
    for response in responses:
        if (counted := message_count(response)) is not None and counted[1] == "EXPUNGE":
            by_seq.clear()  # from here on the numbers mean others
        if (part := fetched(response)) is None:
            continue
        seq, items = part
        uid = number(items.get(b"UID")) or None
        one = by_uid.get(uid) if uid else by_seq.get(seq)
        if one is None and (one := by_seq.get(seq)) is not None and one.uid is not None:
            one = None  # of another message
        if one is None:
            found.append(one := FetchedMessage(seq))
        one.take(items)
        by_seq[seq] = one
        if one.uid is not None:
            by_uid[one.uid] = one
    return found
