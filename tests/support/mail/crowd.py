"""The mail that a probe may lie among: of other people and other checks, about the probe itself, broken, and huge."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime

from tasks.mail.config.loop import SmtpConfig
from tasks.mail.probe.compose import compose
from tests.support.mail.lookalikes import LOOK_ALIKES, letter
from tests.support.mail.notices import BOUNCES, DELAYS, head_of

MEGABYTE, ATTACHMENT = 10**6, 30 * 10**6


def others(loop: str, smtp: SmtpConfig) -> Iterator[bytes]:
    """Mail of other people, older probes of this loop and of others, and all that may be said about those."""
    for number in range(10):
        yield letter(b"Subject: hello %d" % number)
    elsewhere = smtp.model_copy(update={"from_addr": "al@example.org"})  # another installation, with loops of one name
    for name, relay in ((loop, smtp), ("home", smtp), (loop, elsewhere)):
        yield compose(name, relay, datetime(2026, 3, 4, tzinfo=UTC)).content
        probe = compose(name, relay).content
        yield probe
        for family in (LOOK_ALIKES, BOUNCES, DELAYS):
            for build in family.values():
                yield build(probe)


def about(raw: bytes) -> Iterator[bytes]:
    """All that may be said about this very probe, but that it has bounced."""
    for family in (LOOK_ALIKES, DELAYS):
        for build in family.values():
            yield build(raw)


def broken(raw: bytes) -> Iterator[bytes]:
    """Mail that is no mail by the book; some of it wants to be a bounce, so that it is read as a whole."""
    bounce = b"Return-Path: <>\r\nFrom: MAILER-DAEMON\r\n"
    for head in (b"Subject: \xe4\xf6\xfc\r\n", b"Subject: \xc4\xe3\xba\xc3\r\nFrom: \xff\xfe@\x80\r\n", bounce):
        yield head + b"\r\n" + bytes(range(256)) * 8
        yield head + b"Content-Type: text/plain; charset=utf-16\r\n\r\n" + raw.decode().encode("utf-16")
        yield head + b"Content-Type: text/plain; charset=no-such\r\n\r\n\xff\xfe permanent error\r\n"
        yield head + b"Content-Type: multipart/report; boundary=\r\n\r\n--\r\n"
        yield head + b"Content-Type: multipart/report\r\n\r\nno boundary\r\n" + raw
        yield head + b"Content-Type: multipart/report; boundary=x\r\n\r\n" + b"--x\r\n" * 3000
        yield head + b"Content-Type: multipart/report; boundary*=\x00''x\r\n\r\n--x\r\n"
        yield head + b"Content-Transfer-Encoding: base64\r\n\r\n=a=\xff" + base64.encodebytes(raw)
        yield head + b"Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 6 \xff\r\n\xff~"
        yield head + b"".join(b"Content-Type: multipart/a; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(1500))
        yield head + b"Content-Type: message/rfc822\r\n\r\n" * 1500
    yield b""
    yield b"\r\n"
    yield b"no header at all"
    yield b" folded from nothing\r\n: no name\r\n\r\n"
    yield b"Subject: \x00\r\nX-Mail-Loop-Id:\x00\r\n\r\n\x00"


def huge(raw: bytes) -> Iterator[bytes]:
    """Headers of a megabyte, attachments of thirty."""
    head, big = head_of(raw).replace(b"\n", b"\r\n").rstrip(b"\r\n"), b"x" * MEGABYTE
    subject = next(line for line in head.split(b"\r\n") if line.startswith(b"Subject: "))
    folded = b"".join(b"\r\n <%d@example.org>" % number for number in range(MEGABYTE // 20))
    for field in (b"Subject: ", b"From: MAILER-DAEMON ", b"X-Mail-Loop-Id: ", b"X-Unknown: ", b"Content-Type: a/b; c="):
        yield field + big + b"\r\n" + subject + b" again\r\n\r\nhello\r\n"
    yield subject + b"\r\nReferences:" + folded + b"\r\n\r\n" + raw
    yield b"X-Mail-Loop-Id: another\r\n" * (MEGABYTE // 25) + b"\r\n" + raw
    yield b'Content-Type: a/b; c="' + b";" * MEGABYTE + b"\r\n\r\n"
    yield b"Subject: " + b"=?a?q?" * (MEGABYTE // 6) + b"\r\n\r\n"
    attachment = b"QUJD" * (ATTACHMENT // 4)
    kind = b"Content-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\n" + attachment
    for first in (
        b"From: ann@example.org\r\nSubject: the files",
        b"Return-Path: <>\r\nSubject: failure notice",
        subject,
    ):
        yield first + b'\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n' + kind + b"\r\n--b--\r\n"
