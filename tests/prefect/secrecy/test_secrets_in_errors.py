"""What leaves our steps as an error tells nothing of a password: by text, attribute, cause, context or frame."""

from __future__ import annotations

import asyncio
import pickle
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from prefect.client.schemas.objects import State
from pydantic import SecretStr

from tasks.mail.config.loop import ImapConfig, SmtpConfig
from tasks.mail.model.errors import MailboxFailure, SendFailure
from tasks.mail.model.facts import Receipt
from tasks.mail.model.moment import Moment
from tasks.mail.model.outcome import ErrorType
from tasks.mail.probe.compose import Probe, compose
from tasks.mail.search.watch import SearchRequest
from tasks.mail.senders.registry import Attempts
from tasks.steps import find_probe, send_probe
from tests.support import certificates
from tests.support.canaries import ALL, IMAP, PASSWORD, SMTP, USER, seen_in
from tests.support.certificates import ServerTls
from tests.support.raw.imap import RawImap
from tests.support.raw.server import RawServer
from tests.support.raw.smtp import RawSmtp


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> ServerTls:
    return certificates.good(tmp_path_factory.mktemp("tls"))


def sections(server: RawServer, tls: ServerTls) -> dict[str, Any]:
    login = {"username": USER, "password": SecretStr(PASSWORD), "ca_file": tls.ca_file, "timeout": 5.0}
    return {"host": server.host, "port": server.port, "retry_delay": 0.1, **login}


def relay(server: RawServer, tls: ServerTls) -> SmtpConfig:
    addresses = {"from_addr": "probe@raw.test", "to_addr": "box@raw.test", "subject_prefix": "[canary]"}
    return SmtpConfig.model_validate({**sections(server, tls), **addresses})


def probe_for(smtp: SmtpConfig) -> tuple[Probe, Receipt]:
    probe = compose("canary", smtp)
    return probe, Receipt(probe.id, probe.token, Moment.now(), Moment.now(), 250)


async def sending(server: RawSmtp, tls: ServerTls) -> State[Any] | Receipt:
    smtp = relay(server, tls)
    found: State[Any] | Receipt = await send_probe.fn(probe_for(smtp)[0], smtp, Attempts())
    return found


async def searching(server: RawImap, tls: ServerTls) -> State[Any]:
    probe, receipt = probe_for(relay(server, tls))
    mailbox = ImapConfig.model_validate(sections(server, tls))
    found = await find_probe.fn(SearchRequest(probe, receipt, mailbox, None, 1.5, 1.5))
    assert isinstance(found, State)
    return found


def all_that_it_tells(error: BaseException) -> Iterator[str]:
    """Of the error and of what caused it, what anybody could print, store or send to a collector of crashes."""
    seen: list[BaseException] = []
    left: list[BaseException | None] = [error]
    while left:
        if (one := left.pop()) is not None and one not in seen:
            seen.append(one)
            left += [one.__cause__, one.__context__]
            yield from (str(one), repr(one), repr(one.args), repr(vars(one)))
            yield repr(traceback.format_exception(one))
            told = traceback.TracebackException.from_exception(one, capture_locals=True)
            yield from (repr(frame.locals) for frame in told.stack)
            yield repr(pickle.dumps(one))


def assert_tells_nothing(state: State[Any], kind: type[SendFailure | MailboxFailure], shows: bool) -> None:
    failure = state.data
    assert isinstance(failure, kind)
    texts = [str(state.message), repr(state), *all_that_it_tells(failure)]
    assert [found for text in texts for found in seen_in(text)] == []
    assert ("********" in failure.text) is shows


@pytest.mark.parametrize("name", [name for name in SMTP if name not in ("accepted", "doubtful")])
async def test_a_failure_of_the_smtp_leg_tells_nothing(name: str, tls: ServerTls) -> None:
    echo = SMTP[name]
    async with RawSmtp(echo.script, tls=tls.context) as server:
        state = await sending(server, tls)
    assert isinstance(state, State)
    assert_tells_nothing(state, SendFailure, echo.shows)


@pytest.mark.parametrize("name", ["accepted", "doubtful"])
async def test_nor_does_a_receipt(name: str, tls: ServerTls, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with RawSmtp(SMTP[name].script, tls=tls.context) as server:
        receipt = await sending(server, tls)
    assert isinstance(receipt, Receipt)
    assert "********" in receipt.response
    told = list(all_that_it_tells(receipt.doubt)) if receipt.doubt else []
    assert [found for text in (repr(receipt), caplog.text, *told) for found in seen_in(text)] == []
    assert name == "doubtful" or "QUIT failed after the message was accepted" in caplog.text


@pytest.mark.parametrize("name", IMAP)
async def test_a_failure_of_the_imap_leg_tells_nothing(name: str, tls: ServerTls) -> None:
    echo = IMAP[name]
    async with RawImap(echo.script, tls=tls.context, implicit=True, **echo.options) as server:
        state = await searching(server, tls)
    assert_tells_nothing(state, MailboxFailure, echo.shows)


@pytest.mark.parametrize("leg", ["smtp", "imap"])
async def test_nor_does_an_error_that_nobody_foresaw(
    leg: str, tls: ServerTls, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The environment breaks while the password is sent, and says so with all that was to be sent."""
    write = asyncio.sslproto._SSLProtocolTransport.write  # type: ignore[attr-defined]

    def broken(self: Any, data: bytes) -> None:
        if bytes(data).startswith(b"AUTH") or b" AUTHENTICATE " in bytes(data):
            raise RuntimeError(f"cannot send {bytes(data)!r} or {ALL}")
        write(self, data)

    monkeypatch.setattr("asyncio.sslproto._SSLProtocolTransport.write", broken)
    if leg == "smtp":
        async with RawSmtp(tls=tls.context) as relay_server:
            state = await sending(relay_server, tls)
    else:
        async with RawImap(tls=tls.context, implicit=True) as mailbox:
            state = await searching(mailbox, tls)
    assert isinstance(state, State)
    assert isinstance(state.data, SendFailure | MailboxFailure)
    assert state.data.error_type is ErrorType.UNEXPECTED
    assert_tells_nothing(state, type(state.data), shows=True)
    assert "RuntimeError: cannot send" in caplog.text
    assert "Traceback (most recent call last)" in caplog.text
    assert seen_in(caplog.text) == []
    assert all(record.exc_info is None for record in caplog.records)  # whose frames a handler could write down


def test_what_looks_through_an_error_finds_it_in_every_place() -> None:
    def broken(secret: str) -> None:
        raise ValueError

    class Told(Exception):
        pass

    by_args, by_attribute, by_cause, by_frame = Told(PASSWORD), Told(), Told(), Told()
    by_attribute.said = PASSWORD  # type: ignore[attr-defined]
    by_cause.__cause__ = by_args
    try:
        broken(PASSWORD)
    except ValueError as caught:
        by_frame.__context__ = caught
    for error in (by_args, by_attribute, by_cause, by_frame):
        assert any(seen_in(text) for text in _without_pickle(error))
    assert not any(seen_in(text) for text in _without_pickle(Told()))


def _without_pickle(error: BaseException) -> Iterator[str]:
    """A local class cannot be pickled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pickle, "dumps", lambda _: b"")
        yield from all_that_it_tells(error)
