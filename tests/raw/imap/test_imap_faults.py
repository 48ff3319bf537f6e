"""What a mailbox makes of every fault of its server: the right MailboxFailure, at once, and nothing left behind."""

from __future__ import annotations

import asyncio
import logging
import math
import socket
import ssl
import subprocess
import sys
import threading
import time
import warnings
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohappyeyeballs import AddrInfoType
from pydantic import SecretStr

from tasks.mail.config.loop import ImapConfig
from tasks.mail.mailboxes.imap.client import Client
from tasks.mail.mailboxes.imap.folder import FolderStatus
from tasks.mail.mailboxes.imap.reading import BATCH
from tasks.mail.mailboxes.mailbox import MAX_WALKED
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import MailboxFailure
from tasks.mail.model.header import Ref
from tasks.mail.model.outcome import ErrorType
from tasks.mail.net.connect import STAGGER, connect, own_name, resolve
from tasks.mail.net.threads import in_own_thread
from tasks.mail.net.tls import ssl_context
from tests.support import certificates
from tests.support.raw.imap import RawImap
from tests.support.raw.mailbox import Message
from tests.support.raw.server import CLOSE, DROP, SILENCE, Action, Fault

PASSWORD = 'p"a\\ss wörd'
RAW = b"From: a@localhost\r\nSubject: a * b (\r\nX-Mail-Loop-Id: abc\r\n\r\nA1 OK done\r\n"
BYE = b"* BYE [UNAVAILABLE] shutting down\r\n"
NO = b"{tag} NO [X-CODE] not today\r\n"

ROOT = Path(__file__).resolve().parents[3]
SHORT, LONG = 0.3, 20.0  # seconds: for what falls silent, and never reached


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> certificates.ServerTls:
    return certificates.good(tmp_path_factory.mktemp("tls"))


def config(server: RawImap, *, timeout: float = LONG, password: str = PASSWORD, **fields: Any) -> ImapConfig:
    """Any password, even one that a configuration file could not have."""
    base = {"host": server.host, "port": server.port, "tls": "none", "username": "bob", "password": PASSWORD}
    valid = ImapConfig.model_validate(base | {"timeout": timeout} | fields)
    return valid.model_copy(update={"password": SecretStr(password)})


@asynccontextmanager
async def opened(server: RawImap, until: float = math.inf, **fields: Any) -> AsyncIterator[Client]:
    box = await Client.open(config(server, **fields), until)
    try:
        yield box
    finally:
        await box.close()


def refs(uidvalidity: int, *uids: int) -> list[Ref]:
    return [Ref("INBOX", uidvalidity, uid) for uid in uids]


async def use_everything(box: Client) -> None:
    """One of each command."""
    assert [folder.name for folder in await box.folders()] == ["INBOX", "Junk"]
    selected = await box.examine("INBOX")
    await box.status("Junk")
    await box.noop()
    rows = await box.fetch_range(1, selected.exists)
    assert [row.uid for row in rows] == [1, 2]
    await box.idle(0.01)
    assert await box.delete(refs(selected.uidvalidity, 2), lambda header: True) == refs(selected.uidvalidity, 2)


async def failure_of(server: RawImap, **fields: Any) -> MailboxFailure:
    """How a dialogue of everything ends on this server."""
    with pytest.raises(MailboxFailure) as caught:
        async with opened(server, **fields) as box:
            await use_everything(box)
    return caught.value


def server_of(script: dict[str, Action] | None = None, **options: Any) -> RawImap:
    return RawImap(script, messages=[Message(1, RAW), Message(2, RAW)], **options)


# Phase: the stage it belongs to, and what a NO there is and whether another connection would meet it again.
PHASES = {
    "greeting": ("connect", ErrorType.MAILBOX, False),
    "capability": ("login", ErrorType.MAILBOX, False),
    "authenticate": ("login", ErrorType.AUTH, True),
    "login": ("login", ErrorType.AUTH, True),
    "list": ("select", ErrorType.MAILBOX, False),
    "examine": ("select", ErrorType.MAILBOX, False),
    "status": ("search", ErrorType.MAILBOX, False),
    "noop": ("search", ErrorType.MAILBOX, False),
    "fetch": ("search", ErrorType.MAILBOX, False),
    "select": ("search", ErrorType.MAILBOX, False),
    "store": ("search", ErrorType.MAILBOX, False),
    "expunge": ("search", ErrorType.MAILBOX, False),
}
LOST_PHASES = {phase: stage for phase, (stage, _, _) in PHASES.items()} | {"idle": "search", "done": "search"}


def capabilities(phase: str) -> dict[str, str]:
    return {"capabilities": "IMAP4rev1 IDLE UIDPLUS"} if phase == "login" else {}


