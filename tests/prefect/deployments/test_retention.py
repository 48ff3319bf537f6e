"""What a server of ours keeps by default, and that all the rest goes: with nothing left behind."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_HOME, temporary_settings
from prefect.states import Crashed, Pending

from flows.equip import ROOT
from flows.mail_loop import mail_loop_check
from flows.prefect_api.connection import at
from flows.server import processes
from flows.server.login import OF_CLIENT, known_login
from flows.server.prefect import SERVER, free_port, start_server
from tests.prefect.records import SOCKETS_LEFT_OPEN, leave_connections
from tests.support.checks.bounds import PROGRAM_SECONDS
from tests.support.first_start import FirstStart

pytestmark = [pytest.mark.long("retention"), pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN)]

PATIENCE = 120.0
# Each table with the column by which a row belongs to a run.
OF_A_RUN = {
    "flow_run": "id",
    "flow_run_state": "flow_run_id",
    "task_run": "flow_run_id",
    "task_run_state": "task_run_id",
    "log": "flow_run_id",
    "artifact": "flow_run_id",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("retention")


@pytest.fixture(scope="module")
def server(home: Path, first_start: FirstStart, pytestconfig: pytest.Config) -> Iterator[str]:
    """A server of its own, which looks every few seconds for what may go; an hour would be the default."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DO_NOT_TRACK", "1")
        patch.setenv("PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL", "0.5")
        for service in ("LOOP_SECONDS", "ORPHAN_CLEANUP_LOOP_SECONDS"):
            patch.setenv(f"PREFECT_SERVER_SERVICES_DB_VACUUM_{service}", "3")
        url = start_server(first_start(home), free_port())
        leave_connections(pytestconfig, url)
        try:
            patch.setenv(OF_CLIENT, str(known_login(home)))
            with at(url, known_login(home)), temporary_settings({PREFECT_HOME: home}):
                yield url
        finally:
            processes.stop(home, SERVER)


def ask(home: Path, query: str, *values: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(home / "prefect.db", timeout=30)) as database, database:
        return database.execute(query, values).fetchall()


def rows_of(home: Path, run: UUID, task_runs: Iterable[str]) -> dict[str, int]:
    """How many rows there are of a run, by table."""
    ids = {name: [str(run)] for name in OF_A_RUN} | {"task_run_state": [*task_runs]}
    return {
        name: sum(
            ask(home, f"SELECT count(*) FROM {name} WHERE replace({column}, '-', '') = ?", one.replace("-", ""))[0][0]
            for one in ids[name]
        )
        for name, column in OF_A_RUN.items()
    }


def task_runs_of(home: Path, run: UUID) -> list[str]:
    query = "SELECT id FROM task_run WHERE replace(flow_run_id, '-', '') = ?"
    return [row[0] for row in ask(home, query, run.hex)]


def let_days_pass(home: Path, run: UUID, days: int) -> None:
    """Put the end of a run back."""
    moment = f"strftime('%Y-%m-%d %H:%M:%f000', end_time, '-{days} days')"
    ask(home, f"UPDATE flow_run SET end_time = {moment} WHERE replace(id, '-', '') = ?", run.hex)


async def until(what: Any, failure: str) -> None:
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end, failure
        await asyncio.sleep(0.2)


def runs_of(server: str, home: Path, *keys: str) -> list[UUID]:
    """One run for each key, which leaves something in every table."""
    environment = os.environ | {"PREFECT_API_URL": server, "PREFECT_HOME": str(home), "DO_NOT_TRACK": "1"}
    argv = [sys.executable, "-W", "ignore", "-m", "tests.prefect.deployments.leavings", *keys]
    done = subprocess.run(
        argv, env=environment, cwd=ROOT, capture_output=True, text=True, check=True, timeout=PROGRAM_SECONDS
    )
    return [UUID(line) for line in done.stdout.split()]


async def unbegun() -> FlowRun:
    """A run that was taken, and never had a process."""
    async with get_client() as client:
        run = await client.create_flow_run(mail_loop_check)
        await client.set_flow_run_state(run.id, Pending())
        await client.set_flow_run_state(run.id, Crashed())
    return run


async def test_runs_go_after_90_days_with_all_that_belongs_to_them_and_younger_ones_stay(
    server: str, home: Path
) -> None:
    old, young, gone = runs_of(server, home, "kept", "kept", "gone")
    never = await unbegun()
    await until(lambda: all(rows_of(home, run, task_runs_of(home, run))["log"] for run in (old, young)), "no log")
    tasks = {run: task_runs_of(home, run) for run in (old, young, gone)}
    before = {run: rows_of(home, run, tasks[run]) for run in (old, young)}
    assert all(count > 0 for rows in before.values() for count in rows.values())
    let_days_pass(home, young, 89)
    for run in (old, gone, never.id):
        let_days_pass(home, run, 91)
    await until(
        lambda: not any(rows_of(home, run, tasks[run])[name] for run in (old, gone) for name in OF_A_RUN), "they stay"
    )
    await until(lambda: not rows_of(home, never.id, [])["flow_run"], "what never began stays")
    await until(lambda: not ask(home, "SELECT 1 FROM artifact_collection WHERE key = 'gone'"), "its last report stays")
    assert rows_of(home, young, tasks[young]) == before[young]
    assert ask(home, "SELECT count(*) FROM artifact_collection WHERE key = 'kept'") == [(1,)]


async def test_events_go_after_7_days_and_younger_ones_stay(server: str, home: Path) -> None:
    counted = "SELECT count(*) FROM events WHERE event = ?"
    runs_of(server, home, "old", "young")
    await until(lambda: all(ask(home, counted, f"retention.{name}") == [(1,)] for name in ("old", "young")), "no event")
    for name, days in (("old", 8), ("young", 6)):
        for table, where in (("events", "event = ?"), ("event_resources", "resource_id = ?")):
            moment = f"strftime('%Y-%m-%d %H:%M:%f000', occurred, '-{days} days')"
            ask(
                home,
                f"UPDATE {table} SET occurred = {moment} WHERE {where}",
                f"retention.{name}" if table == "events" else name,
            )
    await until(lambda: ask(home, counted, "retention.old") == [(0,)], "it stays")
    assert ask(home, counted, "retention.young") == [(1,)]
    assert ask(home, "SELECT count(*) FROM event_resources WHERE resource_id = 'old'") == [(0,)]
