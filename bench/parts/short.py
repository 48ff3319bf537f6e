"""The short form for the gate: directions and counts, never times. On a busy machine it is slower, and as right."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from bench.contenders import Cost
from bench.figures import median
from bench.ground.stage import Stage
from bench.parts import growth, sidebyside, sizes
from bench.parts.sidebyside import OURS, PEERS

AT_ONCE = 10  # IMAP commands for mail that is there when it is looked for, from the login to the logout
TRIES = 6  # checks, of which one will find it there: others look again until it lands
LOOK = 5  # commands of a look between two slices of IDLE
HOLD = 6.0  # seconds that mail is held, to see a wait: the poller looks at 0, 5 and 10 s
CHECKS, WARM_UP = 50, 10
ROOM = 2**20  # bytes by which a process may differ at the end: an allocator's pages come and go


def run(stage: Stage) -> int:
    """0 if all that is promised holds; each line says what was seen."""
    failed = [text for text, holds in _promises(stage) if not _told(text, holds)]
    return 1 if failed else 0


def _told(text: str, holds: bool) -> bool:
    print(f"{'ok    ' if holds else 'FAILED'} {text}", file=sys.stdout if holds else sys.stderr, flush=True)
    return holds


def _promises(stage: Stage) -> list[tuple[str, bool]]:
    with ThreadPoolExecutor(1) as beside:  # what grows is not counted on the wire, so it can go on meanwhile
        growing = beside.submit(growth.measure, stage, CHECKS)
        return [*_detection(stage), *_sizes(stage), *_growth(growing.result())]


def _detection(stage: Stage) -> list[tuple[str, bool]]:
    with ExitStack() as held:
        running = sidebyside.contenders(stage, held, None)
        at_once = {who: running[who] for who in (OURS[1], PEERS[0]) if who in running}
        waiting = {who: running[who] for who in (OURS[1], PEERS[1])}
        found = sidebyside.measure(stage, at_once, 0.0, 1, warm_up=False)
        again = sidebyside.measure(stage, {OURS[1]: running[OURS[1]]}, 0.0, TRIES, warm_up=False)
        found += sidebyside.measure(stage, waiting, HOLD, 1, warm_up=False)
    promises = []
    for hold, peers in ((0.0, PEERS[:1]), (HOLD, PEERS[1:2])):
        [ours] = [one for one in found if (one.hold, one.who) == (hold, OURS[1])]
        for other in (one for one in found if one.hold == hold and one.who in peers):
            text = f"mail that lands after {hold:g} s is found sooner ({ours.detection:.2f} s) than by {other.who}"
            promises.append((f"{text} ({other.detection:.2f} s)", ours.detection < other.detection))
        if hold == 0.0:
            count = min(len(one.imap.commands) for one in (ours, *again))
            promises.append(
                (f"{count} IMAP commands for mail that is there at once, at most {AT_ONCE}", count <= AT_ONCE)
            )
        else:
            count, seconds = ours.waited
            text = f"{count} IMAP commands in {seconds:.1f} s of waiting, at most one a second and a look of {LOOK}"
            promises.append((text, count <= seconds + LOOK))
    return promises


def _sizes(stage: Stage) -> list[tuple[str, bool]]:
    found = sizes.measure(stage, [10, 1000], 1, examine_seconds=(0.0,))
    few, many = ({one.bytes for one in found if one.messages == count} for count in (10, 1000))
    text = f"bytes read to the hit: {median(few):.0f} among 10 messages, {median(many):.0f} among 1,000"
    # Numbers of messages have more digits in a larger mailbox.
    return [(text, max(many) <= max(few) * 1.05)]


def _growth(found: list[Cost]) -> list[tuple[str, bool]]:
    first, last = found[WARM_UP], found[-1]
    return [
        (f"open files after {CHECKS} checks: {last.files}, after {WARM_UP}: {first.files}", last.files <= first.files),
        (f"tasks: {last.tasks}, after {WARM_UP}: {first.tasks}", last.tasks <= first.tasks),
        (
            f"resident memory: {last.resident}, after {WARM_UP}: {first.resident}",
            last.resident <= first.resident + ROOM,
        ),
    ]
