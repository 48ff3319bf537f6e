"""Every phase of the SMTP dialogue against every fault: what is reported, how often it is tried, and what is left."""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import socket
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiosmtplib import SMTPDataError, SMTPServerDisconnected

from flows.direct import check
from tasks.mail.config.loop import SmtpConfig, loop_config
from tasks.mail.model.errors import SendFailure
from tasks.mail.model.facts import Receipt
from tasks.mail.model.outcome import ErrorType, Outcome
from tasks.mail.model.result import LoopResult
from tasks.mail.net.connect import connect, resolve
from tasks.mail.probe.compose import compose
from tasks.mail.senders.registry import Attempts, attempt
from tasks.mail.senders.smtp.connection import OutOfStep, SmtpConnection
from tests.support import certificates
from tests.support.certificates import ServerTls
from tests.support.raw.server import CLOSE, DEFAULT, DROP, SILENCE, Action, Fault, Line
from tests.support.raw.smtp import RawSmtp

PASSWORD = "canary-Gr\u00fc\u00dfe:42"  # base64 of it, alone or in PLAIN, is a secret too
FAULTS: dict[str, bytes | Fault] = {
    "4xx": b"451 4.3.0 not now\r\n",
    "5xx": b"554 5.0.0 never\r\n",
    "drop": DROP,
    "close": CLOSE,
    "silence": SILENCE,
    "garbage": b"HTTP/1.1 400 Bad Request\r\n\r\n",
}
KINDS = {
    "4xx": ErrorType.TEMPORARY,
    "5xx": ErrorType.SMTP,
    "drop": ErrorType.CONNECTION,
    "close": ErrorType.CONNECTION,
    "silence": ErrorType.TIMEOUT,
    "garbage": ErrorType.SMTP,
}
OUTCOMES = {"4xx": Outcome.DEFERRED, "5xx": Outcome.REJECTED}
CODES = {"4xx": 451, "5xx": 554}
STAGES = {
    "banner": "connect",
    "ehlo": "ehlo",
    "starttls": "tls",
    "auth": "auth",
    "mail": "mail",
    "rcpt": "rcpt",
    "data": "data",
    "eod": "data",
}
VERBS = ["STARTTLS", "AUTH", "MAIL", "RCPT", "DATA"]
REACHED = {"banner": 0, "ehlo": 0, "starttls": 1, "auth": 2, "mail": 3, "rcpt": 4, "data": 5, "eod": 5}  # of VERBS


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> ServerTls:
    return certificates.good(tmp_path_factory.mktemp("tls"))


@pytest.fixture(autouse=True)
async def _nothing_left() -> AsyncIterator[None]:
    """No test leaves a task or a socket, or has an exception reported to the event loop."""
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    sockets = open_sockets()
    yield
    async with asyncio.timeout(5):
        while open_sockets() > sockets or asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.sleep(0.01)  # the operating system tells nobody
    assert reported == []


def open_sockets() -> int:
    links = []
    for number in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{number}"))
        except FileNotFoundError:  # that of the listing itself
            continue
    return sum(link.startswith("socket:") for link in links)


def smtp_fields(server: RawSmtp, tls: ServerTls | None = None, /, **fields: object) -> dict[str, object]:
    """A relay without TLS; with `tls` one with STARTTLS and a login."""
    secure = {"tls": "starttls", "ca_file": tls.ca_file, "username": "monitor", "password": PASSWORD} if tls else {}
    return {
        "host": "localhost",
        "port": server.port,
        "tls": "none",
        "from_addr": "probe@localhost",
        "to_addr": "inbox@localhost",
        "subject_prefix": "[mail-loop]",
        "timeout": 10.0,
        "retries": 1,
        "retry_delay": 0.0,
        **secure,
        **fields,
    }


async def run(server: RawSmtp, tls: ServerTls | None = None, /, **fields: object) -> LoopResult:
    """A whole outbound check, retries included."""
    async with asyncio.timeout(20):
        return await check(loop_config({"name": "raw", "smtp": smtp_fields(server, tls, **fields)}))


async def deliver(server: RawSmtp, tls: ServerTls | None = None, /, **fields: object) -> tuple[Receipt, Attempts]:
    """One attempt."""
    smtp, attempts = SmtpConfig.model_validate(smtp_fields(server, tls, **fields)), Attempts()
    async with asyncio.timeout(20):
        return await attempt(compose("raw", smtp), smtp, attempts), attempts


