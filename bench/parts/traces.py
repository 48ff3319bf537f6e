"""What traces cost a check: `python -m bench.parts.traces`, which takes about a minute. Prints the medians.

Each check is a process of its own against the sandbox, as cron would start it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import resource
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from flows.server.prefect import free_port
from tasks.sandbox import Sandbox
from tests.prefect.records import PASSWORD, USER, parameters
from tests.support.collector import Collector, collector

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 10


async def measured(file: Path, **variables: str) -> tuple[float, float]:
    """Seconds by the clock and of CPU that one check takes."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    env |= {"SANDBOX_PASSWORD": PASSWORD, "XDG_STATE_HOME": str(file.parent)} | variables
    begun, before = time.perf_counter(), _cpu()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "flows.cli.main", "check", "--direct", str(file)),
        cwd=ROOT,
        env=env,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    if await process.wait():
        raise SystemExit("the check failed")
    return time.perf_counter() - begun, _cpu() - before


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def main(there: Collector, folder: Path) -> None:
    gone = f"http://127.0.0.1:{free_port()}"
    modes = {
        "no variable is set": {},
        "a collector on loopback": {"OTEL_EXPORTER_OTLP_ENDPOINT": there.url},
        "a collector that is gone": {"OTEL_EXPORTER_OTLP_ENDPOINT": gone},
    }
    taken: dict[str, list[tuple[float, float]]] = {mode: [] for mode in modes}
    logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd warns of its own deprecations at every login
    async with Sandbox({USER: PASSWORD}) as box:
        file = folder / "office.json"
        file.write_text(json.dumps(parameters(box, "office")), encoding="utf-8")
        await measured(file)  # what is read from disk for the first time counts for nobody
        for _ in range(ROUNDS):
            for mode, variables in modes.items():
                taken[mode].append(await measured(file, **variables))
    for mode, found in taken.items():
        wall, cpu = (median(values) for values in zip(*found, strict=True))
        print(f"{mode:<26}{wall:6.2f} s{cpu:8.2f} s of CPU")
    print(f"one trace: {len(there.spans) // ROUNDS} spans, {there.requests[0].size} bytes, 1 request")


if __name__ == "__main__":
    with collector() as running, TemporaryDirectory() as temporary:
        asyncio.run(main(running, Path(temporary)))
