"""What servers and strangers send, seen in the Prefect UI in a real browser: text, and nothing that works."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, Request, expect
from prefect.logging.handlers import APILogHandler
from prefect.settings import PREFECT_LOGGING_LEVEL, temporary_settings

from flows.fleet import fleet_check
from flows.mail_loop import mail_loop_check
from flows.through_prefect import result_of
from tasks.mail.config.loop import ImapConfig, Limits, SmtpConfig
from tasks.mail.model.result import LoopResult
from tests.prefect.browser import SCREENSHOTS
from tests.prefect.records import SOCKETS_LEFT_OPEN, Records, login
from tests.support.checks.sample import sampled
from tests.support.mail.hostile import EVIL, FORGED
from tests.support.mail.notices import mail
from tests.support.raw.imap import RawImap
from tests.support.raw.smtp import RawSmtp

pytestmark = pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN)

TEXT = (
    f"**bold** [click](http://{EVIL}/) ![pic](http://{EVIL}/x.png) <img src=//{EVIL}/y.png onerror=window.__evil=1> "
    f"<script>window.__evil=2;alert(2)</script> http://{EVIL}/a www.{EVIL} a@{EVIL} `code` | cell | # heading "
    "\x1b[31mred"
)
SEEN = "**bold** [click](http"  # what a person then reads
LINES = ["one", "", "# heading", "", "| a | b |", "| --- | --- |", "", "```mermaid", "graph TD; A-->B", "```", FORGED]


@dataclass
class Guard:
    """What the browser did that it should not."""

    asked: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def request(self, request: Request) -> None:
        if EVIL in request.url.partition("?")[0]:
            self.asked.append(request.url)


@pytest.fixture
async def guard(page: Page) -> AsyncIterator[Guard]:
    """Watches the page; whatever it shows, nothing of this must have happened."""
    watching = Guard()

    async def dismiss(dialog: Any) -> None:
        watching.dialogs.append(dialog.message)
        await dialog.dismiss()

    page.on("request", watching.request)
    page.on("dialog", dismiss)
    yield watching
    assert (watching.asked, watching.dialogs) == ([], [])


async def checked(name: str, smtp: RawSmtp, imap: RawImap) -> LoopResult:
    relay = SmtpConfig.model_validate(
        {"host": smtp.host, "port": smtp.port, "tls": "none", "retries": 1, "retry_delay": 0.0}
        | {"from_addr": "probe@raw.test", "to_addr": "box@raw.test", "subject_prefix": "[hostile]"}
    )
    mailbox = ImapConfig.model_validate(
        {"host": imap.host, "port": imap.port, "tls": "none", "username": "box", "password": "in-clear"}
    )
    with temporary_settings({PREFECT_LOGGING_LEVEL: "DEBUG"}):
        state = await mail_loop_check(name, relay, mailbox, Limits(max_wait=5.0), return_state=True)
    await APILogHandler.aflush()
    return await result_of(state)


async def rejected(name: str) -> LoopResult:
    reply = "\r\n".join(f"550-{line}" for line in LINES) + f"\r\n550 {TEXT}\r\n"
    async with RawSmtp({"rcpt": [b"450 4.7.1 " + TEXT.encode() + b"\r\n", reply.encode()]}) as smtp, RawImap() as imap:
        return await checked(name, smtp, imap)


async def bounced(name: str) -> LoopResult:
    said = b" ".join(b"=?utf-8?b?%s?=" % b64encode(TEXT[i : i + 12].encode()) for i in range(0, len(TEXT), 12))

    def bounce(raw: bytes) -> object:
        status = b"Reporting-MTA: dns; %s\n\nFinal-Recipient: rfc822; x@y\nAction: failed\nStatus: 5.0.0\n" % said
        return imap.append(
            mail(
                b"Return-Path: <>\nFrom: %s <MAILER-DAEMON@raw.test>\nSubject: %s" % (said, said),
                b'MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary="x"\n',
                b"--x\nContent-Type: text/plain\n\nsorry\n--x\nContent-Type: message/delivery-status\n",
                status + b"Diagnostic-Code: smtp; 550 %s\n" % said,
                b"--x\nContent-Type: message/rfc822\n\n" + raw.replace(b"\r\n", b"\n") + b"\n--x--\n",
            )
        )

    async with RawSmtp() as smtp, RawImap() as imap:
        smtp.deliver = bounce
        return await checked(name, smtp, imap)


async def junked(name: str) -> LoopResult:
    """In a junk folder whose name is hostile."""
    wire = TEXT.replace("\x1b", "").replace("&", "&-")
    async with RawSmtp() as smtp, RawImap() as imap:
        quoted = wire.replace("\\", "\\\\").replace('"', '\\"')
        imap.folders = {"INBOX": [], quoted: [], wire: []}
        imap.folders[quoted] = imap.folders[wire]
        imap.special = {quoted: "\\Junk"}
        smtp.deliver = lambda raw: imap.append(raw, wire)
        return await checked(name, smtp, imap)


CHECKS: dict[str, tuple[Callable[[str], Awaitable[LoopResult]], str]] = {
    "rejected": (rejected, "error (rejected)"),
    "bounced": (bounced, "error (bounced)"),
    "junked": (junked, "warning (junked)"),
}


async def assert_only_text(page: Page, guard: Guard) -> None:
    """Nothing on the page is a stranger's, except characters."""
    await page.wait_for_timeout(500)  # milliseconds; what works by itself has worked by then
    assert await page.evaluate("window.__evil") is None
    for selector in (f'a[href*="{EVIL}"]', f'[src*="{EVIL}"]', "a[href^='javascript:']", "a[href^='mailto:']"):
        assert await page.locator(selector).count() == 0, selector
    for tag in ("strong", "b", "em", "h1", "h2", "h3", "h4", "code", "a", "td"):
        for text in await page.locator(tag).all_inner_texts():
            assert text.strip() not in ("bold", "heading", "click", "pic", "code", "cell"), (tag, text)
    assert await page.locator(".mermaid, [id^=mermaid]").count() == 0
    assert (guard.asked, guard.dialogs) == ([], [])


