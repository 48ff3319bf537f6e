"""The acceptance plan, the sending half: what the relay does decides."""

from __future__ import annotations

import pytest

from flows.direct import check
from tasks.mail.model.outcome import ErrorType, Outcome, Placement, Status
from tasks.mail.model.result import LoopResult
from tests.support.servers.lab import Lab, Situation, User
from tests.support.servers.loops import at, loop, outbound
from tests.support.servers.processes import Endpoint, until

PASSWORDS = ['blank "quotes" \\back\\slash\\ end\\', "pässwörd 密码 €", "p" * 200, "%s {PLAIN}$ <>()[]*%", "  "]


def counted(lab: Lab, user: User, command: str) -> int:
    """How often the user's connections gave this command to the relay."""
    return sum(session.commands(command) for session in lab.relay.sessions(user.username))


def assert_delivered(result: LoopResult) -> None:
    assert (result.status, result.outcome) == (Status.OK, Outcome.DELIVERED), result.sentence


async def test_a_mail_goes_round_and_nothing_of_it_stays(lab: Lab, user: User) -> None:
    """Accepted once by the relay's own log, under the queue identifier of the result; found; deleted."""
    result = await check(loop(lab, user))
    assert_delivered(result)
    assert (result.attempts, result.attempt_errors, result.response_code) == (1, (), 250)
    assert result.queue_id is not None
    assert lab.relay.queued(result.queue_id)
    assert lab.relay.lines(f": {result.queue_id}: ", f"message-id={result.message_id}")
    assert lab.relay.lines(f": {result.queue_id}: ", f"to=<{user.address}>", "status=sent")
    [session] = lab.relay.sessions(user.username)
    assert [session.accepted(name) for name in ("starttls", "auth", "mail", "rcpt", "data", "quit")] == [1] * 6
    assert (result.folder, result.placement, result.copies) == ("INBOX", Placement.EXPECTED, 1)
    assert lab.mailbox(user) == []
    assert result.notes == ()


async def test_the_message_that_arrives_is_what_the_result_says(lab: Lab, user: User) -> None:
    result = await check(loop(lab, user, imap={"delete_after_check": False}))
    assert_delivered(result)
    [message] = lab.mailbox(user)
    assert result.token is not None
    assert result.probe_id is not None
    assert len(result.token) == 6
    assert result.probe_id.startswith(result.token)
    expected = {
        "Subject": result.subject,
        "Message-ID": result.message_id,
        "X-Mail-Loop-Id": result.probe_id,
        "X-Mail-Loop-Name": result.loop,
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "From": user.address,
        "To": user.address,
    }
    assert {name: message[name] for name in expected} == expected
    assert str(message["Subject"]).split()[-1] == result.token
    assert result.probe_id in message.get_content()
    assert message["Date"].datetime.utcoffset() is not None


@pytest.mark.parametrize("smtp_tls", ["starttls", "implicit"])
@pytest.mark.parametrize("imap_tls", ["starttls", "implicit"])
async def test_both_legs_are_encrypted_either_way(lab: Lab, user: User, smtp_tls: str, imap_tls: str) -> None:
    relay = lab.relay.submission if smtp_tls == "starttls" else lab.relay.submissions
    mailbox = lab.dovecot.imap if imap_tls == "starttls" else lab.dovecot.imaps
    result = await check(loop(lab, user, smtp=at(relay, tls=smtp_tls), imap=at(mailbox, tls=imap_tls)))
    assert_delivered(result)
    assert "tls" in result.smtp_stages
    assert "tls" in result.imap_stages
    assert result.notes == ()
    [session] = lab.relay.sessions(user.username)
    assert session.commands("starttls") == int(smtp_tls == "starttls")


async def test_without_encryption_the_notes_say_so(lab: Lab, user: User) -> None:
    result = await check(loop(lab, user, smtp={"tls": "none"}, imap=at(lab.dovecot.imap, tls="none")))
    assert_delivered(result)
    assert [note.partition(":")[0] for note in result.notes] == ["smtp.tls is none", "imap.tls is none"]


