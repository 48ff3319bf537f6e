"""Which delivery reports are the bounce of our probe, and what they say."""

from __future__ import annotations

from base64 import b64encode

import pytest

from tasks.mail.config.loop import SmtpConfig
from tasks.mail.model.outcome import DELAYED
from tasks.mail.model.result import BounceRecord
from tasks.mail.probe.bounces.reason import refuses
from tasks.mail.probe.compose import Probe, compose
from tasks.mail.probe.match import Match, match
from tests.support.mail.lookalikes import LOOK_ALIKES
from tests.support.mail.notices import BOUNCES, DELAYS, bounce_of, bounced, delay_of, mail


def probe_of(to_addr: str = "nobody@example.net") -> Probe:
    smtp = SmtpConfig(host="relay.test", from_addr="probe@example.org", to_addr=to_addr, subject_prefix="[mail-loop]")
    return compose("office", smtp)


PROBE = probe_of()
OTHER = probe_of()
HEADER_ONLY = PROBE.content.partition(b"\r\n\r\n")[0] + b"\r\n"

POSTFIX_STATUS = """\
Reporting-MTA: dns; mx.example.org
X-Postfix-Queue-ID: 4XyZ1b2c3d
X-Postfix-Sender: rfc822; probe@example.org
Arrival-Date: Wed,  4 Mar 2026 05:06:07 +0000 (UTC)

Final-Recipient: rfc822; nobody@example.net
Original-Recipient: rfc822;nobody@example.net
Action: failed
Status: 5.1.1
Remote-MTA: dns; mail.example.net
Diagnostic-Code: smtp; 550 5.1.1 <nobody@example.net>: Recipient address
    rejected: User unknown; see https://example.net
"""
EXIM_STATUS = """\
Reporting-MTA: dns; exim.example.org

Action: failed
Final-Recipient: rfc822;nobody@example.net
Status: 5.0.0
Remote-MTA: dns; mail.example.net
Diagnostic-Code: smtp; 550 No such user here
"""
EXCHANGE_STATUS = """\
Reporting-MTA: dns;EX1.example.org
Received-From-MTA: dns;relay.example.org
Arrival-Date: Wed, 4 Mar 2026 05:06:07 +0000

Final-Recipient: rfc822;nobody@example.net
Action: failed
Status: 5.1.10
Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup
X-Display-Name: nobody@example.net
"""


def report(
    status: str,
    original: bytes = PROBE.content,
    kind: str = "message/rfc822",
    status_type: str = "message/delivery-status",
    text: bytes = b"I'm sorry to have to inform you that your message could not be delivered.\r\n",
) -> bytes:
    head = (
        "From: MAILER-DAEMON@mx.example.org (Mail Delivery System)\n"
        "Subject: Undelivered Mail Returned to Sender\n"
        "To: probe@example.org\n"
        "Auto-Submitted: auto-replied\n"
        "MIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=delivery-status;\n\tboundary="4XyZ/mx.example.org"\n'
        "Message-Id: <20260304@mx.example.org>\n\n"
        "This is a MIME-encapsulated message.\n\n"
    )
    mark = "--4XyZ/mx.example.org"
    parts = (
        f"{head}{mark}\nContent-Description: Notification\nContent-Type: text/plain; charset=us-ascii\n\n".encode(),
        text,
        f"\n{mark}\nContent-Description: Delivery report\nContent-Type: {status_type}\n\n{status}".encode(),
        f"\n{mark}\nContent-Description: Undelivered Message\nContent-Type: {kind}\n\n".encode(),
        original,
        f"\n{mark}--\n".encode(),
    )
    return b"".join(parts).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def test_a_bounce_of_postfix_is_read() -> None:
    assert bounce_of(report(POSTFIX_STATUS), PROBE) == bounced(
        status="5.1.1",
        diagnostic="550 5.1.1 <nobody@example.net>: Recipient address rejected: User unknown; see https://example.net",
        recipient="nobody@example.net",
        reporting_mta="mx.example.org",
        remote_mta="mail.example.net",
    )


def test_a_bounce_of_exim_is_read() -> None:
    found = bounce_of(report(EXIM_STATUS), PROBE)
    assert found == bounced(
        "5.0.0", "550 No such user here", "nobody@example.net", "exim.example.org", "mail.example.net"
    )


