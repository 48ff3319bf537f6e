"""Debian's Prometheus as a child process, and the exporter beside it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.support.servers.processes import HOST, Child, Endpoint, Server

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
PATIENCE = 40.0  # seconds until what is written and read in its own time must be there

Series = dict[tuple[tuple[str, str], ...], float]


class Prometheus(Server):
    """Scrapes the exporter every two seconds, and evaluates our rules as often; keeps nothing."""

    def __init__(self, home: Path, port: int, target: str) -> None:
        shutil.copy(DEPLOY / "prometheus" / "rules.yml", home / "rules.yml")
        config = (DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
        config = config.replace("127.0.0.1:9797", target).replace("30s", "2s")
        (home / "prometheus.yml").write_text(config, encoding="utf-8")
        self.url = f"http://{HOST}:{port}"
        argv = [
            "prometheus",
            f"--config.file={home / 'prometheus.yml'}",
            f"--storage.tsdb.path={home / 'data'}",
            f"--web.listen-address={HOST}:{port}",
            "--log.level=warn",
        ]
        super().__init__(home, argv, [Endpoint(HOST, port)])

    async def ready(self) -> None:
        """Wait until it answers: HTTP servers do not greet."""
        async with httpx.AsyncClient() as client:
            for _ in range(int(PATIENCE * 20)):
                assert self.running, self._complaint()
                try:
                    if (await client.get(f"{self.url}/-/ready")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.05)
        raise AssertionError(self._complaint())

    async def get(self, path: str, **parameters: str) -> Any:
        async with httpx.AsyncClient() as client:
            response = await client.get(f"{self.url}/api/v1/{path}", params=parameters)
        answer = response.json()
        assert answer["status"] == "success", (parameters, answer)
        return answer["data"]

    async def query(self, expression: str) -> Series:
        """The values of an instant query, by their labels."""
        found = (await self.get("query", query=expression))["result"]
        return {tuple(sorted(one["metric"].items())): float(one["value"][1]) for one in found}

    async def until(self, expression: str, *, empty: bool = False) -> Series:
        """What a query gives as soon as it gives something, or nothing."""
        for _ in range(int(PATIENCE * 5)):
            found = await self.query(expression)
            if bool(found) is not empty:
                return found
            await asyncio.sleep(0.2)
        raise AssertionError(f"{expression} still gives {found or 'nothing'}")


class Exporter:
    """`mail-loop exporter` as a child process."""

    def __init__(self, home: Path, port: int, api: str, *arguments: str) -> None:
        self.address = f"{HOST}:{port}"
        self._home, self._api = home, api
        self._argv = [
            sys.executable, "-m", "flows.cli.main", "exporter", "--port", str(port), "--interval", "0.5", *arguments
        ]  # fmt: skip
        self._child: Child | None = None

    def start(self) -> None:
        own = {"PREFECT_API_URL": self._api, "PREFECT_HOME": str(self._home), "PYTHONPATH": str(ROOT)}
        own["XDG_STATE_HOME"] = os.environ["XDG_STATE_HOME"]  # where the login is found
        self._child = Child(self._argv, self._home / "exporter.log", own)

    def stop(self) -> int:
        """End it as systemd does; returns its exit code."""
        assert self._child is not None
        self._child.stop()
        return self._child.code

    @property
    def log(self) -> str:
        return (self._home / "exporter.log").read_text(encoding="utf-8")

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        async with httpx.AsyncClient() as client:
            return await client.get(f"http://{self.address}{path}", headers=dict(headers or {}))

    async def until(self, status: int) -> None:
        """Wait until its health is that."""
        for _ in range(int(PATIENCE * 10)):
            try:
                if (await self.get("/healthz")).status_code == status:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
        raise AssertionError(self.log)


def dashboard() -> Any:
    return json.loads((DEPLOY / "grafana" / "mail-loop.json").read_text(encoding="utf-8"))


async def promtool(*arguments: str | Path, said: str = "") -> tuple[int, str]:
    """The exit code of promtool, and what it says to `said` on its standard input."""
    process = await asyncio.create_subprocess_exec(
        "promtool",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "LC_ALL": "C"},
    )
    out, _ = await process.communicate(said.encode())
    return process.returncode or 0, out.decode()
