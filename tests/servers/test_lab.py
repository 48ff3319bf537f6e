"""Proof that the laboratory is what it says: real servers, and each situation reached by its address."""

from __future__ import annotations

import base64
import imaplib
import smtplib
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import pytest

from tests.support.servers.dovecot import EXPIRED_HOST
from tests.support.servers.lab import MISFILED, Lab, Situation, User
from tests.support.servers.processes import Endpoint, until

Reply = tuple[int, str]


def mail(user: User, to: str, subject: str = "hello") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = user.address, to, subject
    message.set_content("A few words.\n")
    return message


def submit(lab: Lab, user: User, to: str, port: Endpoint | None = None, password: str | None = None) -> Reply:
    """One dialogue with STARTTLS and AUTH PLAIN; the reply that ended it."""
    # A name is given, or smtplib asks a name server for one.
    with smtplib.SMTP(*(port or lab.relay.submission), local_hostname="client.test", timeout=20) as client:
        client.starttls(context=lab.ssl_context())
        client.ehlo()
        # smtplib's own login tries a second mechanism after a refusal, and cannot send a password that is not ASCII.
        secret = f"\0{user.username}\0{password or user.password}".encode()
        code, text = client.docmd("AUTH", "PLAIN " + base64.b64encode(secret).decode())
        if code == 235:
            client.mail(user.address)
            code, text = client.rcpt(to)
        if code == 250:
            code, text = client.data(mail(user, to).as_bytes())
    return code, text.decode()


def arrived(lab: Lab, user: User, folder: str = "INBOX", count: int = 1) -> list[EmailMessage]:
    """The messages in the folder, once there are as many as expected."""

    def look() -> list[EmailMessage] | None:
        found = lab.mailbox(user, folder)
        return found if len(found) >= count else None

    return until(look, lambda: f"not in {folder}:\n{lab.relay.log()[-4000:]}\n{lab.edge.log()[-4000:]}")


def test_a_submitted_mail_arrives(lab: Lab, user: User) -> None:
    """It passes relay and edge, and the queue identifier of the reply stands in the relay's log."""
    code, text = submit(lab, user, user.address)
    assert code == 250
    assert [message["Subject"] for message in arrived(lab, user)] == ["hello"]
    assert lab.relay.queued(text.split()[-1])
    assert not lab.relay.queued("4NeverGiven")
    [session] = lab.relay.sessions(user.username)
    assert session.service == "submission"
    assert [session.accepted(name) for name in ("starttls", "auth", "mail", "rcpt", "data")] == [1] * 5


def test_implicit_tls(lab: Lab, user: User) -> None:
    host, port = lab.relay.submissions
    with smtplib.SMTP_SSL(host, port, local_hostname="client.test", timeout=20, context=lab.ssl_context()) as client:
        client.login(user.username, user.password)
        assert client.sendmail(user.address, [user.address], mail(user, user.address).as_bytes()) == {}
    arrived(lab, user)


@pytest.mark.parametrize("prefix", ["expired", "wrong_name"])
def test_bad_certificates_fail_verification(lab: Lab, user: User, prefix: str) -> None:
    """On SMTP and IMAP, with STARTTLS and implicit TLS."""
    context = lab.ssl_context()
    smtp: Endpoint = getattr(lab.relay, prefix)
    smtp_implicit: Endpoint = getattr(lab.relay, f"{prefix}_implicit")
    imap: Endpoint = getattr(lab.dovecot, f"{prefix}_imap")
    imap_implicit: Endpoint = getattr(lab.dovecot, f"{prefix}_imaps")
    reason = "certificate has expired" if prefix == "expired" else "not valid for"

    def starttls_smtp() -> None:
        with smtplib.SMTP(*smtp, local_hostname="client.test", timeout=20) as client:
            client.starttls(context=context)

    def starttls_imap() -> None:
        client = imaplib.IMAP4(*imap, timeout=20)
        try:
            client.starttls(context)
        finally:
            # The failed handshake has closed the socket, but not the file that reads from it.
            with suppress(OSError):
                client.shutdown()

    attempts: list[Callable[[], Any]] = [
        starttls_smtp,
        starttls_imap,
        lambda: smtplib.SMTP_SSL(*smtp_implicit, local_hostname="client.test", timeout=20, context=context),
        lambda: imaplib.IMAP4_SSL(*imap_implicit, timeout=20, ssl_context=context),
    ]
    for attempt in attempts:
        with pytest.raises(ssl.SSLCertVerificationError, match=reason):
            attempt()


def test_good_certificate_on_imap(lab: Lab, user: User) -> None:
    with imaplib.IMAP4_SSL(*lab.dovecot.imaps, timeout=20, ssl_context=lab.ssl_context()) as client:
        assert client.login(user.username, user.password)[0] == "OK"
    assert lab.dovecot.expired_imaps.host == EXPIRED_HOST


@pytest.mark.parametrize(("situation", "code"), [("refused", 550), ("deferred", 450), ("unwanted", 554), ("busy", 451)])
def test_refusals_at_the_relay(lab: Lab, user: User, situation: Situation, code: int) -> None:
    assert submit(lab, user, user.plus(situation))[0] == code
    [session] = lab.relay.sessions(user.plus(situation))
    assert session.commands("rcpt") == 1
    after_data = situation in ("unwanted", "busy")
    assert session.accepted("rcpt") == int(after_data)
    assert (session.commands("data"), session.accepted("data")) == (int(after_data), 0)
    assert len(session.refusals) == 1


