"""What a Prefect server needs for this project, however it and its workers are started."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from flows.server.login import OF_CLIENT
from flows.server.prefect import ServerError

EXAMPLE_RELAY = "relay.example.org"
ROOT = Path(__file__).resolve().parent.parent.parent
DEPLOYMENTS = ROOT / "prefect.yaml"


def equip(url: str, environment: Mapping[str, str], *, ours: bool = False) -> None:
    """Give the server at `url` work pool, deployments and automation, as often as you like. Raises ServerError.

    `ours`: the server is one of `serve`, where an open pool is closed.
    """
    import httpx  # not above: `stop` needs none of them
    import prefect

    from flows.setup import crash_automation, pool

    # MAIL_LOOP_HOME is for the worker: seen here, it would be frozen into the deployments.
    env = {name: value for name, value in environment.items() if name != "MAIL_LOOP_HOME"} | {"PREFECT_API_URL": url}
    made = "work pool"
    try:
        login = environment.get(OF_CLIENT)
        if said := asyncio.run(pool.ensure_pool(url, login, ours=ours)):
            print(said)
        made = "automation"
        _prefect(env, "--no-prompt", "deploy", "--all")
        asyncio.run(crash_automation.ensure_automation(url, login))
    except httpx.HTTPError as error:
        raise ServerError(
            f"the {made} could not be made on the Prefect server at {url} ({type(error).__name__}): "
            f"see its log; it has to be as new as Prefect here, {prefect.__version__}"
        ) from None
    if EXAMPLE_RELAY in DEPLOYMENTS.read_text(encoding="utf-8"):
        print(f"prefect.yaml still names {EXAMPLE_RELAY}: put your own relay and mailbox there, then do this again.")


def _prefect(env: Mapping[str, str], *arguments: str) -> None:
    """One prefect command, quiet unless it fails."""
    run = subprocess.run(  # noqa: S603  # our own interpreter, with arguments of our own
        [sys.executable, "-m", "prefect", *arguments],
        env=dict(env),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode != 0:
        # What Prefect says in the end counts; before it stands a traceback.
        last = (run.stdout + run.stderr).strip().rpartition("\n\n")[2]
        raise ServerError(f"prefect {' '.join(arguments)} failed: {' '.join(last.split())}")
