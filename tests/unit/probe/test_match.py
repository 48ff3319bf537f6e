"""Which messages are the probe, and which only look like it."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from tasks.mail.config.loop import SmtpConfig
from tasks.mail.probe.compose import Probe, compose
from tasks.mail.probe.match import HEADERS, Match, body_has_id, decoded, match

WHEN = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def probe_of(prefix: str = "[mail-loop]") -> Probe:
    smtp = SmtpConfig(
        host="relay.test", from_addr="probe@example.org", to_addr="inbox@example.net", subject_prefix=prefix
    )
    return compose("office", smtp, WHEN)


PROBE = probe_of()
OTHER = probe_of()

# {id}, {mid} and {subject} are those of the probe, {other} the id of another one.
TABLE: list[tuple[str, Match, str]] = [
    ("the probe", Match.OWN, "X-Mail-Loop-Id: {id}\nX-Mail-Loop-Name: office\nMessage-ID: {mid}\nSubject: {subject}"),
    ("our two headers alone", Match.OWN, "X-Mail-Loop-Id: {id}\nX-Mail-Loop-Name: office"),
    ("names in another case", Match.OWN, "x-mail-loop-id:{id}\nX-MAIL-LOOP-NAME:  office "),
    ("a folded id", Match.OWN, "X-Mail-Loop-Id:\n {id}\nX-Mail-Loop-Name:\n\toffice"),
    ("headers that a relay has doubled", Match.OWN, "X-Mail-Loop-Id: {id}\n" * 2 + "X-Mail-Loop-Name: office\n" * 2),
    ("another loop's name", Match.COPY, "X-Mail-Loop-Id: {id}\nX-Mail-Loop-Name: home"),
    ("two names", Match.COPY, "X-Mail-Loop-Id: {id}\nX-Mail-Loop-Name: office\nX-Mail-Loop-Name: home"),
    ("no name", Match.COPY, "X-Mail-Loop-Id: {id}"),
    ("our header stripped", Match.COPY, "Message-ID: {mid}\nSubject: {subject}"),
    ("a folded Message-ID", Match.COPY, "Message-ID:\n {mid}"),
    ("a redirect, with Resent fields", Match.COPY, "Resent-From: a@b\nResent-Message-ID: <x@y>\nMessage-ID: {mid}"),
    ("another probe of the loop", Match.NO, "X-Mail-Loop-Id: {other}\nX-Mail-Loop-Name: office\nSubject: {subject}"),
    ("another id with our Message-ID", Match.NO, "X-Mail-Loop-Id: {other}\nMessage-ID: {mid}\nSubject: {subject}"),
    ("two ids that differ", Match.NO, "X-Mail-Loop-Id: {id}\nX-Mail-Loop-Id: {other}\nX-Mail-Loop-Name: office"),
    ("two ids in one field", Match.NO, "X-Mail-Loop-Id: {id} {other}\nX-Mail-Loop-Name: office"),
    ("the token alone for an id", Match.NO, "X-Mail-Loop-Id: {token}\nX-Mail-Loop-Name: office"),
    ("an empty id", Match.NO, "X-Mail-Loop-Id:\nSubject: {subject}"),
    ("the id in other fields", Match.NO, "X-Original-Id: {id}\nComments: X-Mail-Loop-Id: {id}\nX-Ref: {mid}"),
    ("the id in the subject", Match.PERHAPS, "Subject: {id}"),
    ("two Message-IDs", Match.NO, "Message-ID: {mid}\nMessage-ID: <x@y>"),
    ("a reply", Match.NO, "Message-ID: <r@x>\nIn-Reply-To: {mid}\nReferences: {mid}\nSubject: Re: {subject}"),
    ("a reply that keeps the subject", Match.NO, "Message-ID: <r@x>\nIn-Reply-To: {mid}\nSubject: {subject}"),
    ("a reply with References alone", Match.NO, "Message-ID: <r@x>\nReferences: {mid}\nSubject: {subject}"),
    ("a reply without threading", Match.NO, "Message-ID: <r@x>\nSubject: Re: {subject}"),
    ("a German reply", Match.NO, "Message-ID: <r@x>\nSubject: AW: {subject}"),
    ("a forward", Match.NO, "Message-ID: <f@x>\nSubject: Fwd: {subject}"),
    ("a forward in Outlook's way", Match.NO, "Message-ID: <f@x>\nSubject: {subject} (fwd)"),
    ("a forward behind a tag", Match.NO, "Message-ID: <f@x>\nSubject: [EXTERNAL] FW: {subject}"),
    ("an out-of-office answer", Match.NO, "Auto-Submitted: auto-replied\nSubject: {subject}"),
    ("an answer of vacation", Match.NO, "Auto-Submitted: Auto-Replied (vacation)\nSubject: {subject}"),
    ("an answer that quotes the subject", Match.NO, "Subject: Automatic reply: {subject}"),
    ("a subject with more behind it", Match.PERHAPS, "Subject: {subject} again"),
    ("a subject twice", Match.PERHAPS, "Subject: {subject} {subject}"),
    ("another token", Match.NO, "Subject: [mail-loop] 2026-03-04T05:06:07Z 000000"),
    ("both ids stripped", Match.PERHAPS, "Message-ID: <new@gateway>\nSubject: {subject}"),
    ("no Message-ID at all", Match.PERHAPS, "Subject: {subject}"),
    ("a gateway's tag", Match.PERHAPS, "Subject: [EXTERNAL] {subject}"),
    ("two tags of gateways", Match.PERHAPS, "Subject: [EXT][SPAM?]  {subject}"),
    ("a folded subject", Match.PERHAPS, "Subject: [EXTERNAL]\n [mail-loop]\n\t2026-03-04T05:06:07Z\n {token}"),
    ("a tag without an end", Match.PERHAPS, "Subject: [EXTERNAL {subject}"),
    ("a subject changed but for the token", Match.PERHAPS, "Subject: {Spam?} loop {token}"),
    ("an attachment, from us", Match.ENCLOSED, "From: probe@example.org\nContent-Type: multipart/mixed; boundary=x"),
    ("an attachment, our token", Match.ENCLOSED, "From: a@b\nSubject: {subject}\nContent-Type: multipart/mixed"),
    ("an attachment, our Message-ID", Match.ENCLOSED, "From: a@b\nMessage-ID: {mid}\nContent-Type: message/rfc822"),
    ("an attachment, nothing of ours", Match.NO, "From: a@b\nSubject: x\nContent-Type: multipart/mixed; boundary=x"),
    ("a quarantine's notice", Match.NO, "From: q@b\nMessage-ID: {mid}\nSubject: 1 message held"),
    ("our header, no sender", Match.UNLESS_REPORT, "Return-Path: <>\nX-Mail-Loop-Id: {id}\nX-Mail-Loop-Name: office"),
    ("a delivery report with our header", Match.REPORT, "X-Mail-Loop-Id: {id}\nContent-Type: multipart/report"),
    ("a delivery report", Match.REPORT, "Subject: {subject}\nContent-Type: multipart/report; boundary=x"),
    ("a report in another case", Match.REPORT, "Content-Type: Multipart/Report;\n report-type=delivery-status"),
    ("a report with another id", Match.NO, "X-Mail-Loop-Id: {other}\nContent-Type: multipart/report"),
    ("other mail", Match.NO, "Subject: hello\nMessage-ID: <a@b>"),
    ("no header", Match.NO, ""),
    ("no subject", Match.NO, "Subject:"),
]


def fields(text: str, probe: Probe = PROBE) -> bytes:
    """A header from a line of the table."""
    for name, value in {
        "{id}": probe.id,
        "{token}": probe.token,
        "{mid}": probe.message_id,
        "{subject}": probe.subject,
        "{other}": OTHER.id,
    }.items():
        text = text.replace(name, value)
    return text.replace("\n", "\r\n").encode() + b"\r\n\r\n"


@pytest.mark.parametrize(("kind", "text"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_a_header_is_taken_for_what_it_is(kind: Match, text: str) -> None:
    assert match(fields(text), PROBE) is kind


@pytest.mark.parametrize("prefix", ["[x] [mail-loop]", "[x]", "a  b", "Überprüfung in Köln", "=?utf-8?q?x?=", "Re: x"])
@pytest.mark.parametrize("tag", ["", "[EXTERNAL] "])
def test_a_stripped_probe_may_have_any_prefix_and_a_tag_before_it(prefix: str, tag: str) -> None:
    probe = probe_of(prefix)
    wire = probe.content.partition(b"Subject: ")[2].partition(b"\r\nDate:")[0]
    assert match(b"Subject: " + tag.encode() + wire + b"\r\n\r\n", probe) is Match.PERHAPS
    assert match(b"Subject: Fwd: " + tag.encode() + wire + b"\r\n\r\n", probe) is Match.NO


def test_the_prefix_alone_does_not_match_the_end_of_a_longer_one() -> None:
    longer, probe = probe_of("[x] [mail-loop]"), PROBE
    subject = longer.subject.replace(longer.token, probe.token)
    assert match(f"Subject: {subject}\r\n\r\n".encode(), probe) is Match.PERHAPS  # as behind a tag: the body decides
    assert not body_has_id(longer.content, probe)


def test_a_header_in_raw_utf_8_is_read() -> None:
    probe = probe_of("Überprüfung")
    assert match(f"Subject: {probe.subject}\r\n\r\n".encode(), probe) is Match.PERHAPS
    assert match(f"Subject: {probe.subject}\r\n\r\n".encode("latin-1"), probe) is Match.PERHAPS


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"plain", "plain"),
        (b"=?utf-8?q?gr=C3=BCn?= x", "grün x"),
        (b"=?UTF-8?B?Z3LDvG4=?=", "grün"),
        (b"=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
        (b"=?utf-8?q?a?=\r\n b", "a b"),
        (b"=?iso-8859-1?q?gr=FCn?=", "grün"),
        (b"=?utf-8?q?=FF?=", "\ufffd"),
        (b"=?no-such-charset?q?x?=", "=?no-such-charset?q?x?="),
        (b"=?hex?q?x?=", "=?hex?q?x?="),
        (b"=?utf-8?b?a?=", "=?utf-8?b?a?="),
        (b"=?utf-8?b?=?=", ""),
        (b"=?utf-8?q?x", "=?utf-8?q?x"),
        (b"=?idna?q?=FF?=", "=?idna?q?=FF?="),
        (b"=?\x00?q?x?=", "=?\x00?q?x?="),
        (b"\xff\xfe", "\ufffd\ufffd"),
        ("grün".encode(), "grün"),
    ],
)
def test_a_header_value_is_decoded_or_left_as_it_is(raw: bytes, text: str) -> None:
    assert decoded(HEADERS.parsebytes(b"Subject: " + raw + b"\r\n\r\n").get("Subject")) == text


def test_no_value_is_an_empty_text() -> None:
    assert decoded(None) == ""


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00" * 100,
        b":\r\n:\r\n\r\n",
        b"Subject\r\nX-Mail-Loop-Id\r\n\r\n",
        b" folded from nothing\r\n\r\n",
        b"Content-Type: \xff\xfe/\xff; boundary*=\x00'x'%ff\r\n\r\n",
        b"X-Mail-Loop-Id: \xff\r\nX-Mail-Loop-Name: =?x?\r\nMessage-ID: <\r\n\r\n",
        b"Subject: " + b"=?a?q?" * 170_000 + b"\r\n\r\n",
        b"Subject: " + b"[x]" * 300_000 + b"\r\n\r\n",
        b'Content-Type: a/b; x="' + b";" * 1_000_000 + b"\r\n\r\n",
        b"Subject: x\r\n" * 80_000 + b"\r\n",
    ],
    ids=range(10),
)
def test_hostile_headers_match_nothing_and_do_not_hang(raw: bytes) -> None:
    """Some of these keep the standard library busy for minutes if it gets them whole."""
    assert match(raw, PROBE) is Match.NO


def multipart(*parts: bytes, kind: bytes = b"mixed") -> bytes:
    inner = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts)
    return b"Content-Type: multipart/" + kind + b"; boundary=b\r\n\r\n" + inner + b"--b--\r\n"


BODY = PROBE.content.partition(b"\r\n\r\n")[2]
LINE = b"Probe: " + PROBE.id.encode()


@pytest.mark.parametrize(
    ("raw", "has"),
    [
        (b"A: b\r\n\r\n" + BODY, True),
        (b"A: b\r\n\r\n" + BODY.replace(b"\r\n", b"\n"), True),
        (b"A: b\r\n\r\n" + LINE, True),
        (b"A: b\r\n\r\n" + LINE + b" \t\r\n", True),
        (b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(BODY), True),
        (b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + LINE[:20] + b"=\r\n" + LINE[20:] + b"\r\n", True),
        (multipart(b"Content-Type: text/plain\r\n\r\n" + BODY, b"\r\nthis mail was scanned"), True),
        (multipart(multipart(b"\r\n" + BODY, kind=b"alternative"), b"\r\nscanned"), True),
        (multipart(b"\r\nsee below", b"Content-Type: message/rfc822\r\n\r\n" + PROBE.content), False),
        (multipart(b"\r\nsee below", b"Content-Type: application/octet-stream\r\n\r\n" + BODY), False),
        (b"A: b\r\n\r\nX-Mail-Loop-Id: " + PROBE.id.encode() + b"\r\n\r\n" + BODY, False),  # a quoted header
        (b"A: b\r\n\r\n> " + LINE + b"\r\n", False),
        (b"A: b\r\n\r\n  " + LINE + b"\r\n", False),
        (b"A: b\r\n\r\nsee " + LINE + b"\r\n", False),
        (b"A: b\r\n\r\n" + LINE + b"0\r\n", False),
        (b"A: b\r\n\r\n" + LINE[:-1] + b"\r\n", False),
        (b"A: b\r\n\r\n" + PROBE.id.encode(), False),
        (LINE + b"\r\n\r\nhello", False),
        (OTHER.content, False),
        (b"", False),
        (b"Content-Type: multipart/mixed; boundary*=\x00''b\r\n\r\n--b\r\n\r\n" + BODY, False),
    ],
    ids=range(21),
)
def test_only_the_messages_own_text_says_that_it_is_the_probe(raw: bytes, has: bool) -> None:
    assert body_has_id(raw, PROBE) is has


def test_parts_nested_too_deep_are_given_up() -> None:
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(1500))
    assert not body_has_id(nested + b"\r\n" + BODY, PROBE)
