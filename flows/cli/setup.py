"""`mail-loop setup`: gives the configured Prefect server what this project needs."""

import argparse
import asyncio
import os
import time

from flows.server.login import OF_CLIENT
from flows.server.prefect import SERVER_START_SECONDS, ServerError

_DESCRIPTION = """\
Makes the work pool (one that is there stays as it is), the deployments of this folder's
prefect.yaml and the automation for runs whose process was killed, on the Prefect server
that is configured, as soon as it answers. For servers and workers that something else
starts; serve does it by itself."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None."""
    parser.description = _DESCRIPTION


def run(arguments: argparse.Namespace) -> int:
    """Set up; returns 0. Raises ServerError, ConfigError."""
    return setup()


def setup(seconds: float = SERVER_START_SECONDS) -> int:
    """Set up the configured server, which may take `seconds` to start. Raises ServerError, ConfigError."""
    from prefect.settings import get_current_settings

    from flows.deploy.prefect_yaml import all_checks
    from flows.equip import DEPLOYMENTS, POOL, allow_at, equip
    from flows.prefect_api.connection import found_login, own_login
    from flows.prefect_api.probe import without_login
    from tasks.mail.config.loading.secret_list import uses_of

    uses = uses_of(all_checks(DEPLOYMENTS))
    url = get_current_settings().api.url
    if not url:
        raise ServerError("no Prefect server is configured: set PREFECT_API_URL, such as http://127.0.0.1:4200/api")
    with own_login():
        _wait_for(without_login(url), seconds)
    login = found_login()
    equip(url, os.environ | ({OF_CLIENT: login} if login else {}))
    print(f"{without_login(url)} has the work pool {POOL}, the deployments of {DEPLOYMENTS}, and the automation")
    allow_at(url, uses, print)
    return 0


def _wait_for(url: str, seconds: float) -> None:
    """Wait while nothing listens, as before a server has started. What else is the matter is raised at once."""
    from flows.prefect_api.probe import START_IT, probe_api

    until, waiting = time.monotonic() + seconds, False
    while (error := asyncio.run(probe_api())) is not None:
        if not error.starting:
            raise error
        if time.monotonic() > until:
            raise ServerError(f"the Prefect server at {url} has not answered for {seconds:.0f} s: {START_IT}")
        if not waiting:
            print(f"waiting for the Prefect server at {url}, {seconds:.0f} s at the most ...", flush=True)
            waiting = True
        time.sleep(0.5)
