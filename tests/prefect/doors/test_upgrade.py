"""What `mail-loop serve` of an earlier version left running, upgraded by the one of today, on the same home."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import expect

from flows.equip import POOL, ROOT, is_open
from flows.server import processes
from flows.server.login import LOGIN_FILE
from flows.server.prefect import SERVER, free_port
from tasks.sandbox import Sandbox
from tests.prefect.browser import started
from tests.prefect.records import PASSWORD, SOCKETS_LEFT_OPEN, USER, count, parameters
from tests.support.checks.bounds import PROGRAM_SECONDS
from tests.support.first_start import FirstStart

pytestmark = [
    pytest.mark.long("upgrade"),
    pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN),
    pytest.mark.asyncio(loop_scope="module"),
]

BEFORE = "1ff1ee9"  # the last version whose servers asked for no login
NAME = "kept"
THEIRS = {"description": "ours to change", "concurrency_limit": 7, "is_paused": False}  # of the work pool
PATIENCE = 180.0  # seconds until a worker must have run a flow, on a busy machine


@dataclass(frozen=True)
class Upgraded:
    """The API, whose home it is, the ids of what was deployed before, what `serve` said, and says when asked again."""

    url: str
    home: Path
    deployment: str
    worker_before: processes.Background
    said: str
    again: str

    @property
    def login(self) -> str:
        return (self.home / LOGIN_FILE).read_text(encoding="utf-8")

    def client(self) -> httpx.AsyncClient:
        user, _, password = self.login.partition(":")
        return httpx.AsyncClient(base_url=self.url, auth=(user, password), timeout=60)


def checked_out(folder: Path) -> Path:
    """The tree of the version before. A clone that is not whole has none: the test is skipped there."""
    done = subprocess.run(
        ["git", "archive", BEFORE], cwd=ROOT, capture_output=True, check=False, timeout=PROGRAM_SECONDS
    )
    if done.returncode != 0:
        reason = f"the commit {BEFORE} is needed: git fetch --unshallow"
        (pytest.fail if os.environ.get("REQUIRE_SERVERS") == "1" else pytest.skip)(reason)
    with tarfile.open(fileobj=BytesIO(done.stdout)) as tree:
        tree.extractall(folder, filter="data")
    return folder


async def told(tree: Path, module: str, *arguments: str, **more: str) -> str:
    """What a command of the version in `tree` says, with nothing of the environment of the tests."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")} | more
    argv = [sys.executable, "-W", "ignore", "-m", module, *arguments]
    run = await asyncio.create_subprocess_exec(
        *argv, cwd=tree, env=env | {"PYTHONPATH": str(tree)}, stdout=asyncio.subprocess.PIPE, stderr=subprocess.STDOUT
    )
    async with asyncio.timeout(PROGRAM_SECONDS):
        out = (await run.communicate())[0].decode()
    assert run.returncode == 0, out
    return out


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def box() -> AsyncIterator[Sandbox]:
    async with Sandbox({USER: PASSWORD}) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upgraded(
    first_start: FirstStart, tmp_path_factory: pytest.TempPathFactory, box: Sandbox
) -> AsyncIterator[Upgraded]:
    folder = tmp_path_factory.mktemp("upgrade")
    tree, home, port = checked_out(folder / "before"), first_start(folder / "home"), free_port()
    url, served = f"http://127.0.0.1:{port}/api", ("serve", "--home", str(home), "--port", str(port))
    (folder / "loop.json").write_text(json.dumps(parameters(box, NAME)), encoding="utf-8")
    try:
        before = await told(tree, "flows.cli", *served, SANDBOX_PASSWORD=PASSWORD)
        assert "Prefect UI: " in before
        await told(tree, "flows.cli", "deploy", str(folder / "loop.json"), PREFECT_API_URL=url)
        worker = processes.running(home, "worker")
        assert worker is not None
        async with httpx.AsyncClient(base_url=url, timeout=60) as nobody:
            assert (await nobody.get("/version")).status_code == 200
            (kept,) = [one for one in await everything(nobody) if one["parameters"].get("name") == NAME]
            while (changed := await nobody.patch(f"/work_pools/{POOL}", json=THEIRS)).status_code == 503:
                await asyncio.sleep(0.5)  # SQLite is busy, and that version does not wait for it
            changed.raise_for_status()
        said = await told(ROOT, "flows.cli.main", *served)
        needed = await told(ROOT, "flows.cli.main", "validate", "--secrets", str(folder / "loop.json"))
        with (home / "secrets.allow").open("a", encoding="utf-8") as allowed:  # as docs/operations.md says
            allowed.write(needed)
        again = await told(ROOT, "flows.cli.main", *served)
        yield Upgraded(url, home, str(kept["id"]), worker, said, again)
    finally:
        for name in ("worker", SERVER):
            processes.stop(home, name)


