"""A message as people and programs save it, made what it was on the way: unpacked, in octets, from its header on."""

import codecs
import re
import zlib

from tasks.mail.model.errors import ConfigError
from tasks.mail.probe.match import HEADERS

MAX_MESSAGE_OCTETS = 64 * 2**20  # octets: providers take no more
_GZIP = b"\x1f\x8b"

_UNPACK = "a packed file: unpack it, and trace the message in it"
_SOURCE = "save the message as it was received (.eml, 'original' or 'source' in most mail programs)"
# What other files begin with, what they are, and what to do.
_OTHERS = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", f"a .msg file of Outlook, which is no mail any more: {_SOURCE}"),
    (b"\x78\x9f\x3e\x22", f"a winmail.dat of Outlook, an attachment without a header: {_SOURCE}"),
    (b"!BDN", "a .pst file of Outlook, which holds many messages: save the one that is meant as .eml"),
    (b"%PDF", f"a PDF, which shows a message without its header: {_SOURCE}"),
    (b"{\\rtf", f"an RTF text, which shows a message without its header: {_SOURCE}"),
    (_GZIP, _UNPACK),  # once more, in another one
    (b"PK\x03\x04", _UNPACK),
    (b"BZh", _UNPACK),
    (b"\xfd7zXZ\x00", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", _UNPACK),
    (b"\x28\xb5\x2f\xfd", _UNPACK),
    (b"Rar!", _UNPACK),
)
_KNOWN = frozenset({"from", "to", "date", "subject", "message-id", "return-path", "mime-version"})
_MAX_OCTETS = 2**20  # of a header
_PAGE = re.compile(rb"\s*<(?:!doctype|html|\?xml)", re.IGNORECASE)
# The longer marks first: that of UTF-32 begins as that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF8, ""),
)
_WIDE = ((re.compile(rb"(?:[\t\n\r -~]\0){4}"), "utf-16-le"), (re.compile(rb"(?:\0[\t\n\r -~]){4}"), "utf-16-be"))
_BLANK = re.compile(rb"(?:[ \t]*(?:\r\n|\n|\r)){0,1000}")
_EMLX = re.compile(rb"(\d{1,10})[ \t]*\r?\n")  # Apple Mail: the length of the message, before it
_MBOX = re.compile(rb">?From [^\r\n]*(?:\r\n|\n|\r)")  # before each message
_NEXT = re.compile(rb"\n\r?\n(?=From [^\r\n]*\d\d:\d\d[^\r\n]*\r?\n)")  # where another message follows it


def as_received(raw: bytes) -> bytes:
    """The message in the octets of a file. Raises ConfigError with what the file is, where it is another one."""
    if raw.startswith(_GZIP):
        raw = _unpacked(raw)
    if what := next((words for begin, words in _OTHERS if raw.startswith(begin)), None):
        raise ConfigError(f"the file is {what}")
    raw = _in_octets(raw)
    if _PAGE.match(raw):
        raise ConfigError(f"the file is a web page, which shows a message without its header: {_SOURCE}")
    raw = _without(_BLANK, raw)
    if length := _EMLX.match(raw):
        return raw[length.end() :][: int(length[1])]
    if _MBOX.match(raw):
        end = _NEXT.search(raw)
        return _without(_MBOX, raw[: end.start() + 1] if end else raw)
    return raw


def is_message(octets: bytes) -> bool:
    """Whether they begin with the header of a message."""
    return not _KNOWN.isdisjoint(name.lower() for name in HEADERS.parsebytes(octets[:_MAX_OCTETS]))


def _without(beginning: re.Pattern[bytes], raw: bytes) -> bytes:
    found = beginning.match(raw)
    return raw[found.end() :] if found else raw


def _unpacked(raw: bytes) -> bytes:
    unpacking = zlib.decompressobj(wbits=31)
    try:
        found = unpacking.decompress(raw, MAX_MESSAGE_OCTETS)
    except zlib.error:
        raise ConfigError("the file is packed by gzip and damaged: save it anew") from None
    if unpacking.unconsumed_tail:
        raise ConfigError(
            f"the file is packed by gzip and holds more than {MAX_MESSAGE_OCTETS >> 20} MiB: no mail is so large"
        )
    if not unpacking.eof:
        raise ConfigError("the file is packed by gzip and its end is missing: save it anew")
    return found


def _in_octets(raw: bytes) -> bytes:
    """Without a byte order mark, and in UTF-8 where a program saved it in UTF-16 or UTF-32."""
    mark, charset = next(((mark, name) for mark, name in _MARKS if raw.startswith(mark)), (b"", ""))
    charset = charset or next((name for pattern, name in _WIDE if not mark and pattern.match(raw)), "")
    octets = raw[len(mark) :]
    return octets.decode(charset, "replace").encode() if charset else octets