@dataclass(frozen=True)
class Cell:
    """What a fault in a phase must lead to."""

    error_type: ErrorType
    outcome: Outcome
    attempts: int
    code: int | None


def expected(phase: str, fault: str) -> Cell:
    code = CODES.get(fault)
    if phase == "auth" and code:
        return Cell(ErrorType.AUTH, OUTCOMES[fault], 1, code)
    kind = ErrorType.RECIPIENT if (phase, fault) == ("rcpt", "5xx") else KINDS[fault]
    return Cell(kind, OUTCOMES.get(fault, Outcome.UNSENT), 2 if kind is ErrorType.TEMPORARY else 1, code)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("phase", STAGES)
async def test_a_fault_in_a_phase_is_reported_as_what_it_is_and_only_a_4yz_is_tried_again(
    phase: str, fault: str, tls: ServerTls
) -> None:
    cell = expected(phase, fault)
    async with RawSmtp({phase: FAULTS[fault]}, tls=tls.context) as server:
        result = await run(server, tls, timeout=0.3 if fault == "silence" else 10.0)
    assert (result.error_type, result.outcome, result.attempts) == (cell.error_type, cell.outcome, cell.attempts)
    assert (result.leg, result.stage) == ("smtp", STAGES[phase])
    errors = [(error.attempt, error.error_type, error.smtp_code, error.stage) for error in result.attempt_errors]
    assert errors == [(n + 1, cell.error_type, cell.code, STAGES[phase]) for n in range(cell.attempts)]
    assert result.smtp_code == cell.code
    assert server.connections == cell.attempts
    reached = REACHED[phase]
    assert [server.count(verb) for verb in VERBS] == [cell.attempts] * reached + [0] * (len(VERBS) - reached)
    assert len(server.messages) == (cell.attempts if phase == "eod" else 0)


@pytest.mark.parametrize("fault", ["drop", "close", "silence", "garbage"])
async def test_a_fault_after_the_body_leaves_the_delivery_in_doubt_and_is_never_resent(fault: str) -> None:
    async with RawSmtp({"eod": FAULTS[fault]}) as server:
        receipt, attempts = await deliver(server, timeout=0.3 if fault == "silence" else 10.0)
    assert receipt.doubt is not None
    assert not receipt.certain
    assert (receipt.doubt.error_type, receipt.doubt.stage, receipt.code) == (KINDS[fault], "data", None)
    assert [error.error_type for error in attempts.errors] == [KINDS[fault]]
    assert (server.count("DATA"), len(server.messages)) == (1, 1)


@pytest.mark.parametrize("reply", [b"354 go on\r\n", b"252 perhaps\r\n", b"999 what\r\n", b"-45 what\r\n"])
async def test_a_reply_after_the_body_that_is_no_refusal_leaves_the_delivery_in_doubt(reply: bytes) -> None:
    async with RawSmtp({"eod": reply}) as server:
        receipt, _ = await deliver(server)
    assert (receipt.certain, server.count("DATA")) == (False, 1)


@pytest.mark.parametrize("fault", ["drop", "close", "silence", "garbage"])
async def test_a_fault_before_the_body_is_a_plain_failure(fault: str) -> None:
    async with RawSmtp({"data": FAULTS[fault]}) as server:
        with pytest.raises(SendFailure) as failure:
            await deliver(server, timeout=0.3 if fault == "silence" else 10.0)
    assert (failure.value.error_type, failure.value.stage) == (KINDS[fault], "data")
    assert server.messages == []


@pytest.mark.parametrize(
    ("phase", "reply"),
    [
        ("banner", b"250 Ok\r\n"),
        ("ehlo", b"220 Ok\r\n"),
        ("mail", b"354 go on\r\n"),
        ("rcpt", b"252 2.5.2 cannot verify\r\n"),
        ("data", b"250 Ok\r\n"),
    ],
)
async def test_a_reply_that_is_neither_the_success_of_its_phase_nor_a_refusal_is_not_taken_for_one(
    phase: str, reply: bytes
) -> None:
    async with RawSmtp({phase: reply}) as server:
        result = await run(server)
    assert (result.error_type, result.outcome, result.attempts) == (ErrorType.SMTP, Outcome.UNSENT, 1)
    assert (result.stage, result.smtp_code, server.messages) == (STAGES[phase], int(reply[:3]), [])