@pytest.mark.parametrize("phase", PHASES)
async def test_a_refusal_is_told_as_what_it_is(phase: str) -> None:
    """But for a login, one that does not say why may be a server that is busy: it is not taken for final."""
    stage, error_type, permanent = PHASES[phase]
    refusal = b"* NO [X-CODE] not today\r\n" if phase == "greeting" else NO
    async with server_of({phase: refusal}, **capabilities(phase)) as server:
        failure = await failure_of(server)
    assert (failure.stage, failure.error_type, failure.permanent) == (stage, error_type, permanent)
    assert "not today" in failure.text
    if phase != "greeting":
        assert failure.code == "X-CODE"


@pytest.mark.parametrize("phase", ["list", "examine", "status", "noop", "fetch"])
@pytest.mark.parametrize("code", ["NONEXISTENT", "NOPERM", "AUTHORIZATIONFAILED", "CANNOT"])
async def test_a_refusal_that_says_that_it_is_final_is_believed(phase: str, code: str) -> None:
    async with server_of({phase: b"{tag} NO [%s] never\r\n" % code.encode()}) as server:
        failure = await failure_of(server)
    assert (failure.error_type, failure.code, failure.permanent) == (ErrorType.MAILBOX, code, True)


async def test_a_folder_that_is_not_listed_is_refused_for_good() -> None:
    """A server need not say NONEXISTENT. One that has not been asked for its folders, or is busy, may open it yet."""
    busy = b"{tag} NO [UNAVAILABLE] busy\r\n"
    async with server_of() as server, opened(server) as box:
        server.play("examine", [NO, NO, NO, NO, busy])
        found = []
        for folder in ("nowhere", "Junk", "inbox", "nowhere", "nowhere"):
            with pytest.raises(MailboxFailure) as caught:
                await box.examine(folder)
            found.append(caught.value.permanent)
            await box.folders()
    assert found == [False, False, False, True, False]


@pytest.mark.parametrize("phase", LOST_PHASES)
@pytest.mark.parametrize("fault", [DROP, CLOSE])
async def test_a_lost_connection_is_noticed_at_once(phase: str, fault: Fault) -> None:
    async with server_of({phase: fault}, **capabilities(phase)) as server, asyncio.timeout(LONG / 2):
        failure = await failure_of(server)
    assert (failure.stage, failure.error_type, failure.permanent) == (
        LOST_PHASES[phase],
        ErrorType.CONNECTION,
        False,
    )


@pytest.mark.parametrize("phase", LOST_PHASES)
async def test_a_bye_ends_the_connection_though_the_server_keeps_it_open(phase: str) -> None:
    async with server_of({phase: BYE}, **capabilities(phase)) as server, asyncio.timeout(LONG / 2):
        failure = await failure_of(server)
    assert (failure.stage, failure.error_type, failure.permanent) == (LOST_PHASES[phase], ErrorType.CONNECTION, False)
    assert failure.code == "UNAVAILABLE"
    assert "shutting down" in failure.text


@pytest.mark.parametrize("phase", LOST_PHASES)
async def test_silence_ends_in_a_timeout(phase: str) -> None:
    async with server_of({phase: SILENCE}, **capabilities(phase)) as server, asyncio.timeout(LONG / 2):
        failure = await failure_of(server, timeout=SHORT)
    assert (failure.stage, failure.error_type, failure.permanent) == (LOST_PHASES[phase], ErrorType.TIMEOUT, False)
    assert "within 0.3 s" in failure.text
    if failure.stage in ("connect", "login"):
        assert failure.stage in failure.stages


@pytest.mark.parametrize("phase", LOST_PHASES)
async def test_all_together_has_its_time_too(phase: str) -> None:
    """However long one command may take."""
    async with server_of({phase: SILENCE}, **capabilities(phase)) as server, asyncio.timeout(LONG / 2):
        failure = await failure_of(server, until=time.monotonic() + SHORT)
    assert (failure.stage, failure.error_type, failure.permanent) == (LOST_PHASES[phase], ErrorType.TIMEOUT, False)
    assert "in the time that was left" in failure.text


async def test_one_octet_at_a_time_is_no_answer() -> None:
    """The bound is on the command, not on the time between two octets."""

    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(b"*")
                await asyncio.sleep(0.01)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async with scripted(trickle) as port, asyncio.timeout(LONG / 2):
        failure = await failure_at(port, timeout=SHORT)
    assert (failure.stage, failure.error_type) == ("connect", ErrorType.TIMEOUT)


