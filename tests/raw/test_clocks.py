"""This machine's clock is set in the middle of a check: times and limits are measured, not read off it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tasks.mail.config.loop import LoopConfig
from tasks.mail.probe.compose import compose
from tests.support.checks.bounds import PROGRAM_SECONDS
from tests.support.checks.patience import PATIENCE, limited
from tests.support.checks.rounds import Relay, Round, around
from tests.support.clock import Clock
from tests.support.raw.imap import RawImap, Session

HOUR = 3600
SET = [pytest.param(HOUR, id="forward"), pytest.param(-HOUR, id="back")]
GRAIN = 1.0  # second, of INTERNALDATE


class Searching(RawImap):
    """A mailbox in which every search finds everything: what is ours, and old, is for the client to know."""

    async def _perform(self, session: Session, tag: bytes, verb: str, argument: str, uid: bool) -> None:
        if verb == "search":
            uids = " ".join(str(message.uid) for message in session.view)
            await session.write(f"* SEARCH {uids}\r\n".encode() + tag + b" OK done\r\n")
        else:
            await super()._perform(session, tag, verb, argument, uid)


@dataclass(frozen=True)
class Ended:
    """A check that has ended, and the seconds from the acceptance of its message to its end, as we measured them."""

    code: int
    result: dict[str, Any]
    seconds: float

    @property
    def outcome(self) -> tuple[int, str]:
        return self.code, self.result["outcome"]

    def assert_jump_is_told(self, seconds: int) -> None:
        """The process saw its clock set, and does not take it for the mail server's."""
        way = "forward" if seconds > 0 else "back"
        told = [note for note in self.result["notes"] if "clock" in note]
        assert len(told) == 1, told
        assert told[0].startswith(f"This machine's clock jumped {way} by ")
        assert int(told[0].split(" by ")[1].split()[0]) == pytest.approx(HOUR, abs=2)

    def assert_times_add_up(self) -> None:
        """By the clock as it was at the beginning, whatever it said later."""
        sent, accepted, detected = (
            datetime.fromisoformat(self.result[field]) for field in ("sent_at", "accepted_at", "detected_at")
        )
        assert (accepted - sent).total_seconds() == pytest.approx(self.result["send_seconds"], abs=0.01)
        assert (detected - sent).total_seconds() == pytest.approx(self.result["total_seconds"], abs=0.01)


async def run(loop: LoopConfig, clock: Clock, folder: Path, accepted: Callable[[], float]) -> Ended:
    """`mail-loop check` in a process with this clock; `accepted` tells when its message was."""
    data = loop.model_dump(mode="json", exclude_none=True)
    data["imap"]["password"] = "secret"
    (folder / "loop.json").write_text(json.dumps(data), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "flows.cli.main", "check", "--direct", "--json", "loop.json"),
        cwd=folder,
        env=os.environ | clock.env,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            out, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        raise
    return Ended(process.returncode or 0, json.loads(out), time.monotonic() - accepted())


async def is_waited_for(way: Round) -> None:
    while not way.mailbox.count("IDLE"):
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("seconds", SET)
@pytest.mark.parametrize("everywhere", [False, True], ids=["here", "at the mail server too"])
async def test_a_clock_set_during_the_wait_makes_no_message_late_or_lost(
    set_clock: Clock, tmp_path: Path, seconds: int, everywhere: bool
) -> None:
    times: list[float] = []

    async def bring(raw: bytes) -> None:
        await is_waited_for(way)
        set_clock.set(seconds)
        await asyncio.sleep(0.5)
        offset = timedelta(seconds=seconds if everywhere else 0)
        way.mailbox.append(raw, internaldate=datetime.now(UTC) + offset)
        times.append(time.monotonic())

    async with around() as way, asyncio.TaskGroup() as bringing:

        def arrive(raw: bytes) -> None:
            times.append(time.monotonic())
            bringing.create_task(bring(raw))

        way.relay.arrive = arrive
        ended = await run(limited(way, PATIENCE, PATIENCE), set_clock, tmp_path, lambda: times[0])
    assert ended.outcome == (0, "delivered")
    accepted, arrived = times
    assert arrived - accepted - GRAIN < ended.result["delivery_seconds"] < ended.seconds
    assert ended.result["delivery_seconds"] <= ended.result["total_seconds"] < PATIENCE
    ended.assert_jump_is_told(seconds)
    ended.assert_times_add_up()


