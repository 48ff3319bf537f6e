"""A mailbox full of mail that looks like the probe, and of mail that no parser likes: through the whole check."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import cycle, islice

import pytest

from tasks.mail.config.loop import SmtpConfig
from tasks.mail.model.outcome import ErrorType, Outcome, Status
from tasks.mail.probe.compose import compose
from tests.support.checks.rounds import Relay, Round, assert_found, notes
from tests.support.left_behind import nothing_is_left_behind as nothing_is_left_behind
from tests.support.mail.crowd import about, broken, huge, others
from tests.support.mail.notices import BOUNCES, DELAYS
from tests.support.raw.imap import RawImap
from tests.support.raw.mailbox import Message
from tests.support.raw.server import Line

CROWD = 1000  # messages before the probe, and as many after it
MOST_OCTETS = 20 * 2**20  # that a check may have fetched in the end, of a mailbox that holds a multiple of it
SHORT = 0.4
ABOUT = SmtpConfig(
    host="relay.test", from_addr="bob@localhost.test", to_addr="bob@localhost.test", subject_prefix="[loop]"
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
            before = [*islice(cycle(others("raw", ABOUT)), CROWD), *strange, *about(raw), *broken(raw)]
            after = [*about(raw), *islice(cycle(others("raw", ABOUT)), CROWD)]
            present.extend(mailbox.append(text) for text in before)
            mailbox.append(raw)
            present.extend(mailbox.append(text) for text in after)

        way.relay.arrive = arrive
        result = await way.check()
        assert untouched(mailbox, present)
    assert_found(result)
    assert (result.copies, result.folder) == (1, "INBOX")
    assert [note for note in notes(result) if not note.startswith("Delayed: ")] == []  # some in the crowd says so
    assert mailbox.octets < MOST_OCTETS


async def test_without_the_probe_the_crowd_is_just_a_crowd(strange: list[bytes]) -> None:
    """Though everything there quotes it, answers it, forwards it or claims to be it."""
    async with crowded() as (way, mailbox):
        present: list[Message] = []

        def arrive(raw: bytes) -> None:
            texts = [*islice(cycle(others("raw", ABOUT)), CROWD), *strange, *about(raw), *broken(raw), *huge(raw)]
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
