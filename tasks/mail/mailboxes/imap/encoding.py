"""How the arguments of IMAP commands go on the wire, and how folder names come back: pure."""

from __future__ import annotations

from collections.abc import Iterable

from imapclient import imap_utf7


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


def quoted(value: bytes) -> bytes:
    return b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def strings(*values: bytes) -> list[bytes]:
    """Values as arguments, cut where the server has to ask for what follows: a literal, which no quotes can carry."""
    lines = [b""]
    for value in values:
        lines[-1] += b" " if lines[-1] else b""
        if all(0x20 <= octet < 0x7F for octet in value):
            lines[-1] += quoted(value)
        else:
            lines[-1] += b"{%d}" % len(value)
            lines.append(value)
    return lines
