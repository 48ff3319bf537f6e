"""What the tests send to, and how they read back what Prefect has on record."""

from __future__ import annotations

import asyncio
import base64
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun, TaskRun
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogHandler
from prefect.settings import PREFECT_API_AUTH_STRING
from pydantic import SecretStr

from flows.through_prefect import records_written
from tasks.mail.config.loop import ImapConfig, SmtpConfig
from tasks.mail.model.result import LoopResult
from tasks.sandbox import Sandbox

SOCKETS_LEFT_OPEN = "ignore:unclosed (<socket|transport):ResourceWarning"
"""Prefect leaves connections of its clients to the garbage collector."""

EVENTS_SECONDS = 20.0  # for the events that this process has still to send

USER = "monitor"
PASSWORD = "canary-Pa55-of-the-mailbox"
OTHER_TOKEN = "canary-of-another-service"  # in the worker's environment, and none of its loops' business
SECRETS = (
    *("sandbox-password", "inbound-block", "bounce-block", "no-such-block", "not-there", "is-nowhere"),
    *("no-such-secret", "block-first", "from-environment", "canary-block", "canary-variable"),
    *("u0-password", "u1-password", "u2-password", "u3-password", "own-password", "outside-password"),
    *("repeated-password", "app-refresh"),
)
ALLOWED = "".join(f"{secret}@{host},clear\n" for secret in SECRETS for host in ("localhost", "127.0.0.1"))
"""The list of secrets and hosts that runs here have, in this process and by the worker."""

PATIENCE = 30.0  # seconds until a record that the server writes in its own time must be there


def smtp(box: Sandbox, **changes: Any) -> SmtpConfig:
    """The relay of the sandbox."""
    fields: dict[str, Any] = {
        "host": box.host,
        "port": box.smtp_port,
        "ca_file": box.ca_file,
        "username": USER,
        "password": SecretStr(PASSWORD),
        "from_addr": "probe@sandbox.test",
        "to_addr": f"{USER}@sandbox.test",
        "subject_prefix": "[mail-loop test]",
        "retry_delay": 0.0,
    }
    return SmtpConfig.model_validate(_changed(fields, changes))


def imap(box: Sandbox, **changes: Any) -> ImapConfig:
    """The mailbox of the sandbox."""
    fields: dict[str, Any] = {
        "host": box.host,
        "port": box.imaps_port,
        "ca_file": box.ca_file,
        "username": USER,
        "password": SecretStr(PASSWORD),
        "retry_delay": 0.0,
    }
    return ImapConfig.model_validate(_changed(fields, changes))


def parameters(box: Sandbox, name: str) -> dict[str, Any]:
    """The form of a deployment, filled in for the sandbox; the worker knows its password."""
    server = {"host": box.host, "ca_file": box.ca_file, "username": USER, "password_secret": "sandbox-password"}
    addresses = {"from_addr": "probe@sandbox.test", "to_addr": f"{USER}@sandbox.test"}
    return {
        "name": name,
        "smtp": {**server, **addresses, "port": box.smtp_port, "subject_prefix": "[mail-loop test]"},
        "imap": {**server, "port": box.imaps_port},
        "limits": {"max_wait": 20},
    }


