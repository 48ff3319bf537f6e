"""A real browser for the tests of the Prefect UI; the screenshots are kept in ci-output."""

from __future__ import annotations

import shutil
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, Page, StorageState, async_playwright, expect
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_UI_URL

from flows.setup.bootstrap import ROOT

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
SCREENSHOTS = ROOT / "ci-output"


@pytest.fixture
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


@pytest.fixture
async def page(chromium: str) -> AsyncIterator[Page]:
    """A browser window, logged in where a Prefect server is configured that wants it."""
    async with started(chromium) as browser:
        yield await browser.new_page(viewport={"width": 1280, "height": 1600}, storage_state=logged_in())


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
