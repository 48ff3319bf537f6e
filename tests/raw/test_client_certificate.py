"""Servers that want a certificate of the client.

Those that get none are no scripted ones: asyncio, which those are made with, closes the connection before it has said
why.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import pytest
import trustme

from flows.direct import check
from tasks.mail.config.loop import inbound_config, loop_config
from tasks.mail.model.cause import Cause
from tasks.mail.model.outcome import ErrorType, Outcome
from tasks.mail.model.result import LoopResult
from tests.support import certificates
from tests.support.raw.smtp import RawSmtp

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


# --- where there is one ---


def client_files(folder: Path, authority: trustme.CA) -> dict[str, str]:
    """Of a client that the authority knows: its certificate, its key, and files that are neither."""
    known = authority.issue_cert("monitor@inbox.test", common_name="monitor")
    known.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    known.private_key_pem.write_to_path(folder / "key.pem")
    known.private_key_and_cert_chain_pem.write_to_path(folder / "both.pem")
    authority.issue_cert("b@inbox.test").private_key_pem.write_to_path(folder / "another.pem")
    (folder / "text.pem").write_text("nothing of that kind\n")
    return {path.stem: str(path) for path in folder.glob("*.pem")} | {"missing": str(folder / "missing.pem")}


class Trusting(NamedTuple):
    """The TLS of a server that wants a certificate, the file of its authority, and files of clients."""

    context: ssl.SSLContext
    ca_file: str
    files: dict[str, str]


@pytest.fixture
def trusting(tmp_path: Path) -> Trusting:
    """A server that wants a certificate."""
    authority, folder = trustme.CA(), tmp_path / "client"
    folder.mkdir()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return Trusting(context, str(tmp_path / "ca.pem"), client_files(folder, authority))


ADDRESSES = {"from_addr": "a@a.test", "to_addr": "b@b.test", "subject_prefix": "[x]"}


async def at_relay(
    trusting: Trusting, mode: str = "starttls", offered: str = "EXTERNAL", **fields: Any
) -> tuple[LoopResult, RawSmtp]:
    """Fields of files are the names of those."""
    context, ca_file, files = trusting
    named = {name: files[file] for name, file in fields.items() if name in ("cert_file", "key_file")}
    async with RawSmtp(tls=context, implicit=mode == "implicit", extensions=[f"AUTH {offered}"]) as relay:
        section = {"host": "localhost", "port": relay.port, "tls": mode, "ca_file": ca_file, "timeout": 5.0}
        config = loop_config({"name": "cert", "smtp": {**section, **ADDRESSES, **fields, **named}})
        return await check(config), relay


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
@pytest.mark.parametrize("fields", [{"cert_file": "both"}, {"cert_file": "cert", "key_file": "key"}], ids=str)
async def test_a_relay_that_wants_one_gets_it(trusting: Trusting, fields: dict[str, str], mode: str) -> None:
    result, relay = await at_relay(trusting, mode, **fields)
    assert result.outcome is Outcome.DELIVERED, result.sentence
    assert relay.count("AUTH") == 0


async def test_it_is_the_login_where_there_is_a_name_and_nothing_else(trusting: Trusting) -> None:
    result, relay = await at_relay(trusting, offered="PLAIN EXTERNAL", cert_file="both", username="monitor@inbox.test")
    assert result.outcome is Outcome.DELIVERED, result.sentence
    assert relay.credentials == [("monitor@inbox.test", "")]


async def test_it_is_not_the_login_where_there_is_a_password(trusting: Trusting) -> None:
    login = {"username": "monitor", "password": PASSWORD}
    result, relay = await at_relay(trusting, offered="EXTERNAL PLAIN", cert_file="both", **login)
    assert result.outcome is Outcome.DELIVERED, result.sentence
    assert relay.credentials == [("monitor", PASSWORD)]


async def test_where_it_is_no_login_what_there_is_instead_is_told(trusting: Trusting) -> None:
    result, relay = await at_relay(trusting, offered="PLAIN", cert_file="both", username="monitor")
    assert (result.outcome, result.cause) == (Outcome.REJECTED, Cause.LOGIN_METHOD)
    assert "no AUTH mechanism EXTERNAL (offered: PLAIN)" in result.sentence
    assert relay.count("AUTH") == 0


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"cert_file": "missing"}, "No such file or directory"),
        ({"cert_file": "cert", "key_file": "missing"}, "No such file or directory"),
        ({"cert_file": "cert", "key_file": "another"}, "the key is not the certificate's"),
        ({"cert_file": "cert"}, "no certificate, or no key without a passphrase"),
        ({"cert_file": "text"}, "no certificate, or no key without a passphrase"),
    ],
    ids=str,
)
async def test_files_that_went_bad_are_told_before_any_connection(
    trusting: Trusting, fields: dict[str, str], text: str
) -> None:
    """They were good when the configuration was read, which looks at them first."""
    result, relay = await at_relay(trusting, **fields)
    assert (result.outcome, result.error_type, result.stage) == (Outcome.UNSENT, ErrorType.TLS, "tls")
    assert (result.cause, relay.connections) == (Cause.CLIENT_CERTIFICATE, 0)
    assert text in result.sentence
    assert "have smtp.cert_file and smtp.key_file hold a certificate" in result.sentence


async def test_a_certificate_that_is_replaced_counts_from_the_next_connection_on(trusting: Trusting) -> None:
    """A worker runs for months, and such certificates for days."""
    assert (await at_relay(trusting, cert_file="both"))[0].outcome is Outcome.DELIVERED
    shutil.copy(trusting.files["text"], trusting.files["both"])
    assert (await at_relay(trusting, cert_file="both"))[0].cause is Cause.CLIENT_CERTIFICATE
