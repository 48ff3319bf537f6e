"""Mailboxes of 10, 1,000 and 100,000 messages: what lies there must not matter to a check."""

from __future__ import annotations

import re
import shutil
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product

from bench.contenders import Warm, config_of
from bench.ground.stage import Stage
from bench.ground.wire import EXAMINED, Traffic
from tests.support.servers.lab import User

# Dovecot takes longer to open a mailbox the more there is, and who has waited longer wakes more slowly: a process whose
# memory is no longer in the processor's caches writes its next command a third of a millisecond later. So that this
# does not pass for a longer search, EXAMINE takes as long at each size in one half of the checks.
EXAMINE_SECONDS = 3.0
ID = re.compile(rb"X-Mail-Loop-Id: [0-9a-f]{32}", re.IGNORECASE)


@dataclass(frozen=True)
class Sized:
    """One check in a mailbox of so many messages: seconds and bytes from EXAMINE's answer to the hit, and the rest."""

    messages: int
    warm: bool
    examine_seconds: float  # that EXAMINE took at least; 0 is as long as it took
    seconds: float
    bytes: int
    commands: int
    whole: float


def measure(
    stage: Stage, counts: list[int], rounds: int, examine_seconds: tuple[float, ...] = (EXAMINE_SECONDS, 0.0)
) -> list[Sized]:
    """Of each size a cold index (Dovecot's files removed before the check), and one that knows the messages."""
    found: list[Sized] = []
    with ExitStack() as held:
        held.callback(setattr, stage.wire, "examine_seconds", 0.0)
        ours = Warm("direct", stage.environment, held)
        users = {count: stage.lab.fresh_user() for count in counts}
        for count, user in users.items():
            print(f"filling a mailbox with {count} messages", file=sys.stderr, flush=True)
            stage.lab.fill(user, count)
            _open(stage, user)
            _check(stage, ours, user)
        for _ in range(rounds):
            for at_least, warm in product(examine_seconds, (False, True)):
                stage.wire.examine_seconds = at_least
                for count, user in users.items():
                    if not warm:
                        _forget(stage, user)
                    traffic, whole = _check(stage, ours, user)
                    found.append(_sized(count, warm, at_least, traffic, whole))
    return found


def _check(stage: Stage, ours: Warm, user: User) -> tuple[Traffic, float]:
    # The message is there before the mailbox is opened: what is measured is the search, and no waiting.
    traffic = stage.wire.begin()
    cost = ours.check(config_of(user, "sizes", stage.wire.endpoints))
    return traffic["imap"], cost.ended - cost.begun


def _sized(count: int, warm: bool, at_least: float, traffic: Traffic, whole: float) -> Sized:
    opened = traffic.first_answer(EXAMINED)
    hit = traffic.first_answer(ID)
    if opened is None or hit is None:
        raise RuntimeError("the message was not found")
    return Sized(count, warm, at_least, hit - opened, traffic.bytes_after(opened, hit), len(traffic.commands), whole)


def _open(stage: Stage, user: User) -> None:
    """Let Dovecot learn what was put there."""
    with stage.lab.imap(user) as client:
        client.sock.settimeout(300)
        client.select("INBOX", readonly=True)


def _forget(stage: Stage, user: User) -> None:
    """Remove all that Dovecot knows of a mailbox beyond the messages themselves and their UIDs."""
    time.sleep(0.1)  # its session of the check before has to be gone
    for path in (stage.lab.dovecot.mail / user.username).glob("dovecot.index*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
