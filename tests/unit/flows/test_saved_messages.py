"""`mail-loop trace` reads a message however it was saved, or says in one sentence what the file is and what to do."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zipfile

import pytest

from flows.cli.trace import journey_of
from tasks.mail.model.errors import ConfigError
from tests.support.mail.saved import SAVED


def as_utf16(mark: bool) -> bytes:
    text = SAVED.decode("latin-1")
    return text.encode("utf-16") if mark else text.encode("utf-16-le")


MBOX = b"From a@example.org Tue Nov 24 10:05:01 2026\n"
READABLE: dict[str, bytes] = {
    "a byte order mark": codecs.BOM_UTF8 + SAVED,
    "a blank first line": b"\n" + SAVED,
    "blank first lines": b"\r\n \t\r\n\r\n" + SAVED,
    "a byte order mark and a blank line": codecs.BOM_UTF8 + b"\r\n" + SAVED,
    "an mbox": MBOX + SAVED,
    "an mbox of two": MBOX + SAVED + b"\n" + MBOX + b"\nFrom: b@c.test\n\n",
    "Apple's .emlx": b"%-10d\n" % len(SAVED) + SAVED + b"<?xml version='1.0'?><plist></plist>\n",
    "gzip": gzip.compress(SAVED),
    "gzip of an mbox": gzip.compress(MBOX + SAVED),
    "UTF-16": as_utf16(mark=True),
    "UTF-16, big end first": codecs.BOM_UTF16_BE + SAVED.decode("latin-1").encode("utf-16-be"),
    "UTF-16 without a mark": as_utf16(mark=False),
    "UTF-32": SAVED.decode("latin-1").encode("utf-32"),
    "old line ends": SAVED.replace(b"\n", b"\r"),
}


@pytest.mark.parametrize("way", READABLE)
def test_a_message_is_read_however_a_program_saved_it(way: str) -> None:
    assert [hop.id for hop in journey_of(READABLE[way]).hops] == ["4YY", "", "4XX", "abc"]


ZIPPED = io.BytesIO()
with zipfile.ZipFile(ZIPPED, "w") as _archive:
    _archive.writestr("saved.eml", SAVED)
OTHERS: dict[str, tuple[bytes, str]] = {
    "Outlook's .msg": (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(512), "the file is a .msg file of Outlook"),
    "winmail.dat": (bytes.fromhex("789f3e22") + bytes(64), "the file is a winmail.dat of Outlook"),
    "zip": (ZIPPED.getvalue(), "the file is a packed file: unpack it"),
    "bzip2": (bz2.compress(SAVED), "the file is a packed file: unpack it"),
    "xz": (lzma.compress(SAVED), "the file is a packed file: unpack it"),
    "gzip, twice": (gzip.compress(gzip.compress(SAVED)), "the file is a packed file: unpack it"),
    "gzip, cut off": (gzip.compress(SAVED)[:-20], "its end is missing: save it anew"),
    "gzip, damaged": (b"\x1f\x8b\x08" + bytes(64), "damaged: save it anew"),
    "gzip of far too much": (gzip.compress(bytes(2**20 * 65)), "holds more than 64 MiB"),
    "PDF": (b"%PDF-1.7\n", "the file is a PDF"),
    "a web page": (b"\r\n<!DOCTYPE html>\n<html></html>", "the file is a web page"),
    "RTF": (b"{\\rtf1 hello}", "the file is an RTF text"),
    "some text": (b"hello\n\nthere\n", "the file holds no message that can be read"),
    "some octets": (bytes(range(256)) * 4, "the file holds no message that can be read"),
    "blank in UTF-16": ("\n \n".encode("utf-16"), "the file is empty"),
    "no Received": (b"From: a@example.org\nSubject: hello\n\nhello\n", "the message has no Received field"),
    "a body alone": (SAVED[SAVED.index(b"\n\n") + 2 :], "the file holds no message that can be read"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_no_message_is_called_what_it_is_with_what_to_do(kind: str) -> None:
    content, said = OTHERS[kind]
    with pytest.raises(ConfigError) as caught:
        journey_of(content)
    what, _, remedy = str(caught.value).partition(": ")
    assert said in str(caught.value)
    assert all((what, remedy))