class Leaves(RawSmtp):
    """Answers RCPT, and closes the connection in the same moment."""

    async def reply(self, line: Line, phase: str, default: bytes, tag: bytes = b"") -> bytes:
        sent = await super().reply(line, phase, default, tag)
        if phase == "rcpt":
            await line.suffer(CLOSE)
        return sent


async def test_a_connection_lost_before_data_leaves_no_doubt() -> None:
    async with Leaves() as server:
        with pytest.raises(SendFailure) as failure:
            await deliver(server)
    assert (failure.value.error_type, failure.value.stage) == (ErrorType.CONNECTION, "data")
    assert server.messages == []


@asynccontextmanager
async def connected(server: RawSmtp) -> AsyncIterator[SmtpConnection]:
    """A connection whose EHLO is due."""
    connection = SmtpConnection("localhost", "probe.test", 10.0)
    sock = await connect(await resolve("localhost", server.port))
    try:
        async with asyncio.timeout(20):
            await connection.open(sock, None)
            await connection.greeting()
            yield connection
    finally:
        connection.close()


@pytest.mark.parametrize("lost", [True, False])
async def test_a_body_that_was_not_written_is_certainly_not_out(lost: bool) -> None:
    async with RawSmtp({"data": b"451 4.3.0 not now\r\n"}) as server, connected(server) as connection:
        await connection.ehlo()
        connection.begin_data()
        if lost and connection.transport is not None:
            connection.transport.close()
        with pytest.raises(SMTPServerDisconnected if lost else SMTPDataError):
            await connection.data(b"body\r\n")
        assert not connection.body_may_be_out
    assert server.count("DATA") == (0 if lost else 1)


# --- a dialogue out of step ---

OUT_OF_STEP = "the relay sent more than the one reply that was due"


@pytest.mark.parametrize(
    ("phase", "reply"),
    [
        ("banner", b"220 raw.test\r\n250 raw.test\r\n"),
        ("ehlo", b"250-raw.test\r\n250 AUTH PLAIN\r\n250 Ok\r\n"),
        ("starttls", b"220 go\r\n250-raw.test\r\n250 AUTH LOGIN\r\n"),
        ("auth", b"235 Ok\r\n451 later\r\n"),
        ("mail", b"250 Ok\r\n450 later\r\n"),
        ("mail", b"250 Ok\r\n\r\n"),
        ("rcpt", b"250 Ok\r\n354 go\r\n250 2.0.0 Ok: queued as FAKE\r\n"),
        ("data", b"354 go\r\n451 later\r\n"),
        ("data", b"354\r\n250 queued as FAKE\r\n"),
        ("data", b"354 go\r\n250-queued"),
    ],
)
async def test_what_comes_behind_a_reply_is_not_believed_and_ends_the_dialogue_before_the_body(
    phase: str, reply: bytes, tls: ServerTls
) -> None:
    """Taken for the reply to the next command it would send a message twice, or report a refused one as sent."""
    extensions = ["AUTH PLAIN"] if phase == "auth" else []
    login = {} if phase == "auth" else {"username": None, "password": None}
    mode = "none" if phase == "ehlo" else "starttls"
    script: dict[str, Action] = {phase: reply, "eod": FAULTS["5xx"]}
    async with RawSmtp(script, tls=tls.context, extensions=extensions) as server:
        result = await run(server, tls, tls=mode, retries=3, **login)
    assert (result.error_type, result.smtp_code, result.outcome) == (ErrorType.SMTP, None, Outcome.UNSENT)
    assert (result.attempts, result.stage, result.error_msg) == (1, STAGES[phase], OUT_OF_STEP)
    assert (server.connections, server.messages) == (1, [])
    reached = REACHED[phase] - (phase in ("mail", "rcpt", "data"))  # no login there
    assert sum(server.count(verb) for verb in VERBS) == reached


@pytest.mark.parametrize(
    "reply",
    [
        b"250 2.0.0 Ok: queued as FAKE\r\n554 5.0.0 never\r\n",
        b"451 4.3.0 not now\r\n250 2.0.0 Ok: queued as RAW0001\r\n",
        b"554 5.0.0 never\r\n250 2.0.0 Ok: queued as RAW0001\r\n",
    ],
)
async def test_two_replies_to_the_body_leave_the_delivery_in_doubt(reply: bytes) -> None:
    async with RawSmtp({"eod": reply}) as server:
        receipt, attempts = await deliver(server)
        result = await run(server)
    assert receipt.doubt is not None
    assert (receipt.certain, receipt.queue_id, receipt.code) == (False, None, None)
    assert (receipt.doubt.error_type, receipt.doubt.stage, receipt.doubt.text) == (ErrorType.SMTP, "data", OUT_OF_STEP)
    assert [error.smtp_code for error in attempts.errors] == [None]
    assert (result.outcome, result.attempts, server.count("DATA")) == (Outcome.UNSENT, 1, 2)