@pytest.mark.parametrize("password", PASSWORDS)
async def test_any_password_logs_in_on_both_legs(lab: Lab, password: str) -> None:
    user = lab.fresh_user("odd", password)
    assert_delivered(await check(loop(lab, user)))
    assert lab.dovecot.auth_failures(user.username) == 0


async def test_greylisting_at_the_relay_is_outwaited(lab: Lab, user: User) -> None:
    """The first attempt meets a real 450 at RCPT; a later one passes with the same message, and the log counts them."""
    result = await check(loop(lab, user, smtp=at(lab.relay.grey, retry_delay=1.2)))
    assert_delivered(result)
    assert result.attempts in (2, 3)
    assert result.token is not None
    assert len(result.attempt_errors) == result.attempts - 1
    first = result.attempt_errors[0]
    assert (first.attempt, first.error_type, first.smtp_code, first.stage) == (1, ErrorType.TEMPORARY, 450, "rcpt")
    assert counted(lab, user, "rcpt") == result.attempts
    assert counted(lab, user, "data") == 1
    assert lab.mailbox(user) == []


async def test_greylisting_that_outlasts_the_retries_is_deferred(lab: Lab, user: User) -> None:
    result = await check(loop(lab, user, smtp=at(lab.relay.grey, retries=1, retry_delay=0.1)))
    assert (result.status, result.outcome, result.attempts) == (Status.ERROR, Outcome.DEFERRED, 2)
    assert (result.error_type, result.smtp_code, result.stage) == (ErrorType.TEMPORARY, 450, "rcpt")
    assert (counted(lab, user, "rcpt"), counted(lab, user, "data")) == (2, 0)


async def test_greylisting_behind_the_relay_only_delays(lab: Lab, user: User) -> None:
    result = await check(loop(lab, user, user.greylisted))
    assert_delivered(result)
    assert result.attempts == 1
    assert lab.relay.lines(f": {result.queue_id}: ", "status=deferred", "Greylisted")


async def test_greylisting_behind_the_relay_is_late_where_that_matters(lab: Lab, user: User) -> None:
    result = await check(loop(lab, user, user.greylisted, warn_after=0.5))
    assert (result.status, result.outcome) == (Status.WARNING, Outcome.LATE)


async def test_a_wrong_password_is_tried_once(lab: Lab, user: User) -> None:
    result = await check(loop(lab, user, smtp={"password": "not the password"}))
    assert (result.status, result.outcome, result.attempts) == (Status.ERROR, Outcome.REJECTED, 1)
    assert (result.error_type, result.smtp_code, result.stage) == (ErrorType.AUTH, 535, "auth")
    [session] = lab.relay.sessions(user.username)
    assert (session.commands("auth"), session.accepted("auth"), session.commands("mail")) == (1, 0, 0)
    assert lab.dovecot.auth_failures(user.username) == 1
    assert "not the password" not in result.model_dump_json()


async def test_a_stopped_relay_is_a_single_connection_error(lab: Lab, user: User) -> None:
    lab.relay.stop()
    try:
        result = await check(loop(lab, user))
    finally:
        lab.relay.start()
    assert (result.status, result.outcome, result.attempts) == (Status.ERROR, Outcome.UNSENT, 1)
    assert (result.leg, result.stage, result.error_type) == ("smtp", "connect", ErrorType.CONNECTION)
    assert len(result.attempt_errors) == 1
    assert_delivered(await check(loop(lab, user)))


async def test_a_closed_port_is_a_single_connection_error(lab: Lab, user: User) -> None:
    result = await check(loop(lab, user, smtp=at(lab.closed)))
    assert (result.outcome, result.error_type, result.attempts) == (Outcome.UNSENT, ErrorType.CONNECTION, 1)


