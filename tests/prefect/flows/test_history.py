"""The history of loops, read back from a real Prefect server, and looked at in a real browser."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.flows import load_flow_from_entrypoint
from prefect.states import Cancelled, Completed, Crashed, Failed, Running, Scheduled
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools.validation import validate

from flows import history
from flows.equip import ROOT
from tasks.alerts.rules import TRIAL
from tasks.history.figures import Figures, Window, window
from tasks.history.record import embedded, extracted
from tasks.history.report import history_html
from tasks.mail.config.loop import Limits
from tasks.mail.model.outcome import Outcome, Placement, Status
from tasks.mail.model.result import LoopResult
from tasks.mail.report.report import markdown
from tasks.pages import PAGE_SIZE
from tasks.sandbox import Sandbox, Script
from tests.prefect.browser import SCREENSHOTS
from tests.prefect.records import SOCKETS_LEFT_OPEN, Records
from tests.support.checks.checks_on_record import HOUR, check, misconfigured, record, run_in
from tests.support.checks.deployments import DEPLOYMENTS

pytestmark = pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN)

DAMAGED = "**ok: delivered**\n\n<!-- mail-loop-result {damaged -->\n"


async def read(name: str, period: Window | None = None) -> Figures:
    """The history of one loop in the last hour."""
    (figures,) = await history.read_figures(period or window("1h", datetime.now(UTC) + timedelta(seconds=2)), name)
    assert figures.loop == name
    return figures


async def test_the_checks_of_a_loop_come_back_as_its_figures(box: Sandbox, server: str, name: str) -> None:
    """Sent through the mail system with seven outcomes; what says nothing about the mail is told apart."""
    results = [
        await check(box, name),
        await check(box, name, Script(delay=0.6), limits=Limits(warn_after=0.1, max_wait=20.0)),
        await check(box, name, Script(deliver_to="Junk")),
        await check(box, name, Script(rcpt=["550 5.1.1 No such user"])),
        await check(box, name, Script(deliver_to=None), limits=Limits(max_wait=1.0)),
        await check(box, name, Script(copies=2)),
        await misconfigured(name),
    ]
    assert [str(result.outcome) for result in results] == [
        "delivered",
        "late",
        "junked",
        "rejected",
        "lost",
        "duplicated",
        "misconfigured",
    ]
    figures = await read(name)
    assert [found.outcome for found in figures.checks] == [result.outcome for result in results]
    assert (figures.availability, figures.coverage) == (4 / 6, 6 / 7)
    assert figures.without_verdict == {"misconfigured": 1}
    times = sorted(result.delivery_seconds for result in results if result.delivery_seconds is not None)
    assert sorted(figures.delivery) == times
    assert figures.delivery_percentile(50) == times[1]
    assert figures.lost == 1
    (outage,) = figures.outages
    assert (outage.since, outage.until) == (results[3].sent_at, results[5].sent_at)
    assert (outage.checks, outage.cause, outage.sentence) == (2, "rejected at rcpt", results[3].sentence)
    assert {place.value: place.count for place in figures.places} == {
        ("INBOX", Placement.EXPECTED): 3,
        ("Junk", Placement.JUNK): 1,
    }


async def test_runs_without_a_readable_artifact_are_not_forgotten(server: str, name: str) -> None:
    """What a state tells counts; what it does not is no verdict, and lowers the coverage alone."""
    now = datetime.now(UTC)
    await run_in(name, Completed(name="Delivered", message="Mail gets through."))
    await run_in(name, Completed(name="Delivered", message="Mail gets through."), [DAMAGED])
    await run_in(name, Completed(name="Late", message="Mail is slow."), ["**warning: late**\n"])
    await run_in(name, Failed(name="Lost", message="Mail does not arrive."))
    await run_in(name, Crashed(message="The worker died."))
    await run_in(name, Cancelled(message="Deployment concurrency limit reached."))
    await run_in(name, Cancelled(name="Skipped", message="Nothing was sent."))
    await run_in(name, Scheduled(scheduled_time=now - 2 * HOUR))
    await run_in(name, Scheduled(scheduled_time=now + HOUR))
    await run_in(name, Running())
    figures = await read(name, window("3h", datetime.now(UTC) + timedelta(seconds=2)))
    assert figures.outcomes == {"delivered": 2, "late": 1, "lost": 1}
    assert figures.without_verdict == {"never started": 1, "crashed": 1, "cancelled": 1, "skipped": 1}
    assert (figures.availability, figures.coverage) == (0.75, 0.5)


async def test_a_run_that_was_retried_by_hand_counts_as_often_as_it_checked(server: str, name: str) -> None:
    lost = LoopResult(loop=name, status=Status.ERROR, outcome=Outcome.LOST, sentence="It was lost.")
    late = LoopResult(loop=name, status=Status.WARNING, outcome=Outcome.LATE, sentence="It was late.")
    await run_in(
        name, Completed(name="Late"), [f"{markdown(result, {})}\n{embedded(result)}" for result in (lost, late)]
    )
    assert (await read(name)).outcomes == {"lost": 1, "late": 1}


@pytest.mark.long
async def test_more_runs_than_a_page_holds_are_all_read_once(server: str, name: str) -> None:
    """Of runs and of artifacts, while further ones are made: none is missed, and none is counted twice."""
    expected = [n / 100 for n in range(PAGE_SIZE + 50)]

    def artifact(seconds: float) -> str:
        result = LoopResult(
            loop=name, status=Status.OK, outcome=Outcome.DELIVERED, sentence="It came.", delivery_seconds=seconds
        )
        return f"{markdown(result, {})}\n{embedded(result)}\n"

    async with get_client() as client:
        for seconds in expected:
            await record(client, name, Completed(name="Delivered"), 2 * [artifact(seconds)])
    others = asyncio.gather(*(run_in(f"{name}-other", Completed(name="Delivered")) for _ in range(20)))
    figures = await read(name)
    await others
    assert sorted(figures.delivery) == sorted(2 * expected)
    assert [figures.delivery_percentile(p) for p in (50, 95, 99)] == [1.24, 2.37, 2.47]


async def test_the_flow_writes_an_artifact_with_the_pictures(box: Sandbox, records: Records, name: str) -> None:
    await check(box, name)
    await check(box, name, Script(rcpt=["550 5.1.1 No such user"]))
    state: State[Any] = await history.loop_history(name, "1h", return_state=True)
    assert state.type == "COMPLETED"
    assert state.message is not None
    assert state.message.endswith(f": available {name} 50.00 %")
    (artifact,) = await records.artifacts(f"mail-loop-history-{name}")
    assert (artifact["type"], artifact["description"]) == ("markdown", state.message)
    assert artifact["data"].count("](data:image/svg+xml;base64,") == 2
    assert "rejected at rcpt" in artifact["data"]


async def test_without_a_loop_the_artifact_is_about_all_of_them(box: Sandbox, records: Records, name: str) -> None:
    await check(box, f"{name}-a")
    await check(box, f"{name}-b")
    found = await history.loop_history(since="1h")
    assert isinstance(found, list)
    assert {f"{name}-a", f"{name}-b"} <= {figures.loop for figures in found}
    artifacts = await records.artifacts("mail-loop-history")  # a deployment of another test may have made the last one
    assert any(f"\n| {name}" in artifact["data"].replace("&#45;", "-") for artifact in artifacts)


async def test_the_trial_of_the_alerts_counts_for_nobody_who_does_not_ask_for_it(server: str) -> None:
    await run_in(TRIAL, Failed(name="Lost", message="Mail does not arrive."))
    period = window("1h", datetime.now(UTC) + timedelta(seconds=2))
    assert TRIAL not in {figures.loop for figures in await history.read_figures(period)}
    assert [figures.loop for figures in await history.read_figures(period, TRIAL)] == [TRIAL]


async def test_a_wrong_period_ends_misconfigured_with_one_sentence(records: Records, name: str) -> None:
    state: State[Any] = await history.loop_history(name, "a week", return_state=True)
    assert (state.type, state.name) == ("FAILED", "Misconfigured")
    assert state.message == ("since: must be a length of time such as 90m, 24h, 7d or 4w, at most 520w, not 'a week'")
    assert await records.artifacts(f"mail-loop-history-{name}") == []


def test_the_daily_deployment_loads_and_its_parameters_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    (daily,) = (one for one in DEPLOYMENTS if one["entrypoint"] == "flows/history.py:loop_history")
    loaded: Flow[..., object] = load_flow_from_entrypoint(daily["entrypoint"], use_placeholder_flow=False)
    assert loaded.name == "loop-history"
    schema = parameter_schema(loaded).model_dump()
    validate(daily["parameters"], schema, raise_on_error=True)
    for wrong in ({"since": "a week"}, {"loop": "Not A Slug"}):
        assert validate({**daily["parameters"], **wrong}, schema, raise_on_error=False)


@pytest.mark.long
async def test_the_record_in_an_artifact_is_not_shown(
    ui: str, page: Page, box: Sandbox, records: Records, name: str
) -> None:
    """Neither in the new UI of Prefect nor in the old one."""
    result = await check(box, name, Script(rcpt=["550 5.1.1 --> <b>no</b> such user"]))
    (artifact,) = await records.artifacts(f"mail-loop-{name}")
    assert extracted(artifact["data"]) == result
    for address in (
        f"{ui}/artifacts/artifact/{artifact['id']}",
        f"{ui.removesuffix('/v2')}/artifacts/artifact/{artifact['id']}",
    ):
        await page.goto(address)
        await expect(page.get_by_text("such user").first).to_be_visible()
        shown = await page.locator("body").inner_text()
        for part in ("mail-loop-result", "probe_id", "u003c", "<!--", '-->"'):
            assert part not in shown, address
        await page.screenshot(path=SCREENSHOTS / f"record-{'v2' if '/v2/' in address else 'v1'}.png", full_page=True)


@pytest.mark.long
async def test_the_history_is_seen_in_the_ui(ui: str, page: Page, box: Sandbox, records: Records, name: str) -> None:
    for script in (Script(), Script(deliver_to="Junk"), Script(rcpt=["550 5.1.1 No such user"]), Script()):
        await check(box, name, script)
    await history.loop_history(name, "24h")
    (artifact,) = await records.artifacts(f"mail-loop-history-{name}")
    await page.goto(f"{ui}/artifacts/artifact/{artifact['id']}")
    for picture in ("Delivery times", "Calendar of outcomes"):
        image = page.get_by_role("img", name=picture)
        await expect(image).to_be_visible()
        assert await image.evaluate("image => image.complete && image.naturalWidth > 0")
    await page.screenshot(path=SCREENSHOTS / "history-artifact.png", full_page=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_page_is_legible_by_itself_in_a_browser(
    chromium: str, page: Page, box: Sandbox, server: str, name: str, tmp_path: Path, scheme: Any
) -> None:
    """Opened from a file: nothing is fetched, nothing is blocked, no text lies outside, and the pictures follow."""
    for script in (Script(), Script(deliver_to="Junk"), Script(rcpt=["450 4.2.0 later"] * 9), Script()):
        await check(box, name, script, retries=0)
    period = window("24h", datetime.now(UTC) + timedelta(seconds=2))
    file = tmp_path / "history.html"
    file.write_text(history_html([await read(name, period)], period), encoding="utf-8")
    fetched: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: fetched.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    await page.emulate_media(color_scheme=scheme)
    await page.goto(file.as_uri())
    await expect(page.get_by_role("heading", name=name)).to_be_visible()
    assert (fetched, said) == ([file.as_uri()], [])
    grounds = await page.evaluate(
        "[...document.querySelectorAll('svg>rect:first-of-type')].map(r => getComputedStyle(r).fill)"
    )
    assert grounds == [{"light": "rgb(248, 250, 252)", "dark": "rgb(22, 27, 34)"}[scheme]] * 2
    overflowing = """[...document.querySelectorAll('svg')].flatMap(svg => {
        const all = svg.getBoundingClientRect();
        return [...svg.querySelectorAll('text')].filter(text => {
            const box = text.getBoundingClientRect();
            return box.left < all.left || box.right > all.right || box.bottom > all.bottom;
        }).map(text => text.textContent);
    })"""
    assert await page.evaluate(overflowing) == []
    SCREENSHOTS.mkdir(exist_ok=True)
    await page.screenshot(path=SCREENSHOTS / f"history-{scheme}.png", full_page=True)