@pytest.mark.parametrize("phase", ["banner", "ehlo", "mail", "rcpt", "data"])
@pytest.mark.parametrize("fault", ["4xx", "5xx"])
async def test_a_refusal_with_a_goodbye_behind_it_is_a_refusal(phase: str, fault: str) -> None:
    cell = expected(phase, fault)
    refusal = b"%d 5.0.0 no\r\n421 4.3.2 Bye\r\n" % CODES[fault]
    async with RawSmtp({phase: refusal}) as server:
        result = await run(server)
    assert (result.error_type, result.smtp_code, result.attempts) == (cell.error_type, cell.code, cell.attempts)


@pytest.mark.parametrize("unasked", [b"250 Ok\r\n", b"2", b"x" * 200_000], ids=["a reply", "a part", "a flood"])
async def test_what_comes_unasked_before_a_command_keeps_the_command_from_being_written(unasked: bytes) -> None:
    async with RawSmtp({"banner": [b"220 raw.test\r\n"]}) as server, connected(server) as connection:
        assert connection.line is not None
        due = len(connection.line.received)
        await server.say(unasked)
        while len(connection.line.received) < due + min(len(unasked), 60_000):
            await asyncio.sleep(0.01)  # a protocol has no event for what nobody reads
        with pytest.raises(OutOfStep):
            await connection.ehlo()
        assert len(connection.line.received) < 400_000
    assert server.log == []


@pytest.mark.parametrize("fault", FAULTS)
async def test_what_happens_at_quit_does_not_matter(fault: str, tls: ServerTls) -> None:
    async with RawSmtp({"quit": FAULTS[fault]}, tls=tls.context) as server:
        result = await run(server, tls)
    assert (result.outcome, result.attempts, result.attempt_errors) == (Outcome.DELIVERED, 1, ())
    assert (result.queue_id, server.count("DATA")) == ("RAW0001", 1)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_in_the_banner_over_implicit_tls_is_not_taken_for_one_of_tls(fault: str, tls: ServerTls) -> None:
    cell = expected("banner", fault)
    async with RawSmtp({"banner": FAULTS[fault]}, tls=tls.context, implicit=True) as server:
        result = await run(server, tls, tls="implicit", timeout=0.5 if fault == "silence" else 10.0)
    assert (result.error_type, result.attempts, result.stage) == (cell.error_type, cell.attempts, "connect")
    assert (result.smtp_code, server.connections) == (cell.code, cell.attempts)


class Late(RawSmtp):
    """Waits before the banner."""

    async def converse(self, line: Line) -> None:
        await asyncio.sleep(0.3)
        await super().converse(line)


@pytest.mark.parametrize("mode", ["none", "starttls", "implicit"])
async def test_the_wait_for_the_banner_is_time_of_connect(mode: str, tls: ServerTls) -> None:
    async with Late(tls=tls.context, implicit=mode == "implicit") as server:
        result = await run(server, tls, tls=mode)
    assert result.outcome is Outcome.DELIVERED
    assert result.smtp_stages["connect"] >= 0.3
    assert result.smtp_stages.get("tls", 0.0) < 0.3
    assert list(result.smtp_stages)[:2] == ["dns", "connect"]
    assert ("tls" in result.smtp_stages) is (mode != "none")


class NoHandshake(RawSmtp):
    """Takes a connection and says nothing, not even what TLS asks for."""

    async def converse(self, line: Line) -> None:
        await line.suffer(SILENCE)


async def test_a_handshake_of_implicit_tls_without_an_answer_is_a_timeout_of_tls(tls: ServerTls) -> None:
    async with NoHandshake() as server:
        result = await run(server, tls, tls="implicit", timeout=0.3)
    assert (result.error_type, result.stage, result.attempts) == (ErrorType.TIMEOUT, "tls", 1)
    assert result.error_msg == "no answer within 0.3 s"
    assert result.smtp_stages["connect"] < 0.3 <= result.smtp_stages["tls"]