def test_greylisting_at_the_relay(lab: Lab, user: User) -> None:
    """A fresh user meets a real 450 at RCPT; a later attempt passes; the log counts them."""
    replies = [submit(lab, user, user.address, lab.relay.grey)[0]]
    while replies[-1] == 450:
        time.sleep(0.5)
        replies.append(submit(lab, user, user.address, lab.relay.grey)[0])
    assert len(replies) > 1
    assert replies[-1] == 250
    sessions = lab.relay.sessions(user.username)
    assert [session.service for session in sessions] == ["grey"] * len(replies)
    assert sum(session.commands("rcpt") for session in sessions) == len(replies)
    assert sum(session.accepted("rcpt") for session in sessions) == 1
    arrived(lab, user)


def test_greylisting_between_relay_and_edge(lab: Lab, user: User) -> None:
    """The relay takes the mail at once and brings it through after a 450."""
    assert submit(lab, user, user.greylisted)[0] == 250
    arrived(lab, user)
    assert lab.relay.lines(f"to=<{user.greylisted}>", "status=deferred", "Greylisted")
    assert lab.relay.lines(f"to=<{user.greylisted}>", "status=sent")
    assert lab.edge.sessions(user.greylisted)[0].service == "grey-edge"


def test_a_bounce_reaches_the_sender(lab: Lab, user: User) -> None:
    assert submit(lab, user, user.plus("unknown"))[0] == 250
    [bounce] = arrived(lab, user)
    assert bounce.get_content_type() == "multipart/report"
    assert "5.1.1" in bounce.as_string()


@pytest.mark.parametrize(
    ("situation", "folders"),
    [
        ("junk", {"INBOX": 0, "Junk": 1}),
        ("junk-copy", {"INBOX": 1, "Junk": 1}),
        ("misfiled", {"INBOX": 0, "Junk": 0, MISFILED: 1}),
        ("twice", {"INBOX": 2, "Junk": 0}),
        ("discard", {"INBOX": 0, "Junk": 0, MISFILED: 0}),
    ],
)
def test_filing(lab: Lab, user: User, situation: Situation, folders: dict[str, int]) -> None:
    """Sieve and the edge's aliases put a mail where its address says."""
    assert submit(lab, user, user.plus(situation))[0] == 250
    until(lambda: lab.edge.lines(f"<{user.username}", "status=sent") or None, lambda: f"not sent:\n{lab.edge.log()}")
    for folder, count in folders.items():
        assert len(arrived(lab, user, folder, count)) == count, folder


def test_junk_is_special_use(lab: Lab, user: User) -> None:
    with lab.imap(user) as client:
        rows = client.list()[1]
    assert any(b"\\Junk" in row and b"Junk" in row.split()[-1] for row in rows if isinstance(row, bytes))


def test_a_wrong_password_is_counted(lab: Lab, user: User) -> None:
    """In the relay's log and in Dovecot's, for SMTP and IMAP."""
    assert submit(lab, user, user.address, password="wrong")[0] == 535
    [session] = lab.relay.sessions(user.username)
    assert (session.commands("auth"), session.accepted("auth")) == (1, 0)
    assert lab.dovecot.auth_failures(user.username) == 1
    with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
        lab.imap(User(user.username, "wrong"))
    assert lab.dovecot.auth_failures(user.username) == 2


def test_any_password(lab: Lab) -> None:
    user = lab.fresh_user("odd", 'blank "quotes" \\back:slash\' é 密码 {PLAIN}$')
    assert submit(lab, user, user.address)[0] == 250
    assert len(arrived(lab, user)) == 1


def test_no_password_no_mail(lab: Lab, user: User) -> None:
    with smtplib.SMTP(*lab.relay.submission, local_hostname="client.test", timeout=20) as client:
        client.ehlo()
        client.mail(user.address)
        assert client.rcpt(user.address)[0] == 554


def test_ten_thousand_messages(lab: Lab, user: User) -> None:
    """They lie in INBOX, and a new one arrives behind them."""
    lab.fill(user, 10_000)
    assert submit(lab, user, user.address)[0] == 250
    messages = arrived(lab, user, count=10_001)
    assert len(messages) == 10_001
    assert messages[0]["Subject"] == "foreign message 0"
    assert messages[-1]["Subject"] == "hello"


def test_put_keeps_the_age(lab: Lab, user: User) -> None:
    lab.put(user, mail(user, user.address, "old"), folder=MISFILED, age=timedelta(days=400))
    assert [message["Subject"] for message in lab.mailbox(user, MISFILED)] == ["old"]
    with lab.imap(user) as client:
        client.select('"Archive 2026/B&APw-ro"', readonly=True)
        day = time.strftime("%d-%b-%Y", time.gmtime(time.time() - 399 * 86400))
        assert client.search(None, "BEFORE", day)[1] == [b"1"]


def test_users_do_not_see_each_other(lab: Lab, user: User) -> None:
    other = lab.fresh_user()
    lab.put(user, mail(user, user.address))
    assert len(lab.mailbox(user)) == 1
    assert lab.mailbox(other) == []


def test_a_stopped_relay_refuses_connections_and_comes_back(lab: Lab, user: User) -> None:
    lab.relay.stop()
    try:
        with pytest.raises(ConnectionRefusedError):
            submit(lab, user, user.address)
    finally:
        lab.relay.start()
    assert submit(lab, user, user.address)[0] == 250
    arrived(lab, user)


def test_a_closed_port_refuses_connections(lab: Lab, user: User) -> None:
    with pytest.raises(ConnectionRefusedError):
        submit(lab, user, user.address, lab.closed)


def test_connections_are_counted_even_without_a_name(lab: Lab) -> None:
    """A client that gives up at once is found by the place in the log and the port's name."""
    before = lab.relay.mark()
    with smtplib.SMTP(*lab.relay.wrong_name, local_hostname="client.test", timeout=20):
        pass
    assert [session.service for session in lab.relay.sessions(since=before)] == ["wrong-name"]