@pytest.mark.parametrize(
    ("situation", "code", "stage", "error_type"),
    [("refused", 550, "rcpt", ErrorType.RECIPIENT), ("unwanted", 554, "data", ErrorType.SMTP)],
)
async def test_a_final_refusal_is_met_once(
    lab: Lab, user: User, situation: Situation, code: int, stage: str, error_type: ErrorType
) -> None:
    result = await check(loop(lab, user, user.plus(situation)))
    assert (result.status, result.outcome, result.attempts) == (Status.ERROR, Outcome.REJECTED, 1)
    assert (result.error_type, result.smtp_code, result.stage) == (error_type, code, stage)
    [session] = lab.relay.sessions(user.username)
    assert (session.commands("rcpt"), session.commands("data")) == (1, int(stage == "data"))


@pytest.mark.parametrize(("situation", "code", "stage"), [("deferred", 450, "rcpt"), ("busy", 451, "data")])
async def test_a_temporary_refusal_uses_all_attempts(
    lab: Lab, user: User, situation: Situation, code: int, stage: str
) -> None:
    result = await check(loop(lab, user, user.plus(situation)))
    assert (result.status, result.outcome, result.attempts) == (Status.ERROR, Outcome.DEFERRED, 3)
    assert [(e.attempt, e.error_type, e.smtp_code, e.stage) for e in result.attempt_errors] == [
        (attempt, ErrorType.TEMPORARY, code, stage) for attempt in (1, 2, 3)
    ]
    assert counted(lab, user, "rcpt") == 3
    assert counted(lab, user, "data") == (3 if stage == "data" else 0)
    assert lab.mailbox(user) == []


@pytest.mark.parametrize("kind", ["expired", "wrong_name"])
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_a_bad_certificate_of_the_relay_ends_before_anything_is_told(
    lab: Lab, user: User, kind: str, tls: str
) -> None:
    before = lab.relay.mark()
    result = await check(loop(lab, user, smtp=at(bad_relay(lab, kind, tls), tls=tls)))
    assert (result.status, result.outcome, result.attempts) == (Status.ERROR, Outcome.UNSENT, 1)
    assert (result.leg, result.stage, result.error_type) == ("smtp", "tls", ErrorType.TLS)
    assert result.error_msg is not None
    assert ("expired" if kind == "expired" else "127.0.0.1") in result.error_msg
    sessions = lab.relay.sessions(since=before)
    assert len(sessions) == 1
    assert (sessions[0].commands("auth"), sessions[0].commands("mail")) == (0, 0)


@pytest.mark.parametrize("kind", ["expired", "wrong_name"])
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_a_bad_certificate_of_the_relay_is_accepted_only_where_told_so(
    lab: Lab, user: User, kind: str, tls: str
) -> None:
    result = await check(loop(lab, user, smtp=at(bad_relay(lab, kind, tls), tls=tls, verify=False)))
    assert_delivered(result)
    assert result.notes == ("smtp.verify is false: the certificate of 127.0.0.1 is not verified.",)


def bad_relay(lab: Lab, kind: str, tls: str) -> Endpoint:
    endpoint: Endpoint = getattr(lab.relay, kind if tls == "starttls" else f"{kind}_implicit")
    return endpoint


async def test_an_outbound_check_ends_with_the_acceptance(lab: Lab, user: User) -> None:
    """Ok without a mailbox, and the message is left where it arrives."""
    result = await check(outbound(lab, user))
    assert_delivered(result)
    assert result.queue_id is not None
    assert lab.relay.queued(result.queue_id)
    assert (result.folder, result.copies) == (None, 0)
    [message] = until(lambda: lab.mailbox(user) or None, lambda: "the message does not arrive")
    assert message["X-Mail-Loop-Id"] == result.probe_id


async def test_an_outbound_check_that_is_refused_fails(lab: Lab, user: User) -> None:
    result = await check(outbound(lab, user, user.plus("refused")))
    assert (result.outcome, result.error_type, result.smtp_code) == (Outcome.REJECTED, ErrorType.RECIPIENT, 550)
