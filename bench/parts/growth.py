"""Many consecutive checks in one process: does anything grow?"""

from __future__ import annotations

import sys
from contextlib import ExitStack

from bench.contenders import Cost, Warm, config_of
from bench.ground.stage import Stage


def measure(stage: Stage, checks: int) -> list[Cost]:
    """The warm coroutine, so many times; the figures of the process after each."""
    user = stage.lab.fresh_user()
    found = []
    with ExitStack() as held:
        ours = Warm("direct", stage.environment, held)
        for number in range(checks):
            found.append(ours.check(config_of(user, "growth", stage.servers)))
            if number % 100 == 99:
                print(f"{number + 1} checks", file=sys.stderr, flush=True)
    return found
