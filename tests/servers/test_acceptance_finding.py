"""The acceptance plan, the finding half: what becomes of a mail that the relay has accepted."""

from __future__ import annotations

import asyncio
import imaplib
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from flows.direct import check
from tasks.mail.config.loop import LoopConfig
from tasks.mail.model.outcome import ErrorType, Outcome, Placement, Status
from tasks.mail.model.result import LoopResult
from tasks.mail.probe.compose import compose
from tests.support.servers.lab import MISFILED, Lab, User, quoted
from tests.support.servers.loops import NAME, PREFIX, at, contents, inbound, loop
from tests.support.servers.processes import Endpoint, until

LONG = 120.0  # seconds that a check might wait, if it did not know better
SOON = 60.0  # seconds within which it does
SHORT = 3.0  # seconds after which a message that never comes is lost


async def seen(holds: Callable[[], bool]) -> None:
    """Wait, beside a check that runs, until something can be seen from outside."""
    await asyncio.to_thread(until, lambda: holds() or None, lambda: "it never happened")


def older_probe(config: LoopConfig) -> EmailMessage:
    """What an earlier run of this loop would have sent."""
    return message_from_bytes(compose(config.name, config.smtp).content, policy=policy.default)


def answer(user: User, to: EmailMessage, subject: str, **headers: str) -> EmailMessage:
    """Someone's message that quotes another."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "someone@elsewhere.test", user.address, subject
    message["Message-ID"] = f"<{subject.partition(' ')[0]}-{to['X-Mail-Loop-Id']}@elsewhere.test>"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content("".join(f"> {line}\n" for line in to.get_content().splitlines()) + "\nThanks.\n")
    return message


def assert_found(result: LoopResult, outcome: Outcome = Outcome.DELIVERED) -> None:
    status = Status.OK if outcome is Outcome.DELIVERED else Status.WARNING
    assert (result.status, result.outcome) == (status, outcome), result.sentence


async def test_a_wrong_password_of_the_mailbox_is_tried_once(lab: Lab, user: User) -> None:
    """The message is accepted, so all that can be said is that nobody could look."""
    result = await check(loop(lab, user, imap={"password": "not the password"}))
    assert (result.status, result.outcome, result.attempts) == (Status.ERROR, Outcome.UNVERIFIED, 1)
    assert (result.leg, result.stage, result.error_type) == ("imap", "login", ErrorType.AUTH)
    assert lab.dovecot.auth_failures(user.username) == 1
    assert {"connect", "tls", "login"} <= result.imap_stages.keys()
    assert "not the password" not in result.model_dump_json()


@pytest.mark.parametrize("kind", ["expired", "wrong_name"])
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_a_bad_certificate_of_the_mailbox_leaves_the_mail_unverified(
    lab: Lab, user: User, kind: str, tls: str
) -> None:
    async with asyncio.timeout(SOON):
        result = await check(loop(lab, user, imap=at(bad_mailbox(lab, kind, tls), tls=tls), max_wait=LONG))
    assert (result.status, result.outcome) == (Status.ERROR, Outcome.UNVERIFIED)
    assert (result.leg, result.stage, result.error_type) == ("imap", "tls", ErrorType.TLS)
    assert lab.dovecot.auth_failures(user.username) == 0


@pytest.mark.parametrize("kind", ["expired", "wrong_name"])
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_a_bad_certificate_of_the_mailbox_is_accepted_only_where_told_so(
    lab: Lab, user: User, kind: str, tls: str
) -> None:
    endpoint = bad_mailbox(lab, kind, tls)
    result = await check(loop(lab, user, imap=at(endpoint, tls=tls, verify=False)))
    assert_found(result)
    assert result.notes == (f"imap.verify is false: the certificate of {endpoint.host} is not verified.",)


def bad_mailbox(lab: Lab, kind: str, tls: str) -> Endpoint:
    endpoint: Endpoint = getattr(lab.dovecot, f"{kind}_imap" if tls == "starttls" else f"{kind}_imaps")
    return endpoint


async def test_a_mail_filed_as_junk_is_junked(lab: Lab, user: User) -> None:
    result = await check(loop(lab, user, user.plus("junk")))
    assert_found(result, Outcome.JUNKED)
    assert (result.folder, result.placement, result.copies) == ("Junk", Placement.JUNK, 1)
    assert lab.mailbox(user, "Junk") == []


async def test_junk_can_be_an_error(lab: Lab, user: User) -> None:
    result = await check(loop(lab, user, user.plus("junk"), imap={"junked_severity": "critical"}))
    assert (result.status, result.outcome) == (Status.ERROR, Outcome.JUNKED)


async def test_a_mail_filed_elsewhere_is_misplaced(lab: Lab, user: User) -> None:
    """Well before the end of the wait, with the name of the folder."""
    async with asyncio.timeout(SOON):
        result = await check(loop(lab, user, user.plus("misfiled"), max_wait=LONG))
    assert_found(result, Outcome.MISPLACED)
    assert (result.folder, result.placement) == (MISFILED, Placement.OTHER)
    assert MISFILED in result.sentence
    assert lab.mailbox(user, MISFILED) == []


async def test_any_folder_can_be_the_expected_one(lab: Lab, user: User) -> None:
    """Blanks and letters beyond ASCII in its name included."""
    lab.put(user, EmailMessage(), folder=MISFILED)
    before = contents(lab, user, MISFILED)
    result = await check(loop(lab, user, user.plus("misfiled"), imap={"folder": MISFILED}))
    assert_found(result)
    assert (result.folder, result.placement) == (MISFILED, Placement.EXPECTED)
    assert contents(lab, user, MISFILED) == before


async def test_an_expected_folder_that_does_not_exist_leaves_the_mail_unverified(lab: Lab, user: User) -> None:
    async with asyncio.timeout(SOON):
        result = await check(loop(lab, user, imap={"folder": "No such folder"}, max_wait=LONG))
    assert (result.outcome, result.error_type) == (Outcome.UNVERIFIED, ErrorType.MAILBOX)
    assert "No such folder" in result.sentence


async def test_a_mail_that_is_discarded_is_lost(lab: Lab, user: User) -> None:
    result = await check(loop(lab, user, user.plus("discard"), max_wait=SHORT))
    assert (result.status, result.outcome) == (Status.ERROR, Outcome.LOST)
    assert (result.leg, result.stage, result.error_type) == ("imap", "search", ErrorType.NO_MESSAGE)
    assert result.queue_id is not None
    assert result.queue_id in result.sentence


async def test_a_bounce_ends_the_wait_with_the_reason(lab: Lab, user: User) -> None:
    async with asyncio.timeout(SOON):
        result = await check(loop(lab, user, user.plus("unknown"), max_wait=LONG))
    assert (result.status, result.outcome, result.error_type) == (Status.ERROR, Outcome.BOUNCED, ErrorType.BOUNCED)
    assert result.error_msg is not None
    assert result.error_msg.startswith("550 5.1.1 ")
    assert (result.folder, result.copies) == (None, 0)
    assert len(lab.mailbox(user)) == 1, "a bounce is for people to read"


async def test_a_mail_delivered_twice_is_duplicated(lab: Lab, user: User) -> None:
    result = await check(loop(lab, user, user.plus("twice")))
    assert_found(result, Outcome.DUPLICATED)
    assert (result.copies, len(result.matched_uids)) == (2, 2)
    assert lab.mailbox(user) == []


async def test_a_copy_in_junk_is_a_duplicate(lab: Lab, user: User) -> None:
    result = await check(loop(lab, user, user.plus("junk-copy")))
    assert_found(result, Outcome.DUPLICATED)
    assert (result.copies, result.folder) == (2, "INBOX")
    assert lab.mailbox(user) == []
    assert lab.mailbox(user, "Junk") == []


async def test_nothing_but_the_probe_itself_is_an_arrival(lab: Lab, user: User) -> None:
    """An older probe, a reply, a forward, an auto-reply and a bounce lie there, the new probe is discarded: lost."""
    bounced = await check(loop(lab, user, user.plus("unknown"), max_wait=LONG))
    assert bounced.outcome is Outcome.BOUNCED
    config = loop(lab, user, user.plus("discard"), max_wait=SHORT)
    older, original = older_probe(config), older_probe(config)
    forward = answer(user, original, f"Fwd: {original['Subject']}")
    forward.add_attachment(original)
    messages = [
        older,
        answer(user, original, f"Re: {original['Subject']}", In_Reply_To=original["Message-ID"]),
        forward,
        answer(user, original, f"Automatic: {original['Subject']}", Auto_Submitted="auto-replied"),
    ]
    for message in messages:
        lab.put(user, message)
    before = contents(lab, user)
    assert len(before) == 5
    result = await check(config)
    assert (result.status, result.outcome) == (Status.ERROR, Outcome.LOST)
    assert contents(lab, user) == before


async def test_another_loops_probe_is_neither_taken_nor_deleted(lab: Lab, user: User) -> None:
    """Two loops with one prefix into one mailbox, at the same time."""
    other = loop(lab, user, name="other", imap={"delete_after_check": False})
    theirs, ours = await asyncio.gather(check(other), check(loop(lab, user)))
    assert_found(theirs)
    assert_found(ours)
    assert [message["X-Mail-Loop-Id"] for message in lab.mailbox(user)] == [theirs.probe_id]
    lost = await check(loop(lab, user, user.plus("discard"), max_wait=SHORT))
    assert lost.outcome is Outcome.LOST
    assert [message["X-Mail-Loop-Id"] for message in lab.mailbox(user)] == [theirs.probe_id]


async def test_among_ten_thousand_messages_only_the_probe_is_touched(lab: Lab, user: User) -> None:
    """It is found, and goes; what someone else has marked as deleted stays, as does the rest."""
    lab.fill(user, 10_000)
    with lab.imap(user) as client:
        client.select("INBOX")
        client.uid("STORE", "7", "+FLAGS.SILENT", r"(\Deleted)")
    before = contents(lab, user)
    assert len(before) == 10_000
    result = await check(loop(lab, user))
    assert_found(result)
    assert result.matched_uids == (10_001,)
    assert contents(lab, user) == before


async def test_many_messages_that_arrive_meanwhile_do_not_hide_the_probe(lab: Lab, user: User) -> None:
    """It lies behind more fresh mail than one look takes in."""
    lab.fill(user, 500, age=timedelta(seconds=-600))
    assert_found(await check(loop(lab, user)))


async def test_a_mailbox_server_that_restarts_only_interrupts_the_search(lab: Lab, user: User) -> None:
    running = asyncio.create_task(check(loop(lab, user, user.greylisted)))
    await seen(lambda: logins(lab, user) == 1)
    try:
        await asyncio.to_thread(lab.dovecot.stop)
    finally:
        await asyncio.to_thread(lab.dovecot.start)
    result = await running
    assert_found(result)
    assert logins(lab, user) > 1
    assert lab.mailbox(user) == []


async def test_a_mailbox_server_that_is_down_for_good_leaves_the_mail_unverified(lab: Lab, user: User) -> None:
    result = await check(loop(lab, user, imap=at(lab.closed), max_wait=1.0))
    assert (result.status, result.outcome) == (Status.ERROR, Outcome.UNVERIFIED)
    assert (result.leg, result.stage, result.error_type) == ("imap", "connect", ErrorType.CONNECTION)
    assert {"dns", "connect"} <= result.imap_stages.keys()


async def test_too_many_connections_are_no_wrong_password(lab: Lab, user: User) -> None:
    with ExitStack() as exhausted:
        for _ in range(10):
            exhausted.enter_context(lab.imap(user))
        result = await check(loop(lab, user, max_wait=1.0))
    assert (result.status, result.outcome) == (Status.ERROR, Outcome.UNVERIFIED)
    assert (result.leg, result.stage, result.error_type) == ("imap", "login", ErrorType.MAILBOX)
    assert result.error_msg is not None
    assert "LIMIT" in result.error_msg


async def test_a_connection_that_becomes_free_is_taken(lab: Lab, user: User) -> None:
    clients: list[imaplib.IMAP4] = []
    try:
        clients += [lab.imap(user) for _ in range(10)]
        running = asyncio.create_task(check(loop(lab, user)))
        await seen(lambda: f"user=<{user.username}>" in limits(lab))
        clients.pop().logout()
        assert_found(await running)
    finally:
        for client in clients:
            client.logout()


def logins(lab: Lab, user: User) -> int:
    """How often the user has logged in to the mailbox."""
    return lab.dovecot.log().count(f"Login: user=<{user.username}>")


def limits(lab: Lab) -> str:
    """What the log says of logins that were one too many."""
    return "\n".join(line for line in lab.dovecot.log().splitlines() if "Maximum number of connections" in line)


def fresh(subject: str = f"{PREFIX} hello") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["Subject"] = "someone@elsewhere.test", subject
    message.set_content("Hello.\n")
    return message


async def test_an_inbound_check_finds_a_fresh_message_and_leaves_foreign_mail(lab: Lab, user: User) -> None:
    lab.put(user, fresh())
    before = contents(lab, user)
    result = await check(inbound(lab, user))
    assert_found(result)
    assert (result.folder, result.copies, result.subject) == ("INBOX", 1, f"{PREFIX} hello")
    assert contents(lab, user) == before


async def test_an_inbound_check_deletes_its_own_loops_probe(lab: Lab, user: User) -> None:
    lab.put(user, older_probe(loop(lab, user)))
    lab.put(user, older_probe(loop(lab, user, name="other")))
    result = await check(inbound(lab, user))
    assert_found(result)
    assert result.copies == 2
    assert [message["X-Mail-Loop-Name"] for message in lab.mailbox(user)] == ["other"]
    assert result.loop == NAME


async def test_an_inbound_check_does_not_count_old_mail(lab: Lab, user: User) -> None:
    lab.put(user, fresh(), age=timedelta(minutes=31))
    lab.put(user, fresh("something else"))
    result = await check(inbound(lab, user))
    assert (result.status, result.outcome, result.error_type) == (Status.ERROR, Outcome.LOST, ErrorType.NO_MESSAGE)
    assert_found(await check(inbound(lab, user, max_age_minutes=32.0)))


async def test_an_inbound_check_does_not_count_deleted_mail(lab: Lab, user: User) -> None:
    lab.put(user, fresh())
    with lab.imap(user) as client:
        client.select(quoted("INBOX"))
        client.store("1", "+FLAGS.SILENT", r"(\Deleted)")
    result = await check(inbound(lab, user, no_recent_message_severity="warning"))
    assert (result.status, result.outcome) == (Status.WARNING, Outcome.LOST)


async def test_an_inbound_check_looks_again(lab: Lab, user: User) -> None:
    """An empty look is repeated after `retry_delay`, `retries` times."""
    running = asyncio.create_task(check(inbound(lab, user, retries=50, retry_delay=0.1)))
    await seen(lambda: logins(lab, user) > 1)
    lab.put(user, fresh())
    assert_found(await running)


async def test_an_inbound_check_tries_a_wrong_password_once(lab: Lab, user: User) -> None:
    result = await check(inbound(lab, user, retries=3, retry_delay=0.0, password="not the password"))
    assert (result.outcome, result.error_type) == (Outcome.UNVERIFIED, ErrorType.AUTH)
    assert lab.dovecot.auth_failures(user.username) == 1
