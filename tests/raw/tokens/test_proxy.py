"""A proxy of the environment is used as by other programs; what goes through it is TLS that it cannot look into."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tasks.mail.auth.tokens.access import access_token
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import TokenFailure
from tests.support.certificates import good
from tests.support.oauth.sections import SECRET, USER, by_secret
from tests.support.oauth.server import TokenServer, token_server


class Proxy:
    """It connects (RFC 9110, 9.3.6), or answers with `refusal`; `seen` is what a client sends through it."""

    def __init__(self) -> None:
        self.refusal = b""
        self.asked: list[str] = []
        self.seen = b""
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.asked.append(head.decode().splitlines()[0])
            if self.refusal:
                writer.write(self.refusal)
                await writer.drain()
                return
            there, back = await asyncio.open_connection("127.0.0.1", int(head.split()[1].rpartition(b":")[2]))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(self.copy(reader, back, keep=True), self.copy(there, writer))
        finally:
            writer.close()

    async def copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, keep: bool = False) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                self.seen += data if keep else b""
                writer.write(data)
                await writer.drain()
        writer.close()


@pytest.fixture
async def proxy(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Proxy]:
    """The proxy of the environment."""
    proxy = Proxy()
    listening = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = listening.sockets[0].getsockname()[1]
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
    async with listening:
        yield proxy


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TokenServer]:
    """One with TLS."""
    tls = good(tmp_path)
    with token_server(tls.context) as running:
        running.ca_file = tls.ca_file
        yield running


async def test_it_sees_the_name_of_the_endpoint_and_nothing_of_the_request(server: TokenServer, proxy: Proxy) -> None:
    token = await access_token(by_secret(server, ca_file=server.ca_file), USER)
    assert token.value in server.issuer.issued
    assert proxy.asked == [f"CONNECT localhost:{server.port} HTTP/1.1"]
    assert proxy.seen
    assert SECRET.encode() not in proxy.seen


async def test_no_proxy_names_hosts_that_are_asked_directly(
    server: TokenServer, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "example.org,localhost")
    await access_token(by_secret(server, ca_file=server.ca_file), USER)
    assert proxy.asked == []


async def test_one_that_refuses_is_told(server: TokenServer, proxy: Proxy) -> None:
    proxy.refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    with pytest.raises(TokenFailure, match="localhost over the proxy of the environment: 407 Proxy") as caught:
        await access_token(by_secret(server, ca_file=server.ca_file), USER)
    assert caught.value.cause is Cause.TOKEN_REQUEST_FAILED
    assert server.asked == []


async def test_one_that_is_down_is_told(server: TokenServer, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    with pytest.raises(TokenFailure, match="no connection to localhost over the proxy of the environment: Connection"):
        await access_token(by_secret(server, ca_file=server.ca_file), USER)


async def test_one_of_a_kind_that_is_not_spoken_is_told_without_its_password(
    server: TokenServer, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for url in ("socks5://me:Kanari7en@127.0.0.1:1", "gopher://me:Kanari7en@127.0.0.1:1"):
        monkeypatch.setenv("HTTPS_PROXY", url)
        with pytest.raises(TokenFailure, match="a proxy of this kind cannot be used") as caught:
            await access_token(by_secret(server, ca_file=server.ca_file), USER)
        assert "Kanari7en" not in str(caught.value) + caplog.text
