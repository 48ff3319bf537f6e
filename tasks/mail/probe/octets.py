"""What the octets of a stranger's message say before it is parsed, and how many of them are parsed at all."""

import re
import string
from binascii import a2b_qp
from itertools import islice

from tasks.mail.model.redaction.encodings import pieces_in_base64

# The parser of the standard library takes the time of all lines times all multiparts that are open: so many are a
# tenth of a second. A notice of a probe comes to a few hundred lines and two or three multiparts.
MOST_LINES, MOST_MULTIPARTS = 5000, 20
MOST_HEADER_LINES = 300

HEADER_END = re.compile(rb"\n\r?\n")
_LINE = re.compile(rb"\r\n|\r|\n")
_MULTIPART = re.compile(rb"boundary", re.IGNORECASE)  # none is one without this parameter
_NOT_BASE64 = bytes({*range(256)} - {*(string.ascii_letters + string.digits + "+/").encode()})


def bounded(raw: bytes, most_lines: int = MOST_LINES) -> bytes:
    """As much of a message as may be parsed: of what is behind that nothing is known."""
    line = next(islice(_LINE.finditer(raw), most_lines - 1, None), None)
    end = line.end() if line else len(raw)
    multipart = next(islice(_MULTIPART.finditer(raw, 0, end), MOST_MULTIPARTS, None), None)
    return raw[: multipart.start() if multipart else end]


def has_end(raw: bytes) -> bool:
    """Whether the header of a message ends within these octets; else it was cut off."""
    return raw.startswith((b"\n", b"\r\n")) or HEADER_END.search(raw) is not None


def mentions(raw: bytes, number: str) -> bool:
    """Whether the id of a probe is anywhere in a message: as it is, or in a part that is quoted-printable or base64.

    As exact as decoding each part, and linear in the octets. (Of uuencoded parts nothing is read.)
    """
    text = number.encode()
    if text in raw:
        return True
    encodings = raw.lower()
    if b"quoted-printable" in encodings and text in a2b_qp(raw):
        return True
    if b"base64" not in encodings:
        return False
    stream = raw.translate(None, _NOT_BASE64)
    return any(piece.encode() in stream for piece in pieces_in_base64(text))