def test_a_bounce_of_exchange_is_read() -> None:
    found = bounce_of(report(EXCHANGE_STATUS), PROBE)
    assert found is not None
    assert (found.status, found.reporting_mta, found.remote_mta) == ("5.1.10", "EX1.example.org", "")
    assert found.diagnostic.startswith("550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found")


@pytest.mark.parametrize("status", [POSTFIX_STATUS, EXIM_STATUS, EXCHANGE_STATUS])
def test_a_bounce_is_known_by_its_header_as_a_report_that_is_not_the_probe(status: str) -> None:
    assert match(report(status).partition(b"\r\n\r\n")[0] + b"\r\n\r\n", PROBE) is Match.REPORT


@pytest.mark.parametrize("kind", ["text/rfc822-headers", "message/rfc822-headers", "message/rfc822", "message/global"])
def test_a_bounce_that_returns_the_header_alone_is_read(kind: str) -> None:
    assert bounce_of(report(POSTFIX_STATUS, HEADER_ONLY, kind), PROBE) is not None


def test_a_bounce_that_returns_the_header_in_base64_is_read() -> None:
    raw = report(POSTFIX_STATUS, b"ENCODED", "text/rfc822-headers\nContent-Transfer-Encoding: quoted-printable")
    assert bounce_of(raw.replace(b"ENCODED", HEADER_ONLY.replace(b"Message-ID: ", b"Message-ID:=20")), PROBE)


@pytest.mark.parametrize("gone", [b"X-Mail-Loop-Id", b"Message-ID"])
def test_one_of_the_two_ids_is_enough(gone: bytes) -> None:
    assert bounce_of(report(POSTFIX_STATUS, PROBE.content.replace(gone, b"X-Gone")), PROBE) is not None


def test_a_bounce_of_an_internationalised_message_is_read() -> None:
    """RFC 6533 has types of its own, whose groups the standard library does not split."""
    probe = probe_of("büro@example.net")
    status = POSTFIX_STATUS.replace("rfc822; nobody", "utf-8; büro")
    raw = report(status, probe.content, "message/global", "message/global-delivery-status")
    found = bounce_of(raw, probe)
    assert found is not None
    assert (found.recipient, found.reporting_mta, found.status) == ("büro@example.net", "mx.example.org", "5.1.1")
    headers = probe.content.partition(b"\r\n\r\n")[0]
    raw = report(status, headers, "message/global-headers", "message/global-delivery-status")
    assert bounce_of(raw, probe) == found


def test_the_group_that_failed_is_the_one_that_is_told() -> None:
    delayed = "\nFinal-Recipient: rfc822; other@example.net\nAction: delayed\nStatus: 4.4.1\n"
    found = bounce_of(report(POSTFIX_STATUS.replace("\nFinal", f"{delayed}\nFinal", 1)), PROBE)
    assert found is not None
    assert (found.recipient, found.status) == ("nobody@example.net", "5.1.1")


@pytest.mark.parametrize("action", ["failed", "Failed", "FAILED (will not retry)", " failed "])
def test_a_failure_may_be_written_in_more_than_one_way(action: str) -> None:
    assert bounce_of(report(POSTFIX_STATUS.replace("failed", action)), PROBE) is not None


@pytest.mark.parametrize("action", ["delayed", "delivered", "deliverable", "relayed", "expanded"])
def test_a_report_of_anything_but_a_failure_is_no_bounce(action: str) -> None:
    assert bounce_of(report(POSTFIX_STATUS.replace("Action: failed", f"Action: {action}")), PROBE) is None


@pytest.mark.parametrize("kind", ["message/rfc822", "text/rfc822-headers"])
def test_a_bounce_of_another_message_is_none_of_the_probe(kind: str) -> None:
    assert bounce_of(report(POSTFIX_STATUS, OTHER.content, kind), PROBE) is None


def test_a_bounce_that_only_quotes_the_id_is_none_of_the_probe() -> None:
    quoted = b"X-Mail-Loop-Id: " + PROBE.id.encode() + b"\r\nMessage-ID: " + PROBE.message_id.encode() + b"\r\n"
    assert bounce_of(report(POSTFIX_STATUS, OTHER.content + quoted, text=quoted), PROBE) is None


