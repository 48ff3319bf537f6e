"""A relay's reply and a failed dialogue are taken for what they are, in one line without secrets."""

from __future__ import annotations

import errno
import socket
import ssl

import pytest
from aiosmtplib import (
    SMTPAuthenticationError,
    SMTPConnectResponseError,
    SMTPDataError,
    SMTPException,
    SMTPReadTimeoutError,
    SMTPRecipientRefused,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
)

from tasks.mail.model.outcome import ErrorType
from tasks.mail.model.redaction.redactor import Redactor
from tasks.mail.model.safe_text import one_line
from tasks.mail.senders.smtp.connection import OutOfStep
from tasks.mail.senders.smtp.replies import failure, reply

CLOSED = "the relay closed the connection"


@pytest.mark.parametrize(
    ("stage", "error", "error_type", "code", "text"),
    [
        ("connect", SMTPConnectResponseError(421, "busy"), ErrorType.TEMPORARY, 421, "421 busy"),
        ("connect", SMTPConnectResponseError(554, "no"), ErrorType.SMTP, 554, "554 no"),
        ("tls", SMTPResponseException(454, "4.7.0 later"), ErrorType.TEMPORARY, 454, "454 4.7.0 later"),
        ("auth", SMTPAuthenticationError(454, "4.7.0 later"), ErrorType.AUTH, 454, "454 4.7.0 later"),
        ("auth", SMTPAuthenticationError(535, ""), ErrorType.AUTH, 535, "535"),
        ("mail", SMTPSenderRefused(530, "5.7.0 log in", "a@b"), ErrorType.SMTP, 530, "530 5.7.0 log in"),
        ("mail", SMTPSenderRefused(550, "5.7.1 no", "a@b"), ErrorType.SMTP, 550, "550 5.7.1 no"),
        ("rcpt", SMTPRecipientRefused(450, "4.2.0 grey", "a@b"), ErrorType.TEMPORARY, 450, "450 4.2.0 grey"),
        ("rcpt", SMTPRecipientRefused(400, "grey", "a@b"), ErrorType.TEMPORARY, 400, "400 grey"),
        ("data", SMTPDataError(499, "no"), ErrorType.TEMPORARY, 499, "499 no"),
        ("data", SMTPDataError(500, "no"), ErrorType.SMTP, 500, "500 no"),
        ("rcpt", SMTPRecipientRefused(550, "5.1.1 who", "a@b"), ErrorType.RECIPIENT, 550, "550 5.1.1 who"),
        ("rcpt", SMTPRecipientRefused(252, "perhaps", "a@b"), ErrorType.SMTP, 252, "252 perhaps"),
        (
            "rcpt",
            SMTPRecipientsRefused([SMTPRecipientRefused(553, "5.1.3 bad", "a@b")]),
            ErrorType.RECIPIENT,
            553,
            "553 5.1.3 bad",
        ),
        ("data", SMTPDataError(552, "5.3.4 too\nbig"), ErrorType.SMTP, 552, "552 5.3.4 too big"),
        (
            "ehlo",
            SMTPResponseException(-1, "Response too long"),
            ErrorType.SMTP,
            None,
            "not an SMTP reply: Response too long",
        ),
        (
            "tls",
            SMTPResponseException(-1, "Malformed SMTP response line: SSH-2.0-x\r\n"),
            ErrorType.SMTP,
            None,
            "not an SMTP reply: SSH-2.0-x",
        ),
        ("auth", SMTPResponseException(-1, "x"), ErrorType.SMTP, None, "not an SMTP reply: x"),
        ("rcpt", SMTPRecipientRefused(999, "x", "a@b"), ErrorType.SMTP, None, "not an SMTP reply: x"),
        (
            "rcpt",
            SMTPServerDisconnected("Connection lost"),
            ErrorType.CONNECTION,
            None,
            "the relay closed the connection",
        ),
        (
            "tls",
            SMTPServerDisconnected("Unexpected EOF"),
            ErrorType.CONNECTION,
            None,
            "the relay closed the connection",
        ),
        ("auth", SMTPServerDisconnected("x"), ErrorType.CONNECTION, None, CLOSED),
        (
            "tls",
            SMTPServerDisconnected("Connection reset while upgrading transport"),
            ErrorType.TLS,
            None,
            "the connection was lost in the TLS handshake with relay.test",
        ),
        ("mail", SMTPReadTimeoutError("x"), ErrorType.TIMEOUT, None, "no answer within 30 s"),
        ("connect", TimeoutError(), ErrorType.TIMEOUT, None, "no answer within 30 s"),
        (
            "dns",
            socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
            ErrorType.CONNECTION,
            None,
            "the name does not resolve: Name or service not known",
        ),
        (
            "connect",
            ConnectionRefusedError(111, "Connect call failed ('192.0.2.1', 25)"),
            ErrorType.CONNECTION,
            None,
            "the connection failed: Connection refused",
        ),
        (
            "connect",
            TimeoutError(errno.ETIMEDOUT, "Connect call failed ('192.0.2.1', 25)"),
            ErrorType.TIMEOUT,
            None,
            "the connection failed: Connection timed out",
        ),
        ("data", OutOfStep(), ErrorType.SMTP, None, "the relay sent more than the one reply that was due"),
        ("auth", OutOfStep(), ErrorType.SMTP, None, "the relay sent more than the one reply that was due"),
        ("data", SMTPDataError(250, "2.0.0 ok"), ErrorType.SMTP, 250, "250 2.0.0 ok"),
        ("connect", SMTPConnectResponseError(250, "ok"), ErrorType.SMTP, 250, "250 ok"),
        ("connect", OSError("no address"), ErrorType.CONNECTION, None, "the connection failed: no address"),
        ("tls", SMTPException("no STARTTLS"), ErrorType.TLS, None, "no STARTTLS"),
        ("auth", SMTPException("no mechanism"), ErrorType.AUTH, None, "no mechanism"),
        ("mail", SMTPException("no SMTPUTF8"), ErrorType.SMTP, None, "no SMTPUTF8"),
        ("data", RuntimeError("a\nbug"), ErrorType.UNEXPECTED, None, "RuntimeError: a bug"),
    ],
)
def test_an_exception_of_a_stage_is_taken_for_what_it_is(
    stage: str, error: Exception, error_type: ErrorType, code: int | None, text: str
) -> None:
    found = failure(stage, error, "relay.test", 30.0)
    assert (found.error_type, found.code, found.text, found.stage) == (error_type, code, text, stage)
    assert found.temporary is (error_type is ErrorType.TEMPORARY)


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def test_the_cause_behind_a_failed_connection_decides() -> None:
    handshake = ConnectionResetError(104, "Connection reset by peer")
    banner = SMTPServerDisconnected("Unexpected EOF received")
    required = ssl.SSLError(1, "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] alert")
    required.reason = "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    alert = caused(SMTPServerDisconnected("x"), required)
    reset = caused(SMTPServerDisconnected("x"), ConnectionResetError(104, "Connection reset by peer"))
    found = [failure(stage, e, "h", 1) for stage, e in (("tls", handshake), ("connect", banner), ("ehlo", alert))]
    assert [f.error_type for f in found] == [ErrorType.TLS, ErrorType.CONNECTION, ErrorType.TLS]
    assert failure("rcpt", reset, "h", 1).text == "the connection failed: Connection reset by peer"
    late = failure("data", caused(SMTPServerDisconnected("x"), TimeoutError(errno.ETIMEDOUT, "x")), "h", 1)
    assert (late.error_type, late.text) == (ErrorType.TIMEOUT, "the connection failed: Connection timed out")


