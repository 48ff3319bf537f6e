"""A real browser for the tests of the Prefect UI; the screenshots are kept in ci-output."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, Page, StorageState, async_playwright, expect
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_UI_URL

from flows.equip import ROOT

expect.set_options(timeout=30_000)  # milliseconds; the machine may be busy with the other tests

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 60.0  # seconds until a browser must have started, on a busy machine
# What logged_in() says, for a page of a browser that is there already.
LOG_IN = """for (const {origin, localStorage: kept} of KEPT)
    if (origin === location.origin) for (const {name, value} of kept) localStorage.setItem(name, value);
"""
SCREENSHOTS = ROOT / "ci-output"


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser; where it is missing, tests/conftest.py skips the test before it comes to this."""
    return shutil.which("chromium") or ""


@asynccontextmanager
async def started(chromium: str, *arguments: str) -> AsyncIterator[Browser]:
    """A browser, with more arguments than those that all have."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=[*ARGUMENTS, *arguments])
        try:
            yield browser
        finally:
            await browser.close()


@pytest.fixture(scope="session")
def left_open(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A browser that stays, and keeps what it has compiled of the UI; yields where it is told what to do."""
    folder = tmp_path_factory.mktemp("browser")
    own = ["--headless", "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"]
    told = folder / "DevToolsActivePort"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([chromium, *ARGUMENTS, *own], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        until = time.monotonic() + PATIENCE
        while not told.exists() or "\n" not in told.read_text(encoding="ascii"):
            assert process.poll() is None, (folder / "log").read_text(encoding="utf-8")
            assert time.monotonic() < until, "the browser does not start"
            time.sleep(0.05)
        yield f"http://127.0.0.1:{told.read_text(encoding='ascii').split()[0]}"
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


@pytest.fixture
async def page(left_open: str) -> AsyncIterator[Page]:
    """A browser window, logged in where a Prefect server is configured that wants it."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.connect_over_cdp(left_open)
        (context,) = browser.contexts
        page = await context.new_page()
        try:
            await page.set_viewport_size({"width": 1280, "height": 1600})
            await page.add_init_script(LOG_IN.replace("KEPT", json.dumps(logged_in()["origins"])))
            yield page
        finally:
            await page.close()


def logged_in() -> StorageState:
    """What the UI keeps in the browser once a person has typed the login."""
    url, login = PREFECT_UI_URL.value(), PREFECT_API_AUTH_STRING.value()
    kept = [{"name": "prefect-password", "value": b64encode(str(login).encode()).decode()}]
    origins = [{"origin": url.removesuffix("/v2"), "localStorage": kept}] if url and login else []
    return StorageState(cookies=[], origins=origins)  # type: ignore[typeddict-item]  # plain mappings are taken


@pytest.fixture
def ui(server: str) -> str:
    """The address of the UI."""
    SCREENSHOTS.mkdir(exist_ok=True)
    return server.removesuffix("/api") + "/v2"
