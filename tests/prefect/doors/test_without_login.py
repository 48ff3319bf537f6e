"""What the Prefect server that `mail-loop serve` starts says to those who have no login, or another Host."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from flows.equip import POOL, ROOT
from tests.prefect.doors import upgrades
from tests.prefect.records import PATIENCE, SOCKETS_LEFT_OPEN, login
from tests.support.checks.bounds import PROGRAM_SECONDS

pytestmark = pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN)

HOSTS = ["evil.test", "127.0.0.1.evil.test", "localhost.evil.test:{port}", "evil.test:{port}", "192.0.2.1:{port}"]
# The routes of Prefect's own server, as it makes them: method, or WEBSOCKET, and path.
ROUTES = """
import json
from prefect.server.api.server import API_ROUTERS, create_app
found = []
def walk(routes, prefix=""):
    for route in routes:
        methods = ["WEBSOCKET"] if "WebSocket" in type(route).__name__ else getattr(route, "methods", None) or ["GET"]
        if hasattr(route, "path"):
            found.extend([method, prefix + route.path] for method in methods)
        if hasattr(route, "app") and hasattr(route.app, "routes"):
            walk(route.app.routes, prefix + route.path)
walk(create_app(ignore_cache=True).routes)
for router in API_ROUTERS:
    walk(router.routes, "/api")
