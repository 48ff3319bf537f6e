"""A process that runs checks of one kind, one after the other: `python -m bench.runners.worker KIND`.

It reads a configuration a line, and answers each with a line of what the check took. Of our own checks these are the
warm costs: what is imported once, and connected to Prefect once, is not paid again.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

SETTLE = 0.3  # seconds in which Prefect still tells its server what happened: that is part of what a check costs

Check = Callable[[dict[str, Any]], Awaitable[float]]


async def main(kind: str) -> None:
    check = KINDS[kind]()
    while line := await asyncio.to_thread(sys.stdin.readline):
        begun, before = time.time(), cpu()
        found = await check(json.loads(line))
        ended = time.time()
        if kind in ("flow", "trivial"):
            await asyncio.sleep(SETTLE)
        answer = {
            "found": found,
            "begun": begun,
            "ended": ended,
            "cpu": cpu() - before,
            "memory": status("VmHWM"),
            "resident": status("VmRSS"),
            "files": len(os.listdir("/proc/self/fd")),
            "tasks": len(asyncio.all_tasks()),
        }
        print(json.dumps(answer), flush=True)


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def status(name: str) -> int:
    """A size that the kernel knows of this process, in bytes. (ru_maxrss would begin with the parent's.)"""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def _direct() -> Check:
    from flows.direct import check
    from tasks.mail.config.loop import loop_config

    async def run(config: dict[str, Any]) -> float:
        return _found(await check(loop_config(config)))

    return run


def _flow() -> Check:
    from flows.through_prefect import check_through_prefect
    from tasks.mail.config.loop import loop_config

    async def run(config: dict[str, Any]) -> float:
        return _found(await check_through_prefect(loop_config(config)))

    return run


def _trivial() -> Check:
    from bench.runners.trivial import two_tasks

    async def run(config: dict[str, Any]) -> float:
        await two_tasks(config["name"])
        return time.time()

    return run


def _found(result: Any) -> float:
    if result.outcome != "delivered":
        raise RuntimeError(result.model_dump_json())
    return float(result.detected_at.timestamp())


def _blocking(name: str) -> Check:
    from bench.runners import peers

    async def run(config: dict[str, Any]) -> float:
        return float(getattr(peers, name)(config))

    return run


KINDS: dict[str, Callable[[], Check]] = {
    "direct": _direct,
    "flow": _flow,
    "trivial": _trivial,
    "polling": lambda: _blocking("polling"),
    "idling": lambda: _blocking("idling"),
}


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