def test_a_reply_that_smtp_does_not_know_has_no_code() -> None:
    assert [reply(SMTPResponseException(code, "x"))[0] for code in (-1, 0, 42, 199, 200, 599, 600, 999)] == [
        None,
        None,
        None,
        None,
        200,
        599,
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("one\r\n two\tthree ", "one two three"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("a\u202eb\u200b", r"a\u202eb\u200b"),
        ("keine gr\udcfcne Gr\udcf6\udcdfe", "keine grüne Größe"),
        ("gr\udcc3\udcbcn, gr\udcfcn", "grün, grün"),
        ("\ud800", r"\ud800"),
        ("\udc9b", r"\x9b"),
        ("a\u2028b\x85c", "a b c"),
        ("grün 漢", "grün 漢"),
        ("", ""),
    ],
)
def test_a_text_is_shown_in_one_printable_line(text: str, shown: str) -> None:
    assert one_line(text) == shown


def test_a_long_text_is_cut() -> None:
    assert one_line("x" * 301) == "x" * 299 + "…"
    assert one_line("x" * 300) == "x" * 300


def test_a_secret_is_hidden_before_a_text_is_cut() -> None:
    secret = "x" * 50
    found = failure("auth", SMTPAuthenticationError(535, "y" * 280 + " " + secret), "h", 1, Redactor([("x", secret)]))
    assert "xx" not in found.text
