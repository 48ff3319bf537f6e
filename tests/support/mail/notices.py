"""Bounces and delay notices as the usual mail servers write them, on any message."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable

from tasks.mail.model.outcome import DELAYED, FAILED
from tasks.mail.model.result import BounceRecord
from tasks.mail.probe.bounce import concerns, notice_of
from tasks.mail.probe.compose import Probe

Notice = Callable[[bytes], bytes]

NOBODY = b"nobody@example.net"
SAID = b"550 5.1.1 <nobody@example.net>: Recipient address rejected"


def bounced(
    status: str, diagnostic: str, recipient: str, reporting_mta: str, remote_mta: str, action: str = FAILED
) -> BounceRecord:
    """What a notice is taken for, in the order in which it says so."""
    return BounceRecord(action, status, diagnostic, recipient, reporting_mta, remote_mta)


def bounce_of(raw: bytes, probe: Probe, fresh: bool = True) -> BounceRecord | None:
    """The bounce of `probe` in the message `raw`; None if it is about something else, or reports no failure."""
    return _reported(raw, probe, FAILED, fresh)


def delay_of(raw: bytes, probe: Probe, fresh: bool = True) -> BounceRecord | None:
    """The notice in the message `raw` that `probe` is delayed; None if it says anything else."""
    return _reported(raw, probe, DELAYED, fresh)


def _reported(raw: bytes, probe: Probe, action: str, fresh: bool) -> BounceRecord | None:
    notice = notice_of(raw, probe, fresh) if concerns(raw, probe, fresh) else None
    return notice if notice is not None and notice.action == action else None


def mail(*lines: bytes) -> bytes:
    """A message with the line ends of the wire."""
    return b"\n".join(lines).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def head_of(message: bytes) -> bytes:
    return message.replace(b"\r\n", b"\n").partition(b"\n\n")[0] + b"\n"


def received(message: bytes) -> bytes:
    """A message as the server has it that gives up."""
    trace = b"Return-Path: <probe@example.org>\nReceived: from relay.example.org (relay.example.org [192.0.2.7])\n"
    return trace + b"\tby mx.example.org with ESMTP id 4XyZ1b2c3d; Wed, 4 Mar 2026 05:06:07 +0000\n" + message


def report(head: bytes, text: bytes, status: bytes, original: bytes = b"") -> bytes:
    """A multipart/report; `text` and `original` begin with their own headers, and the second may be missing."""
    mark = b"=_%08x/mx" % zlib.crc32(original)  # another one for a report on a report
    begin = b'MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status;\n\tboundary="%s"\n' % mark
    parts = [text, b"Content-Type: message/delivery-status\n\n" + status, *([original] if original else [])]
    inner = b"".join(b"--%s\n%s\n" % (mark, part) for part in parts)
    return mail(head.rstrip(b"\n"), begin, b"This is a MIME-encapsulated message.\n", inner + b"--%s--\n" % mark)


def whole(message: bytes) -> bytes:
    return b"Content-Description: Undelivered Message\nContent-Type: message/rfc822\n\n" + received(message)


def header(message: bytes) -> bytes:
    return b"Content-Description: Message Headers\nContent-Type: text/rfc822-headers\n\n" + head_of(received(message))


PLAIN = b"Content-Type: text/plain; charset=us-ascii\n\n"


def _postfix(original: bytes, action: bytes = b"failed", status: bytes = b"5.1.1", said: bytes = SAID) -> bytes:
    head = (
        b"Return-Path: <>\nDate: Wed,  4 Mar 2026 05:06:09 +0000 (UTC)\n"
        b"From: MAILER-DAEMON@mx.example.org (Mail Delivery System)\nSubject: Undelivered Mail Returned to Sender\n"
        b"To: probe@example.org\nAuto-Submitted: auto-replied\nMessage-Id: <20260304050609.5A1C2@mx.example.org>\n"
    )
    text = PLAIN + b"This is the mail system at host mx.example.org.\n\nI'm sorry to have to inform you\n"
    fields = b"Reporting-MTA: dns; mx.example.org\nX-Postfix-Queue-ID: 4XyZ1b2c3d\n\nFinal-Recipient: rfc822; %s\n"
    fields += b"Action: %s\nStatus: %s\nRemote-MTA: dns; mail.example.net\nDiagnostic-Code: smtp; %s\n"
    return report(head, text, fields % (NOBODY, action, status, said), original)


EXIM_HEAD = (
    b"Return-path: <>\nReceived: from Debian-exim by exim.example.org with local (Exim 4.96)\n\tid 1tABcD-0002xy-5Z\n"
    b"X-Failed-Recipients: nobody@example.net\nAuto-Submitted: auto-replied\n"
    b"From: Mail Delivery System <Mailer-Daemon@exim.example.org>\nTo: probe@example.org\n"
    b"Subject: Mail delivery failed: returning message to sender\nMessage-Id: <E1tABcD-0002xy-5Z@exim.example.org>\n"
)
EXIM_TEXT = (
    b"This message was created automatically by mail delivery software.\n\nA message that you sent could not be "
    b"delivered to one or more of its\nrecipients. This is a permanent error. The following address(es) failed:\n\n"
    b"  nobody@example.net\n    host mail.example.net [192.0.2.1]\n"
    b"    SMTP error from remote mail server after RCPT TO:<nobody@example.net>:\n    550 5.1.1 No such user here\n"
)


def _exim(original: bytes) -> bytes:
    status = (
        b"Reporting-MTA: dns; exim.example.org\n\nAction: failed\nFinal-Recipient: rfc822;nobody@example.net\n"
        b"Status: 5.0.0\nRemote-MTA: dns; mail.example.net\nDiagnostic-Code: smtp; 550 5.1.1 No such user here\n"
    )
    return report(EXIM_HEAD, PLAIN + EXIM_TEXT, status, original)


def exim_text(message: bytes) -> bytes:
    """As before version 4.80."""
    copy = b"------ This is a copy of the message, including all the headers. ------\n\n"
    return mail(EXIM_HEAD, EXIM_TEXT, copy + received(message))


def _exchange(original: bytes, text: bytes = b"") -> bytes:
    head = (
        b"From: Microsoft Outlook\n <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@example.org>\n"
        b"To: <probe@example.org>\nDate: Wed, 4 Mar 2026 05:06:09 +0000\nContent-Language: en-US\n"
        b"Message-ID: <5c3e@EX1.example.org>\nIn-Reply-To: <unrelated@example.org>\n"
        b"Subject: Undeliverable: your message\nAuto-Submitted: auto-replied\nX-MS-Exchange-Message-Is-Ndr:\n"
    )
    html = b"<html><body><p>Your message to nobody@example.net couldn't be delivered.</p></body></html>\n"
    said = (
        b"Your message to nobody@example.net couldn't be delivered.\n\nDiagnostic information for administrators:\n\n"
    )
    said += (
        b"Generating server: EX1.example.org\n\nnobody@example.net\nRemote server returned '550 5.1.10 RESOLVER'\n\n"
    )
    shown = base64.encodebytes((said + text).replace(b"\r\n", b"\n"))
    alternative = (
        b'Content-Type: multipart/alternative; differences=Content-Type;\n\tboundary="=_b2"\n\n'
        b'--=_b2\nContent-Type: text/plain; charset="utf-8"\nContent-Transfer-Encoding: base64\n\n%s\n'
        b'--=_b2\nContent-Type: text/html; charset="us-ascii"\n\n%s\n--=_b2--\n' % (shown, html)
    )
    status = (
        b"Reporting-MTA: dns;EX1.example.org\nReceived-From-MTA: dns;relay.example.org\n\n"
        b"Final-Recipient: rfc822;nobody@example.net\nAction: failed\nStatus: 5.1.10\n"
        b"Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found\n"
    )
    return report(head, alternative, status, original)


def exchange_text(message: bytes) -> bytes:
    """The returned header stands in the text alone."""
    return _exchange(b"", b"Original message headers:\n\n" + head_of(received(message)))


GMAIL_HEAD = (
    b"Return-Path: <>\nReceived: by 2002:a05:0:0:0:0:0:1; Wed, 04 Mar 2026 05:06:09 -0800 (PST)\n"
    b"Auto-Submitted: auto-replied\nMessage-ID: <69a7.bounce@mx.google.example>\n"
    b"From: Mail Delivery Subsystem <mailer-daemon@googlemail.example>\nTo: probe@example.org\n"
    b"Subject: Delivery Status Notification (Failure)\nX-Failed-Recipients: nobody@example.net\n"
)


def gmail(message: bytes) -> bytes:
    number = next((line for line in message.splitlines() if line.lower().startswith(b"message-id:")), b"x: <x@y>")
    thread = b"References: %s\nIn-Reply-To: %s\n" % ((number.partition(b":")[2].strip(),) * 2)
    related = (
        b'Content-Type: multipart/related; boundary="=_b2"\n\n--=_b2\n'
        b'Content-Type: multipart/alternative; boundary="=_b3"\n\n'
        b'--=_b3\nContent-Type: text/plain; charset="UTF-8"\n\n** Address not found **\n\n'
        b'--=_b3\nContent-Type: text/html; charset="UTF-8"\n\n<p>Address not found</p>\n--=_b3--\n'
        b'--=_b2\nContent-Type: image/png; name="icon.png"\nContent-Transfer-Encoding: base64\n\niVBORw0K\n--=_b2--\n'
    )
    status = (
        b"Reporting-MTA: dns; googlemail.example\nX-Original-Message-ID: <69a7@mx.google.example>\n\n"
        b"Final-Recipient: rfc822; nobody@example.net\nAction: failed\nStatus: 5.1.1\n"
        b"Remote-MTA: dns; mail.example.net. (192.0.2.1, the server for the domain example.net.)\n"
        b"Diagnostic-Code: smtp; 550-5.1.1 The email account that you tried to reach does not exist.\n"
        b" 550 5.1.1 Please check the address.\nLast-Attempt-Date: Wed, 04 Mar 2026 05:06:09 -0800 (PST)\n"
    )
    return report(GMAIL_HEAD + thread, related, status, whole(message))


def gmail_text(message: bytes) -> bytes:
    """As until 2017."""
    text = (
        b"Delivery to the following recipient failed permanently:\n\n     nobody@example.net\n\n"
        b"Technical details of permanent failure: \nGoogle tried to deliver your message, but it was rejected by the "
        b"server for the recipient domain.\n\nThe error that the other server returned was:\n"
        b"550 5.1.1 No such user\n\n----- Original message -----\n\n"
    )
    return mail(GMAIL_HEAD + PLAIN + text + received(message))


def _sendmail(original: bytes, action: bytes = b"failed", status: bytes = b"5.1.1") -> bytes:
    head = (
        b"Return-Path: <MAILER-DAEMON@sendmail.example.org>\nDate: Wed, 4 Mar 2026 05:06:09 GMT\n"
        b"From: Mail Delivery Subsystem <MAILER-DAEMON@sendmail.example.org>\nTo: <probe@example.org>\n"
        b"Message-Id: <202603040506.47G8a1bc012345@sendmail.example.org>\n"
        b"Subject: Returned mail: see transcript for details\nAuto-Submitted: auto-generated (failure)\n"
    )
    text = (
        b"\nThe original message was received at Wed, 4 Mar 2026 05:06:07 GMT\n\n"
        b"   ----- The following addresses had permanent fatal errors -----\n<nobody@example.net>\n\n"
        b"   ----- Transcript of session follows -----\n... while talking to mail.example.net.:\n"
        b">>> RCPT To:<nobody@example.net>\n<<< 550 5.1.1 No such user\n550 5.1.1 ... User unknown\n"
    )
    fields = (
        b"Reporting-MTA: dns; sendmail.example.org\nReceived-From-MTA: DNS; relay.example.org\n\n"
        b"Final-Recipient: RFC822; nobody@example.net\nAction: %s\nStatus: %s\nRemote-MTA: DNS; mail.example.net\n"
        b"Diagnostic-Code: SMTP; 550 5.1.1 No such user\n"
    )
    return report(head, text, fields % (action, status), original)


QMAIL_HEAD = (
    b"Return-Path: <>\nReceived: (qmail 4711 invoked for bounce); 4 Mar 2026 05:06:09 -0000\n"
    b"Date: 4 Mar 2026 05:06:09 -0000\nFrom: MAILER-DAEMON@qmail.example.org\nTo: probe@example.org\n"
    b"Subject: failure notice\n\n"
)
QMAIL_TEXT = (
    b"Hi. This is the qmail-send program at qmail.example.org.\n"
    b"I'm afraid I wasn't able to deliver your message to the following addresses.\n"
    b"This is a permanent error; I've given up. Sorry it didn't work out.\n\n<nobody@example.net>:\n"
)
BELOW = b"\n--- Below this line is a copy of the message.\n\n"


def qmail(message: bytes) -> bytes:
    text = b"192.0.2.1 does not like recipient.\nRemote host said: 550 5.1.1 No such user\nGiving up on 192.0.2.1.\n"
    return mail(QMAIL_HEAD + QMAIL_TEXT + text + BELOW + received(message))


def qmail_local(message: bytes) -> bytes:
    return mail(
        QMAIL_HEAD + QMAIL_TEXT + b"Sorry, no mailbox here by that name. (#5.1.1)\n" + BELOW + received(message)
    )


def qmail_reasonless(message: bytes) -> bytes:
    text = b"This message is looping: it already has my Delivered-To line.\n"
    return mail(QMAIL_HEAD + QMAIL_TEXT + text + BELOW + received(message))


def unnamed_text(message: bytes) -> bytes:
    """Of a server that nobody knows: the message attached, no status, and nothing but the null sender says bounce."""
    head = b"Return-Path: <>\nFrom: postmaster@example.net\nSubject: Undeliverable\n"
    return mail(
        head + b'Content-Type: multipart/mixed; boundary="=_b"\n\n--=_b\n' + PLAIN,
        b"Your message could not be delivered: 550 no such user\n\n--=_b\n" + whole(message) + b"\n--=_b--\n",
    )


BOUNCES: dict[str, Notice] = {
    "postfix": lambda message: _postfix(whole(message)),
    "postfix, header only": lambda message: _postfix(header(message)),
    "exim": lambda message: _exim(whole(message)),
    "exim, header only": lambda message: _exim(header(message)),
    "exim, text only": exim_text,
    "exchange": lambda message: _exchange(whole(message)),
    "exchange, header only": lambda message: _exchange(header(message)),
    "exchange, text only": exchange_text,
    "gmail": gmail,
    "gmail, text only": gmail_text,
    "sendmail": lambda message: _sendmail(whole(message)),
    "sendmail, header only": lambda message: _sendmail(header(message)),
    "qmail": qmail,
    "qmail, local": qmail_local,
    "qmail, no reason": qmail_reasonless,
    "another, text only": unnamed_text,
}

EXIM_DELAY = (
    b"This message was created automatically by mail delivery software.\n\nA message that you sent has not yet been "
    b"delivered to one or more of its\nrecipients after more than 24 hours on the queue.\n\nDelay reason: 451 4.7.1 "
    b"Greylisted\n\nNo action is required on your part. Delivery attempts will continue for some time.\n\n"
)
GMAIL_DELAY = (
    b"This is an automatically generated Delivery Status Notification\n\nTHIS IS A WARNING MESSAGE ONLY.\n\n"
    b"YOU DO NOT NEED TO RESEND YOUR MESSAGE.\n\nDelivery to the following recipient has been delayed:\n\n"
    b"     nobody@example.net\n\nMessage will be retried for 2 more day(s)\n\n----- Original message -----\n\n"
)

DELAYS: dict[str, Notice] = {
    "postfix": lambda message: _postfix(header(message), b"delayed", b"4.4.1", b"451 4.7.1 Greylisted"),
    "sendmail": lambda message: _sendmail(header(message), b"delayed", b"4.4.7"),
    "exim, text only": lambda message: mail(
        EXIM_HEAD.replace(b"Mail delivery failed: returning message to sender", b"Warning: message delayed 24 hours"),
        EXIM_DELAY + received(message),
    ),
    "exim, text only, plain subject": lambda message: mail(
        EXIM_HEAD.replace(b"Mail delivery failed: returning message to sender", b"Your message"),
        EXIM_DELAY + received(message),
    ),
    "gmail, text only": lambda message: mail(GMAIL_HEAD + PLAIN + GMAIL_DELAY + received(message)),
    "qmail's words, nothing said of the end": lambda message: mail(
        QMAIL_HEAD.replace(b"failure notice", b"notice"),
        b"I could not reach the server of nobody@example.net.\n" + BELOW + received(message),
    ),
}