@pytest.mark.parametrize("outcome", sampled(CHECKS, 1))
async def test_hostile_text_is_text_on_every_page(
    outcome: str, ui: str, page: Page, guard: Guard, records: Records
) -> None:
    """The artifact; the run with its log and its state; the history of the loop; the list of runs; the event."""
    check, verdict = CHECKS[outcome]
    name = f"hostile-{outcome}"
    result = await check(name)
    assert result.outcome == outcome
    assert SEEN in result.sentence
    (artifact,) = await records.artifacts(f"mail-loop-{name}")
    log = await records.log(result)
    assert SEEN in log
    assert [line for line in log.split("\n") if not line.isprintable() or line.startswith(FORGED)] == []
    run = f"{ui}/runs/flow-run/{result.flow_run_id}"

    await page.goto(f"{ui}/artifacts/artifact/{artifact['id']}")
    await expect(page.locator("strong", has_text=f"{name}: {verdict}")).to_be_visible()
    await expect(page.get_by_text(SEEN).first).to_be_visible()
    await assert_only_text(page, guard)
    await page.screenshot(path=SCREENSHOTS / f"hostile-{outcome}-artifact.png", full_page=True)

    await page.goto(run)
    await expect(page.get_by_text(SEEN).first).to_be_visible()
    await assert_only_text(page, guard)
    await page.screenshot(path=SCREENSHOTS / f"hostile-{outcome}-run.png", full_page=True)
    if outcome != "rejected":  # of the pages that follow, one kind of run is enough
        return

    await page.get_by_role("tab", name="Details").click()
    await expect(page.get_by_text("State Message")).to_be_visible()
    await assert_only_text(page, guard)

    await page.goto(f"{ui}/artifacts/key/mail-loop-{name}")
    await expect(page.get_by_text(f"{name}: {result.status} ({outcome})")).to_be_visible()
    await assert_only_text(page, guard)

    await page.goto(f"{ui}/runs")
    await expect(page.get_by_text(f"{name} {result.token}").first).to_be_visible()
    await assert_only_text(page, guard)
    await page.screenshot(path=SCREENSHOTS / "hostile-runs.png")

    (event,) = await records.events(name, 1)
    await page.goto(f"{ui}/events/event/{event['occurred'][:10]}/{event['id']}")
    await expect(page.get_by_text("mail-loop.checked").first).to_be_visible()
    await page.get_by_role("tab", name="Raw").click()
    await expect(page.get_by_text("**bold** [click]").first).to_be_visible()
    await assert_only_text(page, guard)
    await page.screenshot(path=SCREENSHOTS / "hostile-event.png")


@pytest.mark.long
async def test_hostile_text_is_text_in_the_table_of_a_fleet(
    ui: str, page: Page, guard: Guard, records: Records
) -> None:
    async with RawSmtp({"rcpt": f"550 {TEXT}\r\n".encode()}) as smtp:
        relay = {"host": smtp.host, "port": smtp.port, "tls": "none", "subject_prefix": "[hostile]"}
        loop = {"smtp": relay | {"from_addr": "probe@raw.test", "to_addr": "box@raw.test"}}
        await fleet_check("hostile", loops={"hostile-in-a-row": loop}, return_state=True)
    (artifact,) = await records.artifacts("mail-loop-fleet-hostile")
    for at in (f"artifacts/artifact/{artifact['id']}", f"runs/flow-run/{artifact['flow_run_id']}"):
        await page.goto(f"{ui}/{at}")
        await expect(page.get_by_text(SEEN).first).to_be_visible()
        await assert_only_text(page, guard)
    await page.goto(f"{ui}/artifacts/artifact/{artifact['id']}")
    await expect(page.get_by_text("hostile-in-a-row").first).to_be_visible()
    await page.screenshot(path=SCREENSHOTS / "hostile-fleet.png", full_page=True)


async def test_the_browser_would_have_shown_and_done_it(ui: str, server: str, page: Page) -> None:
    """Written as it is, the same text is bold, linked, and asks for a picture."""
    guard = Guard()
    page.on("request", guard.request)
    async with httpx.AsyncClient(base_url=server, auth=login()) as client:
        created = await client.post("/artifacts/", json={"key": "as-it-is", "type": "markdown", "data": TEXT})
        artifact = created.raise_for_status().json()
    await page.goto(f"{ui}/artifacts/artifact/{artifact['id']}")
    await expect(page.locator("strong", has_text="bold")).to_be_visible()
    assert await page.locator(f'a[href*="{EVIL}"]').count() > 0
    async with asyncio.timeout(20):
        while not guard.asked:
            await asyncio.sleep(0.1)
    with pytest.raises(AssertionError):
        await assert_only_text(page, guard)