def _changed(fields: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    if "password_secret" in changes:
        del fields["password"]
    return fields | changes


def count(box: Sandbox, verb: str) -> int:
    """How often the sandbox saw an SMTP command."""
    return sum(command.split()[0] == verb for command in box.commands)


def leave_connections(config: pytest.Config, url: str) -> None:
    """Bear with what Prefect leaves open to this server: a thread of its may let go of it in any later test."""
    where = rf"raddr=\('127\.0\.0\.1', {httpx.URL(url).port}\)"
    config.addinivalue_line("filterwarnings", f"ignore:unclosed <socket.*{where}:ResourceWarning")


def forget_server() -> None:
    """Have this process send its events elsewhere from now on: Prefect's worker for them keeps its first connection."""
    EventsWorker.drain_all(timeout=EVENTS_SECONDS)


@dataclass(frozen=True)
class Records:
    """The records of the Prefect server at `url`."""

    url: str

    async def flow_run(self, result: LoopResult) -> FlowRun:
        async with get_client() as client:
            return await client.read_flow_run(run_id(result))

    async def task_runs(self, result: LoopResult) -> list[TaskRun]:
        """The task runs, once the server knows how they ended."""
        await records_written([result])
        async with get_client() as client:
            return await client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run_id(result)])))

    async def log(self, result: LoopResult) -> str:
        """All that the flow run and its task runs have logged."""
        await APILogHandler.aflush()
        body = {"logs": {"flow_run_id": {"any_": [str(run_id(result))]}}, "sort": "TIMESTAMP_ASC"}
        return "\n".join(record["message"] for record in await self._post("logs/filter", body))

    async def artifacts(self, key: str) -> list[dict[str, Any]]:
        return list(await self._post("artifacts/filter", {"artifacts": {"key": {"any_": [key]}}}))

    async def events(self, loop: str, expected: int) -> list[dict[str, Any]]:
        """The events of a loop, once there are as many as expected: the server writes them in its own time."""
        return await self._events({"resource": {"id": [f"mail-loop.loop.{loop}"]}}, "mail-loop.checked", expected)

    async def arrivals(self, flow_run_id: str, expected: int) -> list[dict[str, Any]]:
        """What a run's own page shows of its probe's arrival, told by later runs."""
        related = {"any_resource": {"id": [f"prefect.flow-run.{flow_run_id}"]}}
        return await self._events(related, "mail-loop.arrived", expected)

    async def _events(self, where: dict[str, Any], name: str, expected: int) -> list[dict[str, Any]]:
        body = {"filter": {**where, "event": {"name": [name]}}}
        until = time.monotonic() + PATIENCE
        while len(found := (await self._post("events/filter", body))["events"]) < expected:
            assert time.monotonic() < until, f"{len(found)} events {name} where {where}"
            await asyncio.sleep(0.1)
        return list(found)

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        async with httpx.AsyncClient(auth=login()) as client:
            response = await client.post(f"{self.url}/{path}", json=body)
        return response.raise_for_status().json()


def login() -> tuple[str, str]:
    """What the configured server wants to see, for httpx."""
    user, _, password = str(PREFECT_API_AUTH_STRING.value()).partition(":")
    return user, password


def configured(url: str) -> dict[str, str]:
    """The environment of a command that talks to this server, without a folder of state to find its login in."""
    return {"PREFECT_API_URL": url, "PREFECT_API_AUTH_STRING": str(PREFECT_API_AUTH_STRING.value())}


def run_id(result: LoopResult) -> UUID:
    assert result.flow_run_id is not None
    return UUID(result.flow_run_id)


def places_of(secret: str, home: Path) -> list[str]:
    """Where a secret stands in clear or in base64: columns of the database, files under `home`."""
    needles = {secret.encode(), *_base64(secret.encode())}
    return [
        *(where for where, data in columns(home / "prefect.db") if any(needle in data for needle in needles)),
        *(
            str(path.relative_to(home))
            for path in home.rglob("*")
            if path.is_file() and any(needle in path.read_bytes() for needle in needles)
        ),
    ]


def _base64(secret: bytes) -> Iterator[bytes]:
    """The part of its base64 that does not depend on what stands around it, for each of the three alignments."""
    for shift in range(3):
        yield base64.b64encode(b"\0" * shift + secret)[4 if shift else 0 : -4]


def columns(database: Path) -> Iterator[tuple[str, bytes]]:
    """Every value in the database, with its table and column."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            rows = connection.execute(f'SELECT * FROM "{table}"')
            names = [column[0] for column in rows.description]
            for row in rows:
                for column, value in zip(names, row, strict=True):
                    yield f"{table}.{column}", value if isinstance(value, bytes) else str(value).encode()
    connection.close()
