"""One private Prefect server for all tests here; a mail system and a name for each of them."""

from __future__ import annotations

import gc
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from prefect.logging.handlers import APILogHandler
from prefect.settings import PREFECT_HOME, PREFECT_UI_URL, temporary_settings

from flows.cli.serve import WORKER, serve
from flows.prefect_api.connection import at
from flows.server import processes
from flows.server.login import OF_CLIENT
from flows.server.prefect import SERVER, free_port, server_settings, start_server
from tasks.mail.config.addresses import slug
from tasks.mail.config.state_dir import state_home
from tasks.sandbox import Sandbox
from tests.prefect.browser import chromium, left_open, page, ui
from tests.prefect.records import ALLOWED, OTHER_TOKEN, PASSWORD, USER, Records, forget_server, leave_connections
from tests.support.first_start import FirstStart

__all__ = ["chromium", "left_open", "page", "ui"]


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the Prefect server and its clients keep their files."""
    return tmp_path_factory.mktemp("prefect")


@pytest.fixture(scope="session", autouse=True)
def _allowed(_state: None) -> None:
    """What flow runs of this process may do: they are of no command line, so they have a list."""
    state_home().mkdir(parents=True, exist_ok=True)
    (state_home() / "secrets.allow").write_text(ALLOWED, encoding="utf-8")


@pytest.fixture(autouse=True)
def _prefects_garbage() -> Iterator[None]:
    """What Prefect leaves open is found here, where it is expected, and not in another test much later."""
    yield
    gc.collect()


@pytest.fixture(scope="package")
def server(home: Path, first_start: FirstStart, pytestconfig: pytest.Config) -> Iterator[str]:
    """The API of the server."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DO_NOT_TRACK", "1")
        patch.setenv("PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL", "0.5")  # seconds that tests wait for one
        port = free_port()
        url = start_server(first_start(home), port)
        leave_connections(pytestconfig, url)
        here = server_settings(home, port)
        try:
            patch.setenv(OF_CLIENT, here[OF_CLIENT])
            own = {PREFECT_HOME: home, PREFECT_UI_URL: here["PREFECT_UI_URL"]}
            with at(url, here[OF_CLIENT]), temporary_settings(own):
                yield url
        finally:
            APILogHandler().flush()
            forget_server()
            processes.stop(home, SERVER)
            gc.collect()  # what Prefect leaves open is found here, where it is expected


@pytest.fixture(scope="package")
def deployed(server: str, home: Path) -> Iterator[str]:
    """The deployments on the server, and a worker in `home`; yields the API."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SANDBOX_PASSWORD", PASSWORD)
        patch.setenv("OTHER_SERVICE_TOKEN", OTHER_TOKEN)
        (home / "secrets.allow").write_text(ALLOWED, encoding="utf-8")
        serve(home, httpx.URL(server).port or 80)
    try:
        yield server
    finally:
        processes.stop(home, WORKER)


@pytest.fixture
def records(server: str) -> Records:
    """What the server has on record."""
    return Records(server)


@pytest.fixture
async def box() -> AsyncIterator[Sandbox]:
    """A mail system with one mailbox."""
    async with Sandbox({USER: PASSWORD}) as running:
        yield running


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A loop name of the test's own, so that its records are."""
    return re.sub("^test-", "", slug(request.node.name))[:50].strip("-")
