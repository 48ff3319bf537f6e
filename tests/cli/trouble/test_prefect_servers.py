"""Prefect servers that want a login, are reached otherwise, are not trusted or are older: one sentence in each command.

`mail-loop check` checks the mail all the same: its exit code is the mail's, and a note says that nothing was recorded.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import prefect
import pytest

from flows.server import processes
from flows.server.prefect import SERVER, free_port, start_server
from tasks.sandbox import Sandbox
from tests.cli.conftest import Command, config, forked, written
from tests.prefect.failures.api import Api
from tests.support import certificates
from tests.support.command.forks import ROOT
from tests.support.first_start import FirstStart

LOGIN = "admin:s3cret-login"
MINOR = ".".join(prefect.__version__.split(".")[:2])
ALERTS = "channels: {pager: {webhook: pager-url}}\nrules: {failing: {when: failing, channels: [pager]}}\n"
COMMANDS = (
    ("setup",),
    ("history",),
    ("deploy", "office.json"),
    ("alerts", "show"),
    ("alerts", "apply"),
    ("alerts", "test", "lost"),
    ("exporter", "--textfile", "mail-loop.prom"),
)


@pytest.fixture(scope="module")
def locked(first_start: FirstStart, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prefect server that wants a login: its API."""
    home = tmp_path_factory.mktemp("server")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_SERVER_API_AUTH_STRING", LOGIN)
        try:
            yield start_server(first_start(home), free_port())
        finally:
            processes.stop(home, SERVER)


@asynccontextmanager
async def answering(port: int, status: str, body: str) -> AsyncIterator[None]:
    """Something that gives every request the same answer."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", port):
        yield


async def said_by_each(mail_loop: Command, box: Sandbox, folder: Path, sentence: str, **env: str) -> None:
    """Each command ends with 3 and this sentence; a check with 0, one message, and the sentence in a note."""
    written(folder, "office", config(box))
    (folder / "alerts.yaml").write_text(ALERTS, encoding="utf-8")
    env["PAGER_URL"] = "http://127.0.0.1:9/"
    *ended, checked = await forked(mail_loop, [*COMMANDS, ("check", "--json", "office.json")], **env)
    for command, one in zip(COMMANDS, ended, strict=True):
        assert (one.code, one.err) == (3, f"mail-loop: {sentence}\n"), (command, one)
    assert checked.code == 0, checked
    (result,) = checked.results
    assert (result["outcome"], result["flow_run_id"]) == ("delivered", None)
    assert result["notes"] == [f"Checked without Prefect, so nothing was recorded: {sentence}"]
    assert checked.err == ""
    assert box.commands.count("DATA") == 1


@pytest.mark.long
async def test_a_login_that_is_missing(locked: str, mail_loop: Command, box: Sandbox, tmp_path: Path) -> None:
    sentence = f"the Prefect server at {locked} wants a login (401): set PREFECT_API_AUTH_STRING to its user:password"
    await said_by_each(mail_loop, box, tmp_path, sentence, PREFECT_API_URL=locked)


@pytest.mark.long
async def test_a_login_that_is_wrong(locked: str, mail_loop: Command, box: Sandbox, tmp_path: Path) -> None:
    sentence = f"the Prefect server at {locked} refuses the login in PREFECT_API_AUTH_STRING (401): correct it"
    wrong = {"PREFECT_API_URL": locked, "PREFECT_API_AUTH_STRING": "admin:no"}
    await said_by_each(mail_loop, box, tmp_path, sentence, **wrong)


async def test_a_url_without_api(locked: str, mail_loop: Command, box: Sandbox, tmp_path: Path) -> None:
    """The login counts only behind it."""
    bare = locked.removesuffix("/api")
    sentence = f"the Prefect server at {bare} is reached with /api: set PREFECT_API_URL={locked}"
    await said_by_each(mail_loop, box, tmp_path, sentence, PREFECT_API_URL=bare)


@pytest.mark.long
async def test_a_ca_that_is_not_trusted(locked: str, mail_loop: Command, box: Sandbox, tmp_path: Path) -> None:
    """And with its CA, and the login, the same server is used: by setup, too."""
    server_tls = certificates.good(tmp_path)
    async with Api(locked, tls=server_tls.context) as api:
        why = "unable to get local issuer certificate"
        sentence = f"the Prefect server at {api.url} has a certificate that is not trusted here ({why}): "
        sentence += "set PREFECT_API_SSL_CERT_FILE to its CA's file"
        await said_by_each(mail_loop, box, tmp_path, sentence, PREFECT_API_URL=api.url)
        right = {"PREFECT_API_SSL_CERT_FILE": server_tls.ca_file, "PREFECT_API_AUTH_STRING": LOGIN}
        right |= {"PREFECT_API_URL": api.url, "warnings": "ignore"}
        done = await mail_loop("setup", **right)
        assert (done.code, done.err) == (0, ""), done
        assert api.url in done.out
        checked = await mail_loop("check", "--json", "office.json", **right)
    assert checked.code == 0, checked
    assert checked.results[0]["flow_run_id"] is not None


@pytest.mark.parametrize("version", ["3.4.25", "2.20.4"])
async def test_a_server_that_is_older(version: str, mail_loop: Command, box: Sandbox, tmp_path: Path) -> None:
    """What is there, and what is needed."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    async with answering(port, "200 OK", f'"{version}"'):
        sentence = f"the Prefect server at {url} is Prefect {version}, and {MINOR} or newer is needed: "
        await said_by_each(mail_loop, box, tmp_path, f"{sentence}upgrade the server", PREFECT_API_URL=url)


async def test_what_is_no_prefect_server(mail_loop: Command, box: Sandbox, tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    async with answering(port, "200 OK", "<html>Welcome</html>"):
        sentence = f"what answers at {url} is no Prefect API: correct PREFECT_API_URL, such as "
        await said_by_each(mail_loop, box, tmp_path, f"{sentence}http://127.0.0.1:4200/api", PREFECT_API_URL=url)


async def test_setup_says_that_it_waits_for_a_server_and_then_what_is_the_matter(tmp_path: Path) -> None:
    port = free_port()
    env = os.environ | {"PREFECT_API_URL": f"http://127.0.0.1:{port}/api", "PREFECT_HOME": str(tmp_path)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "flows.cli.main", "setup"),
        cwd=ROOT,
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    line = await process.stdout.readline()
    assert line == f"waiting for the Prefect server at {env['PREFECT_API_URL']}, 120 s at the most ...\n".encode()
    async with answering(port, "401 Unauthorized", "{}"):
        out, err = await process.communicate()
    assert (process.returncode, out) == (3, b"")
    assert b"wants a login (401): set PREFECT_API_AUTH_STRING" in err
