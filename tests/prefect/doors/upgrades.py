"""WebSockets by hand: what a server says to the request that opens one."""

from __future__ import annotations

import asyncio
import base64
import json
import os

SECONDS = 10.0


async def opened(port: int, path: str, host: str, *more: str) -> tuple[int, asyncio.StreamReader, asyncio.StreamWriter]:
    """Ask for a WebSocket; returns the status code and the connection, which the caller closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: Upgrade", "Upgrade: websocket"]
    lines += ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}", *more, "", ""]
    writer.write("\r\n".join(lines).encode())
    async with asyncio.timeout(SECONDS):
        head = await reader.readuntil(b"\r\n\r\n")
    return int(head.split()[1]), reader, writer


async def status(port: int, path: str, host: str, *more: str) -> int:
    """The status code alone: 101 where the WebSocket is open."""
    code, _, writer = await opened(port, path, host, *more)
    writer.close()
    await writer.wait_closed()
    return code


async def closes(port: int, path: str, token: str | None) -> int:
    """The code that it is closed with after the client has said its `token`; 0 if it stays open."""
    host = f"127.0.0.1:{port}"
    code, reader, writer = await opened(port, path, host, "Sec-WebSocket-Protocol: prefect")
    assert code == 101, path
    try:
        writer.write(_text(json.dumps({"type": "auth", "token": token})))
        async with asyncio.timeout(SECONDS):
            first, length = await reader.readexactly(2)
            data = await reader.readexactly(length & 0x7F)
    finally:
        writer.close()
        await writer.wait_closed()
    return int.from_bytes(data[:2]) if first & 0x0F == 8 else 0


def _text(message: str) -> bytes:
    """A frame of a client, masked with zeros, of less than 126 octets."""
    data = message.encode()
    assert len(data) < 126
    return bytes([0x81, 0x80 | len(data)]) + bytes(4) + data