@pytest.mark.parametrize("action", [b"421 4.3.2 busy\r\n", SILENCE, b"garbage\r\n"])
async def test_after_a_failure_over_implicit_tls_the_next_connection_works(action: Action, tls: ServerTls) -> None:
    """A socket closed under its transport would have given its number to the next one, which then could not connect."""
    async with RawSmtp({"banner": [action]}, tls=tls.context, implicit=True) as server:
        with pytest.raises(SendFailure):
            await deliver(server, tls, tls="implicit", timeout=0.5 if action is SILENCE else 10.0)
        receipt, _ = await deliver(server, tls, tls="implicit")
    assert receipt.certain


async def test_251_at_rcpt_is_an_acceptance() -> None:
    async with RawSmtp({"rcpt": b"251 will forward\r\n"}) as server:
        assert (await run(server)).outcome is Outcome.DELIVERED


async def test_a_refused_connection_is_tried_once() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        server = RawSmtp()
        server.port = unused.getsockname()[1]
        result = await run(server)
    assert (result.error_type, result.stage, result.attempts) == (ErrorType.CONNECTION, "connect", 1)
    assert result.error_msg == "the connection failed: Connection refused"


# --- TLS ---


class BrokenTls(RawSmtp):
    """Asks for the handshake, and then does something else."""

    def __init__(self, action: bytes | Fault) -> None:
        super().__init__(extensions=("STARTTLS", "AUTH PLAIN"))
        self.action = action

    async def _starttls(self, line: Line) -> None:
        await line.write(b"220 2.0.0 Ready to start TLS\r\n")
        await line.reader.read(1)  # the handshake has begun
        if isinstance(self.action, Fault):
            await line.suffer(self.action)
        await line.write(self.action)
        await line.suffer(SILENCE)


HANDSHAKE = {"drop": DROP, "close": CLOSE, "garbage": FAULTS["garbage"], "silence": SILENCE}


@pytest.mark.parametrize("fault", HANDSHAKE)
async def test_a_handshake_that_fails_after_starttls_is_a_tls_error_and_nothing_goes_in_clear(
    fault: str, tls: ServerTls
) -> None:
    async with BrokenTls(HANDSHAKE[fault]) as server:
        result = await run(server, tls, timeout=0.3 if fault == "silence" else 10.0)
    assert result.error_type is (ErrorType.TIMEOUT if fault == "silence" else ErrorType.TLS)
    assert (result.stage, result.attempts, server.count("AUTH"), server.count("MAIL")) == ("tls", 1, 0, 0)


class ResetsHello(RawSmtp):
    """Resets the connection once the client has begun to speak TLS."""

    async def converse(self, line: Line) -> None:
        await line.reader.read(1)
        await line.suffer(DROP)


@pytest.mark.parametrize("kind", [RawSmtp, ResetsHello])
async def test_implicit_tls_with_a_server_that_speaks_none_is_a_tls_error(kind: type[RawSmtp], tls: ServerTls) -> None:
    async with kind() as server:
        result = await run(server, tls, tls="implicit")
    assert (result.error_type, result.stage, result.attempts) == (ErrorType.TLS, "tls", 1)


async def test_starttls_that_is_not_offered_is_a_tls_error_and_nothing_is_sent(tls: ServerTls) -> None:
    async with RawSmtp() as server:
        result = await run(server, tls)
    assert (result.error_type, result.stage, result.attempts) == (ErrorType.TLS, "tls", 1)
    assert result.error_msg == f"localhost does not offer STARTTLS on port {server.port}"
    assert [server.count(verb) for verb in VERBS] == [0] * len(VERBS)


