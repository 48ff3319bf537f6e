"""Servers that want a certificate of the client, which no check has.

They are no scripted ones: asyncio, which those are made with, closes the connection before it has said why.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest

from flows.direct import check
from tasks.mail.config.loop import inbound_config, loop_config
from tasks.mail.model.cause import Cause
from tasks.mail.model.outcome import ErrorType, Outcome
from tests.support import certificates

PASSWORD = "Pa55-of-monitor"


class Asking:
    """Answers each connection with a handshake in which it asks for a certificate. `taken`: how many there were."""

    def __init__(self, folder: Path) -> None:
        self.tls = certificates.good(folder)
        self.tls.context.verify_mode = ssl.CERT_REQUIRED
        self.tls.context.load_verify_locations(self.tls.ca_file)
        self.tls.context.minimum_version = ssl.TLSVersion.TLSv1_3  # those before say it less plainly
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.taken = 0
        Thread(target=self._serve, daemon=True).start()

    @property
    def section(self) -> dict[str, object]:
        address = {"host": "localhost", "port": self.listening.getsockname()[1]}
        return address | {"tls": "implicit", "ca_file": self.tls.ca_file, "timeout": 10.0}

    def _serve(self) -> None:
        with suppress(OSError):  # the end of the test
            while True:
                connection, _ = self.listening.accept()
                self.taken += 1
                with suppress(ssl.SSLError), connection:
                    self.tls.context.wrap_socket(connection, server_side=True)


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[Asking]:
    server = Asking(tmp_path)
    with server.listening:
        yield server
        server.listening.shutdown(socket.SHUT_RDWR)  # else its thread would wait for ever


async def test_a_relay_that_wants_one_is_told_so(asking: Asking) -> None:
    addresses = {"from_addr": "a@a.test", "to_addr": "b@b.test", "subject_prefix": "[x]"}
    async with asyncio.timeout(20):
        result = await check(loop_config({"name": "asking", "smtp": asking.section | addresses}))
    assert (result.outcome, result.error_type) == (Outcome.UNSENT, ErrorType.TLS)
    assert result.cause is Cause.CLIENT_CERTIFICATE
    assert "wants a certificate of the client" in result.sentence
    assert (result.who_acts or "").startswith("you")


async def test_a_mailbox_server_that_wants_one_is_told_so_and_asked_once(asking: Asking) -> None:
    login = {"username": "monitor", "password": PASSWORD, "search_subject": "x", "retries": 3, "retry_delay": 0.1}
    async with asyncio.timeout(20):
        result = await check(inbound_config({"name": "asking", "imap": asking.section | login}))
    assert (result.outcome, result.error_type) == (Outcome.UNVERIFIED, ErrorType.TLS)
    assert result.cause is Cause.CLIENT_CERTIFICATE
    assert asking.taken == 1
