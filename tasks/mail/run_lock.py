"""One running check per loop, for all processes of a user.

Each loop has a file that is locked while a check of it runs, so that a process that dies lets go of it.
"""

import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tasks.mail.config.loop import LoopConfig
from tasks.mail.config.state_dir import make_private, open_state_file, state_home, unwritable
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import CheckSkipped
from tasks.mail.send_budget import Allowance, used_within_hour, within_budget

log = logging.getLogger(__name__)


@contextmanager
def hold_run(loop: LoopConfig) -> Iterator[Allowance]:
    """Be the one check of `loop` that runs. Raises CheckSkipped while another one runs, or when its budget is spent.

    A folder that cannot be written to keeps nobody from checking mail: there is no limit then, and a note says so.
    """
    with ExitStack() as held:
        try:
            path = state_home() / "loops" / key(loop)
            for folder in (state_home(), path.parent):
                make_private(folder)
            _lock(held, path.with_suffix(".lock"))
            sent = path.with_suffix(".sent")
            used = used_within_hour(sent)
        except OSError as error:
            reason = unwritable(error)
            log.warning("The sending budget cannot be kept: %s", reason)
            allowance = Allowance(
                loop, None, (f"The sending budget and the turns of this loop are not kept ({reason}).",)
            )
        else:
            allowance = within_budget(loop, sent, used)
        yield allowance


def key(loop: LoopConfig) -> str:
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