REASONS = {
    "wrong name": "Hostname mismatch",
    "expired": "certificate has expired",
    "not yet valid": "certificate is not yet valid",
    "self-signed": "self-signed certificate",
}


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
@pytest.mark.parametrize("flaw", certificates.BAD)
async def test_a_bad_certificate_is_refused_with_the_reason(flaw: str, mode: str, tmp_path: Path) -> None:
    bad = certificates.BAD[flaw](tmp_path)
    async with RawSmtp(tls=bad.context, implicit=mode == "implicit") as server:
        result = await run(server, bad, tls=mode)
    assert (result.error_type, result.stage, result.attempts) == (ErrorType.TLS, "tls", 1)
    assert f"the certificate of localhost is not accepted: {REASONS[flaw]}" in (result.error_msg or "")
    assert (server.count("AUTH"), server.count("MAIL")) == (0, 0)


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
@pytest.mark.parametrize("flaw", certificates.BAD)
async def test_a_bad_certificate_is_accepted_where_the_configuration_says_so(
    flaw: str, mode: str, tmp_path: Path
) -> None:
    bad = certificates.BAD[flaw](tmp_path)
    async with RawSmtp(tls=bad.context, implicit=mode == "implicit") as server:
        result = await run(server, bad, tls=mode, verify=False)
    assert result.outcome is Outcome.DELIVERED


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
async def test_a_server_with_nothing_newer_than_tls_1_1_is_refused(mode: str, tmp_path: Path) -> None:
    old = certificates.good(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.context.minimum_version = ssl.TLSVersion.TLSv1
        old.context.maximum_version = ssl.TLSVersion.TLSv1_1
    old.context.set_ciphers("ALL:@SECLEVEL=0")
    async with RawSmtp(tls=old.context, implicit=mode == "implicit") as server:
        result = await run(server, old, tls=mode)
    assert (result.error_type, result.stage, result.attempts) == (ErrorType.TLS, "tls", 1)
    assert server.count("MAIL") == 0


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
async def test_a_ca_file_that_cannot_be_read_is_a_tls_error_before_any_connection(mode: str, tmp_path: Path) -> None:
    async with RawSmtp() as server:
        with pytest.raises(SendFailure, match=r"the ca_file .* cannot be used: No such file") as failure:
            await deliver(server, tls=mode, ca_file=str(tmp_path / "none.pem"))
    assert (failure.value.error_type, failure.value.stage, server.connections) == (ErrorType.TLS, "tls", 0)


# --- authentication ---


@pytest.mark.parametrize("code", [b"421", b"432", b"451", b"454", b"500", b"535", b"538", b"250"])
async def test_a_login_that_fails_is_never_tried_again_whatever_the_code(code: bytes, tls: ServerTls) -> None:
    async with RawSmtp({"auth": code + b" no\r\n"}, tls=tls.context) as server:
        result = await run(server, tls, retries=3)
    assert (result.error_type, result.stage, result.smtp_code) == (ErrorType.AUTH, "auth", int(code))
    assert (server.connections, server.count("AUTH"), server.count("MAIL")) == (1, 1, 0)


@pytest.mark.parametrize(
    ("offered", "secure", "chosen"),
    [
        ("AUTH PLAIN LOGIN CRAM-MD5", True, "PLAIN"),
        ("AUTH CRAM-MD5 LOGIN PLAIN", False, "CRAM-MD5"),
        ("AUTH LOGIN", True, "LOGIN"),
        ("AUTH=LOGIN", True, "LOGIN"),
        ("AUTH CRAM-MD5", True, "CRAM-MD5"),
        ("auth gssapi login", False, "LOGIN"),
    ],
)
async def test_one_mechanism_is_chosen_from_what_is_offered(
    offered: str, secure: bool, chosen: str, tls: ServerTls
) -> None:
    async with RawSmtp(tls=tls.context, extensions=[offered]) as server:
        result = await run(server, tls, tls="starttls" if secure else "none")
    assert result.outcome is Outcome.DELIVERED
    assert [line for line in server.log if line.startswith("AUTH")] == [f"AUTH {chosen} ***"]
    if chosen != "CRAM-MD5":
        assert server.credentials == [("monitor", PASSWORD)]


@pytest.mark.parametrize("extensions", [[], ["AUTH"], ["AUTH GSSAPI XOAUTH2"]])
async def test_a_relay_without_a_mechanism_of_ours_is_an_authentication_error(
    extensions: list[str], tls: ServerTls
) -> None:
    async with RawSmtp(tls=tls.context, extensions=extensions) as server:
        result = await run(server, tls)
    assert (result.error_type, result.stage, result.attempts) == (ErrorType.AUTH, "auth", 1)
    assert "offers no AUTH mechanism" in (result.error_msg or "")
    assert result.sentence.endswith("check smtp.host and port: a login is for port 587 or 465.")
    assert (server.count("AUTH"), server.count("MAIL")) == (0, 0)


async def test_a_relay_that_lets_nobody_log_in_in_clear_is_not_said_to_refuse_the_password(tls: ServerTls) -> None:
    async with RawSmtp(tls=tls.context, extensions=[]) as server:
        result = await run(server, tls, tls="none")
    assert (result.outcome, result.error_type) == (Outcome.REJECTED, ErrorType.AUTH)
    assert " offers no login for monitor (at auth: " in result.sentence
    assert result.sentence.endswith("set smtp.tls to starttls or implicit: most relays let nobody log in in clear.")


class BadChallenge(RawSmtp):
    """Asks for CRAM-MD5 with something that is not base64."""

    async def _authenticate(self, line: Line, argument: str) -> None:
        await line.write(b"334 \xff%%%\r\n")


async def test_a_challenge_that_is_not_base64_is_an_authentication_error() -> None:
    login = {"username": "monitor", "password": PASSWORD}
    async with BadChallenge(extensions=["AUTH CRAM-MD5"]) as server:
        result = await run(server, **login)
    assert (result.error_type, result.stage, result.attempts) == (ErrorType.AUTH, "auth", 1)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("length", [999, 24])
async def test_a_relay_that_quotes_the_password_does_not_get_it_into_a_result_or_a_log(
    mechanism: str, length: int, tls: ServerTls, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    blobs = [PASSWORD, encoded(PASSWORD), encoded(f"\0monitor\0{PASSWORD}")]
    echo = f"535 5.5.4 cannot parse '{blobs[2][:length]}' or <{blobs[1][:length]}> or {PASSWORD}.\r\n".encode()
    async with RawSmtp({"auth": echo}, tls=tls.context, extensions=[f"AUTH {mechanism}"]) as server:
        result = await run(server, tls)
    seen = result.model_dump_json() + repr(result) + caplog.text
    assert server.credentials == [("monitor", PASSWORD)]
    assert not [blob for blob in (*blobs, *(blob[:24] for blob in blobs[1:])) if blob in seen]
    assert result.error_msg == "535 5.5.4 cannot parse '********' or <********> or ********."


# --- hostile servers ---


class Drips(RawSmtp):
    """Sends `chunk` again and again, with a pause between, for a banner."""

    def __init__(self, chunk: bytes, pause: float) -> None:
        super().__init__()
        self.chunk = chunk
        self.pause = pause

    async def converse(self, line: Line) -> None:
        while True:
            await line.write(self.chunk)
            await asyncio.sleep(self.pause)


@pytest.mark.parametrize("chunk", [b"2", b"220-x\r\n"])
async def test_a_slow_banner_without_an_end_is_bounded_by_the_timeout(chunk: bytes) -> None:
    async with Drips(chunk, 0.05) as server:
        result = await run(server, timeout=0.3)
    assert (result.error_type, result.stage, result.attempts) == (ErrorType.TIMEOUT, "connect", 1)


@pytest.mark.parametrize("chunk", [b"2" * 1000, b"220-x\r\n" * 1000], ids=["one line", "many lines"])
async def test_a_fast_banner_without_an_end_is_given_up(chunk: bytes) -> None:
    async with Drips(chunk, 0) as server:
        result = await run(server)
    assert (result.error_type, result.stage, result.attempts) == (ErrorType.SMTP, "connect", 1)


@pytest.mark.parametrize(
    "reply",
    [
        b"\x00\x00\x00\r\n",
        b"\r\n",
        b"25\r\n",
        b"2\xb50 Ok\r\n",
        b"999 what\r\n",
        b"000 what\r\n",
        b"-25 what\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"250-x\r\nfoo\r\n",
    ],
)
@pytest.mark.parametrize("phase", ["banner", "mail"])
async def test_what_is_no_reply_of_smtp_is_an_smtp_error_without_a_code(phase: str, reply: bytes) -> None:
    async with RawSmtp({phase: reply}) as server:
        result = await run(server)
    assert (result.error_type, result.smtp_code, result.attempts) == (ErrorType.SMTP, None, 1)
    assert (result.error_msg or "").startswith("not an SMTP reply: ")
    assert server.count("RCPT") == 0


async def test_hostile_text_of_a_relay_is_shown_in_one_printable_line() -> None:
    text = b"550-\x1b[2J\x1b]0;owned\x07\r\n550-\xff\xfe\xe2\x80\xaeabc\r\n550 " + b"<script>" * 900 + b"\r\n"
    async with RawSmtp({"rcpt": text}) as server:
        result = await run(server)
    shown = result.error_msg or ""
    assert (result.smtp_code, result.error_type) == (550, ErrorType.RECIPIENT)
    assert shown.isprintable()
    assert shown.startswith(r"550 \x1b[2J\x1b]0;owned\x07 ÿþ\u202eabc <script>")
    assert len(shown) <= 310


@pytest.mark.parametrize("charset", ["utf-8", "latin-1"])
async def test_a_reply_that_is_not_ascii_is_shown_as_it_was_meant(charset: str) -> None:
    async with RawSmtp({"rcpt": "550 5.1.1 Empfänger für diese Größe unbekannt\r\n".encode(charset)}) as server:
        result = await run(server)
    assert result.response_message == "5.1.1 Empfänger für diese Größe unbekannt"
    assert "Empfänger für diese Größe unbekannt" in result.sentence


@pytest.mark.parametrize("phase", ["banner", "ehlo", "rcpt", "eod"])
@pytest.mark.parametrize("mode", ["none", "implicit"])
async def test_a_cancelled_delivery_leaves_no_connection(phase: str, mode: str, tls: ServerTls) -> None:
    async with RawSmtp({phase: SILENCE}, tls=tls.context, implicit=mode == "implicit") as server:
        delivery = asyncio.create_task(deliver(server, tls, tls=mode))
        verb = {"banner": "", "ehlo": "EHLO", "rcpt": "RCPT", "eod": "DATA"}[phase]
        async with asyncio.timeout(10):
            while not server.connections or (verb and not server.count(verb)):
                await asyncio.sleep(0.01)  # the server's log has no event
        delivery.cancel()
        with pytest.raises(asyncio.CancelledError):
            await delivery


# --- retries ---


async def test_a_retry_sends_the_same_message() -> None:
    async with RawSmtp({"eod": [FAULTS["4xx"], FAULTS["4xx"], DEFAULT]}) as server:
        result = await run(server, retries=3, retry_delay=0.01, retry_backoff=2.0, retry_jitter=1.0)
    assert (result.outcome, result.attempts, server.count("DATA")) == (Outcome.DELIVERED, 3, 3)
    assert len(server.messages) == 3
    assert len(set(server.messages)) == 1
    assert f"Message-ID: {result.message_id}\r\n".encode() in server.messages[0]


async def test_greylisting_at_rcpt_ends_in_a_delivery_that_remembers_it() -> None:
    async with RawSmtp({"rcpt": [b"450 4.2.0 Greylisted, see http://postgrey.example.org\r\n", DEFAULT]}) as server:
        result = await run(server, retries=2, retry_delay=0.01)
    assert (result.outcome, result.attempts, server.count("RCPT"), server.count("DATA")) == (Outcome.DELIVERED, 2, 2, 1)
    (error,) = result.attempt_errors
    assert (error.attempt, error.error_type, error.smtp_code, error.stage) == (1, ErrorType.TEMPORARY, 450, "rcpt")
    assert error.error_msg == "450 4.2.0 Greylisted, see http://postgrey.example.org"


async def test_the_kind_of_the_last_attempt_decides() -> None:
    async with RawSmtp({"rcpt": [b"450 4.2.0 later\r\n", b"550 5.1.1 unknown\r\n"]}) as server:
        result = await run(server, retries=5)
    assert (result.error_type, result.smtp_code, result.attempts) == (ErrorType.RECIPIENT, 550, 2)
    assert [error.smtp_code for error in result.attempt_errors] == [450, 550]


async def test_the_envelope_and_the_message_say_what_the_configuration_says(tls: ServerTls) -> None:
    async with RawSmtp(tls=tls.context, extensions=["SIZE", "SMTPUTF8", "AUTH PLAIN"]) as server:
        result = await run(server, tls, from_addr="pröbe+x@exämple.org", to_addr="o'neil/{x}=y@localhost")
    assert result.outcome is Outcome.DELIVERED
    size = len(server.messages[0])
    assert f"MAIL FROM:<pröbe+x@xn--exmple-cua.org> SIZE={size} SMTPUTF8" in server.log
    assert "RCPT TO:<o'neil/{x}=y@localhost>" in server.log


async def test_a_non_ascii_address_needs_a_relay_that_can_take_it() -> None:
    async with RawSmtp() as server:
        result = await run(server, to_addr="büro@localhost")
    assert (result.error_type, result.stage, server.count("MAIL")) == (ErrorType.SMTP, "mail", 0)
    assert "SMTPUTF8" in (result.error_msg or "")