@asynccontextmanager
async def scripted(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    """A server without manners; `talk` closes its connection itself, and ends when the client has left."""
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    begun = asyncio.all_tasks()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
        if talking := asyncio.all_tasks() - begun:
            await asyncio.wait(talking, timeout=LONG)


async def failure_at(port: int, **fields: Any) -> MailboxFailure:
    stranger = RawImap()
    stranger.port = port
    return await failure_of(stranger, **fields)


class TestTls:
    @pytest.mark.parametrize("implicit", [False, True])
    async def test_everything_works_encrypted(self, tls: certificates.ServerTls, implicit: bool) -> None:
        async with server_of(tls=tls.context, implicit=implicit) as server:
            mode = "implicit" if implicit else "starttls"
            async with opened(server, tls=mode, ca_file=tls.ca_file) as box:
                await use_everything(box)
                assert box.session.tls is not None
                assert box.session.tls.protocol == "TLSv1.3"
                assert box.session.tls.not_after is not None
                assert list(box.session.stages) == (["dns", "connect", "tls", "login", "select", "search"])
        assert server.credentials == [("bob", PASSWORD)]

    @pytest.mark.parametrize("implicit", [False, True])
    @pytest.mark.parametrize("fault", certificates.BAD)
    async def test_a_bad_certificate_is_refused_and_lasting(self, tmp_path: Any, fault: str, implicit: bool) -> None:
        bad = certificates.BAD[fault](tmp_path)
        async with server_of(tls=bad.context, implicit=implicit) as server:
            failure = await failure_of(server, tls="implicit" if implicit else "starttls", ca_file=bad.ca_file)
        assert (failure.stage, failure.error_type, failure.lasting) == ("tls", ErrorType.TLS, Cause.CERTIFICATE)
        assert "the certificate of 127.0.0.1 is not accepted: " in failure.text
        assert server.credentials == []

    async def test_verification_can_be_switched_off(self, tmp_path: Any) -> None:
        bad = certificates.expired(tmp_path)
        server = server_of(tls=bad.context, implicit=True)
        async with server, opened(server, tls="implicit", verify=False) as box:
            assert box.session.tls is not None
            assert box.session.tls.not_after is None

    async def test_starttls_that_is_not_offered_is_not_done_without(self) -> None:
        async with server_of() as server:
            failure = await failure_of(server, tls="starttls")
        assert (failure.stage, failure.error_type, failure.permanent) == ("tls", ErrorType.TLS, True)
        assert failure.text == f"127.0.0.1 does not offer STARTTLS on port {server.port}"
        assert server.credentials == []

    @pytest.mark.parametrize("answer", [b"{tag} NO not now\r\n", b"{tag} BAD what?\r\n"])
    async def test_starttls_that_is_refused_is_not_done_without(
        self, tls: certificates.ServerTls, answer: bytes
    ) -> None:
        async with server_of({"starttls": answer}, tls=tls.context) as server:
            failure = await failure_of(server, tls="starttls", ca_file=tls.ca_file)
        assert (failure.stage, failure.error_type, failure.permanent) == ("tls", ErrorType.TLS, False)
        assert server.credentials == []

    async def test_a_preauth_greeting_leaves_no_room_for_starttls(self, tls: certificates.ServerTls) -> None:
        async with server_of({"greeting": b"* PREAUTH welcome\r\n"}, tls=tls.context) as server:
            failure = await failure_of(server, tls="starttls", ca_file=tls.ca_file)
        assert (failure.stage, failure.error_type) == ("tls", ErrorType.TLS)
        assert server.log == []

    @pytest.mark.parametrize("more", [b"* CAPABILITY AUTH=PLAIN\r\n", b"*", b"* X {3}\r\n"])
    async def test_what_is_pipelined_behind_starttls_is_refused(self, tls: certificates.ServerTls, more: bytes) -> None:
        async with server_of({"starttls": b"{tag} OK begin\r\n" + more}, tls=tls.context) as server:
            failure = await failure_of(server, tls="starttls", ca_file=tls.ca_file)
        assert (failure.stage, failure.error_type) == ("tls", ErrorType.TLS)
        assert "in clear" in failure.text
        assert server.credentials == []

    async def test_a_server_in_clear_on_a_tls_port_is_called_that(self) -> None:
        async with server_of() as server:
            failure = await failure_of(server, tls="implicit")
        assert (failure.stage, failure.error_type, failure.lasting) == ("tls", ErrorType.TLS, Cause.TLS_MODE)
        assert server.credentials == []

    async def test_a_silent_handshake_ends_in_a_timeout(self) -> None:
        async with server_of({"greeting": SILENCE}) as server:
            failure = await failure_of(server, tls="implicit", timeout=SHORT)
        assert (failure.stage, failure.error_type) == ("tls", ErrorType.TIMEOUT)

    @pytest.mark.parametrize("fault", [DROP, CLOSE])
    async def test_a_connection_lost_in_the_handshake_is_a_tls_error(self, fault: Fault) -> None:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            if fault is DROP:
                writer.transport.abort()
            writer.close()

        async with scripted(talk) as port:
            failure = await failure_at(port, tls="implicit")
        assert (failure.stage, failure.error_type, failure.permanent) == ("tls", ErrorType.TLS, False)

    async def test_old_tls_is_refused(self, tmp_path: Any) -> None:
        old = certificates.good(tmp_path)
        old.context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings(action="ignore"):
            old.context.minimum_version = ssl.TLSVersion.TLSv1
            old.context.maximum_version = ssl.TLSVersion.TLSv1_1
        async with server_of(tls=old.context, implicit=True) as server:
            failure = await failure_of(server, tls="implicit", ca_file=old.ca_file)
        assert (failure.stage, failure.error_type) == ("tls", ErrorType.TLS)

    @pytest.mark.parametrize("content", [None, "no certificate"])
    async def test_an_unusable_ca_file_is_named(self, tmp_path: Any, content: str | None) -> None:
        path = tmp_path / "ca.pem"
        if content is not None:
            path.write_text(content)
        async with server_of() as server:
            failure = await failure_of(server, tls="implicit", ca_file=str(path))
        assert (failure.stage, failure.error_type, failure.permanent) == ("tls", ErrorType.TLS, True)
        assert f"the ca_file {path} cannot be used: " in failure.text
        assert server.connections == 0


class TestLogin:
    @pytest.mark.parametrize(
        "offer", ["IMAP4rev1 SASL-IR AUTH=PLAIN", "IMAP4rev1 AUTH=PLAIN", "imap4rev1 Auth=Plain", "IMAP4rev1", ""]
    )
    @pytest.mark.parametrize(
        "password", [PASSWORD, '"', "\\", "", " ", "a{3}", "tab\tand\r\nbreak", "日本語", "x" * 2000]
    )
    async def test_any_password_arrives_as_it_is(self, offer: str, password: str) -> None:
        async with server_of(capabilities=offer) as server:
            box = await Client.open(config(server, username="bob@exämple.org", password=password))
            await box.close()
        assert server.credentials == [("bob@exämple.org", password)]

    @pytest.mark.parametrize("code", ["UNAVAILABLE", "LIMIT", "INUSE", "SERVERBUG"])
    async def test_a_server_that_cannot_is_told_from_a_wrong_password(self, code: str) -> None:
        async with server_of({"authenticate": b"{tag} NO [%s] later\r\n" % code.encode()}) as server:
            failure = await failure_of(server)
        assert (failure.stage, failure.error_type, failure.permanent) == ("login", ErrorType.MAILBOX, False)
        assert failure.code == code

    @pytest.mark.parametrize("offer", ["IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=LOGIN", "IMAP4rev1"])
    @pytest.mark.parametrize("word", ["NO", "BAD"])
    async def test_a_wrong_password_is_tried_once(self, offer: str, word: str) -> None:
        refusal = b"{tag} %s [AUTHENTICATIONFAILED] wrong\r\n" % word.encode()
        async with server_of({"authenticate": refusal, "login": refusal}, capabilities=offer) as server:
            failure = await failure_of(server)
        assert (failure.error_type, failure.permanent, failure.code) == (ErrorType.AUTH, True, "AUTHENTICATIONFAILED")
        assert (server.connections, len(server.credentials)) == (1, 1)

    @pytest.mark.parametrize("charset", ["utf-8", "latin-1"])
    async def test_a_refusal_that_is_not_ascii_is_shown_as_it_was_meant(self, charset: str) -> None:
        async with server_of({"authenticate": "{tag} NO Zugang für Sie gesperrt\r\n".encode(charset)}) as server:
            failure = await failure_of(server)
        assert failure.text.endswith(": Zugang für Sie gesperrt")

    async def test_a_login_that_is_disabled_is_not_tried(self) -> None:
        async with server_of(capabilities="IMAP4rev1 LOGINDISABLED AUTH=GSSAPI") as server:
            failure = await failure_of(server)
        assert (failure.stage, failure.error_type, failure.lasting) == (
            "login",
            ErrorType.AUTH,
            Cause.TLS_REQUIRED,
        )
        assert server.credentials == []

    async def test_a_challenge_that_nobody_expects_is_cancelled(self) -> None:
        script: dict[str, Action] = {"authenticate": b"+ eyJzdGF0dXMiOiI0MDEifQ==\r\n"}
        async with server_of(script) as server, asyncio.timeout(LONG / 2):
            failure = await failure_of(server, timeout=SHORT)
        assert failure.stage == "login"
        assert server.log == ["AUTHENTICATE ***", ""]  # a line "*", which the server takes for a tag

    async def test_what_the_server_offers_unasked_is_not_asked_for(self) -> None:
        """In the greeting, and in its answer to the login, which counts from then on."""
        script: dict[str, Action] = {"authenticate": b"{tag} OK [CAPABILITY IMAP4rev1 UIDPLUS] in\r\n"}
        async with server_of(script) as server, opened(server) as box:
            assert not box.can_idle
            assert server.log == ["AUTHENTICATE ***"]

    async def test_a_greeting_that_offers_no_login_is_not_relied_on(self) -> None:
        async with server_of({"greeting": b"* OK [CAPABILITY IMAP4rev1] hello\r\n"}) as server, opened(server) as box:
            assert box.can_idle
            assert server.log == ["CAPABILITY", "AUTHENTICATE ***", "CAPABILITY"]

    async def test_what_was_offered_in_clear_counts_no_longer_in_tls(self, tls: certificates.ServerTls) -> None:
        async with server_of(tls=tls.context) as server:
            async with opened(server, tls="starttls", ca_file=str(tls.ca_file)):
                pass
            assert server.log[:4] == ["CAPABILITY", "STARTTLS", "CAPABILITY", "AUTHENTICATE ***"]

    async def test_preauth_needs_no_login(self) -> None:
        async with server_of({"greeting": b"* PREAUTH welcome\r\n"}) as server:
            async with opened(server) as box:
                await use_everything(box)
            assert server.credentials == []

    async def test_no_secret_is_logged_or_shown(self, caplog: pytest.LogCaptureFixture) -> None:
        """Not even when the server repeats it, and at any level."""
        caplog.set_level(logging.DEBUG)
        secret = 'canary"42'
        forms = [secret, 'canary\\"42', b64encode(f"\0bob\0{secret}".encode()).decode()]
        for offer in ("IMAP4rev1 SASL-IR AUTH=PLAIN", "IMAP4rev1 AUTH=PLAIN", "IMAP4rev1"):
            echo = b"{tag} NO you said " + " or ".join(forms).encode() + b"\r\n"
            async with server_of({"authenticate": echo, "login": echo}, capabilities=offer) as server:
                with pytest.raises(MailboxFailure) as caught:
                    await Client.open(config(server, password=secret))
            shown = [repr(caught.value), str(caught.value), caplog.text]
            assert not [form for form in forms if any(form in text for text in shown)]
            assert "you said ******** or ******** or ********" in caught.value.text


class TestHostileServer:
    @pytest.mark.parametrize(
        "greeting",
        [
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"HTTP/1.1 400 Bad Request\r\n",
            b"\xff\x00\n",
            b"* HI\r\n",
        ],
    )
    async def test_a_greeting_of_something_else_is_shown(self, greeting: bytes) -> None:
        async with server_of({"greeting": greeting}) as server, asyncio.timeout(LONG / 2):
            failure = await failure_of(server)
        assert (failure.stage, failure.error_type) == ("connect", ErrorType.MAILBOX)
        assert failure.text.startswith("the server does not greet in IMAP: ")
        assert failure.text.isprintable()

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (b"* " + b"x" * 2**21, "a line of more than"),
            (b"* 1 FETCH (UID 1 BODY[]<0> {2147483648}\r\n", "announced a literal of 2147483648 octets"),
            (b"* 1 RECENT\r\n" * 250_000, "lines for one command"),
            (b"rubbish\r\n", "not IMAP: rubbish"),
            (b"{tag} MAYBE\r\n", "not IMAP: MAYBE"),
            (b"A1 OK done\r\n", "not IMAP: A1 OK done"),
        ],
    )
    async def test_too_much_or_rubbish_ends_the_connection(self, answer: bytes, words: str) -> None:
        async with server_of({"fetch": answer}) as server, asyncio.timeout(LONG):
            failure = await failure_of(server)
        assert (failure.stage, failure.error_type, failure.permanent) == ("search", ErrorType.MAILBOX, False)
        assert words in failure.text

    async def test_two_thousand_rows_in_one_answer_are_no_trouble(self) -> None:
        messages = [Message(uid, RAW) for uid in range(1, 2001)]
        async with RawImap(messages=messages) as server, opened(server) as box:
            assert (await box.examine("INBOX")).exists == 2000
            assert [row.uid for row in await box.fetch_range(1, 2000)] == list(range(1, 2001))

    async def test_messages_that_are_only_said_to_be_there_are_not_walked_for_ever(self) -> None:
        script: dict[str, Action] = {"examine": b"* 4000000000 EXISTS\r\n{tag} OK done\r\n"}
        async with RawImap(script) as server, opened(server) as box, asyncio.timeout(LONG):
            selected = await box.examine("INBOX")
            assert [rows async for rows in box.newest_first(selected.exists)] == []
            assert 0 < server.count("FETCH") <= MAX_WALKED / BATCH + 1
            before = server.count("FETCH")
            assert [rows async for rows in box.newest_first(selected.exists, 30)] == []
            assert [line.split()[1] for line in server.log if line.startswith("FETCH")][before:] == [
                "3999999991:4000000000",
                "3999999971:3999999990",
            ]

    async def test_what_cannot_be_read_is_named_for_as_long_as_it_cannot(self) -> None:
        """News about flags is no answer: it comes unasked."""
        answer = b"* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n* 2 FETCH (UID 2 BODY[HEADER] NIL)\r\n{tag} OK done\r\n"
        async with server_of({"fetch": answer}) as server, opened(server) as box:
            await box.examine("INBOX")
            assert await box.fetch_range(1, 2) == []
            assert box.unreadable == {("INBOX", 1), ("INBOX", 2)}
            assert await box.fetch_body(1) == b""
            server.script.clear()
            assert [row.uid for row in await box.fetch_range(2, 2)] == [2]
            assert box.unreadable == {("INBOX", 1)}

    async def test_lines_in_a_literal_are_no_responses(self) -> None:
        body = b"a\r\nA1 OK done\r\n* BYE\r\n* 9 EXISTS\r\n+ go\r\n)\r\n"
        async with RawImap(messages=[Message(1, b"Subject: * a\r\n\r\n" + body)]) as server, opened(server) as box:
            await box.examine("INBOX")
            assert (await box.fetch_body(1)).endswith(body)
            assert box.exists == 1

    async def test_a_status_in_lower_case_is_a_status(self) -> None:
        async with server_of({"noop": b"* 3 exists\r\n{tag} ok fine\r\n"}) as server, opened(server) as box:
            await box.examine("INBOX")
            await box.noop()
            assert box.exists == 3


