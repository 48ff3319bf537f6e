"""A process that runs many checks at once: `python -m bench.runners.many KIND FILE`, with the checks in the file.

It prints a line a second of what it uses, and one with all results in the end.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from bench.runners.worker import cpu, status
from tasks.mail.config.loop import loop_config
from tasks.mail.model.result import LoopResult


async def main(kind: str, loops: dict[str, dict[str, Any]]) -> None:
    watching = asyncio.create_task(_watch())
    try:
        results = await KINDS[kind](loops)
    finally:
        watching.cancel()
    print(json.dumps(_used() | {"results": [_told(one) for one in results]}), flush=True)


async def _watch() -> None:
    while True:
        print(json.dumps(_used()), flush=True)
        await asyncio.sleep(1)


def _used() -> dict[str, float]:
    return {"at": time.time(), "cpu": cpu(), "memory": status("VmRSS"), "peak": status("VmHWM")}


def _told(result: LoopResult) -> dict[str, Any]:
    found = result.detected_at.timestamp() if result.detected_at and result.outcome == "delivered" else None
    return {"id": result.probe_id, "loop": result.loop, "outcome": result.outcome, "found": found}


async def _together(loops: dict[str, dict[str, Any]]) -> list[LoopResult]:
    from flows.direct import check_all

    return await check_all([loop_config({"name": name, **loop}) for name, loop in loops.items()], lambda result: None)


async def _alone(loops: dict[str, dict[str, Any]]) -> list[LoopResult]:
    """Each with a session of its own, begun a little after the one before."""
    from flows.direct import check

    async def one(number: int, name: str, loop: dict[str, Any]) -> LoopResult:
        await asyncio.sleep(number * 0.03)
        return await check(loop_config({"name": name, **loop}))

    return await asyncio.gather(*(one(number, *loop) for number, loop in enumerate(loops.items())))


async def _fleet(loops: dict[str, dict[str, Any]]) -> list[LoopResult]:
    from flows.fleet import fleet_check
    from tasks.mail.model.errors import MatrixFailed

    state: Any = await fleet_check("bench", loops=loops, return_state=True)
    found = await state.aresult(raise_on_failure=False)
    return list(found.results if isinstance(found, MatrixFailed) else found)


KINDS = {"together": _together, "alone": _alone, "fleet": _fleet}


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))))
