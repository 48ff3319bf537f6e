"""The work pool: no run has a say in its process, and one that is there is nobody's to overwrite."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolUpdate
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import FlowRun, WorkPool
from prefect.workers.process import ProcessWorker

from flows.cli.serve import serve
from flows.cli.setup import setup
from flows.equip import ensure_pool
from tests.prefect.deployments.runs import PATIENCE, create_run, ended
from tests.prefect.records import SOCKETS_LEFT_OPEN
from tests.support.checks.bounds import PROGRAM_SECONDS
from tests.support.raw.smtp import RawSmtp

pytestmark = pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN)

POOL = "mail-loop"
BEFORE: dict[str, Any] = {"description": "Ours since 2020.", "concurrency_limit": 3, "is_paused": True}
# What a deployment of the former prefect.yaml has.
FORMER = {"stream_output": False, "env": {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}}


def former_template() -> dict[str, Any]:
    """That of `prefect work-pool create mail-loop --type process`, which the former version ran."""
    template: dict[str, Any] = ProcessWorker.get_default_base_job_template()
    return template


async def pool() -> WorkPool:
    async with get_client() as client:
        return await client.read_work_pool(POOL)


def kept(found: WorkPool) -> dict[str, Any]:
    return {name: getattr(found, name) for name in BEFORE}


@asynccontextmanager
async def as_former() -> AsyncIterator[None]:
    """The pool as the former version made it and a user changed it; in the end as it was before."""
    async with get_client() as client:
        before = await client.read_work_pool(POOL)
        changed = WorkPoolUpdate(base_job_template=former_template(), **BEFORE)
        await client.update_work_pool(POOL, changed)
        try:
            yield
        finally:
            fields = {name: getattr(before, name) for name in (*BEFORE, "base_job_template")}
            await client.update_work_pool(POOL, WorkPoolUpdate(**fields))


def by_variables(theirs: Path, prefix: str) -> dict[str, Any]:
    """Job variables by which a run would have a list of its own, or a program; that leaves the file `ran`.

    All at once, for none hides what another does: with a program of theirs there is `ran`, with a list of theirs the
    token is handed out. `prefix` is what the names of variables begin with where they are not nested.
    """
    allowed = "other-service-token@127.0.0.1,clear\n"
    program = f"open({str(theirs / 'ran')!r}, 'w')"
    for file, content in {
        "secrets.allow": allowed,
        "mail-loop/secrets.allow": allowed,
        "prefect/__init__.py": program,
    }.items():
        (theirs / file).parent.mkdir(parents=True, exist_ok=True)
        (theirs / file).write_text(content, encoding="utf-8")
    env = {"MAIL_LOOP_SECRETS_ALLOW": str(theirs / "secrets.allow"), "XDG_STATE_HOME": str(theirs)}
    return {
        "command": shlex.join([sys.executable, "-c", program]),
        "working_dir": str(theirs),
        **({f"{prefix}{name}": value for name, value in env.items()} if prefix else {"env": env}),
    }


@pytest.mark.long
async def test_a_run_sets_neither_env_nor_command_nor_working_dir(deployed: str, tmp_path: Path) -> None:
    """By its own job variables, or by those of a deployment in the pool: they have no effect."""
    addresses = {"from_addr": "a@raw.test", "to_addr": "b@raw.test", "subject_prefix": "[x]"}
    login = {"username": "u", "password_secret": "other-service-token"}
    async with RawSmtp(extensions=["8BITMIME", "AUTH PLAIN"]) as relay:
        smtp = {"host": relay.host, "port": relay.port, "tls": "none", **login, **addresses}

        async def attempt(prefix: str, *, by_deployment: bool) -> tuple[str, bool]:
            """The state that it ends in, and whether a program of the attacker's ran."""
            theirs = tmp_path / f"{prefix}-{by_deployment}"
            variables = by_variables(theirs, prefix)
            given = {"name": "variables", "smtp": smtp, "imap": None}
            if by_deployment:
                run = await create_run(await deployment_with(variables), given)
            else:
                run = await create_run("mail-loop-check/staging", given, job_variables=variables)
            state = (await ended(run)).state
            return str(state.name if state else None), (theirs / "ran").exists()

        attempts = [attempt(prefix, by_deployment=where) for prefix in ("", "env.") for where in (False, True)]
        assert await asyncio.gather(*attempts) == [("Misconfigured", False)] * len(attempts)
        assert relay.credentials == []


async def deployment_with(variables: dict[str, Any]) -> str:
    """The staging deployment once more, with these job variables; returns its name."""
    async with get_client() as client:
        known = await client.read_deployment_by_name("mail-loop-check/staging")
        await client.create_deployment(
            known.flow_id,
            name=(name := f"with-variables-{uuid4()}"),
            entrypoint=known.entrypoint,
            pull_steps=known.pull_steps,
            work_pool_name=known.work_pool_name,
            job_variables=variables,
        )
    return f"mail-loop-check/{name}"


@pytest.mark.long
async def test_a_run_of_a_deployment_of_the_former_version_has_the_settings_of_the_worker(deployed: str) -> None:
    """Its own env is ignored, and it runs."""
    run: FlowRun = await ended(await create_run(await deployment_with(FORMER), {"name": "former", "smtp": 1}))
    assert run.state is not None
    assert run.state.name == "Misconfigured", run.state
    of_it = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id]))
    until = time.monotonic() + PATIENCE
    async with get_client() as client:
        while not any(log.name.startswith("tasks") for log in await client.read_logs(log_filter=of_it)):
            assert time.monotonic() < until, "what our own modules warn of is not shown with the run"
            await asyncio.sleep(0.2)


async def test_setup_leaves_a_pool_as_it_is_and_says_what_closes_an_open_one(
    deployed: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """What it says to type does so, and leaves limit, description and pause."""
    async with as_former():
        assert await asyncio.to_thread(setup) == 0
        assert kept(await pool()) == BEFORE
        assert (await pool()).base_job_template == former_template()
        (line,) = [line for line in capfd.readouterr().out.splitlines() if "work pool mail-loop is open" in line]
        assert "env, command, working_dir" in line
        command = line.partition("To close it: ")[2]
        assert command.startswith("prefect work-pool update mail-loop --base-job-template ")
        argv = [sys.executable, "-m", *shlex.split(command)]
        await asyncio.to_thread(
            subprocess.run, argv, check=True, capture_output=True, env=environment(deployed), timeout=PROGRAM_SECONDS
        )
        assert kept(await pool()) == BEFORE
        assert await ensure_pool(ours=False) == ""


def environment(url: str) -> dict[str, str]:
    return os.environ | {"PREFECT_API_URL": url}


async def test_setup_makes_a_closed_pool_where_there_is_none(deployed: str, capfd: pytest.CaptureFixture[str]) -> None:
    """`serve` has made this one."""
    found = await pool()
    assert (found.type, found.is_paused, found.concurrency_limit) == ("process", False, None)
    assert found.base_job_template == {
        "job_configuration": {"stream_output": False},
        "variables": {"type": "object", "properties": {}},
    }


async def test_serve_closes_the_pool_of_its_own_server_and_nothing_else_of_it(
    deployed: str, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    closed = (await pool()).base_job_template
    async with as_former():
        port = httpx.URL(deployed).port or 80
        await asyncio.to_thread(serve, home, port)
        assert "The work pool mail-loop was open, and is closed now" in capfd.readouterr().out
        assert kept(await pool()) == BEFORE
        assert (await pool()).base_job_template == closed
        assert await ensure_pool(ours=True) == ""
