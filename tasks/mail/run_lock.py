"""One running check per loop, and no more messages of it within an hour than its budget, for all processes of a user.

Each loop has a file that is locked while a check of it runs, so that a process that dies lets go of it, and one with
the times of what it sent.
"""

import fcntl
import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tasks.mail.config.loop import LoopConfig
from tasks.mail.config.state_dir import make_private, open_state_file, state_home, unwritable
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import CheckSkipped, describe_os_error

_HOUR = 3600.0
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

log = logging.getLogger(__name__)


class Allowance:
    """What one check may send. `loop` is the loop with as many retries as the budget has room for."""

    def __init__(self, loop: LoopConfig, sent: Path | None, notes: tuple[str, ...] = ()) -> None:
        self.loop = loop
        self.notes = notes
        self._sent = sent

    def spend(self) -> None:
        """One more message is about to be sent: on record before it is, for a process may die at any time."""
        if self._sent is None:
            return
        try:
            with open(self._sent, "a", encoding="ascii", opener=open_state_file) as file:
                file.write(f"{time.time():.6f} {_since_boot()}\n")
        except OSError as error:
            log.warning("What was sent could not be put on record: %s", describe_os_error(error))


@contextmanager
def hold_run(loop: LoopConfig) -> Iterator[Allowance]:
    """Be the one check of `loop` that runs. Raises CheckSkipped while another one runs, or when its budget is spent.

    A folder that cannot be written to keeps nobody from checking mail: there is no limit then, and a note says so.
    """
    with ExitStack() as held:
        try:
            path = state_home() / "loops" / loop_key(loop)
            for folder in (state_home(), path.parent):
                make_private(folder)
            _lock(held, path.with_suffix(".lock"))
            sent = path.with_suffix(".sent")
            used = _used_within_hour(sent)
        except OSError as error:
            reason = unwritable(error)
            log.warning("The sending budget cannot be kept: %s", reason)
            allowance = Allowance(
                loop, None, (f"The sending budget and the turns of this loop are not kept ({reason}).",)
            )
        else:
            allowance = _within_budget(loop, sent, used)
        yield allowance


def loop_key(loop: LoopConfig) -> str:
    """The name of the loop's files. Two paths that share a name are two loops."""
    ends = [loop.name, loop.sender.host, loop.sender.port, loop.sender.from_addr, loop.sender.to_addr]
    ends += [loop.mailbox.host, loop.mailbox.port, loop.mailbox.username] if loop.mailbox else []
    return f"{loop.name}-{hashlib.sha256(json.dumps(ends).encode()).hexdigest()[:12]}"


def _lock(held: ExitStack, path: Path) -> None:
    """Lock the file, or say who has it."""
    file = held.enter_context(os.fdopen(open_state_file(path, os.O_RDWR | os.O_CREAT), "r+", encoding="ascii"))
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = file.read(100).strip() or "just begun"
        raise CheckSkipped(
            f"another check of this loop is running ({holder}): wait for its end, or start it less often",
            Cause.STILL_RUNNING,
        ) from None
    file.truncate()
    file.write(f"process {os.getpid()}, since {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}\n")
    file.flush()


def _within_budget(loop: LoopConfig, sent: Path, used: int) -> Allowance:
    """What the budget leaves to `loop` after `used` messages. Raises CheckSkipped where that is nothing."""
    budget = loop.limits.max_per_hour
    room = budget - used
    if room <= 0:
        raise CheckSkipped(
            f"the loop has sent {used} messages within an hour, and its budget (limits.max_per_hour) is {budget}: "
            "see what starts it so often, or raise the budget",
            Cause.BUDGET_SPENT,
        )
    if room > loop.sender.retries:
        return Allowance(loop, sent)
    section = loop.sender.model_copy(update={"retries": room - 1})
    note = f"Only {room - 1} retries were allowed, for the budget of {budget} messages an hour is nearly spent."
    return Allowance(loop.model_copy(update={section.protocol: section}), sent, (note,))


def _used_within_hour(path: Path) -> int:
    """How many messages were sent within the last hour; older ones are forgotten.

    What was sent since this machine was started is dated by a clock that nobody sets. Of what was sent before, one from
    the future counts: the clock was set back. What cannot be read does not: a process died while it wrote.
    """
    here = _since_boot()
    used = 0
    new = path.with_suffix(".new")
    try:
        # Line by line: where a budget is large, most of what a check would hold in memory is this file.
        with (
            open(path, encoding="ascii", errors="replace", opener=open_state_file) as lines,
            open(new, "w", encoding="ascii", opener=open_state_file) as recent,
        ):
            for line in map(_not_in_future, lines):
                if _age(line, here) < _HOUR:
                    recent.write(f"{line}\n")
                    used += 1
    except FileNotFoundError:
        return 0
    new.replace(path)
    return used


def _since_boot() -> str:
    """Which start of this machine it is, and the seconds since then, sleep included. Only Linux has them."""
    try:
        return f"{_BOOT_ID.read_text(encoding='ascii').strip()} {time.clock_gettime(time.CLOCK_BOOTTIME):.6f}"
    except (AttributeError, OSError):
        return ""


def _not_in_future(line: str) -> str:
    moment, *since_boot = line.split() or ["0"]
    return " ".join([f"{min(_number(moment), time.time()):.6f}", *since_boot])


def _age(line: str, here: str) -> float:
    """Seconds since a message was sent; `here`: see _since_boot()."""
    moment, *since_boot = line.split()
    boot, *now = here.split() or [""]
    if len(since_boot) == 2 and since_boot[0] == boot:
        return _number(now[0]) - _number(since_boot[1])
    return time.time() - _number(moment)


def _number(line: str) -> float:
    try:
        return float(line)
    except ValueError:
        return 0.0
