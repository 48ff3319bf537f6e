"""A mailbox full of mail that looks like the probe, and of mail that no parser likes: through the whole check."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import cycle, islice

import pytest

from tasks.mail.config import SmtpConfig
from tasks.mail.facts import ErrorType
from tasks.mail.probe import compose
from tasks.mail.result import Outcome, Status
from tests.lookalikes import LOOK_ALIKES, letter
from tests.notices import BOUNCES, DELAYS, head_of
from tests.raw.imap import RawImap
from tests.raw.mailbox import Message
from tests.raw.server import Line
from tests.raw.test_arrival import Relay, Round, assert_found, notes
from tests.raw.test_imap_faults import nothing_is_left_behind as nothing_is_left_behind

CROWD = 1000  # messages before the probe, and as many after it
MOST_OCTETS = 20 * 2**20  # that a check may have fetched in the end, of a mailbox that holds a multiple of it
SHORT = 0.4
MEGABYTE, ATTACHMENT = 10**6, 30 * 10**6
ABOUT = SmtpConfig(
    host="relay.test", from_addr="bob@localhost.test", to_addr="bob@localhost.test", subject_prefix="[loop]"
)
ELSEWHERE = SmtpConfig(
    host="relay.test", from_addr="al@example.org", to_addr="bob@localhost.test", subject_prefix="[loop]"
)


class Counting(RawImap):
    """Counts the octets that it has sent."""

    octets = 0

    async def reply(self, line: Line, phase: str, default: bytes, tag: bytes = b"") -> bytes:
        sent = await super().reply(line, phase, default, tag)
        self.octets += len(sent)
        return sent


@asynccontextmanager
async def crowded() -> AsyncIterator[tuple[Round, Counting]]:
    async with Relay() as relay, Counting() as mailbox:
        yield Round(relay, mailbox), mailbox


def others() -> Iterator[bytes]:
    """Mail of other people and of other checks, and all that may be said about those."""
    for number in range(10):
        yield letter(b"Subject: hello %d" % number)
    for name, smtp in (("raw", ABOUT), ("home", ABOUT), ("raw", ELSEWHERE)):
        yield compose(name, smtp, datetime(2026, 3, 4, tzinfo=UTC)).content
        probe = compose(name, smtp).content
        yield probe
        for about in (LOOK_ALIKES, BOUNCES, DELAYS):
            for build in about.values():
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


@pytest.fixture(scope="module")
def strange() -> list[bytes]:
    """Made once: it is a lot."""
    probe = compose("raw", ABOUT).content
    return [*broken(probe), *huge(probe)]


def untouched(mailbox: RawImap, present: list[Message]) -> bool:
    """Whether these very messages are there, in this order, and none has a flag."""
    return mailbox.messages == present and not any(message.flags for message in present)


async def test_the_probe_is_found_in_a_crowd_and_nothing_else_is_touched(strange: list[bytes]) -> None:
    async with crowded() as (way, mailbox):
        present: list[Message] = []

        def arrive(raw: bytes) -> None:
            before = [*islice(cycle(others()), CROWD), *strange, *about(raw), *broken(raw)]
            after = [*about(raw), *islice(cycle(others()), CROWD)]
            present.extend(mailbox.append(text) for text in before)
            mailbox.append(raw)
            present.extend(mailbox.append(text) for text in after)

        way.relay.arrive = arrive
        result = await way.check()
        assert untouched(mailbox, present)
    assert_found(result)
    assert (result.copies, result.folder, notes(result)) == (1, "INBOX", [])
    assert mailbox.octets < MOST_OCTETS


async def test_without_the_probe_the_crowd_is_just_a_crowd(strange: list[bytes]) -> None:
    """Though everything there quotes it, answers it, forwards it or claims to be it."""
    async with crowded() as (way, mailbox):
        present: list[Message] = []

        def arrive(raw: bytes) -> None:
            texts = [*islice(cycle(others()), CROWD), *strange, *about(raw), *broken(raw), *huge(raw)]
            present.extend(mailbox.append(text) for text in texts)

        way.relay.arrive = arrive
        result = await way.check(SHORT)
        assert untouched(mailbox, present)
        assert mailbox.count("STORE") == mailbox.count("UID STORE") == mailbox.count("UID EXPUNGE") == 0
    assert (result.status, result.outcome, result.error_type) == (Status.ERROR, Outcome.LOST, ErrorType.NO_MESSAGE)
    assert mailbox.octets < MOST_OCTETS


@pytest.mark.parametrize("name", BOUNCES)
async def test_the_bounce_of_the_probe_is_found_among_the_bounces_of_others(name: str) -> None:
    async with crowded() as (way, mailbox):
        older = compose("raw", ABOUT).content

        def arrive(raw: bytes) -> None:
            for build in BOUNCES.values():
                mailbox.append(build(older))
            mailbox.append(BOUNCES[name](raw))
            for build in DELAYS.values():
                mailbox.append(build(raw))

        way.relay.arrive = arrive
        result = await way.check()
        assert untouched(mailbox, list(mailbox.messages))
        assert len(mailbox.messages) == len(BOUNCES) + 1 + len(DELAYS)
    assert (result.status, result.outcome, result.error_type) == (Status.ERROR, Outcome.BOUNCED, ErrorType.BOUNCED)
