"""What filters and gateways make of a message that they attach to one of their own."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable

KEPT = (b"From", b"To", b"Subject", b"Date", b"Message-ID")


def header_of(raw: bytes) -> bytes:
    return raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


def around(head: bytes, part: bytes, text: bytes = b"See the attached message.") -> bytes:
    """A message with a text and another part."""
    return (
        head
        + b'\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="=_w"\r\n\r\n'
        + b"--=_w\r\nContent-Type: text/plain\r\n\r\n%s\r\n\r\n--=_w\r\n%s\r\n--=_w--\r\n" % (text, part)
    )


def kept(raw: bytes, *names: bytes) -> bytes:
    """Fields of a message's header, as they stand."""
    fields = re.split(rb"\r\n(?![ \t])", raw.partition(b"\r\n\r\n")[0])
    return b"\r\n".join(field for field in fields if field.split(b":")[0] in names)


def tagged(raw: bytes, tag: bytes) -> bytes:
    return re.sub(rb"(?m)^Subject: ", b"Subject: " + tag, kept(raw, *KEPT), count=1)


STATUS = b"X-Spam-Flag: YES\r\nX-Spam-Status: Yes, score=7.1 required=5.0 tests=BAYES_99=3.5,URIBL_BLACK=2.5\r\n"
TEXT = b'Spam detection software, running on the system "mx.test", has identified this incoming email as possible spam.'
ORIGINAL = b"Content-Type: message/rfc822; x-spam-type=original\r\nContent-Description: original message\r\n\r\n"
AS_TEXT = b"Content-Type: text/plain; x-spam-type=original\r\nContent-Disposition: attachment\r\n\r\n"
RFC822 = b"Content-Type: message/rfc822\r\n\r\n"

WRAPPERS: dict[str, Callable[[bytes], bytes]] = {
    "SpamAssassin, report_safe 1": lambda raw: around(STATUS + kept(raw, *KEPT), ORIGINAL + raw, TEXT),
    "SpamAssassin, report_safe 2": lambda raw: around(STATUS + kept(raw, *KEPT), AS_TEXT + raw, TEXT),
    "SpamAssassin, with a tag, its fields gone": lambda raw: around(tagged(raw, b"*****SPAM***** "), ORIGINAL + raw),
    "SpamAssassin, another sender and subject": lambda raw: around(
        b"From: filter@mx.test\r\nSubject: spam\r\n" + kept(raw, b"Message-ID"), ORIGINAL + raw, TEXT
    ),
    "MailScanner": lambda raw: around(
        b"X-Site-MailScanner-SpamCheck: spam, SpamAssassin (score=7.1, required 6, BAYES_99 3.50)\r\n"
        + tagged(raw, b"{Spam?} "),
        RFC822 + raw,
        b"Our MailScanner believes that the attachment to this message sent to you is spam.",
    ),
    "a gateway that keeps sender and date": lambda raw: around(
        kept(raw, b"From", b"To", b"Date") + b"\r\nSubject: Suspicious message\r\nMessage-ID: <new@gateway.test>",
        RFC822 + raw,
    ),
    "a gateway that writes as itself": lambda raw: around(
        re.sub(rb"From: [^\r]*", b"From: gateway@mx.test", tagged(raw, b"[SPAM] ")).replace(b"Message-ID", b"X-Id"),
        RFC822 + raw,
    ),
    "Amavis that keeps the header": lambda raw: around(
        re.sub(rb"\r\n(?:MIME-Version|Content-[\w-]+): [^\r]*", b"", header_of(raw).rstrip()), RFC822 + raw
    ),
    "a file": lambda raw: around(
        STATUS + kept(raw, *KEPT),
        b"Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=original.eml\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(raw),
    ),
    "the message alone": lambda raw: (
        STATUS + kept(raw, *KEPT) + b"\r\nMIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n\r\n" + raw
    ),
}
