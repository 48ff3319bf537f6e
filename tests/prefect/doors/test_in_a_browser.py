"""Pages that a person visits, in a real browser: none but the Prefect UI itself gets at the server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import httpx
import pytest
from playwright.async_api import BrowserContext, Page, expect

from flows.equip import POOL
from tests.prefect.browser import SCREENSHOTS, logged_in, started
from tests.prefect.records import SOCKETS_LEFT_OPEN, login
from tests.support.http_server import Quiet, listening

pytestmark = pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN)

# Asks as a script may that another site has sent, with and without a question beforehand, and says what it got.
PAGE = """<!doctype html><title>a page</title><script>
async function post(path, body, options) {
    const answer = await fetch(API + path, {method: "POST", body: JSON.stringify(body), ...options});
    return await answer.json();
}
async function attack(options) {
    const flow = await post("/flows/", {name: NAME}, options);
    const made = {name: NAME, flow_id: flow.id, work_pool_name: POOL, work_queue_name: "default"};
    return await post("/deployments/", made, options);
}
async function all() {
    const said = [];
    const json = {headers: {"Content-Type": "application/json"}, credentials: "include"};
    for (const options of [json, {...json, credentials: "omit"}, {mode: "no-cors", credentials: "include"}])
        said.push(await attack(options).then(made => "made " + made.id, error => String(error)));
    said.push(await new Promise(told => {
        const socket = new WebSocket(API.replace("http", "ws") + "/events/out", ["prefect"]);
        socket.onopen = () => socket.send(JSON.stringify({type: "auth", token: null}));
        socket.onmessage = message => told("heard " + message.data);
        socket.onclose = () => told("closed");
    }));
    return said;
}
</script>"""


class Folder(Quiet, SimpleHTTPRequestHandler):
    """The files of a folder."""


@pytest.fixture
def elsewhere(server: str, tmp_path: Path) -> Iterator[str]:
    """A page of another origin, which attacks the server."""
    names = {"API": server, "NAME": "from-a-page", "POOL": POOL}
    constants = "".join(f"const {name} = {json.dumps(value)};" for name, value in names.items())
    (tmp_path / "index.html").write_text(f"<script>{constants}</script>{PAGE}", encoding="utf-8")
    with listening(partial(Folder, directory=str(tmp_path))) as port:
        yield f"http://127.0.0.1:{port}/"


async def typed(context: BrowserContext, ui: str) -> Page:
    """The deployments, once a person has typed the login into the one field of the page."""
    page = await context.new_page()
    await page.goto(f"{ui}/deployments")
    await page.get_by_placeholder("admin:pass").fill(":".join(login()))
    await page.get_by_role("button", name="Login").click()
    await expect(page.get_by_text("staging").first).to_be_visible()
    return page


@pytest.mark.long
async def test_the_whole_login_typed_into_the_one_field_shows_the_deployments(
    chromium: str, ui: str, deployed: str
) -> None:
    async with started(chromium) as browser:
        for there in (ui, ui.replace("127.0.0.1", "localhost")):
            page = await browser.new_page()
            await page.goto(f"{there}/deployments")
            await expect(page.locator("input")).to_have_count(1)
            await page.locator("input").fill("wrong")
            await page.get_by_role("button", name="Login").click()
            await expect(page.get_by_text("staging")).to_have_count(0)
            await page.close()
            await typed(await browser.new_context(), there)


async def test_a_page_of_another_origin_makes_no_deployment(
    chromium: str, ui: str, deployed: str, elsewhere: str
) -> None:
    """Not even in the browser of somebody who is logged in, in the window beside it."""
    async with started(chromium) as browser:
        context = await browser.new_context()
        await typed(context, ui)
        page = await context.new_page()
        await page.goto(elsewhere)
        said = await page.evaluate("all()")
    assert [text.startswith("TypeError: Failed to fetch") for text in said[:2]] == [True, True], said
    assert said[2:] == ["SyntaxError: Unexpected end of input", "closed"]
    async with httpx.AsyncClient(base_url=deployed, auth=login()) as client:
        body = {"deployments": {"name": {"any_": ["from-a-page"]}}}
        assert (await client.post("/deployments/filter", json=body)).json() == []


async def test_a_host_name_that_was_made_to_lead_here_is_refused(chromium: str, ui: str, deployed: str) -> None:
    """So that a page of that name, which is then of the same origin as the server, gets nothing from it."""
    async with started(chromium, "--host-resolver-rules=MAP evil.test 127.0.0.1") as browser:
        page = await browser.new_page(storage_state=logged_in())
        port = httpx.URL(deployed).port
        for path in ("/v2/deployments", "/ui-settings", "/api/health", "/api/version"):
            answer = await page.goto(f"http://evil.test:{port}{path}")
            assert answer is not None
            assert answer.status == 400
            assert await answer.text() == "Invalid host header"
        await page.screenshot(path=SCREENSHOTS / "rebound.png")
