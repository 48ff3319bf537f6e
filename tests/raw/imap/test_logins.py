"""Each mechanism at a mailbox server: let in, refused, and told why; the password goes out once, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from flows.direct import check
from tasks.mail.config.loop import loop_config
from tasks.mail.model.cause import Cause
from tasks.mail.model.outcome import ErrorType, Outcome
from tasks.mail.model.result import LoopResult
from tests.support import certificates
from tests.support.raw.imap import RawImap
from tests.support.raw.smtp import RawSmtp

PASSWORD = "Pa55-of-box"
BY_PASSWORD = ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256")


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> certificates.ServerTls:
    return certificates.good(tmp_path_factory.mktemp("certificates"))


def mailbox(offered: str, tls: certificates.ServerTls | None = None, more: str = "LOGINDISABLED SASL-IR") -> RawImap:
    mechanisms = " ".join(f"AUTH={name}" for name in offered.split())
    context = tls.context if tls else None
    return RawImap(tls=context, implicit=tls is not None, capabilities=f"IMAP4rev1 {more} {mechanisms}".strip())


async def run(
    imap: RawImap, tls: certificates.ServerTls | None = None, fields: Mapping[str, object] | None = None
) -> LoopResult:
    async with RawSmtp() as smtp, asyncio.timeout(30):
        smtp.deliver = imap.append
        relay = {"host": smtp.host, "port": smtp.port, "tls": "none", "subject_prefix": "[raw]"}
        relay |= {"from_addr": "probe@raw.test", "to_addr": "box@raw.test"}
        section: dict[str, object] = {"host": "localhost", "port": imap.port, "username": "box", "timeout": 5.0}
        section |= {"tls": "implicit", "ca_file": tls.ca_file} if tls else {"tls": "none"}
        section |= {"retry_delay": 0.1, "password": PASSWORD, **(fields or {})}
        return await check(
            loop_config(
                {"name": "raw", "smtp": relay, "imap": section, "limits": {"max_wait": 15, "max_per_hour": 3600}}
            )
        )


@pytest.mark.parametrize("more", ["LOGINDISABLED SASL-IR", "LOGINDISABLED"])
@pytest.mark.parametrize("mechanism", BY_PASSWORD)
async def test_the_right_password_is_let_in(mechanism: str, more: str, tls: certificates.ServerTls) -> None:
    async with mailbox(mechanism, tls, more) as imap:
        imap.logins.passwords = {"box": PASSWORD}
        result = await run(imap, tls)
    assert result.outcome is Outcome.DELIVERED
    assert imap.count("AUTHENTICATE") == 1


@pytest.mark.parametrize("mechanism", BY_PASSWORD)
async def test_a_wrong_password_is_refused_once(mechanism: str, tls: certificates.ServerTls) -> None:
    async with mailbox(f"{mechanism} NTLM", tls) as imap:
        imap.logins.passwords = {"box": "another"}
        result = await run(imap, tls)
    assert (result.outcome, result.error_type, result.stage) == (Outcome.UNVERIFIED, ErrorType.AUTH, "login")
    assert (result.cause, imap.count("AUTHENTICATE"), imap.connections) == (Cause.WRONG_PASSWORD, 1, 1)


@pytest.mark.parametrize("offered", ["", "SCRAM-SHA-256 CRAM-MD5 LOGIN"])
async def test_over_tls_the_command_login_goes_before_what_hides_the_password(
    offered: str, tls: certificates.ServerTls
) -> None:
    async with mailbox(offered, tls, "SASL-IR") as imap:
        imap.logins.passwords = {"box": PASSWORD}
        result = await run(imap, tls)
    assert result.outcome is Outcome.DELIVERED
    assert (imap.count("LOGIN"), imap.count("AUTHENTICATE"), imap.credentials) == (1, 0, [("box", PASSWORD)])


@pytest.mark.parametrize("offered", ["PLAIN CRAM-MD5", "LOGIN SCRAM-SHA-1", "PLAIN SCRAM-SHA-256"])
async def test_in_clear_the_password_is_not_shown_where_there_is_a_way(offered: str) -> None:
    async with mailbox(offered, more="SASL-IR") as imap:
        imap.logins.passwords = {"box": PASSWORD}
        result = await run(imap)
    assert result.outcome is Outcome.DELIVERED
    assert PASSWORD not in [secret for _, secret in imap.credentials]


@pytest.mark.parametrize(
    ("flaw", "text"),
    [("early", "the server agreed before SCRAM-SHA-256 was at its end"), ("signature", "cannot prove that it knows")],
)
async def test_a_server_that_cannot_prove_that_it_knows_the_password_is_not_read(flaw: str, text: str) -> None:
    async with mailbox("SCRAM-SHA-256") as imap:
        imap.logins.passwords, imap.logins.flaw = {"box": PASSWORD}, flaw
        result = await run(imap)
    assert (result.outcome, result.error_type, result.stage) == (Outcome.UNVERIFIED, ErrorType.AUTH, "login")
    assert (result.cause, imap.connections, imap.count("EXAMINE")) == (Cause.LOGIN_UNAVAILABLE, 1, 0)
    assert text in result.sentence
    assert "see its login service" in result.sentence


@pytest.mark.parametrize("offered", ["NTLM", "GSSAPI NTLM"])
async def test_a_server_with_none_of_our_mechanisms_is_told_with_what_it_offers(
    offered: str, tls: certificates.ServerTls
) -> None:
    async with mailbox(offered, tls) as imap:
        result = await run(imap, tls)
    assert (result.outcome, result.cause) == (Outcome.UNVERIFIED, Cause.LOGIN_METHOD)
    assert f"(offered: {offered})" in result.sentence
    assert (imap.count("AUTHENTICATE"), imap.count("LOGIN")) == (0, 0)


@pytest.mark.parametrize(("length", "in_command"), [(5000, True), (7000, False)])
async def test_what_is_too_long_for_a_command_is_sent_when_the_server_asks(
    length: int, in_command: bool, tls: certificates.ServerTls
) -> None:
    """RFC 7162, 4: a command line is no longer than 8,192 octets."""
    async with mailbox("PLAIN", tls) as imap:
        result = await run(imap, tls, {"password": "x" * length})
    assert result.outcome is Outcome.DELIVERED
    assert imap.credentials == [("box", "x" * length)]
    assert (4000 < imap.longest <= 8192) is in_command
