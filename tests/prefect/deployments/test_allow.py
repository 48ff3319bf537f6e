"""Who adds to the list of a worker: `serve` and `deploy` to that on this machine; for others the lines are said."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from prefect.client.orchestration import get_client

from flows.cli.serve import WORKER, serve
from flows.cli.setup import setup
from flows.server import processes
from tests.prefect.records import ALLOWED, PASSWORD, SOCKETS_LEFT_OPEN
from tests.support.command.run import mail_loop

pytestmark = pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN)

SHIPPED = ["mailbox-password@imap.example.net", "relay-password@relay.example.org"]
LOOP = {
    "smtp": {"host": "relay.test", "username": "u", "password_secret": "r", "tls": "none"}
    | {"from_addr": "a@a.test", "to_addr": "b@b.test", "subject_prefix": "[x]"},
    "imap": {"host": "Box.test", "username": "u", "password_secret": "m"},
    "every": "52w",
}
NEEDED = ["m@box.test", "r@relay.test,clear"]
ELSEWHERE = "A worker hands a secret only to the hosts that its list names. It needs these lines in "


@pytest.fixture
async def loops(deployed: str, tmp_path: Path) -> AsyncIterator[Path]:
    """A fleet of one loop, which is gone from the server in the end."""
    file = tmp_path / "loops.json"
    file.write_text(json.dumps({"loops": {"allowed": LOOP}}), encoding="utf-8")
    yield file
    async with get_client() as client:
        for one in await client.read_deployments():
            if one.name == "allowed":
                await client.delete_deployment(one.id)


async def deploy(url: str, home: Path, *arguments: str | Path, **environment: str) -> list[str]:
    """What `mail-loop deploy` of a user says."""
    own = {"PREFECT_API_URL": url, "PREFECT_HOME": str(home)} | environment
    ended = await mail_loop("deploy", "--fleet", "allowed", *arguments, env=os.environ | own)
    assert ended.code == 0, ended
    return ended.out.splitlines()


def list_of(home: Path) -> list[str]:
    return (home / "secrets.allow").read_text(encoding="utf-8").splitlines()


@pytest.mark.long
def test_serve_adds_what_prefect_yaml_needs_once_removes_nothing_and_starts_a_worker_of_a_former_version_anew(
    deployed: str, home: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a worker knows no list; its record does not say which server it is for."""
    monkeypatch.setenv("SANDBOX_PASSWORD", PASSWORD)
    assert list_of(home)[: len(ALLOWED.splitlines())] == ALLOWED.splitlines()
    assert set(SHIPPED) <= set(list_of(home))
    (home / "secrets.allow").write_text(ALLOWED, encoding="utf-8")
    port = httpx.URL(deployed).port or 80
    serve(home, port)
    said = f"Its worker may hand these secrets to these hosts from now on, by {home}/secrets.allow: {' '.join(SHIPPED)}"
    assert said in capfd.readouterr().out.splitlines()
    assert list_of(home) == ALLOWED.splitlines() + SHIPPED
    former = processes.running(home, WORKER)
    assert former is not None
    record = home / f"{WORKER}.json"
    record.write_text(json.dumps(json.loads(record.read_text(encoding="utf-8")) | {"url": ""}), encoding="utf-8")
    serve(home, port)
    shown = capfd.readouterr().out
    assert "may hand" not in shown
    assert list_of(home) == ALLOWED.splitlines() + SHIPPED
    assert "The worker was one of a former version" in shown
    now = processes.running(home, WORKER)
    assert now is not None
    assert now.pid != former.pid
    variables = Path(f"/proc/{now.pid}/environ").read_bytes().split(b"\0")
    for name, value in {
        "MAIL_LOOP_SECRETS_ALLOW": str(home / "secrets.allow"),
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "tasks",
    }.items():
        assert f"{name}={value}".encode() in variables


@pytest.mark.long
async def test_deploy_to_the_server_of_a_serve_here_adds_to_the_list_of_its_worker(
    deployed: str, home: Path, loops: Path
) -> None:
    """By whatever name of this machine; a dry run only says so."""
    before = list_of(home)
    localhost = deployed.replace("127.0.0.1", "localhost") + "/"
    said = await deploy(localhost, home, "--dry-run", loops)
    assert said[-3:] == [f"these lines would be added to {home}/secrets.allow:", *NEEDED]
    assert list_of(home) == before
    said = await deploy(localhost, home, loops)
    assert said[-1].endswith(f"from now on, by {home}/secrets.allow: {' '.join(NEEDED)}")
    assert list_of(home) == before + NEEDED
    assert (await deploy(deployed, home, loops))[-1] == "fleet allowed: 1 deployment, nothing changed"
    (home / "secrets.allow").write_text("".join(f"{line}\n" for line in before), encoding="utf-8")


@pytest.mark.long
async def test_for_workers_elsewhere_the_lines_are_said(
    deployed: str,
    home: Path,
    loops: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another user's server is elsewhere, too. With a list at hand only those that it lacks."""
    before = list_of(home)
    said = await deploy(deployed, home, loops, XDG_STATE_HOME=str(tmp_path / "another"))
    where = "its file secrets.allow (with the units of deploy/systemd /etc/mail-loop/secrets.allow):"
    assert said[-3:] == [f"{ELSEWHERE}{where}", *NEEDED]
    mine = tmp_path / "mine"
    mine.write_text(f"{NEEDED[0]}\n", encoding="utf-8")
    here = {"XDG_STATE_HOME": str(tmp_path / "another"), "MAIL_LOOP_SECRETS_ALLOW": str(mine)}
    assert (await deploy(deployed, home, loops, **here))[-2:] == [f"{ELSEWHERE}{mine}:", NEEDED[1]]
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another"))
    await asyncio.to_thread(setup)
    assert capfd.readouterr().out.splitlines()[-3:] == [f"{ELSEWHERE}{where}", *SHIPPED]
    assert list_of(home) == before