@pytest.mark.parametrize("seconds", SET)
async def test_a_clock_set_during_the_wait_leaves_it_as_long_as_it_was(
    set_clock: Clock, tmp_path: Path, seconds: int
) -> None:
    """Neither is the message given up at once, nor is it waited for an hour longer."""
    times: list[float] = []

    async with around() as way, asyncio.TaskGroup() as setting:

        async def set_it() -> None:
            await is_waited_for(way)
            set_clock.set(seconds)

        def lose(raw: bytes) -> None:
            times.append(time.monotonic())
            setting.create_task(set_it())

        way.relay.arrive = lose
        ended = await run(limited(way, 6.0), set_clock, tmp_path, lambda: times[0])
    assert ended.outcome == (2, "lost")
    assert ended.seconds > 6.0
    ended.assert_jump_is_told(seconds)


@pytest.mark.parametrize("seconds", [HOUR + 60, -HOUR - 60, 24 * HOUR], ids=["forward", "back", "a day forward"])
def test_a_clock_that_is_set_spends_and_refills_no_budget(set_clock: Clock, tmp_path: Path, seconds: int) -> None:
    """Two messages within an hour are two, whatever the clock says at the third; and it is not spoilt for later."""
    code = (
        "import time; from tests.support.checks.budgets import loop, spend\n"
        "print(time.time(), flush=True); spend(loop(budget=2), 1)"
    )

    def spend() -> tuple[float, bool]:
        """Send a message; what the clock said, and whether it was refused."""
        env = os.environ | set_clock.env | {"XDG_STATE_HOME": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=PROGRAM_SECONDS
        )
        assert done.returncode == 0 or "CheckSkipped: the loop has sent 2 messages within an hour" in done.stderr
        return float(done.stdout) - time.time(), done.returncode != 0

    assert [spend()[1] for _ in range(3)] == [False, False, True]
    for ahead in (seconds, 0):
        set_clock.set(ahead)
        clock, refused = spend()
        assert clock == pytest.approx(ahead, abs=PATIENCE)
        assert refused


@pytest.mark.parametrize("seconds", SET)
async def test_a_clock_set_while_the_message_is_sent_distorts_no_time(
    set_clock: Clock, tmp_path: Path, seconds: int
) -> None:
    """Between the first attempt and the acceptance; the message is there only a moment later."""
    times: list[float] = []

    async with around() as way:

        def arrive(raw: bytes) -> None:
            times.append(time.monotonic())
            loop = asyncio.get_running_loop()
            loop.call_later(1.5, way.mailbox.append, raw)

        way.relay.deliver = lambda raw: set_clock.set(seconds)  # before the acceptance
        way.relay.arrive = arrive
        ended = await run(limited(way, PATIENCE, PATIENCE), set_clock, tmp_path, lambda: times[0])
    assert ended.outcome == (0, "delivered")
    assert 1.5 - GRAIN < ended.result["delivery_seconds"] < ended.seconds
    ended.assert_jump_is_told(seconds)
    ended.assert_times_add_up()


@pytest.mark.parametrize("seconds", SET)
async def test_a_clock_set_during_the_wait_takes_no_message_that_another_check_waits_for(
    set_clock: Clock, tmp_path: Path, seconds: int
) -> None:
    """Of the same loop, on another machine; what is really old is collected all the same."""
    times: list[float] = []

    async with Relay() as relay, Searching() as mailbox:
        way = Round(relay, mailbox)
        loop = limited(way, 30.0, retention=60.0)
        others, leftover = compose(loop.name, loop.smtp).content, compose(loop.name, loop.smtp)
        now = datetime.now(UTC)
        way.mailbox.append(leftover.content, internaldate=now - timedelta(seconds=2 * HOUR))
        way.mailbox.append(others, internaldate=now - timedelta(seconds=10))

        def arrive(raw: bytes) -> None:
            times.append(time.monotonic())
            set_clock.set(seconds)
            way.mailbox.append(raw, internaldate=datetime.now(UTC) + timedelta(seconds=seconds))

        way.relay.arrive = arrive
        ended = await run(loop, set_clock, tmp_path, lambda: times[0])
        assert [message.raw for message in way.mailbox.messages] == [others]
    assert ended.outcome == (0, "delivered")
    (told,) = ended.result["earlier_probes"]
    assert (told["probe_id"], told["delivery_seconds"]) == (leftover.id, None)  # it came before it was sent
