"""The IMAP leg: what strangers, and servers with wrong dates, put into the mailbox that the probe comes to."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from flows import direct
from tasks.mail.model.outcome import Outcome, Status
from tasks.mail.model.result import LoopResult
from tasks.mail.net.threads import in_own_thread
from tests.faults.cells import Cell, Expected, Ground
from tests.faults.scripted import AMPLE, LONG, SOON, delivered
from tests.faults.scripted import loop as scripted_loop
from tests.support.mail.bombs import pour
from tests.support.raw.imap import RawImap
from tests.support.raw.smtp import RawSmtp
from tests.support.servers.loops import loop

MB = int(os.environ.get("MB") or 10)
BIG = b"References: " + (b"<0123456789@a.test> " * 40 + b"\r\n ") * 80 + b"\r\nSubject: big\r\n\r\nhello\r\n"  # 65 kB
BEFORE_OURS = b"X-Junk: " + b"x" * 70 + b"\r\n" + b"X-Junk: %s\r\n" % (b"y" * 900) * 220

Deliver = Callable[[RawImap, bytes], None]


@dataclass(frozen=True)
class Beside:
    """A scripted mailbox, in which `deliver` has more come than the probe. Nothing of it may hide the probe."""

    deliver: Deliver
    noted: str = ""

    async def __call__(self, ground: Ground) -> LoopResult:
        async with RawSmtp() as relay, RawImap() as mailbox:
            relay.deliver = lambda raw: self.deliver(mailbox, raw)
            result = await ground.check(scripted_loop("smtp", relay, mailbox, ground.tls(), "none", AMPLE))
        assert not self.noted or any(note.startswith(self.noted) for note in result.notes), f"notes: {result.notes}"
        assert mailbox.connections == 1, f"{mailbox.connections} connections"
        assert "removed" not in result.sentence, result.sentence
        return result


class _Date:
    """An INTERNALDATE that datetime does not know, or cannot reckon with."""

    def __init__(self, text: str) -> None:
        self._text = text

    def strftime(self, form: str) -> str:
        return self._text


def _dated(text: str) -> Deliver:
    def deliver(mailbox: RawImap, raw: bytes) -> None:
        mailbox.append(raw, internaldate=cast("Any", _Date(text)))

    return deliver


def _flood(mailbox: RawImap, raw: bytes) -> None:
    """More than one answer may hold, while the check waits, with the probe amid it."""

    def come() -> None:
        for number in range(600):
            mailbox.put(raw if number == 300 else BIG)
        mailbox.announce()

    asyncio.get_running_loop().call_later(0.5, come)


def _copies(mailbox: RawImap, raw: bytes) -> None:
    for _ in range(300):
        mailbox.put(raw)
    mailbox.announce()


@dataclass(frozen=True)
class Bombed:
    """A loop through the laboratory, and another in another mailbox, without and with bombs in the first mailbox."""

    octets: int = MB * 2**20

    async def __call__(self, ground: Ground) -> LoopResult:
        lab, edge = ground.lab, ground.lab.edge.endpoints["edge"]
        alone = await ground.check(loop(lab, lab.fresh_user()))
        seconds, user = ground.seconds, lab.fresh_user()
        put = partial(pour, edge, user.address, self.octets // 2)
        count = await in_own_thread(put)
        rest = asyncio.create_task(in_own_thread(put))
        elsewhere = asyncio.create_task(direct.check(loop(lab, lab.fresh_user(), name="elsewhere")))
        result = await ground.check(loop(lab, user, max_wait=60.0 + MB))
        other = await elsewhere
        count += await rest
        arrived, seen = result.delivery_seconds or 0.0, result.total_seconds or 0.0
        ground.lines.append(
            f"{MB} MB of bombs ({count} messages): {result.outcome} in {ground.seconds:.1f} s (it arrived after "
            f"{arrived:.1f} s and was seen after {seen:.1f} s), without them {alone.outcome} in {seconds:.1f} s; "
            f"in another mailbox meanwhile: {other.outcome}"
        )
        assert (alone.outcome, other.outcome) == (Outcome.DELIVERED, Outcome.DELIVERED), f"{alone} {other}"
        return result


def cells() -> Iterator[Cell]:
    out_of_range = "The mail server has no date of the message"
    for text in ("01-Jan-0001 00:00:00 +0000", "31-Dec-9999 23:59:59 -1200", "01-Jan-2026 00:00:00 +9999"):
        yield Cell("imap", "FETCH", f"INTERNALDATE {text}", delivered(), Beside(_dated(text), noted=out_of_range))
    yield Cell("imap", "FETCH", "39 MB of headers between two looks", delivered(within=LONG), Beside(_flood))
    before = Beside(lambda mailbox, raw: cast("None", mailbox.append(BEFORE_OURS + raw)))
    yield Cell("imap", "FETCH", "200 kB of another field before ours", delivered(), before)
    many = Expected(Outcome.DUPLICATED, None, None, None, 1, SOON, status=Status.WARNING, copies=300)
    yield Cell("imap", "FETCH", "300 copies", many, Beside(_copies))
    expected = delivered(within=60.0 + MB)
    yield Cell("imap", "FETCH", "Dovecot: bombs of strangers", expected, Bombed(), needs_lab=True)
