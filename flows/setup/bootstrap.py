"""`mail-loop setup`: what a Prefect server needs for this project, however it and its workers are started."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from flows.server.login import OF_CLIENT
from flows.server.prefect import START_SECONDS, ServerError

EXAMPLE = "relay.example.org"
ROOT = Path(__file__).resolve().parent.parent.parent
DEPLOYMENTS = ROOT / "prefect.yaml"


def setup(seconds: float = START_SECONDS) -> int:
    """Set up the configured server, which may take `seconds` to start. Raises ServerError, ConfigError."""
    from prefect.settings import get_current_settings

    from flows.deploy.prefect_yaml import all_checks
    from flows.prefect_api.connection import found_login, own_login
    from flows.prefect_api.probe import shown
    from flows.server.allow import allow_at
    from flows.setup.pool import POOL
    from tasks.mail.config.secret_hosts import uses_of

    uses = uses_of(all_checks(DEPLOYMENTS))
    url = get_current_settings().api.url
    if not url:
        raise ServerError("no Prefect server is configured: set PREFECT_API_URL, such as http://127.0.0.1:4200/api")
    with own_login():
        _wait_for(shown(url), seconds)
    login = found_login()
    equip(url, os.environ | ({OF_CLIENT: login} if login else {}))
    print(f"{shown(url)} has the work pool {POOL}, the deployments of {DEPLOYMENTS}, and the automation")
    allow_at(url, uses, print)
    return 0


def _wait_for(url: str, seconds: float) -> None:
    """Wait while nothing listens, as before a server has started. What else is the matter is raised at once."""
    from flows.prefect_api.probe import START, probe

    until, told = time.monotonic() + seconds, False
    while (error := asyncio.run(probe())) is not None:
        if not error.starting:
            raise error
        if time.monotonic() > until:
            raise ServerError(f"the Prefect server at {url} has not answered for {seconds:.0f} s: {START}")
        if not told:
            print(f"waiting for the Prefect server at {url}, {seconds:.0f} s at the most ...", flush=True)
            told = True
        time.sleep(0.5)


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
        if said := asyncio.run(pool.ensure(url, login, ours=ours)):
            print(said)
        made = "automation"
        _prefect(env, "--no-prompt", "deploy", "--all")
        asyncio.run(crash_automation.ensure(url, login))
    except httpx.HTTPError as error:
        raise ServerError(
            f"the {made} could not be made on the Prefect server at {url} ({type(error).__name__}): "
            f"see its log; it has to be as new as Prefect here, {prefect.__version__}"
        ) from None
    if EXAMPLE in DEPLOYMENTS.read_text(encoding="utf-8"):
        print(f"prefect.yaml still names {EXAMPLE}: put your own relay and mailbox there, then do this again.")


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