def forward_of(inner: bytes) -> bytes:
    """A message of somebody that has `inner` attached."""
    head = b"From: me@example.org\r\nSubject: look\r\nContent-Type: multipart/mixed; boundary=fwd\r\n\r\n"
    return (
        head + b"--fwd\r\n\r\nsee below\r\n--fwd\r\nContent-Type: message/rfc822\r\n\r\n" + inner + b"\r\n--fwd--\r\n"
    )


def test_the_bounce_of_a_forward_of_the_probe_is_none_of_the_probe() -> None:
    assert bounce_of(report(POSTFIX_STATUS, forward_of(PROBE.content)), PROBE) is None


def test_a_forwarded_bounce_is_none() -> None:
    assert bounce_of(forward_of(report(POSTFIX_STATUS)), PROBE) is None


def test_a_status_inside_the_returned_message_is_not_that_of_the_report() -> None:
    delayed = POSTFIX_STATUS.replace("Action: failed", "Action: delayed")
    ids = b"X-Mail-Loop-Id: " + PROBE.id.encode() + b"\r\n"
    inner = report(POSTFIX_STATUS).replace(b"4XyZ/mx.example.org", b"inner")
    assert bounce_of(report(delayed, ids + inner), PROBE) is None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"Content-Type: multipart/report\r\n\r\nno parts",
        PROBE.content,
        report(POSTFIX_STATUS, b""),
        report(POSTFIX_STATUS, kind="image/png"),
    ],
    ids=range(5),
)
def test_a_report_without_its_parts_is_no_bounce(raw: bytes) -> None:
    assert bounce_of(raw, PROBE) is None


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (report("", PROBE.content), ""),
        (report("no fields here\n\n\n\n", PROBE.content), ""),
        (report("\n\n\n\n" + POSTFIX_STATUS, PROBE.content), "5.1.1"),
        (report(POSTFIX_STATUS, status_type="text/plain"), "5.1.1"),
        (report(POSTFIX_STATUS).replace(b'"4XyZ/mx.example.org"', b"other"), "5.1.1"),
        (report(POSTFIX_STATUS.replace("Action:", "ction:")), "5.1.1"),
        (report(POSTFIX_STATUS.replace(": ", " : ")), "5.1.1"),
        (report(POSTFIX_STATUS.replace("5.1.1\nRemote", "5.1.1 (bad address)\nRemote")), "5.1.1"),
        (report(POSTFIX_STATUS.replace("Status: 5.1.1", "Status: ")), "5.1.1"),
        (report(POSTFIX_STATUS.replace("Action: failed\nStatus: 5.1.1", "Action: expired")), "5.1.1"),
        (report(POSTFIX_STATUS, b"\r\n" + PROBE.content), "5.1.1"),
        (report(POSTFIX_STATUS, b"From probe@example.org Wed Mar  4 05:06:07 2026\r\n" + PROBE.content), "5.1.1"),
        (report(POSTFIX_STATUS, b">From probe@example.org Wed Mar  4 05:06:07 2026\r\n" + PROBE.content), "5.1.1"),
        (
            report(
                b64encode(POSTFIX_STATUS.encode()).decode(),
                status_type="message/delivery-status\nContent-Transfer-Encoding: base64",
            ),
            "5.1.1",
        ),
        (
            report(POSTFIX_STATUS, b64encode(PROBE.content), "message/rfc822\nContent-Transfer-Encoding: base64"),
            "5.1.1",
        ),
    ],
    ids=range(15),
)
def test_a_report_that_is_not_as_it_should_be_is_read_as_far_as_it_goes(raw: bytes, status: str) -> None:
    """An empty status part, one of another type or encoded, fields misspelt or missing, and a message behind a line."""
    found = bounce_of(raw, PROBE)
    assert found is not None
    assert found.status == status