print(json.dumps(sorted(map(list, {tuple(one) for one in found}))))
"""


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    env = {"PREFECT_HOME": str(tmp_path_factory.mktemp("routes")), "PATH": "/usr/bin:/bin", "DO_NOT_TRACK": "1"}
    done = subprocess.run(
        [sys.executable, "-c", ROUTES], env=env, capture_output=True, text=True, check=True, timeout=PROGRAM_SECONDS
    )
    return [(method, path) for method, path in json.loads(done.stdout.splitlines()[-1])]


def root_of(server: str) -> str:
    return server.removesuffix("/api")


def port_of(server: str) -> int:
    return httpx.URL(server).port or 80


def filled(path: str) -> str:
    """The path of a route with something in place of its parameters."""
    return re.sub(r"\{\w+(:\w+)?\}", str(uuid4()), path)


def listed() -> set[str]:
    """The paths that SECURITY.md says are answered without the login."""
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    section = text.partition("## What answers without a login")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE)
    return {path for row in rows for path in re.findall(r"`([^`]+)`", row)}


@pytest.mark.long
async def test_what_answers_without_a_login_is_what_is_listed(server: str, routes: list[tuple[str, str]]) -> None:
    """Each route of the server is asked, and the pages of the UI. A file of the UI stands for all of them."""
    asked = {
        *((method, path) for method, path in routes if method != "WEBSOCKET" and path),
        ("GET", "/"),
        ("GET", "/v2/"),
    }
    assert len(asked) > 150
    answered: dict[str, int] = {}
    async with httpx.AsyncClient(base_url=root_of(server), timeout=60) as client:
        described = (await client.get("/openapi.json")).json()["paths"]
        assert {f"/api{path}" for path in described} <= {re.sub(r":\w+}", "}", path) for _, path in asked}
        page = (await client.get("/v2/", headers={"Accept": "text/html"})).text
        assets = re.findall(r'(?:src|href)="(/v2/assets/[^"]+)"', page)
        assert (await client.get(assets[0])).status_code == 200
        for method, path in sorted(asked):
            status = (await client.request(method, filled(path))).status_code
            if status not in (401, 404, 405):
                answered[path] = status
    assert answered == dict.fromkeys(listed(), 200)


async def test_no_websocket_is_opened_without_the_login(server: str, routes: list[tuple[str, str]]) -> None:
    """Neither by who does not speak of logins nor by who has a wrong one; one with the login stays open."""
    paths = [filled(path) for method, path in routes if method == "WEBSOCKET"]
    assert len(paths) > 3
    port, (user, password) = port_of(server), login()
    for path in paths:
        assert await upgrades.status(port, path, f"127.0.0.1:{port}") == 403, path
        assert await upgrades.closes(port, path, None) == 1008, path
        assert await upgrades.closes(port, path, "admin:wrong") == 1008, path
    assert await upgrades.closes(port, "/api/events/in", f"{user}:{password}") == 0


@pytest.mark.parametrize("host", HOSTS)
async def test_a_foreign_host_is_refused_whatever_is_asked_and_by_whom(server: str, host: str) -> None:
    """With 400, and the login does not help: it is the browser of somebody who has it that must not be led here."""
    port = port_of(server)
    there = host.format(port=port)
    async with httpx.AsyncClient(base_url=root_of(server), headers={"Host": there}, auth=login()) as client:
        for path in ("/", "/v2/", "/ui-settings", "/openapi.json", "/api/health", "/api/version"):
            assert (await client.get(path)).status_code == 400, path
        assert (await client.post("/api/deployments/filter", json={})).status_code == 400
    for more in ((), ("Sec-WebSocket-Protocol: prefect",)):
        assert await upgrades.status(port, "/api/events/in", there, *more) == 400


@pytest.mark.parametrize(
    "host", ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST:{port}", "[::1]:{port}", "localhost"]
)
async def test_its_own_names_are_taken_and_so_is_a_tunnel_to_it(server: str, host: str) -> None:
    there = host.format(port=port_of(server))
    async with httpx.AsyncClient(base_url=root_of(server), headers={"Host": there}, auth=login()) as client:
        assert (await client.get("/api/version")).status_code == 200
    assert await upgrades.status(port_of(server), "/api/events/in", there, "Sec-WebSocket-Protocol: prefect") == 101


async def test_only_its_own_pages_may_read_its_answers(server: str) -> None:
    port = port_of(server)
    own = [f"http://127.0.0.1:{port}", f"http://localhost:{port}"]
    async with httpx.AsyncClient(base_url=root_of(server), auth=login()) as client:
        for origin in (*own, "http://evil.test", f"http://127.0.0.1:{port + 1}", f"https://localhost:{port}", "null"):
            allowed = [origin] if origin in own else []
            plain = await client.get("/api/version", headers={"Origin": origin})
            assert plain.headers.get_list("access-control-allow-origin") == allowed
            asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
            before = await client.options("/api/deployments/", headers=asked)
            assert before.headers.get_list("access-control-allow-origin") == allowed


async def attack(client: httpx.AsyncClient, script: str) -> list[int]:
    """A deployment of the attacker's in our pool, and a run of it; returns the status codes."""
    codes = []

    async def post(path: str, body: dict[str, Any]) -> Any:
        while (answer := await client.post(path, json=body)).status_code == 503:  # SQLite is busy: as any client of its
            await asyncio.sleep(0.5)
        codes.append(answer.status_code)
        return answer.json().get("id", str(uuid4()))

    flow = await post("/flows/", {"name": "attack"})
    step = {"prefect.deployments.steps.run_shell_script": {"script": script}}
    deployment = {"name": "attack", "flow_id": flow, "work_pool_name": POOL, "work_queue_name": "default"}
    deployment |= {"pull_steps": [step], "entrypoint": "none.py:none"}
    made = await post("/deployments/", deployment)
    await post(f"/deployments/{made}/create_flow_run", {"state": {"type": "SCHEDULED"}})
    return codes


async def test_nobody_without_the_login_can_have_the_worker_run_a_program(deployed: str, tmp_path: Path) -> None:
    """The same, by somebody who has it, is run: that is what the login is for."""
    stolen = tmp_path / "stolen"
    script = f"""bash -c 'echo "$SANDBOX_PASSWORD" >{stolen}'"""
    async with httpx.AsyncClient(base_url=deployed) as client:
        assert await attack(client, script) == [401, 401, 401]
    async with httpx.AsyncClient(base_url=deployed, auth=login()) as client:
        found = (await client.post("/deployments/filter", json={"deployments": {"name": {"any_": ["attack"]}}})).json()
        assert found == []
        assert not stolen.exists()
        assert await attack(client, script) == [201, 201, 201]
        async with asyncio.timeout(PATIENCE):
            while not stolen.exists():
                await asyncio.sleep(0.2)
        (own,) = (await client.post("/deployments/filter", json={"deployments": {"name": {"any_": ["attack"]}}})).json()
        await client.delete(f"/deployments/{own['id']}")
