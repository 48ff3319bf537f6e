"""Each mechanism at a relay: let in, refused, and told why; the password goes out once, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from flows.direct import check
from tasks.mail.config.loop import loop_config
from tasks.mail.model.cause import Cause
from tasks.mail.model.outcome import ErrorType, Outcome
from tasks.mail.model.result import LoopResult
from tests.support import certificates
from tests.support.raw.smtp import RawSmtp

PASSWORD = "Pa55-of-monitor"
BY_PASSWORD = ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256")


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> certificates.ServerTls:
    return certificates.good(tmp_path_factory.mktemp("certificates"))


def relay(mechanism: str, tls: certificates.ServerTls | None = None, **options: Any) -> RawSmtp:
    return RawSmtp(tls=tls.context if tls else None, extensions=[f"AUTH {mechanism}"], **options)


async def run(
    server: RawSmtp, tls: certificates.ServerTls | None = None, fields: Mapping[str, object] | None = None
) -> LoopResult:
    section: dict[str, object] = {"host": "localhost", "port": server.port, "username": "monitor", "timeout": 5.0}
    section |= {"from_addr": "a@a.test", "to_addr": "b@b.test", "subject_prefix": "[x]", "retry_delay": 0.1}
    section |= {"tls": "starttls", "ca_file": tls.ca_file} if tls else {"tls": "none"}
    section |= {"password": PASSWORD, **(fields or {})}
    async with asyncio.timeout(30):
        return await check(loop_config({"name": "raw", "smtp": section}))


@pytest.mark.parametrize("mechanism", BY_PASSWORD)
async def test_the_right_password_is_let_in(mechanism: str, tls: certificates.ServerTls) -> None:
    async with relay(mechanism, tls) as server:
        server.logins.passwords = {"monitor": PASSWORD}
        result = await run(server, tls)
    assert result.outcome is Outcome.DELIVERED
    assert [line for line in server.log if line.startswith("AUTH")] == [f"AUTH {mechanism} ***"]


@pytest.mark.parametrize("mechanism", BY_PASSWORD)
async def test_a_wrong_password_is_refused_once(mechanism: str, tls: certificates.ServerTls) -> None:
    async with relay(f"{mechanism} NTLM", tls) as server:
        server.logins.passwords = {"monitor": "another"}
        result = await run(server, tls)
    assert (result.outcome, result.error_type, result.stage) == (Outcome.REJECTED, ErrorType.AUTH, "auth")
    assert (result.cause, result.attempts, server.count("AUTH")) == (Cause.WRONG_PASSWORD, 1, 1)


@pytest.mark.parametrize("offered", ["PLAIN LOGIN CRAM-MD5", "PLAIN SCRAM-SHA-1", "PLAIN SCRAM-SHA-256 SCRAM-SHA-1"])
async def test_in_clear_the_password_is_not_shown_where_there_is_a_way(offered: str) -> None:
    async with relay(offered) as server:
        server.logins.passwords = {"monitor": PASSWORD}
        result = await run(server)
    assert result.outcome is Outcome.DELIVERED
    assert PASSWORD not in [secret for _, secret in server.credentials]


@pytest.mark.parametrize(
    ("flaw", "text"),
    [("early", "the server agreed before SCRAM-SHA-256 was at its end"), ("signature", "cannot prove that it knows")],
)
async def test_a_relay_that_cannot_prove_that_it_knows_the_password_gets_no_mail(flaw: str, text: str) -> None:
    async with relay("SCRAM-SHA-256") as server:
        server.logins.passwords, server.logins.flaw = {"monitor": PASSWORD}, flaw
        result = await run(server)
    assert (result.outcome, result.error_type, result.stage) == (Outcome.REJECTED, ErrorType.AUTH, "auth")
    assert (result.cause, server.count("MAIL")) == (Cause.LOGIN_UNAVAILABLE, 0)
    assert result.sentence.startswith(f"The login of monitor at the relay localhost:{server.port} came to no end")
    assert text in result.sentence
    assert "see its login service" in result.sentence


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256"])
@pytest.mark.parametrize("error", ["invalid-proof", "unknown-user"])
async def test_a_wrong_password_that_scram_itself_refuses_is_a_refused_login(error: str, mechanism: str) -> None:
    """RFC 5802, 7: the last word of the server may be an error, which is no reply of SMTP."""
    async with relay(mechanism) as server:
        server.logins.passwords, server.logins.flaw = {"monitor": "another"}, f"e={error}"
        result = await run(server)
    assert (result.outcome, result.error_type, result.cause) == (Outcome.REJECTED, ErrorType.AUTH, Cause.WRONG_PASSWORD)
    assert (result.attempts, server.count("AUTH"), server.count("MAIL")) == (1, 1, 0)
    assert result.sentence.startswith(f"The relay localhost:{server.port} refused the login of monitor (at auth: ")
    assert f"{mechanism}: {error}" in result.sentence


@pytest.mark.parametrize("offered", ["NTLM", "GSSAPI NTLM"])
async def test_a_relay_with_none_of_our_mechanisms_is_told_with_what_it_offers(
    offered: str, tls: certificates.ServerTls
) -> None:
    async with relay(offered, tls) as server:
        result = await run(server, tls)
    assert (result.outcome, result.cause) == (Outcome.REJECTED, Cause.LOGIN_METHOD)
    assert f"(offered: {offered})" in result.sentence
    assert server.count("AUTH") == 0


async def test_what_is_too_long_for_a_command_is_sent_when_the_relay_asks(tls: certificates.ServerTls) -> None:
    """RFC 4954, 4: with AUTH and an initial response a command is no longer than 512 octets."""
    long = "x" * 500
    async with relay("PLAIN", tls) as server:
        server.logins.passwords = {"monitor": long}
        result = await run(server, tls, {"password": long})
    assert result.outcome is Outcome.DELIVERED
    assert server.credentials == [("monitor", long)]
    assert server.longest < 512
