"""A real browser for the tests of the Prefect UI; the screenshots are kept in ci-output."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, async_playwright, expect

from flows.server.bootstrap import ROOT

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


@pytest.fixture
async def page(chromium: str) -> AsyncIterator[Page]:
    """A browser window."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        try:
            yield await browser.new_page(viewport={"width": 1280, "height": 1600})
        finally:
            await browser.close()


@pytest.fixture
def ui(server: str) -> str:
    """The address of the UI."""
    SCREENSHOTS.mkdir(exist_ok=True)
    return server.removesuffix("/api") + "/v2"