class TestCommands:
    async def test_rows_have_the_headers_that_decide(self) -> None:
        async with server_of() as server, opened(server) as box:
            await box.examine("INBOX")
            (row,) = await box.fetch_range(2, 9)
            assert (row.seq, row.uid, row.internaldate) == (
                2,
                2,
                server.messages[1].internaldate.replace(microsecond=0),
            )
            assert row.headers == b"From: a@localhost\r\nSubject: a * b (\r\nX-Mail-Loop-Id: abc\r\n\r\n"
            assert await box.fetch_range(3, 9) == []

    async def test_only_what_is_new_is_new(self) -> None:
        async with server_of() as server, opened(server) as box:
            assert (await box.examine("INBOX")).uidnext == 3
            assert await box.fetch_new(3) == []
            server.append(RAW)
            await box.noop()
            assert [row.uid for row in await box.fetch_new(3)] == [3]

    async def test_idle_ends_as_soon_as_there_is_news(self) -> None:
        async with server_of() as server, opened(server) as box, asyncio.timeout(LONG / 2):
            await box.examine("INBOX")
            await box.fetch_new(3)
            waiting = asyncio.create_task(box.idle(LONG))
            while "IDLE" not in server.log:
                await asyncio.sleep(0.01)
            server.append(RAW)
            assert await waiting
            assert [row.uid for row in await box.fetch_new(3)] == [3]

    async def test_a_heartbeat_is_no_news(self) -> None:
        async with server_of({"idle": b"+ idling\r\n* OK Still here\r\n"}) as server, opened(server) as box:
            await box.examine("INBOX")
            await box.fetch_new(3)
            assert not await box.idle(0.05)

    async def test_what_was_announced_before_idle_is_news(self) -> None:
        """A message that comes with the answer to FETCH is in no view yet, and no IDLE would tell of it."""
        async with server_of() as server, opened(server) as box, asyncio.timeout(LONG / 2):
            await box.examine("INBOX")
            server.play("fetch", [b"* 3 EXISTS\r\n{tag} OK done\r\n"])
            await box.fetch_new(3)
            assert await box.idle(LONG)
            assert server.count("IDLE") == 0

    async def test_an_idle_that_is_refused_is_not_tried_again(self) -> None:
        async with server_of({"idle": NO}) as server, opened(server) as box:
            await box.examine("INBOX")
            await box.fetch_new(3)
            assert box.can_idle
            assert not await box.idle(0.05)
            assert not box.can_idle
            await box.noop()

    async def test_idle_that_the_server_ends_itself_is_over(self) -> None:
        async with server_of({"idle": b"+ idling\r\n{tag} OK enough\r\n"}) as server, opened(server) as box:
            await box.examine("INBOX")
            await box.fetch_new(3)
            async with asyncio.timeout(LONG / 2):
                assert not await box.idle(LONG)
            assert "DONE" not in server.log

    async def test_a_server_of_rev2_only_is_understood(self) -> None:
        async with server_of(capabilities="IMAP4rev2 AUTH=PLAIN") as server:
            server.folders["Entwürfe"] = []
            async with opened(server) as box:
                assert "Entwürfe" in [folder.name for folder in await box.folders()]
                assert (await box.examine("Entwürfe")).exists == 0
                assert await box.delete(refs(1, 1), lambda header: True) == refs(1, 1)
            assert 'LIST "" "*" RETURN (SPECIAL-USE)' in server.log
            assert server.count("UID EXPUNGE") == 1

    async def test_special_use_is_asked_for_where_it_can_be(self) -> None:
        for offer, asked in (("SPECIAL-USE LIST-EXTENDED", " RETURN (SPECIAL-USE)"), ("SPECIAL-USE", "")):
            async with server_of(capabilities=f"IMAP4rev1 AUTH=PLAIN {offer}") as server, opened(server) as box:
                junk = next(folder for folder in await box.folders() if folder.name == "Junk")
                assert "\\JUNK" in junk.attributes
                assert f'LIST "" "*"{asked}' in server.log

    async def test_a_folder_that_cannot_be_opened_closes_the_open_one(self) -> None:
        async with server_of() as server, opened(server) as box:
            await box.examine("INBOX")
            with pytest.raises(MailboxFailure) as caught:
                await box.examine("nowhere")
            assert (caught.value.code, caught.value.permanent) == ("NONEXISTENT", True)
            assert (box.selected, box.exists) == (None, 0)

    async def test_status_tells_what_comes_next(self) -> None:
        async with server_of() as server, opened(server) as box:
            assert await box.status("INBOX") == FolderStatus(messages=2, uidnext=3, uidvalidity=1)