def test_the_status_decides_where_neither_an_action_nor_any_words_tell_of_the_failure() -> None:
    silent = POSTFIX_STATUS.partition("Diagnostic-Code")[0].replace("Action: failed\n", "")
    raw = report(silent, text=b"About your message.\n").replace(b"Undelivered Mail Returned to Sender", b"Notice")
    found = bounce_of(raw, PROBE)
    assert found is not None
    assert found.status == "5.1.1"
    assert bounce_of(raw.replace(b"Status: 5.1.1", b"Status: 4.4.1"), PROBE) is None


@pytest.mark.parametrize("fields", ["Status: 2.0.0", "Action: none\nStatus: 2.1.5"])
def test_a_report_of_success_is_no_bounce_whatever_its_action_is_called(fields: str) -> None:
    assert bounce_of(report(POSTFIX_STATUS.replace("Action: failed\nStatus: 5.1.1", fields)), PROBE) is None


NAMING = ["In-Reply-To: {}", "References: {}", "X-Original-Message-ID: {}", "In-Reply-To: {}\nReferences: {}"]


def naming(fields: str, raw: bytes) -> bytes:
    return fields.encode() + b"\r\n" + raw


@pytest.mark.parametrize("fields", NAMING)
def test_a_report_that_returns_nothing_is_the_probes_by_the_message_that_it_names(fields: str) -> None:
    bare = report(POSTFIX_STATUS, b"", "text/plain")
    assert bounce_of(naming(fields.replace("{}", PROBE.message_id), bare), PROBE) is not None
    assert bounce_of(naming(fields.replace("{}", OTHER.message_id), bare), PROBE) is None
    both = fields.replace("{}", PROBE.message_id) + f"\nX-Original-Message-ID: {OTHER.message_id}"
    assert bounce_of(naming(both, bare), PROBE) is None
    thread = f"References: {PROBE.message_id} {OTHER.message_id}\nIn-Reply-To: {OTHER.message_id}"
    assert bounce_of(naming(thread, bare), PROBE) is None


@pytest.mark.parametrize("shown", ["<{}>", "{}", "  <{}> ", "<{}>\n <{}>"])
def test_it_may_be_named_in_more_than_one_way(shown: str) -> None:
    bare, number = report(POSTFIX_STATUS, b"", "text/plain"), PROBE.message_id.strip("<>")
    assert bounce_of(naming(f"References: {shown.replace('{}', number)}", bare), PROBE) is not None
    assert bounce_of(naming(f"References: {shown.replace('{}', 'x' + number)}", bare), PROBE) is None


def test_the_text_may_name_the_message_that_is_not_returned() -> None:
    text = b"This report relates to a message you sent:\n\n  Message-id: %s\n\nYour message cannot be delivered.\n"
    named = [report(POSTFIX_STATUS, b"", "text/plain", text=text % one.message_id.encode()) for one in (PROBE, OTHER)]
    assert [bounce_of(raw, PROBE) is None for raw in named] == [False, True]


def test_a_status_part_may_name_the_message() -> None:
    named = f"X-Original-Message-ID: {PROBE.message_id}\n{POSTFIX_STATUS}"
    assert bounce_of(report(named, b"", "text/plain"), PROBE) is not None
    assert bounce_of(report(named, OTHER.content), PROBE) is None


@pytest.mark.parametrize("fields", NAMING)
def test_an_answer_that_names_the_probe_and_tells_of_failures_is_no_bounce(fields: str) -> None:
    head = fields.replace("{}", PROBE.message_id).encode() + b"\nReturn-Path: <>\nFrom: ann@example.org\n"
    marked = head + (b"" if b"In-Reply" in head or b"References" in head else b"Auto-Submitted: auto-replied\n")
    text = b"My old mailbox is gone: delivery failed, 550 5.1.1 unknown.\n"
    assert bounce_of(mail(marked, text), PROBE) is None
    assert bounce_of(mail(marked, text + PROBE.content), PROBE) is None


