"""Real servers, and every way to log in to them: by a token, by SCRAM, by a certificate; let in, and refused."""

from __future__ import annotations

import base64
import imaplib
import time
from collections.abc import Iterator
from typing import Any

import pytest

from flows.direct import check
from tasks.mail.auth.exchange import Dialogue
from tasks.mail.auth.sasl import Credentials, choose
from tasks.mail.model.cause import Cause
from tasks.mail.model.outcome import ErrorType, Outcome
from tests.support.servers import require
from tests.support.servers.exim import NEEDS, Exim
from tests.support.servers.lab import Lab, User
from tests.support.servers.loops import at, loop, outbound


@pytest.fixture(scope="module", params=["introspection", "jwt"])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with Lab(request.param) as running:
        yield running


def by_token(lab: Lab, user: User, **oauth: Any) -> dict[str, Any]:
    return {"password": None, "oauth": lab.client(user) | oauth}


@pytest.mark.parametrize("padding", [0, 2048], ids=["short", "of 3 KB"])
async def test_a_token_lets_in_at_both_servers_and_is_asked_for_once(lab: Lab, user: User, padding: int) -> None:
    lab.tokens.issuer.padding = padding
    section, before = by_token(lab, user), lab.tokens.count()
    result = await check(loop(lab, user, smtp=section, imap=section))
    assert result.outcome is Outcome.DELIVERED, result.sentence
    assert lab.tokens.count() - before == 1
    assert lab.dovecot.logins(user.username) == 1
    [session] = lab.relay.sessions(user.username)
    assert session.accepted("auth") == 1
    assert [next(iter(result.stages[leg])) for leg in ("smtp", "imap")] == ["token", "token"]


@pytest.mark.parametrize("lab", ["introspection"], indirect=True)
async def test_a_token_that_ended_before_its_time_is_replaced_within_the_attempt(lab: Lab, user: User) -> None:
    section = by_token(lab, user)
    assert (await check(loop(lab, user, smtp=section, imap=section))).outcome is Outcome.DELIVERED
    before = lab.tokens.count()
    lab.tokens.issuer.expire()
    result = await check(loop(lab, user, smtp=section, imap=section))
    assert (result.outcome, result.attempts) == (Outcome.DELIVERED, 1), result.sentence
    assert lab.tokens.count() - before == 1  # the mailbox is shown the fresh one


@pytest.mark.parametrize("leg", ["smtp", "imap"])
async def test_the_token_of_another_user_is_refused_twice_and_our_part_ends_at_once(
    lab: Lab, user: User, leg: str
) -> None:
    other = lab.fresh_user()
    wrong = {"password": None, "oauth": lab.client(other)}
    before, begun = lab.tokens.count(), time.monotonic()
    result = await check(loop(lab, user, smtp=wrong if leg == "smtp" else {}, imap=wrong if leg == "imap" else {}))
    assert (result.leg, result.error_type, result.cause) == (leg, ErrorType.AUTH, Cause.TOKEN_REJECTED)
    assert result.outcome is (Outcome.REJECTED if leg == "smtp" else Outcome.UNVERIFIED)
    assert lab.tokens.count() - before == 2
    assert time.monotonic() - begun < 5  # of the 30 s that a step may take


@pytest.mark.parametrize("password", [None, "Schl\u00fcssel \u20ac"], ids=["ASCII", "more"])
async def test_in_clear_the_password_is_shown_to_neither_server(lab: Lab, password: str | None) -> None:
    user = lab.fresh_user(password=password)
    clear = {"tls": "none"}
    result = await check(loop(lab, user, smtp=clear, imap={**at(lab.dovecot.imap), **clear}))
    assert result.outcome is Outcome.DELIVERED, result.sentence
    assert lab.dovecot.methods(user.username) == ["SCRAM-SHA-256"]
    assert lab.relay.lines(f"sasl_username={user.username}", "sasl_method=SCRAM-SHA-256")


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN"])
async def test_what_our_mechanisms_say_is_what_dovecot_takes(lab: Lab, user: User, mechanism: str) -> None:
    for password, taken in ((user.password, True), ("another", False)):
        exchange = choose({mechanism}, Credentials(user.username, password))
        assert exchange is not None
        dialogue = Dialogue(exchange, initial_sent=False)
        client = imaplib.IMAP4(*lab.dovecot.imap, timeout=30)

        def answer(challenge: bytes, dialogue: Dialogue = dialogue) -> bytes:
            return base64.b64decode(dialogue.answer(base64.b64encode(challenge).decode()))

        try:
            client.authenticate(mechanism, answer)
            dialogue.check(accepted=True)
            assert taken
        except imaplib.IMAP4.error:
            assert not taken
        finally:
            client.shutdown()
    assert lab.dovecot.methods(user.username) == [mechanism]


async def test_the_certificate_alone_is_a_login_at_the_mailbox(lab: Lab, user: User) -> None:
    """EXTERNAL (RFC 4422, appendix A): Dovecot takes the name from the certificate."""
    section = {"password": None, "cert_file": lab.certificate(user)}
    result = await check(loop(lab, user, imap=section))
    assert result.outcome is Outcome.DELIVERED, result.sentence
    assert lab.dovecot.logins(user.username) == 1


async def test_the_certificate_of_another_user_is_refused(lab: Lab, user: User) -> None:
    section = {"password": None, "cert_file": lab.certificate(lab.fresh_user())}
    result = await check(loop(lab, user, imap=section))
    assert (result.outcome, result.error_type, result.stage) == (Outcome.UNVERIFIED, ErrorType.AUTH, "login")
    assert lab.dovecot.logins(user.username) == 0


async def test_a_relay_that_goes_by_the_certificate_needs_no_login(lab: Lab, user: User) -> None:
    section = {**at(lab.relay.by_certificate), "username": None, "password": None}
    refused = await check(loop(lab, user, smtp=section))
    assert (refused.outcome, refused.stage) == (Outcome.REJECTED, "rcpt")
    taken = await check(loop(lab, user, smtp=section | {"cert_file": lab.certificate(user)}))
    assert taken.outcome is Outcome.DELIVERED, taken.sentence


@pytest.fixture
def exim(lab: Lab) -> Exim:
    """A relay beside that of the laboratory."""
    require(*NEEDS)
    return lab.exim()


@pytest.mark.parametrize("lab", ["introspection"], indirect=True)
async def test_the_certificate_alone_is_a_login_at_a_relay(lab: Lab, user: User, exim: Exim) -> None:
    """EXTERNAL, at Exim: the name that is given has to be that of the certificate."""
    shown = {"password": None, "cert_file": lab.certificate(user)}
    taken = await check(outbound(lab, user, **at(exim.submission), **shown, username=user.address))
    assert taken.outcome is Outcome.DELIVERED, taken.sentence
    assert exim.logins() == [(user.address, "by_certificate")]
    refused = await check(outbound(lab, user, **at(exim.submission), **shown, username="another@inbox.test"))
    assert (refused.outcome, refused.error_type, refused.stage) == (Outcome.REJECTED, ErrorType.AUTH, "auth")
    none = await check(outbound(lab, user, **at(exim.submission)))
    assert (none.outcome, none.cause) == (Outcome.REJECTED, Cause.LOGIN_METHOD)
    assert len(exim.logins()) == 1