class TestDelete:
    async def test_only_what_is_ours_is_deleted(self) -> None:
        foreign = Message(3, b"Subject: foreign\r\n\r\n", flags={"\\Deleted"})
        async with server_of() as server:
            server.messages.append(foreign)
            async with opened(server) as box:
                gone = await box.delete(refs(1, 1, 3, 7), lambda header: b"X-Mail-Loop-Id: abc" in header.raw)
                assert gone == refs(1, 1)
                assert box.selected == "INBOX"
            assert [message.uid for message in server.messages] == [2, 3]
            assert server.log[-2:] == ["UID EXPUNGE 1", "LOGOUT"]

    async def test_without_uidplus_messages_are_flagged_and_nothing_is_expunged(self) -> None:
        async with server_of(capabilities="IMAP4rev1 AUTH=PLAIN") as server:
            async with opened(server) as box:
                assert await box.delete(refs(1, 1), lambda header: True) == refs(1, 1)
            assert [message.flags for message in server.messages] == [{"\\Deleted"}, set()]
            assert not [line for line in server.log if "EXPUNGE" in line or "CLOSE" in line]

    @pytest.mark.parametrize("uidvalidity", [2, 4])
    async def test_uids_of_another_uidvalidity_are_left_alone(self, uidvalidity: int) -> None:
        """Of a folder that was there before, or that has come back from a backup."""
        select = b"* 2 EXISTS\r\n* OK [UIDVALIDITY 3] valid\r\n{tag} OK [READ-WRITE] done\r\n"
        async with server_of({"select": select}) as server, opened(server) as box:
            assert await box.delete(refs(uidvalidity, 1, 2), lambda header: True) == []
            assert not [line for line in server.log if "STORE" in line]
            assert [message.uid for message in server.messages] == [1, 2]

    @pytest.mark.parametrize(("recent", "spared"), [(1, False), (2, True)])
    async def test_a_folder_is_spared_where_others_are_recent_and_not_for_our_own_message(
        self, recent: int, spared: bool
    ) -> None:
        examine = b"* 2 EXISTS\r\n* %d RECENT\r\n* OK [UIDVALIDITY 1] valid\r\n{tag} OK [READ-ONLY] done\r\n" % recent
        async with server_of({"examine": examine}) as server, opened(server, spare_recent=True) as box:
            server.messages[0].flags = {"\\Recent"}
            assert await box.delete(refs(1, 1), lambda header: True) == ([] if spared else refs(1, 1))
            assert box.spared == ({"INBOX"} if spared else set())
            assert [message.uid for message in server.messages] == ([1, 2] if spared else [2])