@pytest.mark.parametrize(
    "text",
    [
        "Your message could not be delivered.",
        "Your message\nwas not\ndelivered",
        "550 5.1.1 who",
        "host mx said: 554 user unknown",
        "Ihre Nachricht konnte leider nicht zugestellt werden.",
        "Votre message n'a pas pu être remis.",
        "Ваше сообщение не доставлено.",
        "送信できませんでした",
    ],
)
def test_a_text_that_refuses(text: str) -> None:
    assert refuses(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        PROBE.content.decode(),
        "I am away until Monday.",
        "Room: 512, second floor",
        "Tel.: 555-1234 or 550 1234567",
        "The parcel of 550 g was delivered.",
        "Delivered by 10.5.1.1, see 5.1.1.2",
        "Version 5.1.12.3 of the program",
        "450 4.7.1 Greylisted, come back",
    ],
    ids=range(9),
)
def test_a_text_that_does_not_refuse(text: str) -> None:
    assert not refuses(text)


DISPOSED = "automatic-action/MDN-sent-automatically; deleted"
SIEVE = {
    "dovecot": b"Your message to <nobody@example.net> was automatically rejected:\nNo robots, please.\n",
    "cyrus": b"Your message was automatically rejected by Sieve, a mail\nfiltering language.\n\n"
    b"The following reason was given:\nNo robots, please.\n",
    "rfc 5429": b"The message was refused by the recipient's mail filtering program.\nThe reason given was as follows:"
    b"\n\nNo robots, please.\n",
}


def receipt(text: bytes, disposition: str = DISPOSED, kind: str = "disposition-notification") -> bytes:
    status = "Reporting-UA: mail.example.net; Sieve\nFinal-Recipient: rfc822; nobody@example.net\n"
    status += f"Disposition: {disposition}\n"
    raw = report(status, PROBE.content, status_type=f"message/{kind}", text=text)
    return raw.replace(b"report-type=delivery-status", b"report-type=" + kind.encode())


@pytest.mark.parametrize("name", SIEVE)
def test_what_a_filter_of_the_mailbox_rejects_is_a_bounce_with_its_reason(name: str) -> None:
    """RFC 5429 has it written as a receipt, with an explanation and the original."""
    found = bounce_of(receipt(SIEVE[name]), PROBE)
    assert found == bounced("", "No robots, please.", "nobody@example.net", "mail.example.net", "")


@pytest.mark.parametrize(
    ("text", "disposition"),
    [
        (b"Your message was deleted without being read.\n", DISPOSED),
        (b"Your message was rejected: deleted unread.\n", DISPOSED),
        (
            b"Your message was displayed. This does not mean that it was not rejected.\n",
            "manual-action/MDN-sent-manually; displayed",
        ),
        (b"Ihre Nachricht wurde ungelesen gel\xc3\xb6scht.\n", DISPOSED),
        (b"Your message was rejected.\n", "manual-action/MDN-sent-manually; deleted"),
        (b"Your message was read; nothing was rejected.\n", "automatic-action/MDN-sent-automatically; displayed"),
        (b"The message was dispatched.\n", "automatic-action/MDN-sent-automatically; dispatched"),
    ],
    ids=range(7),
)
def test_a_receipt_that_rejects_nothing_is_no_bounce(text: bytes, disposition: str) -> None:
    assert bounce_of(receipt(text, disposition), PROBE) is None
    assert delay_of(receipt(text, disposition), PROBE) is None


def test_a_bounce_that_is_cut_off_is_still_read_if_it_names_the_probe() -> None:
    raw = report(POSTFIX_STATUS)
    assert bounce_of(raw[: raw.index(b"X-Mail-Loop-Name")], PROBE) is not None


def test_a_report_may_be_cut_off_anywhere() -> None:
    raw = report(POSTFIX_STATUS)
    for end in range(0, len(raw), 7):
        bounce_of(raw[:end], PROBE)


MULTIPART = b"Content-Type: multipart/report; boundary=x\r\n\r\n--x\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        MULTIPART + b"".join(b"Content-Type: multipart/a; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(1500)),
        MULTIPART + b"Content-Type: message/rfc822\r\n\r\n" * 1500,
        b"Content-Type: multipart/report; boundary*=\x00''x\r\n\r\n--x\r\n",
        b"Content-Type: multipart/report; boundary*=idna''%ff\r\n\r\n--x\r\n",
        b'Content-Type: multipart/report; a="' + b";" * 1_000_000 + b'"; boundary=x\r\n\r\n--x\r\n',
        MULTIPART
        + b"Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\nbegin 6 a\r\n\xff~",
        MULTIPART + b"Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: base64\r\n\r\n\xff=a=b\r\n--x--",
        MULTIPART + b"Content-Type: message/delivery-status\r\n\r\n\xff\xfe: \x00\r\n\r\n:\r\n\r\n--x--",
        MULTIPART * 3000,
        bytes(range(256)) * 100,
    ],
    ids=range(10),
)
def test_broken_mime_never_raises(raw: bytes) -> None:
    assert bounce_of(raw, PROBE) is None


