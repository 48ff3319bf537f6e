"""A server on SQLite waits briefly for a lock, whatever Prefect has set."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import Pool

from flows.prefect_server import MILLISECONDS, wait_briefly


async def test_each_connection_to_sqlite_waits_briefly_from_its_first_use_on(tmp_path: Path) -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'prefect.db'}", connect_args={"timeout": 60})
    event.listen(Pool, "checkout", wait_briefly)
    try:
        async with engine.connect() as one, engine.connect() as other:
            for connection in (one, other):
                assert (await connection.execute(text("PRAGMA busy_timeout"))).scalar() == MILLISECONDS
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
