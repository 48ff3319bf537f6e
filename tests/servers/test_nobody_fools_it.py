"""Nobody fools it, on a real server: in a mailbox full of mail that quotes, answers, forwards, forges and returns the
probe, and of mail that no parser likes, only the probe is an arrival, and only its own bounce is one.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable
from itertools import count, cycle, islice
from pathlib import Path

import pytest

from flows.direct import check
from tasks.mail.config.loop import LoopConfig
from tasks.mail.model.outcome import ErrorType, Outcome, Status
from tasks.mail.model.result import LoopResult
from tasks.mail.search.cleanup.ledger import CLAIM_FLAG, REPORTED_FLAG
from tests.support.mail.crowd import about, broken, huge, others
from tests.support.mail.notices import BOUNCES, DELAYS
from tests.support.raw.smtp import RawSmtp
from tests.support.servers.lab import Lab, User
from tests.support.servers.loops import NAME, at, contents, loop
from tests.support.servers.processes import Endpoint

CROWD = 1000
FLAGS = ("", "S", "F", "RS", "T", "DFS")  # of other people's mail, some of it marked as deleted
SHORT = 2.0  # seconds after which a message that never comes is lost
SOON = 90.0  # seconds within which one is found, on a busy machine
MOST_OCTETS = 48 * 2**20  # of memory that a search may take

EARLIER = {b"X-Mail-Loop-Name: " + NAME.encode(), b"Date: Wed, 04 Mar 2026 00:00:00 +0000"}

Put = Callable[[bytes], None]


class Shelf:
    """A user's mailbox as files: what comes from outside, and whether all of it is still as it came."""

    def __init__(self, lab: Lab, user: User) -> None:
        self._owner = lab.dovecot.owner
        self._home = lab.dovecot.mail / user.username
        self._names = (f"{time.time_ns()}.{number}.crowd:2,{flags}" for number, flags in zip(count(), cycle(FLAGS)))
        self._foreign: set[tuple[str, str, int]] = set()
        self._sender = f"From: {user.address}\r\n".encode()
        self._earlier: set[str] = set()

    def put(self, texts: Iterable[bytes], folder: str = "") -> None:
        """Let other people's messages arrive, and some that earlier runs sent."""
        for text in texts:
            name = next(self._names)
            self._lay(text, name, folder)
            self._foreign.add((folder, name, len(text)))
            if text.startswith(self._sender) and set(text.partition(b"\r\n\r\n")[0].split(b"\r\n")) >= EARLIER:
                self._earlier.add(name)

    def put_probe(self, text: bytes) -> None:
        """Let the probe arrive, as the only one that may go again."""
        self._lay(text, f"{time.time_ns()}.probe:2,", "")

    def _lay(self, text: bytes, name: str, folder: str) -> None:
        home = self._home / folder
        for path in (self._home, home, home / "cur", home / "new", home / "tmp"):
            if not path.exists():
                path.mkdir(mode=0o700)
                self._owner.own(path)
        path = home / "tmp" / name
        path.write_bytes(text)
        self._owner.own(path)
        path.rename(home / "cur" / name)

    def present(self) -> set[tuple[str, str, int]]:
        """All messages: folder, name with flags, octets."""
        found = (path for state in ("cur", "new") for path in self._home.rglob(f"{state}/*"))
        return {(str(p.parents[1].relative_to(self._home)).strip("."), p.name, p.stat().st_size) for p in found}

    def assert_untouched(self) -> None:
        """Nothing of other people has gone or has another flag, and nothing of this run's is left.

        What an earlier run sent may have been marked as told: in the file's name, a keyword is a small letter.
        """
        unmarked = {name.rstrip("abc"): name for name in self._earlier}
        folders = {
            (f".{folder}" if folder else "", unmarked.get(name.rstrip("abc"), name), size)
            for folder, name, size in self.present()
        }
        assert folders == self._foreign


async def checked(lab: Lab, user: User, deliver: Put, max_wait: float = SOON) -> LoopResult:
    """A whole check, by way of a relay that hands the probe to `deliver`; its search takes little time and memory."""

    had = 0

    def hand_over(raw: bytes) -> None:
        nonlocal had
        deliver(raw)
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak: what was made to be delivered does not count
        had = peak()

    async with RawSmtp() as relay, asyncio.timeout(SOON):
        relay.deliver = hand_over
        result = await check(config_of(lab, user, Endpoint(relay.host, relay.port), max_wait))
    assert len(relay.messages) == 1
    assert peak() - had < MOST_OCTETS
    return result


def peak() -> int:
    """The most memory, in octets, that this process had at a time."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def config_of(lab: Lab, user: User, relay: Endpoint, max_wait: float) -> LoopConfig:
    return loop(lab, user, smtp=at(relay, tls="none", username=None, password=None, ca_file=None), max_wait=max_wait)


def flags(lab: Lab, user: User) -> dict[int, str]:
    """Of all messages in INBOX, without the marks on what earlier runs sent."""
    return {
        uid: " ".join(sorted({*text.split()} - {CLAIM_FLAG, REPORTED_FLAG}))
        for uid, text in contents(lab, user).items()
    }


@pytest.fixture
def shelf(lab: Lab, user: User) -> Shelf:
    """A mailbox with a thousand messages: other people's, older probes, probes of other loops, and answers to those."""
    shelf = Shelf(lab, user)
    smtp = config_of(lab, user, lab.closed, SHORT).smtp
    shelf.put(islice(cycle(others(NAME, smtp)), CROWD))
    shelf.put(islice(others(NAME, smtp), 100), ".Junk")
    return shelf


async def test_only_the_probe_is_an_arrival(lab: Lab, user: User, shelf: Shelf) -> None:
    """Lost while there are only look-alikes; found once it lies among them, and nothing else goes with it."""
    before = flags(lab, user)
    assert len(before) == CROWD

    def only_look_alikes(raw: bytes) -> None:
        shelf.put([*about(raw), *broken(raw)])
        shelf.put(huge(raw))
        shelf.put(about(raw), ".Junk")

    result = await checked(lab, user, only_look_alikes, SHORT)
    assert (result.status, result.outcome) == (Status.ERROR, Outcome.LOST), result.sentence
    assert result.error_type is ErrorType.NO_MESSAGE
    shelf.assert_untouched()
    assert flags(lab, user).items() > before.items()

    def among_look_alikes(raw: bytes) -> None:
        only_look_alikes(raw)
        shelf.put_probe(raw)
        shelf.put(about(raw))
        shelf.put(islice(cycle(others(NAME, config_of(lab, user, lab.closed, SHORT).smtp)), CROWD))

    result = await checked(lab, user, among_look_alikes)
    assert (result.status, result.outcome) == (Status.OK, Outcome.DELIVERED), result.sentence
    assert (result.folder, result.copies) == ("INBOX", 1)
    shelf.assert_untouched()
    assert flags(lab, user).items() > before.items()


async def test_only_the_bounce_of_the_probe_is_a_bounce(lab: Lab, user: User, shelf: Shelf) -> None:
    """In each format, among the look-alikes, the delays and the bounces of other probes."""
    contents(lab, user)
    for name, bounce in BOUNCES.items():

        def return_it(raw: bytes, bounce: Callable[[bytes], bytes] = bounce) -> None:
            shelf.put(delay(raw) for delay in DELAYS.values())
            shelf.put([bounce(raw)])
            shelf.put(about(raw))

        result = await checked(lab, user, return_it)
        assert (result.status, result.outcome) == (Status.ERROR, Outcome.BOUNCED), (name, result.sentence)
        assert result.copies == 0
    shelf.assert_untouched()
