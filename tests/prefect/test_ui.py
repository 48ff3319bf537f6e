"""What a person sees in the Prefect UI, in a real browser; the screenshots are kept in ci-output."""

from __future__ import annotations

import asyncio
import re
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from playwright.async_api import Page, expect
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId

from flows.mail_loop import mail_loop_check
from flows.server.prefect import free_port
from tasks.mail.config.loop import ImapConfig, Limits, SmtpConfig
from tasks.mail.config.mailbox import BounceMailbox
from tasks.mail.config.oauth import SenderOAuth
from tasks.mail.config.section import secret_fields
from tasks.mail.model.result import LoopResult
from tasks.sandbox import Sandbox, Script
from tests.prefect.browser import SCREENSHOTS
from tests.prefect.failures.phases import until
from tests.prefect.records import SOCKETS_LEFT_OPEN, Records, imap, parameters, smtp

pytestmark = pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN)


async def like_staging(client: PrefectClient, name: str, given: dict[str, Any]) -> UUID:
    """A deployment with parameters of its own, else that of prefect.yaml."""
    staging = await client.read_deployment_by_name("mail-loop-check/staging")
    return await client.create_deployment(
        staging.flow_id,
        name=name,
        entrypoint=staging.entrypoint,
        pull_steps=staging.pull_steps,
        work_pool_name=staging.work_pool_name,
        parameters=given,
        parameter_openapi_schema=staging.parameter_openapi_schema,
        enforce_parameter_schema=True,
    )


async def has_ended(client: PrefectClient, run: UUID) -> bool:
    state = (await client.read_flow_run(run)).state
    return state is not None and state.is_final()


@pytest.mark.long
async def test_the_history_the_artifact_and_the_run_show_the_verdict(
    ui: str, page: Page, box: Sandbox, records: Records
) -> None:
    box.play(Script(rcpt=["450 4.2.0 Greylisted, please try again"]))
    result = await mail_loop_check("seen-in-the-ui", smtp(box), imap(box), Limits(max_wait=20.0))
    assert isinstance(result, LoopResult)

    await page.goto(f"{ui}/artifacts/key/mail-loop-seen-in-the-ui")
    await expect(page.get_by_text("seen-in-the-ui: ok (delivered)")).to_be_visible()
    await expect(page.get_by_role("link", name=f"seen-in-the-ui {result.token}")).to_be_visible()
    await page.screenshot(path=SCREENSHOTS / "history.png")

    (artifact,) = await records.artifacts("mail-loop-seen-in-the-ui")
    await page.goto(f"{ui}/artifacts/artifact/{artifact['id']}")
    await expect(page.locator("strong", has_text="seen-in-the-ui: ok (delivered)")).to_be_visible()
    await expect(page.get_by_role("cell", name="temporary_failure")).to_be_visible()
    picture = page.locator("img[src^='data:image/svg+xml']")
    await expect(picture).to_have_attribute("alt", re.compile("attempt 2: dns.*data"))
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        await expect(picture).to_be_visible()
        assert await picture.evaluate("image => image.naturalWidth") > 500
        await page.screenshot(path=SCREENSHOTS / f"artifact-{scheme}.png", full_page=True)

    await page.goto(f"{ui}/runs/flow-run/{result.flow_run_id}")
    await expect(page.get_by_text("Delivered", exact=True)).to_be_visible()
    await expect(page.get_by_text(result.sentence)).to_be_visible()
    await page.screenshot(path=SCREENSHOTS / "run.png")


async def test_the_form_explains_its_fields_and_has_no_password_box(ui: str, page: Page, deployed: str) -> None:
    async with get_client() as client:
        deployment = await client.read_deployment_by_name("mail-loop-check/staging")
    await page.goto(f"{ui}/deployments/deployment/{deployment.id}/run")
    await expect(page.get_by_text("The relay that the message is handed to.")).to_be_visible()
    await page.get_by_role("tab", name="Bounce mailbox").click()  # none by default
    for section in (SmtpConfig, ImapConfig, Limits, BounceMailbox):
        for field, about in section.model_fields.items():
            descriptions = page.get_by_text(str(about.description), exact=True)
            if field == "password":
                await expect(descriptions).to_have_count(0)
            else:
                await expect(descriptions.first).to_be_visible()
    await page.get_by_role("tab", name="OAuth 2").first.click()
    for field, about in SenderOAuth.model_fields.items():
        descriptions = page.get_by_text(str(about.description), exact=True)
        if field in secret_fields(SenderOAuth):
            await expect(descriptions).to_have_count(0)
        else:
            await expect(descriptions.first).to_be_visible()
    await expect(page.locator("input[type=password]")).to_have_count(0)
    await page.screenshot(path=SCREENSHOTS / "form.png", full_page=True)


@pytest.mark.long
async def test_the_page_of_a_deployment_lists_its_runs_by_what_became_of_the_message(
    ui: str, page: Page, deployed: str, box: Sandbox
) -> None:
    """As it opens, with no filter touched, though these states have names of ours."""
    delivered = parameters(box, "listed")
    unsent = {**delivered, "smtp": {**delivered["smtp"], "port": free_port()}}
    async with get_client() as client:
        listed = await like_staging(client, "listed", delivered)
        for given in (delivered, unsent):
            run = await client.create_flow_run_from_deployment(listed, parameters=given)
            await until(partial(has_ended, client, run.id), "a run does not end")
    await page.goto(f"{ui}/deployments/deployment/{listed}")
    runs = page.get_by_role("listitem").filter(has=page.get_by_role("link", name="listed"))
    await expect(runs.filter(has_text="Delivered")).to_be_visible()
    await expect(runs.filter(has_text="Unsent")).to_be_visible()
    await page.screenshot(path=SCREENSHOTS / "deployment.png", full_page=True)


async def test_the_form_of_a_loop_without_a_mailbox_can_be_submitted(
    ui: str, page: Page, deployed: str, box: Sandbox
) -> None:
    given = parameters(box, "outbound-by-form")
    given.pop("imap")
    async with get_client() as client:
        outbound = await like_staging(client, "outbound", given)
    await page.goto(f"{ui}/deployments/deployment/{outbound}/run")
    await expect(page.get_by_text("The relay that the message is handed to.")).to_be_visible()
    await page.get_by_role("button", name="Submit").click()
    of_this = DeploymentFilter(id=DeploymentFilterId(any_=[outbound]))
    async with asyncio.timeout(60), get_client() as client:
        while not (runs := await client.read_flow_runs(deployment_filter=of_this)):
            await asyncio.sleep(0.2)  # the page says so for a few seconds only, so the server is asked
    assert [run.parameters["imap"] for run in runs] == [None]
