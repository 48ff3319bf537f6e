"""What a person sees in the Prefect UI, in a real browser; the screenshots are kept in ci-output."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, async_playwright
from prefect.client.orchestration import get_client

from flows.mail_loop import mail_loop_check
from flows.serve import ROOT
from tasks.mail.config import ImapConfig, Limits, SmtpConfig
from tasks.mail.result import LoopResult
from tasks.sandbox import Sandbox, Script
from tests.prefect.records import SOCKETS_LEFT_OPEN, Records, imap, smtp
from tests.servers import require

pytestmark = pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN)

CHROMIUM = "/usr/bin/chromium"
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


@pytest.fixture(autouse=True)
def _chromium() -> None:
    require([CHROMIUM], "the UI needs a browser: make servers")


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """A browser window."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield await browser.new_page(viewport={"width": 1280, "height": 1600})
        finally:
            await browser.close()


@pytest.fixture
def ui(server: str) -> str:
    """The address of the UI."""
    SCREENSHOTS.mkdir(exist_ok=True)
    return server.removesuffix("/api") + "/v2"


async def test_the_history_the_artifact_and_the_run_show_the_verdict(
    ui: str, page: Page, box: Sandbox, records: Records
) -> None:
    box.play(Script(rcpt=["450 4.2.0 Greylisted, please try again"]))
    result = await mail_loop_check("seen-in-the-ui", smtp(box), imap(box), Limits(max_wait=20.0))
    assert isinstance(result, LoopResult)

    await page.goto(f"{ui}/artifacts/key/mail-loop-seen-in-the-ui")
    await expect(page.get_by_text(result.sentence)).to_be_visible()
    await expect(page.get_by_role("link", name=f"seen-in-the-ui {result.token}")).to_be_visible()
    await page.screenshot(path=SCREENSHOTS / "history.png")

    (artifact,) = await records.artifacts("mail-loop-seen-in-the-ui")
    await page.goto(f"{ui}/artifacts/artifact/{artifact['id']}")
    await expect(page.get_by_text("ok: delivered", exact=True)).to_be_visible()
    await expect(page.get_by_role("cell", name="temporary_failure")).to_be_visible()
    await page.screenshot(path=SCREENSHOTS / "artifact.png", full_page=True)

    await page.goto(f"{ui}/runs/flow-run/{result.flow_run_id}")
    await expect(page.get_by_text("Delivered", exact=True)).to_be_visible()
    await expect(page.get_by_text(result.sentence)).to_be_visible()
    await page.screenshot(path=SCREENSHOTS / "run.png")


async def test_the_form_explains_its_fields_and_has_no_password_box(ui: str, page: Page, deployed: str) -> None:
    async with get_client() as client:
        deployment = await client.read_deployment_by_name("mail-loop-check/staging")
    await page.goto(f"{ui}/deployments/deployment/{deployment.id}/run")
    await expect(page.get_by_text("The relay that the message is handed to.")).to_be_visible()
    for described in (*SmtpConfig.model_fields.items(), *ImapConfig.model_fields.items(), *Limits.model_fields.items()):
        field, about = described
        shown = 0 if field == "password" else 1
        assert about.description is not None
        assert await page.get_by_text(about.description, exact=True).count() >= shown, field
        assert shown or not await page.get_by_text(about.description, exact=True).count()
    await expect(page.locator("input[type=password]")).to_have_count(0)
    await page.screenshot(path=SCREENSHOTS / "form.png", full_page=True)
    # EXPLORE
    menus = page.locator("button[aria-haspopup=menu]")
    print("MENUS", await menus.count())
    n = await menus.count()
    for i in range(n):
        box = await menus.nth(i).bounding_box()
    await (
        page.get_by_text("The mailbox that it should arrive in. Without one")
        .locator("xpath=../..")
        .locator("button[aria-haspopup=menu]")
        .first.click()
    )
    await page.screenshot(path=SCREENSHOTS / "menu.png", full_page=True)
    print("ITEMS", await page.get_by_role("menuitem").all_inner_texts())
    await page.get_by_role("menuitem").first.click()
    await page.screenshot(path=SCREENSHOTS / "menu2.png", full_page=True)