class TestEnd:
    async def test_after_a_failure_every_method_fails_at_once_and_close_does_not(self) -> None:
        async with server_of({"noop": DROP}) as server, opened(server) as box:
            await box.examine("INBOX")
            for ask in (box.noop, box.folders, lambda: box.idle(LONG), lambda: box.fetch_body(1), box.noop):
                with pytest.raises(MailboxFailure) as caught:
                    async with asyncio.timeout(LONG / 2):
                        await ask()
                assert caught.value.error_type is ErrorType.CONNECTION
            await box.close()

    @pytest.mark.parametrize("fault", [DROP, CLOSE, SILENCE, BYE, NO])
    async def test_no_logout_keeps_a_mailbox_from_closing(self, fault: Action) -> None:
        async with server_of({"logout": fault}) as server:
            box = await Client.open(config(server))
            async with asyncio.timeout(LONG / 2):
                await box.close()
                await box.close()

    @pytest.mark.parametrize("mode", ["none", "starttls", "implicit"])
    @pytest.mark.parametrize("phase", ["greeting", "authenticate", "noop", "idle", "logout"])
    async def test_a_cancelled_check_leaves_nothing(self, tls: certificates.ServerTls, phase: str, mode: str) -> None:
        """Also when every await in its clean-up is cancelled again, as anyio does."""
        context = None if mode == "none" else tls.context
        async with server_of({phase: SILENCE}, tls=context, implicit=mode == "implicit") as server:

            async def check() -> None:
                async with opened(server, tls=mode, ca_file=tls.ca_file) as box:
                    await box.examine("INBOX")
                    await box.noop()
                    await box.fetch_new(3)
                    await box.idle(LONG)

            checking = asyncio.create_task(check())
            for _ in range(20):
                await asyncio.sleep(0.01)
            while not checking.done():
                checking.cancel()
                await asyncio.sleep(0)
            assert checking.cancelled()

    async def test_a_deadline_around_a_command_ends_the_connection(self) -> None:
        """Its answer would be taken for that of the next one."""
        async with server_of({"noop": SILENCE}) as server, opened(server) as box:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await box.noop()
            with pytest.raises(MailboxFailure, match="given up"):
                await box.folders()


