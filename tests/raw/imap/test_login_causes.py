"""Logins and folders that a mailbox server refuses or puts off: the cause, who must act, how often it is tried."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping

import pytest

from flows.direct import check, check_all
from tasks.mail.config.loop import LoopConfig, inbound_config, loop_config
from tasks.mail.model.cause import Cause
from tasks.mail.model.outcome import ErrorType, Outcome
from tasks.mail.model.result import LoopResult
from tests.support import certificates
from tests.support.raw.imap import RawImap
from tests.support.raw.server import DEFAULT, DROP, SILENCE
from tests.support.raw.smtp import RawSmtp

PUT_OFF = [
    ("[UNAVAILABLE] no", Cause.LOGIN_UNAVAILABLE),
    ("[INUSE] no", Cause.RATE_LIMIT),
    ("[LIMIT] no", Cause.RATE_LIMIT),
    ("[OVERQUOTA] no", Cause.MAILBOX_FULL),
    ("[TEMPFAIL] no", Cause.LOGIN_UNAVAILABLE),
    ("[ALERT] Too many simultaneous connections. (Failure)", Cause.RATE_LIMIT),
    ("Too many open connections", Cause.RATE_LIMIT),
    ("Maximum number of connections from user+IP exceeded", Cause.RATE_LIMIT),
    ("Temporary authentication failure", Cause.LOGIN_UNAVAILABLE),
]
REFUSED = [
    ("[AUTHENTICATIONFAILED] Invalid credentials (Failure)", Cause.WRONG_PASSWORD, "you"),
    ("LOGIN failed.", Cause.WRONG_PASSWORD, "you"),
    ("[EXPIRED] Authentication failed", Cause.PASSWORD_EXPIRED, "you"),
    ("[CONTACTADMIN] Authentication failed", Cause.ACCOUNT_DISABLED, "administrator"),
    ("[AUTHORIZATIONFAILED] Authentication failed", Cause.ACCOUNT_DISABLED, "administrator"),
    ("[ALERT] Application-specific password required", Cause.LOGIN_METHOD, "administrator"),
    ("[PRIVACYREQUIRED] no", Cause.TLS_REQUIRED, "you"),
]


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> certificates.ServerTls:
    return certificates.good(tmp_path_factory.mktemp("certificates"))


def loop(
    smtp: RawSmtp, imap: RawImap, name: str = "raw", max_wait: float = 20.0, fields: Mapping[str, object] | None = None
) -> LoopConfig:
    relay = {"host": smtp.host, "port": smtp.port, "tls": "none", "subject_prefix": "[raw]"}
    relay |= {"from_addr": "probe@raw.test", "to_addr": "box@raw.test"}
    mailbox = {"host": imap.host, "port": imap.port, "tls": "none", "username": "box", "password": "Pa55-of-box"}
    mailbox |= {"retry_delay": 0.1, "timeout": 5.0, **(fields or {})}
    limits = {"max_wait": max_wait, "max_per_hour": 3600}
    return loop_config({"name": name, "smtp": relay, "imap": mailbox, "limits": limits})


async def run(imap: RawImap, max_wait: float = 20.0, **fields: object) -> LoopResult:
    async with RawSmtp() as smtp, asyncio.timeout(60):
        smtp.deliver = imap.append
        return await check(loop(smtp, imap, max_wait=max_wait, fields=fields))


@pytest.mark.parametrize(("said", "cause"), PUT_OFF)
async def test_a_login_that_is_put_off_is_tried_once_more(said: str, cause: Cause) -> None:
    """And when it is let in then, all is well."""
    async with RawImap({"authenticate": [f"{{tag}} NO {said}\r\n".encode(), DEFAULT]}) as imap:
        result = await run(imap)
    assert result.outcome is Outcome.DELIVERED
    assert len(imap.credentials) == 2


@pytest.mark.parametrize(("said", "cause"), PUT_OFF)
async def test_a_login_that_is_put_off_again_is_final_and_not_for_the_password(said: str, cause: Cause) -> None:
    async with RawImap({"authenticate": f"{{tag}} NO {said}\r\n".encode()}) as imap:
        result = await run(imap)
    assert (result.outcome, result.error_type, result.stage) == (Outcome.UNVERIFIED, ErrorType.MAILBOX, "login")
    assert result.cause is cause
    assert len(imap.credentials) == 2
    assert "password" not in result.sentence.replace("the password is not to blame", "")


@pytest.mark.parametrize(("said", "cause"), PUT_OFF[:6])
async def test_an_inbound_check_tries_it_once_more_as_well(said: str, cause: Cause) -> None:
    async with RawImap({"authenticate": f"{{tag}} NO {said}\r\n".encode()}) as imap, RawSmtp() as smtp:
        mailbox = loop(smtp, imap).imap
        assert mailbox is not None
        result = await check(inbound_config({"name": "raw", "imap": mailbox.model_copy(update={"retries": 5})}))
    assert (result.outcome, result.cause, len(imap.credentials)) == (Outcome.UNVERIFIED, cause, 2)


@pytest.mark.parametrize(("said", "cause", "who"), REFUSED)
async def test_a_password_that_was_refused_is_never_sent_again(said: str, cause: Cause, who: str) -> None:
    async with RawImap({"authenticate": f"{{tag}} NO {said}\r\n".encode()}) as imap:
        result = await run(imap)
    assert (result.outcome, result.error_type, result.cause) == (Outcome.UNVERIFIED, ErrorType.AUTH, cause)
    assert re.search(who, result.who_acts or "")
    assert len(imap.credentials) == 1


async def test_what_is_put_off_for_one_check_of_many_is_not_final_for_all() -> None:
    """Checks that share a session: the login is tried once more, for all of them."""
    off = b"{tag} NO [LIMIT] too many\r\n"
    async with RawImap({"authenticate": [off, DEFAULT]}) as imap, RawSmtp() as smtp, asyncio.timeout(60):
        smtp.deliver = imap.append
        results = await check_all([loop(smtp, imap, f"raw-{n}") for n in range(4)], lambda result: None)
    assert {result.outcome for result in results} == {Outcome.DELIVERED}
    assert len(imap.credentials) <= 4


async def test_where_it_stays_put_off_each_check_of_many_says_so() -> None:
    off = b"{tag} NO [LIMIT] too many\r\n"
    async with RawImap({"authenticate": off}) as imap, RawSmtp() as smtp, asyncio.timeout(60):
        results = await check_all([loop(smtp, imap, f"raw-{n}") for n in range(4)], lambda result: None)
    assert {(result.outcome, result.cause) for result in results} == {(Outcome.UNVERIFIED, Cause.RATE_LIMIT)}
    assert len(imap.credentials) <= 8


async def test_a_folder_that_is_not_there_is_named_with_its_field() -> None:
    async with RawImap({"examine": b"{tag} NO [NONEXISTENT] Mailbox does not exist\r\n"}) as imap:
        result = await run(imap, folder="Nowhere")
    assert (result.outcome, result.cause) == (Outcome.UNVERIFIED, Cause.FOLDER_NOT_FOUND)
    assert "check imap.folder" in result.sentence


async def test_a_server_that_is_not_connected_to_the_mailbox_has_trouble() -> None:
    off = b"{tag} BAD User is authenticated but not connected.\r\n"
    async with RawImap({"examine": off, "select": off}) as imap:
        result = await run(imap, max_wait=0.5)
    assert (result.outcome, result.cause) == (Outcome.UNVERIFIED, Cause.SERVER_TROUBLE)


async def test_an_smtp_server_on_the_port_is_named_at_once_with_the_field() -> None:
    async with RawImap({"greeting": b"220 mail.test ESMTP\r\n"}) as imap:
        result = await run(imap)
    assert (result.outcome, result.cause, imap.connections) == (Outcome.UNVERIFIED, Cause.TLS_MODE, 1)
    assert "it is an SMTP server that answers on this port" in result.sentence
    assert "imap.port" in result.sentence


async def test_a_login_that_is_disabled_in_clear_wants_tls() -> None:
    async with RawImap(capabilities="IMAP4rev1 LOGINDISABLED STARTTLS") as imap:
        result = await run(imap)
    assert (result.outcome, result.cause, imap.credentials) == (Outcome.UNVERIFIED, Cause.TLS_REQUIRED, [])
    assert "set imap.tls to starttls or implicit" in result.sentence


async def test_tls_on_a_port_that_begins_in_clear_names_the_field(tls: certificates.ServerTls) -> None:
    async with RawImap() as imap:
        result = await run(imap, max_wait=0.2, tls="implicit", ca_file=tls.ca_file)
    assert (result.outcome, result.cause) == (Outcome.UNVERIFIED, Cause.TLS_MODE)
    assert "imap.tls" in result.sentence


@pytest.mark.parametrize(("fault", "cause"), [(DROP, Cause.DROPPED), (SILENCE, Cause.NO_ANSWER)])
async def test_a_server_that_says_nothing_has_a_cause(fault: object, cause: Cause) -> None:
    async with RawImap({"greeting": fault}) as imap:  # type: ignore[dict-item]  # both are faults
        result = await run(imap, max_wait=0.1, timeout=0.2)
    assert (result.outcome, result.cause) == (Outcome.UNVERIFIED, cause)


async def test_a_closed_port_is_unreachable() -> None:
    async with RawImap() as imap:
        pass
    assert (await run(imap, max_wait=0.1)).cause is Cause.UNREACHABLE


async def test_a_mailbox_that_waits_for_tls_is_known_before_the_timeout(tls: certificates.ServerTls) -> None:
    """As with port 993 and starttls, on whatever port; another connection would not change it."""
    async with RawImap(tls=tls.context, implicit=True) as imap:
        result = await run(imap, tls="starttls", ca_file=tls.ca_file, timeout=15.0, max_wait=60.0)
    assert (result.outcome, result.error_type, result.cause) == (Outcome.UNVERIFIED, ErrorType.TLS, Cause.TLS_MODE)
    assert "imap.tls" in result.sentence