def test_what_a_stranger_writes_into_a_bounce_is_shown_printable_and_short() -> None:
    hostile = POSTFIX_STATUS.replace("550 5.1.1", "550 \x1b[2J\u202e" + "A" * 2000).replace("5.1.1", "\x07" * 10)
    found = bounce_of(report(hostile), PROBE)
    assert found is not None
    shown = [found.status, found.diagnostic, found.recipient, found.reporting_mta, found.remote_mta]
    assert all(text.isprintable() and len(text) <= 300 for text in shown)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("smtp; 550 no", "550 no"),
        ("smtp;550 no", "550 no"),
        ('X-Postfix; unknown user: "nobody"', 'unknown user: "nobody"'),
        ("550 no; go away", "550 no; go away"),
        ("no type", "no type"),
        ("", ""),
    ],
)
def test_the_type_before_a_diagnostic_is_left_out(value: str, shown: str) -> None:
    lines = EXIM_STATUS.splitlines()[:-1]
    found = bounce_of(report("\n".join([*lines, f"Diagnostic-Code: {value}", ""])), PROBE)
    assert found is not None
    assert found.diagnostic == shown


def delayed(status: str, diagnostic: str, recipient: str, reporting: str = "", remote: str = "") -> BounceRecord:
    return bounced(status, diagnostic, recipient, reporting, remote, DELAYED)


WHO = "nobody@example.net"
DELAYS_TOLD: dict[str, BounceRecord | None] = {
    "postfix": delayed("4.4.1", "451 4.7.1 Greylisted", WHO, "mx.example.org", "mail.example.net"),
    "sendmail": delayed("4.4.7", "550 5.1.1 No such user", WHO, "sendmail.example.org", "mail.example.net"),
    "exim, text only": delayed("4.7.1", "451 4.7.1 Greylisted", WHO, "exim.example.org"),
    "exim, text only, plain subject": delayed("4.7.1", "451 4.7.1 Greylisted", WHO, "exim.example.org"),
    "gmail, text only": delayed("", "", WHO, "googlemail.example"),
    "qmail's words, nothing said of the end": None,
}


@pytest.mark.parametrize("name", DELAYS)
def test_a_delay_is_told_with_all_that_the_notice_says(name: str) -> None:
    """Whether anybody still tries must be said, else it is neither a bounce nor a delay."""
    assert delay_of(DELAYS[name](PROBE.content), PROBE) == DELAYS_TOLD[name]


@pytest.mark.parametrize("name", DELAYS)
def test_the_delay_of_another_message_is_none_of_the_probe(name: str) -> None:
    assert delay_of(DELAYS[name](OTHER.content), PROBE) is None


@pytest.mark.parametrize("name", BOUNCES)
def test_a_bounce_is_no_delay(name: str) -> None:
    assert delay_of(BOUNCES[name](PROBE.content), PROBE) is None


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_what_is_about_the_probe_otherwise_is_no_delay(name: str) -> None:
    assert delay_of(LOOK_ALIKES[name](PROBE.content), PROBE) is None


@pytest.mark.parametrize("mark", [b"Auto-Submitted: auto-replied", b"In-Reply-To: <a@b>", b"Precedence: bulk"])
def test_an_autoresponder_that_writes_of_delays_reports_none(mark: bytes) -> None:
    """It may come without a return path, as notices do, and quote what it answers."""
    text = b"Answers are delayed until Monday.\n\n" + PROBE.content
    assert delay_of(mail(b"Return-Path: <>\nFrom: ann@example.org\n" + mark, b"", text), PROBE) is None
    assert delay_of(mail(b"Return-Path: <>\nFrom: MAILER-DAEMON@example.org\n" + mark, b"", text), PROBE) is not None
