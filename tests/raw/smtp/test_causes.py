"""What relays say when they refuse, in a real dialogue: the cause, who must act, how often it is tried."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from flows.direct import check
from tasks.mail.config.loop import Limits, loop_config
from tasks.mail.model.cause import Cause
from tasks.mail.model.outcome import Outcome, Status
from tasks.mail.model.result import LoopResult
from tests.support import certificates
from tests.support.certificates import ServerTls
from tests.support.raw.server import CLOSE, DROP, SILENCE, Action, Slow
from tests.support.raw.smtp import RawSmtp
from tests.support.replies import GIVEN, Said


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> ServerTls:
    return certificates.good(tmp_path_factory.mktemp("certificates"))


PHASES = {"data": "eod"}
LOGIN = {"username": "monitor", "password": "Pa55-of-monitor"}


async def run(server: RawSmtp, **fields: object) -> LoopResult:
    """A whole outbound check by the steps of `--direct`; limits are among the fields."""
    limits = {"max_per_hour": 3600} | {name: fields.pop(name) for name in list(fields) if name in Limits.model_fields}
    smtp = {
        "host": "localhost",
        "port": server.port,
        "tls": "none",
        "from_addr": "monitor@inbox.test",
        "to_addr": "box@inbox.test",
        "subject_prefix": "[mail-loop]",
        "timeout": 10.0,
        "retries": 0,
        **fields,
    }
    async with asyncio.timeout(30):
        return await check(loop_config({"name": "raw", "smtp": smtp, "limits": limits}))


@pytest.mark.parametrize("said", GIVEN, ids=lambda said: said.name)
async def test_the_right_person_is_named_for_what_a_relay_says(said: Said) -> None:
    """Each line of cases/replies.jsonl, at its stage."""
    async with RawSmtp({PHASES.get(said.stage, said.stage): f"{said.reply}\r\n".encode()}) as server:
        result = await run(server, **(LOGIN if said.login else {}))
    assert result.cause == said.cause
    assert result.who_acts is not None
    assert re.search(said.who, result.who_acts)
    assert result.sentence.endswith(".")


@pytest.mark.parametrize(
    ("reply", "outcome", "cause"),
    [
        ("454 4.7.0 Temporary authentication failure", Outcome.DEFERRED, Cause.LOGIN_UNAVAILABLE),
        ("435 Unable to authenticate at present", Outcome.DEFERRED, Cause.LOGIN_UNAVAILABLE),
        ("421 4.7.0 Too many login attempts", Outcome.DEFERRED, Cause.LOGIN_THROTTLED),
        ("432 4.7.12 A password transition is needed", Outcome.REJECTED, Cause.PASSWORD_EXPIRED),
        ("430 4.2.0 STOREDRV; mailbox logon failure", Outcome.REJECTED, Cause.ACCOUNT_DISABLED),
        ("451 4.7.8 Invalid credentials", Outcome.REJECTED, Cause.WRONG_PASSWORD),
        ("535 5.7.8 no", Outcome.REJECTED, Cause.WRONG_PASSWORD),
        ("525 5.7.13 Account disabled", Outcome.REJECTED, Cause.ACCOUNT_DISABLED),
        ("550 5.0.0 Temporary failure", Outcome.REJECTED, Cause.LOGIN_UNAVAILABLE),
    ],
)
async def test_a_login_is_deferred_by_a_4yz_unless_it_was_refused_and_never_tried_again(
    reply: str, outcome: Outcome, cause: Cause
) -> None:
    async with RawSmtp({"auth": f"{reply}\r\n".encode()}) as server:
        result = await run(server, **LOGIN, retries=2, retry_delay=0.0)
    assert (result.outcome, result.cause, result.error_type) == (outcome, cause, "auth_error")
    assert (result.attempts, server.count("AUTH")) == (1, 1)


@pytest.mark.parametrize("retries", [0, 49, 60, 130])
async def test_a_temporary_refusal_is_tried_as_often_as_configured(retries: int) -> None:
    """Also past 50, the number of delays that Prefect takes."""
    async with RawSmtp({"rcpt": b"450 4.2.0 later\r\n"}) as server:
        result = await run(server, retries=retries, retry_delay=0.0)
    assert result.attempts == server.count("RCPT") == retries + 1


@pytest.mark.parametrize(
    ("script", "cause"),
    [
        ({"banner": DROP}, Cause.DROPPED),
        ({"mail": CLOSE}, Cause.DROPPED),
        ({"banner": SILENCE}, Cause.NO_ANSWER),
        ({"rcpt": SILENCE}, Cause.NO_ANSWER),
        ({"banner": b"* OK [CAPABILITY IMAP4rev1] ready\r\n"}, Cause.TLS_MODE),
        ({"banner": b"+OK ready\r\n"}, Cause.TLS_MODE),
    ],
)
async def test_a_server_that_gives_no_reply_has_a_cause(script: dict[str, Action], cause: Cause) -> None:
    async with RawSmtp(script) as server:
        result = await run(server, timeout=0.2)
    assert (result.outcome, result.cause) == (Outcome.UNSENT, cause)


async def test_a_server_of_another_protocol_is_named_with_the_field() -> None:
    async with RawSmtp({"banner": b"* OK [CAPABILITY IMAP4rev1] ready\r\n"}) as server:
        result = await run(server)
    assert "it is an IMAP server that answers on this port" in result.sentence
    assert "smtp.port" in result.sentence


async def test_a_closed_port_is_unreachable_and_a_name_that_is_none_is_not_found() -> None:
    async with RawSmtp() as server:
        pass
    assert (await run(server)).cause is Cause.UNREACHABLE
    assert (await run(server, host="no-such-host.invalid")).cause is Cause.NAME_NOT_FOUND


async def test_tls_on_a_port_that_begins_in_clear_names_the_field() -> None:
    async with RawSmtp() as server:
        result = await run(server, tls="implicit")
    assert (result.outcome, result.cause) == (Outcome.UNSENT, Cause.TLS_MODE)
    assert "smtp.tls" in result.sentence


async def test_starttls_that_is_not_offered_names_the_field() -> None:
    async with RawSmtp() as server:
        result = await run(server, tls="starttls")
    assert (result.outcome, result.cause) == (Outcome.UNSENT, Cause.TLS_MODE)
    assert "smtp.tls" in result.sentence


async def test_a_login_that_is_offered_after_tls_only_wants_tls(tls: ServerTls) -> None:
    async with RawSmtp(tls=tls.context, extensions=["8BITMIME"]) as server:
        result = await run(server, **LOGIN)
    assert (result.outcome, result.cause) == (Outcome.REJECTED, Cause.TLS_REQUIRED)
    assert "set smtp.tls to starttls or implicit" in result.sentence


async def test_mechanisms_that_no_check_speaks_are_a_matter_of_the_login_method() -> None:
    async with RawSmtp(extensions=["AUTH GSSAPI NTLM"]) as server:
        result = await run(server, **LOGIN)
    assert (result.outcome, result.cause) == (Outcome.REJECTED, Cause.LOGIN_METHOD)


async def test_a_certificate_that_is_not_accepted_is_a_cause(tls: ServerTls) -> None:
    async with RawSmtp(tls=tls.context) as server:
        result = await run(server, tls="starttls")
    assert (result.outcome, result.cause) == (Outcome.UNSENT, Cause.CERTIFICATE)


async def test_a_handshake_that_breaks_is_a_cause(tls: ServerTls) -> None:
    async with RawSmtp({"handshake": DROP}, tls=tls.context) as server:
        result = await run(server, tls="starttls", ca_file=tls.ca_file)
    assert (result.outcome, result.cause) == (Outcome.UNSENT, Cause.TLS_HANDSHAKE)


async def test_what_a_relay_said_when_it_was_asked_last_decides() -> None:
    refusals = [b"450 4.2.2 Mailbox full\r\n", b"451 4.7.1 Greylisted, come back later\r\n"]
    async with RawSmtp({"rcpt": refusals}) as server:
        result = await run(server, retries=1, retry_delay=0.0)
    assert (result.outcome, result.cause) == (Outcome.DEFERRED, Cause.GREYLISTED)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
async def test_the_line_end_of_a_password_is_not_sent_and_noted(end: str) -> None:
    """As `echo password | base64` leaves it in a secret."""
    async with RawSmtp(extensions=["AUTH PLAIN"]) as server:
        result = await run(server, username="monitor", password=f"Pa55-of-monitor{end}")
    assert server.credentials == [("monitor", "Pa55-of-monitor")]
    assert "The password of smtp ends with a line end, which is taken off: store it without." in result.notes


async def test_a_line_end_is_taken_off_where_a_secret_is_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_MONITOR", "Pa55-of-monitor\n")
    async with RawSmtp({"auth": b"535 5.7.8 no, Pa55-of-monitor\r\n"}, extensions=["AUTH PLAIN"]) as server:
        result = await run(server, username="monitor", password_secret="of-monitor")
    assert server.credentials == [("monitor", "Pa55-of-monitor")]
    assert "Pa55-of-monitor" not in result.model_dump_json()


async def test_a_secret_that_is_not_there_or_empty_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMPTY", "\n")
    for secret in ("empty", "not-there"):
        async with RawSmtp() as server:
            result = await run(server, username="monitor", password_secret=secret)
        assert (result.outcome, result.cause, server.connections) == (Outcome.MISCONFIGURED, Cause.SECRET_MISSING, 0)


@pytest.mark.parametrize(
    ("stage", "reply", "cause"),
    [
        ("rcpt", "550 5.2.1 The email account that you tried to reach is disabled", Cause.RECIPIENT_DISABLED),
        ("eod", "554 5.4.6 Too many hops", Cause.MAIL_LOOP),
        ("eod", "550 5.7.1 Message rejected as spam", Cause.CONTENT_REFUSED),
        ("eod", "554 5.4.7 Delivery time expired", Cause.EXPIRED),
        ("auth", "525 5.7.13 User Account Disabled", Cause.ACCOUNT_DISABLED),
        ("starttls", "454 4.7.0 TLS not available due to temporary reason", Cause.SERVER_TROUBLE),
    ],
)
async def test_what_is_rarer_has_its_cause_too(stage: str, reply: str, cause: Cause, tls: ServerTls) -> None:
    fields = LOGIN if stage == "auth" else {"tls": "starttls"} if stage == "starttls" else {}
    async with RawSmtp({stage: f"{reply}\r\n".encode()}, tls=tls.context) as server:
        assert (await run(server, **fields)).cause is cause


async def test_a_check_that_may_not_send_says_why() -> None:
    async with RawSmtp({"banner": SILENCE}) as server:
        first = asyncio.create_task(run(server, timeout=0.5))
        while not server.connections:
            await asyncio.sleep(0.01)
        assert (await run(server)).cause is Cause.STILL_RUNNING
        await first
    async with RawSmtp() as server:
        found = [await run(server, max_per_hour=1) for _ in range(2)]
    assert [result.cause for result in found] == [None, Cause.BUDGET_SPENT]
    assert (found[1].status, found[1].who_acts) == (Status.WARNING, None)


async def test_a_certificate_that_ends_soon_is_a_warning_with_a_cause(tmp_path: Path) -> None:
    soon = certificates.ending_soon(tmp_path)
    async with RawSmtp(tls=soon.context) as server:
        result = await run(server, tls="starttls", ca_file=soon.ca_file)
    assert (result.status, result.outcome) == (Status.WARNING, Outcome.DELIVERED)
    assert result.cause is Cause.CERTIFICATE_EXPIRY


@pytest.mark.parametrize("mode", ["starttls", "none"])
async def test_a_relay_that_waits_for_tls_is_known_before_the_timeout(mode: str, tls: ServerTls) -> None:
    """As with port 465 and starttls, on whatever port."""
    async with RawSmtp(tls=tls.context, implicit=True) as server:
        result = await run(server, tls=mode, ca_file=tls.ca_file, timeout=15.0)
    assert (result.outcome, result.error_type, result.cause) == (Outcome.UNSENT, "tls_error", Cause.TLS_MODE)
    assert "waits for TLS from the first byte" in result.sentence
    assert "smtp.tls" in result.sentence


async def test_a_relay_that_is_merely_slow_to_greet_is_waited_for() -> None:
    """Byte by byte, for longer than it takes to become suspicious."""
    async with RawSmtp({"banner": Slow(0.12)}) as server:
        result = await run(server)
    assert (result.outcome, server.connections) == (Outcome.DELIVERED, 2)
