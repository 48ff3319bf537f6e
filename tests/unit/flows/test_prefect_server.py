"""A server on SQLite waits briefly for a lock, whatever Prefect has set."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import Pool

from flows.equip import ROOT
from flows.prefect_server import BUSY_MILLISECONDS, wait_briefly
from tests.support.checks.bounds import PROGRAM_SECONDS


async def test_each_connection_to_sqlite_waits_briefly_from_its_first_use_on(tmp_path: Path) -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'prefect.db'}", connect_args={"timeout": 60})
    event.listen(Pool, "checkout", wait_briefly)
    try:
        async with engine.connect() as one, engine.connect() as other:
            for connection in (one, other):
                assert (await connection.execute(text("PRAGMA busy_timeout"))).scalar() == BUSY_MILLISECONDS
            await one.execute(text("PRAGMA busy_timeout = 1"))
            await one.exec_driver_sql("BEGIN IMMEDIATE")
            await other.execute(text("PRAGMA busy_timeout = 1"))
            with pytest.raises(OperationalError, match="locked"):
                await other.exec_driver_sql("BEGIN IMMEDIATE")
            await one.rollback()
        async with engine.connect() as again:  # one of those, as it was left
            assert (await again.execute(text("PRAGMA busy_timeout"))).scalar() == 1
    finally:
        event.remove(Pool, "checkout", wait_briefly)
        await engine.dispose()


@pytest.mark.parametrize("option", ["--background", "-b", "--workers=2"])
def test_where_hosts_are_to_be_refused_no_server_starts_that_would_not(option: str, tmp_path: Path) -> None:
    """Its processes would be Prefect's own, which look at no Host."""
    env = {"MAIL_LOOP_TRUSTED_HOSTS": "localhost", "PREFECT_HOME": str(tmp_path), "HOME": str(tmp_path)}
    argv = [sys.executable, "-m", "flows.prefect_server", "server", "start", option]
    done = subprocess.run(argv, env=env, cwd=ROOT, capture_output=True, text=True, check=False, timeout=PROGRAM_SECONDS)
    assert done.returncode == 1
    assert done.stderr == (
        "MAIL_LOOP_TRUSTED_HOSTS is for a server of one process: leave out --workers and --background\n"
    )