class TestNetwork:
    async def test_a_refused_connection_is_named(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            failure = await failure_at(port)
        assert (failure.stage, failure.error_type, failure.permanent) == ("connect", ErrorType.CONNECTION, False)
        assert failure.text == f"no connection to 127.0.0.1 port {port}: Connection refused"
        assert list(failure.stages) == ["dns", "connect"]

    @pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "x" * 64 + ".org"])
    async def test_a_name_that_does_not_resolve_is_named(self, host: str) -> None:
        with pytest.raises(socket.gaierror):
            await resolve(host, 143)

    async def test_names_that_hang_do_not_keep_others_waiting(self) -> None:
        """Neither theirs nor the event loop's own threads, however many wait."""
        until = threading.Event()
        pool = [asyncio.create_task(asyncio.to_thread(until.wait, LONG)) for _ in range(40)]
        hanging = [asyncio.create_task(in_own_thread(lambda: until.wait(LONG))) for _ in range(40)]
        try:
            await asyncio.sleep(0.1)
            async with asyncio.timeout(LONG / 2):
                assert await resolve("127.0.0.1", 1)
        finally:
            until.set()
            assert await asyncio.gather(*pool, *hanging) == [True] * 80

    async def test_a_name_that_hangs_can_be_given_up(self) -> None:
        until = threading.Event()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await in_own_thread(lambda: until.wait(LONG))
        until.set()
        await asyncio.sleep(0.05)

    def test_a_name_that_hangs_keeps_nobody_from_leaving(self) -> None:
        code = (
            "import asyncio, time\n"
            "from tasks.mail.net.threads import in_own_thread\n"
            "async def main():\n"
            "    await asyncio.wait_for(in_own_thread(lambda: time.sleep(600)), 0.1)\n"
            "try:\n    asyncio.run(main())\nexcept TimeoutError:\n    print('given up')\n"
        )
        ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60, check=True, capture_output=True)
        assert (ended.stdout, ended.stderr) == (b"given up\n", b"")

    async def test_a_name_without_address_is_an_error_of_the_dns_stage(self) -> None:
        async with server_of() as server:
            failure = await failure_of(server, host="no-such-host.invalid")
        assert (failure.stage, failure.error_type, failure.permanent) == ("dns", ErrorType.CONNECTION, False)
        assert failure.text.startswith("no address of no-such-host.invalid: ")

    async def test_a_dead_first_address_is_left_behind(self, black_hole: AddrInfoType) -> None:
        async with server_of() as server, asyncio.timeout(LONG / 2):
            good = (await resolve(server.host, server.port))[0]
            sock = await connect([black_hole, good])
            assert sock.getpeername() == good[4]
            sock.close()

    async def test_a_refusing_first_address_is_left_behind_at_once(self) -> None:
        async with server_of() as server:
            good = (await resolve(server.host, server.port))[0]
            bad = address_of(("127.0.0.1", 1))
            (await connect([bad, bad, good])).close()

    async def test_a_black_hole_ends_in_the_callers_timeout(self, black_hole: AddrInfoType) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2 * STAGGER):
                await connect([black_hole, black_hole, black_hole])

    async def test_without_addresses_there_is_no_connection(self) -> None:
        with pytest.raises(OSError, match="no address"):
            await connect([])

    def test_equal_contexts_are_shared(self, tls: certificates.ServerTls) -> None:
        context = ssl_context(tls.ca_file, True)
        assert ssl_context(tls.ca_file, True) is context
        assert (context.minimum_version, context.check_hostname) == (ssl.TLSVersion.TLSv1_2, True)
        assert ssl_context(tls.ca_file, False).verify_mode is ssl.CERT_NONE

    def test_the_own_name_is_a_domain_or_an_address_literal(self) -> None:
        assert "." in own_name()
        assert not set(own_name()) & set(" _\r\n")


def address_of(sockaddr: tuple[str, int]) -> AddrInfoType:
    return socket.AF_INET, socket.SOCK_STREAM, 0, "", sockaddr


@pytest.fixture
def black_hole() -> Any:
    """An address that never answers: a listener whose queue is full drops each further SYN."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = []
        for _ in range(4):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(address)
            waiting.append(client)
        threading.Event().wait(0.05)
        yield address_of(address)
        for client in waiting:
            client.close()
