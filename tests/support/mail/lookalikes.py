"""Mail that quotes, answers, forwards or forges a probe, or looks like one, without being it."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable

from tests.support.mail.notices import BOUNCES, head_of, mail

LookAlike = Callable[[bytes], bytes]


def value(message: bytes, name: bytes) -> bytes:
    """A header field of a probe; none of them is folded."""
    found = re.search(rb"(?mi)^" + name + rb": ([^\r\n]*)", message)
    assert found is not None
    return found[1]


def body(message: bytes) -> bytes:
    return message.partition(b"\r\n\r\n")[2]


def quoted(text: bytes) -> bytes:
    return b"".join(b"> " + line + b"\n" for line in text.splitlines())


def letter(head: bytes, text: bytes = b"See you on Monday.") -> bytes:
    return mail(b"From: ann@example.org\nTo: probe@example.org\nMessage-ID: <letter@example.org>\n" + head, b"", text)


def thread(message: bytes) -> bytes:
    return b"\nIn-Reply-To: %s\nReferences: %s" % ((value(message, b"Message-ID"),) * 2)


def subject(message: bytes) -> bytes:
    return b"Subject: " + value(message, b"Subject")


def attached(message: bytes, kind: bytes = b"message/rfc822", head: bytes = b"Subject: Fwd: look") -> bytes:
    begin = b'\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="=_f"'
    parts = b"--=_f\n\nsee below\n--=_f\nContent-Type: %s\n\n%s\n--=_f--\n" % (kind, message)
    return letter(head + begin, parts)


def with_id(message: bytes, number: bytes) -> bytes:
    """A probe with another id: forged, or one of another run."""
    own = value(message, b"X-Mail-Loop-Id")
    return message.replace(own, number).replace(own[:6], number[:6])


def out_of_office(message: bytes, head: bytes = b"") -> bytes:
    """It may come without a return path, as bounces do, and quote all it answers."""
    return mail(
        b"Return-Path: <>\nFrom: ann@example.org\n" + subject(message) + head,
        b"",
        b"I am out of the office until Monday, and not able to read your message:\n\n" + message,
    )


# What gateways do to a probe: by its own X-Mail-Loop-Id on top it is the probe all the same.
DISFIGURED: dict[str, LookAlike] = {
    "a thread with itself": lambda m: mail(head_of(m).rstrip(b"\n") + thread(m), b"", body(m)),
    "a thread with another": lambda m: b"References: <a@b> <c@d>\r\nIn-Reply-To: <c@d>\r\n" + m,
    "an empty thread": lambda m: b"References:\r\nIn-Reply-To: \r\n" + m,
    "called an auto-reply": lambda m: m.replace(b"auto-generated", b"auto-replied"),
    "a list's field": lambda m: b"Precedence: list\r\nList-Id: <a.b>\r\n" + m,
    "another sender and subject": lambda m: m.replace(value(m, b"From"), b"x@y.test").replace(
        subject(m), b"Subject: x"
    ),
    "no sender": lambda m: b"Return-Path: <>\r\n" + m,
}

LOOK_ALIKES: dict[str, LookAlike] = {
    "a reply": lambda m: letter(b"Subject: Re: " + value(m, b"Subject") + thread(m), quoted(body(m))),
    "a reply that keeps the subject and quotes without marks": lambda m: letter(subject(m) + thread(m), body(m)),
    "an answer of a ticket system": lambda m: letter(
        b"Subject: [Ticket#2026] " + value(m, b"Subject"), b"Your request:\n\n" + body(m)
    ),
    "out of office": lambda m: out_of_office(m, b"\nAuto-Submitted: auto-replied" + thread(m)),
    "out of office, unmarked": out_of_office,
    "a forward, inline": lambda m: letter(
        b"Subject: Fwd: " + value(m, b"Subject"), b"---------- Forwarded message ---------\n" + m
    ),
    "a forward, inline, behind a tag": lambda m: letter(b"Subject: [FWD] " + value(m, b"Subject"), m),
    "a forward, attached": attached,
    "a forward, attached, with the subject": lambda m: attached(m, head=subject(m)),
    "the probe as a file": lambda m: attached(m, b"application/octet-stream", subject(m)),
    "the probe as a text file": lambda m: attached(base64.encodebytes(m), b"text/x\nContent-Transfer-Encoding: base64"),
    "a digest": lambda m: letter(
        b'Subject: digest\nContent-Type: multipart/digest; boundary="d"', b"--d\n\n" + m + b"\n--d--"
    ),
    "another id forged": lambda m: with_id(m, b"0123456789abcdef" * 2),
    "another id forged, our Message-ID": lambda m: m.replace(
        b"X-Mail-Loop-Id: " + value(m, b"X-Mail-Loop-Id"), b"X-Mail-Loop-Id: " + b"0123456789abcdef" * 2
    ),
    "the token alone": lambda m: m.replace(value(m, b"X-Mail-Loop-Id"), value(m, b"X-Mail-Loop-Id")[:6]),
    "the id twice, once another": lambda m: b"X-Mail-Loop-Id: " + b"f" * 32 + b"\r\n" + m,
    "the id in other fields": lambda m: letter(
        b"Subject: x\nX-Original-Id: %s\nComments: X-Mail-Loop-Id: %s\nX-Ref: %s\nX-Mail-Loop-Name: %s"
        % tuple(value(m, name) for name in (b"X-Mail-Loop-Id", b"X-Mail-Loop-Id", b"Message-ID", b"X-Mail-Loop-Name"))
    ),
    "the header in the body": lambda m: letter(b"Subject: x", head_of(m)),
    "the header behind a blank line": lambda m: mail(b"Subject: x\n", m),
    "the id in the trace, the addresses and the name of a file": lambda m: letter(
        b"Subject: x\nReceived: from a by b with ESMTP id %s\nReply-To: <%s@example.org>\nList-Id: <%s>\n"
        b'Content-Type: text/plain; name="X-Mail-Loop-Id: %s"' % ((value(m, b"X-Mail-Loop-Id"),) * 4)
    ),
    "the id in the subject": lambda m: letter(b"Subject: " + value(m, b"X-Mail-Loop-Id")),
    "a read receipt": lambda m: letter(
        b"Subject: Read: x\nReturn-Path: <>\n"
        b'Content-Type: multipart/report; report-type=disposition-notification; boundary="r"',
        b"--r\n\nThis is a receipt, delivery has not failed\n--r\nContent-Type: message/disposition-notification\n\n"
        b"Disposition: manual-action/MDN-sent-manually; displayed\nAction: failed\n"
        b"--r\nContent-Type: text/rfc822-headers\n\n" + head_of(m) + b"--r--",
    ),
    "a spam report": lambda m: letter(
        b'Subject: abuse\nReturn-Path: <>\nContent-Type: multipart/report; report-type=feedback-report; boundary="r"',
        b"--r\n\nfailed\n--r\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n"
        b"--r\nContent-Type: message/rfc822\n\n" + m + b"\n--r--",
    ),
    "a bounce, forwarded": lambda m: attached(BOUNCES["postfix"](m)),
    "a bounce, forwarded with a null sender": lambda m: attached(
        BOUNCES["postfix"](m), head=b"Return-Path: <>\nSubject: Fwd: Undelivered, delivery failed"
    ),
    "a bounce in text, forwarded inline": lambda m: letter(b"Subject: Fwd: failure notice", BOUNCES["qmail"](m)),
    "a bounce of a forward": lambda m: BOUNCES["postfix"](attached(m)),
    "a bounce of a forward, text only": lambda m: BOUNCES["qmail"](attached(m)),
    "a bounce of a reply that quotes the header": lambda m: BOUNCES["exim, text only"](letter(b"Subject: x", m)),
    "a bounce of a bounce": lambda m: BOUNCES["postfix"](BOUNCES["postfix"](m)),
    "a bounce of a bounce, text only": lambda m: BOUNCES["qmail"](BOUNCES["qmail"](m)),
    "a bounce that mentions the ids": lambda m: BOUNCES["qmail"](letter(b"Subject: x")).replace(
        b"Sorry it didn't", b"%s %s" % (value(m, b"X-Mail-Loop-Id"), value(m, b"Message-ID"))
    ),
    "a bounce that indents the copy": lambda m: BOUNCES["qmail"](b"").rstrip() + b"\r\n\r\n" + quoted(m),
}