async def everything(client: httpx.AsyncClient) -> list[dict[str, dict[str, object]]]:
    return list((await client.post("/deployments/filter", json={})).raise_for_status().json())


async def test_the_server_asks_for_a_login_and_knows_its_names(upgraded: Upgraded) -> None:
    async with httpx.AsyncClient(base_url=upgraded.url) as nobody:
        assert (await nobody.get("/version")).status_code == 401
        assert (await nobody.get("/health", headers={"Host": "evil.test"})).status_code == 400
    async with upgraded.client() as client:
        assert (await client.get("/version")).status_code == 200


async def test_it_is_said_once_that_what_ran_was_ended_and_what_to_type(upgraded: Upgraded) -> None:
    ended = "The Prefect server that was running asked for no login: it and its worker are ended, and started anew."
    assert (upgraded.said.count(ended), upgraded.again.count(ended)) == (1, 0)
    assert (upgraded.said.count(upgraded.login), upgraded.again.count(upgraded.login)) == (1, 0)
    for said in (upgraded.said, upgraded.again):
        assert said.count(str(upgraded.home / LOGIN_FILE)) == 2
        assert f"export PREFECT_API_URL={upgraded.url} PREFECT_API_AUTH_STRING=" in said
    assert not upgraded.worker_before.alive
    assert "The worker was running already" in upgraded.again


async def test_the_pool_is_closed_and_all_else_of_it_stays(upgraded: Upgraded) -> None:
    closed = f"The work pool {POOL} was open, and is closed now"
    assert (upgraded.said.count(closed), upgraded.again.count(closed)) == (1, 0)
    async with upgraded.client() as client:
        pool = (await client.get(f"/work_pools/{POOL}")).raise_for_status().json()
    assert not is_open(pool["base_job_template"])
    assert {name: pool[name] for name in THEIRS} == THEIRS


async def test_what_was_deployed_before_runs_with_its_parameters(upgraded: Upgraded, box: Sandbox) -> None:
    """By a worker of today, which has the password that the former one was started with."""
    async with upgraded.client() as client:
        made = await client.post(f"/deployments/{upgraded.deployment}/create_flow_run", json={})
        run = made.raise_for_status().json()["id"]
        async with asyncio.timeout(PATIENCE):
            while (state := await state_of(client, run))["type"] not in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"):
                await asyncio.sleep(0.3)
    assert (state["name"], state["type"]) == ("Delivered", "COMPLETED"), state
    assert count(box, "DATA") >= 1


async def state_of(client: httpx.AsyncClient, run: str) -> Mapping[str, str]:
    return dict((await client.get(f"/flow_runs/{run}")).raise_for_status().json()["state"])


async def test_what_a_person_must_type_is_what_the_page_takes(upgraded: Upgraded, chromium: str) -> None:
    """All of what `serve` says to type, into the field that it names."""
    told_to_type = re.search(r"type (\S+) into the one field of the page;", upgraded.said)
    assert told_to_type is not None
    async with started(chromium) as browser:
        page = await browser.new_page()
        await page.goto(upgraded.url.removesuffix("/api") + "/v2/deployments")
        await expect(page.locator("input")).to_have_count(1)
        await page.locator("input").fill(told_to_type[1])
        await page.get_by_role("button", name="Login").click()
        await expect(page.get_by_text("staging").first).to_be_visible()
