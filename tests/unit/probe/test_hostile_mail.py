"""Nobody fools it: of all mail about a probe, only the probe is an arrival and only its own bounce is a bounce."""

from __future__ import annotations

import pytest

from tasks.mail.config.loop import SmtpConfig
from tasks.mail.model.outcome import FAILED
from tasks.mail.model.result import BounceRecord
from tasks.mail.probe.bounce import notice_of
from tasks.mail.probe.compose import Probe, compose
from tasks.mail.probe.match import HEADERS, Match, match
from tasks.mail.search.classify import match_body, without_own_lines
from tasks.mail.search.scan import UNDECIDED
from tests.support.mail import verp
from tests.support.mail.lookalikes import DISFIGURED, LOOK_ALIKES
from tests.support.mail.notices import BOUNCES, DELAYS, NOBODY, SAID, Notice, bounce_of, bounced, mail
from tests.support.mail.verp import coming_to


def probe_of(prefix: str = "[mail-loop]", from_addr: str = "probe@example.org") -> Probe:
    smtp = SmtpConfig(host="relay.test", from_addr=from_addr, to_addr="nobody@example.net", subject_prefix=prefix)
    return compose("office", smtp)


PROBE = probe_of()
OTHER = probe_of()


def taken_for(raw: bytes, probe: Probe = PROBE) -> Match | BounceRecord:
    """What a message is taken for in the end, once its body was read where the header leaves it open."""
    kind = match(raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n", probe)
    if kind is Match.REPORT:
        return bounce_of(raw, probe) or match_body(raw, probe)
    if kind is Match.UNLESS_REPORT and (notice := notice_of(without_own_lines(raw, probe), probe)):
        return notice if notice.action == FAILED else Match.NO
    return match_body(raw, probe) if kind in UNDECIDED else kind


GMAIL_SAID = "550-5.1.1 The email account that you tried to reach does not exist. 550 5.1.1 Please check the address."
WHO = NOBODY.decode()
POSTFIX = bounced("5.1.1", SAID.decode(), WHO, "mx.example.org", "mail.example.net")
EXIM = bounced("5.1.1", "550 5.1.1 No such user here", WHO, "exim.example.org", "mail.example.net")
EXCHANGE = bounced(
    "5.1.10", "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found", WHO, "EX1.example.org", ""
)
SENDMAIL = bounced("5.1.1", "550 5.1.1 No such user", WHO, "sendmail.example.org", "mail.example.net")
TOLD: dict[str, BounceRecord] = {
    "postfix": POSTFIX,
    "postfix, header only": POSTFIX,
    "exim": EXIM,
    "exim, header only": EXIM,
    "exim, text only": EXIM,
    "exchange": EXCHANGE,
    "exchange, header only": EXCHANGE,
    "exchange, text only": EXCHANGE,
    "gmail": bounced("5.1.1", GMAIL_SAID, WHO, "googlemail.example", "mail.example.net"),
    "gmail, text only": bounced("5.1.1", "550 5.1.1 No such user", WHO, "googlemail.example", ""),
    "sendmail": SENDMAIL,
    "sendmail, header only": SENDMAIL,
    "qmail": bounced("5.1.1", "550 5.1.1 No such user", "", "qmail.example.org", "192.0.2.1"),
    "qmail, local": bounced("5.1.1", "Sorry, no mailbox here by that name. (#5.1.1)", "", "qmail.example.org", ""),
    "qmail, no reason": bounced(
        "", "This message is looping: it already has my Delivered-To line", "", "qmail.example.org", ""
    ),
    "another, text only": bounced("", "550 no such user", "", "example.net", ""),
}

# Nothing but the sender tells it from a probe that a gateway has stripped.
TOLD_BY_SENDER = {"an answer of a ticket system"}


@pytest.mark.parametrize("name", BOUNCES)
def test_a_bounce_of_the_probe_is_recognised_whoever_wrote_it_and_one_of_another_message_is_none(name: str) -> None:
    """With all that it says about the reason."""
    assert taken_for(BOUNCES[name](PROBE.content)) == TOLD[name]
    letter = mail(b"From: ann@example.org\nSubject: %s\nMessage-ID: <a@b>\n" % PROBE.subject.encode(), PROBE.content)
    assert taken_for(BOUNCES[name](OTHER.content)) is Match.NO
    assert taken_for(BOUNCES[name](letter)) is Match.NO


@pytest.mark.parametrize("name", DELAYS)
def test_a_delay_is_no_bounce(name: str) -> None:
    assert taken_for(DELAYS[name](PROBE.content)) is Match.NO


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_what_is_about_the_probe_is_neither_the_probe_nor_its_bounce(name: str) -> None:
    """Nor if it is sent by the address of the probe, for a mailbox that checks itself answers itself; nor if it comes
    to the address that the probe alone was sent from.
    """
    raw = LOOK_ALIKES[name](PROBE.content)
    assert taken_for(raw) is Match.NO
    if name not in TOLD_BY_SENDER:
        assert taken_for(raw.replace(b"ann@example", b"probe@example")) is Match.NO
    if name != "a bounce that indents the copy":
        assert bounce_of(coming_to(verp.OWN, LOOK_ALIKES[name](verp.PROBE.content)), verp.PROBE) is None


@pytest.mark.parametrize("name", DISFIGURED)
def test_what_our_own_id_on_top_proves_nothing_else_takes_away(name: str) -> None:
    assert taken_for(DISFIGURED[name](PROBE.content)) is Match.OWN


THREAD = "References: {mid}\nIn-Reply-To: {mid}\n"


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        ("References:\nIn-Reply-To:\n", Match.COPY),
        (THREAD, Match.COPY),
        ("Auto-Submitted: auto-replied\n", Match.COPY),
        ("References: <a@b>\n", Match.COPY),
    ],
)
def test_nor_what_our_message_id_proves_with_our_sender_and_subject_where_the_body_says_so(
    head: str, kind: Match
) -> None:
    """A reply has a Message-ID of its own."""
    raw = head.replace("{mid}", PROBE.message_id).replace("\n", "\r\n").encode()
    own = PROBE.content.replace(b"X-Mail-Loop", b"X-Gone").replace(b"Auto-Submitted", b"X-Auto")
    assert taken_for(raw + own) is kind
    assert taken_for(raw + own.partition(b"\r\n\r\n")[0] + b"\r\n\r\nI am away.\r\n") is (
        Match.COPY if head in (THREAD, "References:\nIn-Reply-To:\n") else Match.NO
    )


TAGS = ["EXTERNAL: {}", "***SPAM*** {}", "{Spam?} {}", "[EXT] [SPAM?] {}", "*****SPAM***** {}", "SPAM: {} (scanned)"]
TAGS += [
    "<Extern> {}",
    "{} [SPAM 7.1]",
    "⚠ {}",
    "[Spam-Verdacht] {}",
    "Warning: unknown sender - {}",
    "=?utf-8?q?=C3=A4:?= {}",
]


@pytest.mark.parametrize("tag", TAGS)
def test_stripped_of_both_ids_the_probe_is_known_by_its_token_and_its_body_whatever_tags_the_subject(tag: str) -> None:
    stripped = PROBE.content.replace(b"X-Mail-Loop", b"X-Gone").replace(b"Message-ID", b"X-Id")
    tagged = stripped.replace(PROBE.subject.encode(), tag.replace("{}", PROBE.subject).encode())
    assert tagged != stripped
    assert taken_for(tagged) is Match.COPY
    assert taken_for(tagged.replace(b"From: probe@", b"From: ann@")) is Match.NO
    assert taken_for(tagged.replace(PROBE.id.encode(), OTHER.id.encode())) is Match.NO
    assert taken_for(tagged.replace(PROBE.subject.encode(), OTHER.subject.encode())) is Match.NO


def test_a_gateway_that_makes_html_of_it_changes_nothing_about_that() -> None:
    stripped = PROBE.content.replace(b"X-Mail-Loop", b"X-Gone").replace(b"Message-ID", b"X-Id")
    head, _, text = stripped.replace(b"text/plain", b"text/html").partition(b"\r\n\r\n")
    page = b"<html><body><p>CAUTION: external</p><p>" + text.replace(b"\r\n", b"<br>\r\n") + b"</p></body></html>"
    assert taken_for(head + b"\r\n\r\n" + page) is Match.COPY


def forwarded_inline(subject: str) -> bytes:
    head = PROBE.content.partition(b"\r\nDate:")[0]
    quoted = b"-----Original Message-----\r\n" + head.replace(b"X-Mail", b"X-") + b"\r\n\r\n"
    own = b"From: probe@example.org\r\nMessage-ID: <own@example.org>\r\nSubject: %s\r\n\r\n" % subject.encode()
    return own + quoted + PROBE.content.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("word", ["Re", "AW", "SV", "Odp", "RE[2]", "Fwd", "WG", "TR", "RV", "İLT", "回复", "[EXT] Re"])
def test_who_answers_or_forwards_the_probe_from_its_own_address_is_no_arrival(word: str) -> None:
    text = PROBE.content.partition(b"\r\n\r\n")[2]
    answer = f"From: probe@example.org\r\nSubject: {word}: {PROBE.subject}\r\n\r\n".encode() + text
    assert taken_for(answer) is Match.NO
    assert taken_for(forwarded_inline(PROBE.subject)) is Match.NO


DOMINO = b"""Message-ID: {mid}
Subject: DELIVERY FAILURE: User unknown
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain

Your message was not delivered: 550 5.1.1 user unknown

--b
Content-Type: message/rfc822

{msg}

--b--
"""


@pytest.mark.parametrize("sender", [b"From: MAILER-DAEMON@mx.test\n", b"Return-Path: <>\nFrom: probe@example.org\n"])
@pytest.mark.parametrize("ids", [b"", b"X-Mail-Loop-Id: {id}\nX-Mail-Loop-Name: office\n"])
@pytest.mark.parametrize(
    "subject", [b"DELIVERY FAILURE: User unknown", PROBE.subject.encode()], ids=["own", "the probe's"]
)
def test_a_notice_with_our_own_ids_on_top_is_a_report(sender: bytes, ids: bytes, subject: bytes) -> None:
    """As Domino sends it: with the Message-ID of what it returns, or with all of its header."""
    raw = (sender + ids + DOMINO).replace(b"DELIVERY FAILURE: User unknown", subject).replace(b"\n", b"\r\n")
    for name, text in ((b"{mid}", PROBE.message_id.encode()), (b"{id}", PROBE.id.encode()), (b"{msg}", PROBE.content)):
        raw = raw.replace(name, text)
    bounce = taken_for(raw)
    assert isinstance(bounce, BounceRecord)
    assert (bounce.status, bounce.diagnostic) == ("5.1.1", "550 5.1.1 user unknown")


@pytest.mark.parametrize("sender", [b"From: MAILER-DAEMON@mx.test", b"Return-Path: <>"])
def test_a_notice_with_our_header_on_top_needs_no_copy_to_be_one(sender: bytes) -> None:
    head = PROBE.content.partition(b"\r\n\r\n")[0].replace(b"From:", b"X-From:")
    refused = taken_for(sender + b"\r\n" + head + b"\r\n\r\nNot delivered: 550 5.7.1 refused\r\n")
    assert isinstance(refused, BounceRecord)
    assert taken_for(sender + b"\r\n" + head + b"\r\n\r\nWarning: not yet delivered, still trying\r\n") is Match.NO


def test_the_name_of_a_loop_is_no_refusal() -> None:
    smtp = SmtpConfig(host="relay.test", from_addr="probe@example.org", to_addr="a@b.test", subject_prefix="failed:")
    probe = compose("permanent-failed", smtp)
    assert taken_for(b"Return-Path: <>\r\n" + probe.content, probe) is Match.OWN


@pytest.mark.parametrize("notices", [BOUNCES, DELAYS])
@pytest.mark.parametrize("subject", ["{}", "[Undeliverable] {}", "Undeliverable: {}"])
def test_no_notice_is_an_arrival_whatever_its_subject(notices: dict[str, Notice], subject: str) -> None:
    for name, notice in notices.items():
        raw = notice(PROBE.content)
        own = HEADERS.parsebytes(raw)["Subject"].encode()
        found = taken_for(raw.replace(own, subject.format(PROBE.subject).encode(), 1))
        assert found is Match.NO or isinstance(found, BounceRecord), name


@pytest.mark.parametrize("name", ["qmail", "exim, text only", "gmail, text only", "another, text only"])
def test_a_bounce_in_text_counts_only_if_it_comes_as_a_bounce(name: str) -> None:
    """By null sender, by the name of its writer, or by the field of Exim and Gmail: one of them is enough."""
    raw = BOUNCES[name](PROBE.content)
    body = raw.partition(b"\r\n\r\n")[2]
    kind = HEADERS.parsebytes(raw).get("Content-Type", "text/plain").encode()
    base = b"Content-Type: " + kind + b"\r\nSubject: failure notice\r\n"
    for sign in (
        b"Return-Path: <>",
        b"return-path:\r\n < >",
        b"Return-Path: <MAILER-DAEMON>",
        b"Return-Path: <MAILER-DAEMON@example.org>",
        b"From: MAILER-DAEMON@example.org",
        b"From: Mail Delivery System <Mailer-Daemon@example.org>",
        b"From: =?utf-8?q?M=C3=A9l?= <mailer-daemon@example.org>",
        b"X-Failed-Recipients: nobody@example.net",
    ):
        assert isinstance(taken_for(base + sign + b"\r\n\r\n" + body), BounceRecord), sign
    for none in (
        b"Return-Path: <ann@example.org>",
        b"Return-Path: nobody",
        b"From: ann@example.org",
        b"From: postmaster@example.org",
        b"From: not-mailer-daemons@example.org",
        b"X-From: MAILER-DAEMON",
    ):
        assert taken_for(base + none + b"\r\n\r\n" + body) is Match.NO, none
        assert bounce_of(base + none + b"\r\n\r\n" + body, PROBE) is None, none


@pytest.mark.parametrize(
    ("quote", "ours"),
    [
        (b"From: a@b\nX-Mail-Loop-Id: {id}\nSubject: x\n", True),
        (b"From: a@b\nMessage-ID: {mid}\nSubject: x\n", True),
        (b"from: a@b\nmessage-id:\n\t{mid}\nsubject: x\n", True),
        (b"----- Unsent message follows -----\nFrom: a@b\nMessage-ID: {mid}\nSubject: x\n", True),
        (b"Recipient: nobody\nReason: unknown\nServer: mx\n\nFrom: a@b\nMessage-ID: {mid}\nSubject: x", True),
        (b"From: a@b\nX-Mail-Loop-Id: {id}0\nSubject: x\n", False),
        (b"From: a@b\nX-Mail-Loop-Id: {token}\nSubject: x\n", False),
        (b"From: a@b\nX-Mail-Loop-Id: {other}\nMessage-ID: {mid}\nSubject: x\n", False),
        (b"From: a@b\nMessage-ID: x{mid}\nSubject: x\n", False),
        (b"From: a@b\nX-Ref: {mid}\nSubject: {id}\n", False),
        (b"From: a@b\nMessage-ID: <c@d>\nSubject: x\n\nFrom: a@b\nX-Mail-Loop-Id: {id}\nSubject: x\n", False),
        (b"Received: by c\nFrom: a@b\nSubject: x\n\nFrom: a@b\nX-Mail-Loop-Id: {id}\nSubject: x\n", False),
        (b"X-Mail-Loop-Id: {id}\n", False),
        (b"> From: a@b\n> X-Mail-Loop-Id: {id}\n> Subject: x\n", False),
        (b"The message X-Mail-Loop-Id: {id} has failed\n", False),
        (b"", False),
    ],
    ids=range(16),
)
def test_a_bounce_in_text_is_ours_by_the_header_that_it_quotes_first(quote: bytes, ours: bool) -> None:
    for name, text in (("id", PROBE.id), ("mid", PROBE.message_id), ("token", PROBE.token), ("other", OTHER.id)):
        quote = quote.replace(b"{%s}" % name.encode(), text.encode())
    raw = mail(b"From: MAILER-DAEMON@example.org\n\nThis is a permanent error.\n", quote)
    assert (taken_for(raw) is not Match.NO) is ours


def test_a_copy_with_our_header_is_ours_though_it_has_no_sender() -> None:
    """Some content filters hand on what they have seen without a return path."""
    assert taken_for(b"Return-Path: <>\r\n" + PROBE.content) is Match.OWN
    stripped = PROBE.content.replace(b"X-Mail-Loop", b"X-Gone").replace(b"Message-ID", b"X-Id")
    assert taken_for(b"Return-Path: <>\r\n" + stripped) is Match.COPY


def test_a_probe_that_mailer_daemon_sends_is_a_probe() -> None:
    probe = probe_of(from_addr="mailer-daemon@example.org")
    assert taken_for(probe.content, probe) is Match.OWN


@pytest.mark.parametrize(
    ("sender", "kind"),
    [
        ("probe@example.org", Match.COPY),
        ("Probe <PROBE@EXAMPLE.ORG>", Match.COPY),
        ('"probe@example.org by way of a list" <list@example.net>', Match.COPY),
        ("", Match.COPY),
        ("ann@example.org", Match.NO),
    ],
)
def test_a_probe_without_its_ids_has_its_own_sender(sender: str, kind: Match) -> None:
    """Its text alone is what a ticket system sends back, too."""
    stripped = PROBE.content.replace(b"X-Mail-Loop", b"X-Gone").replace(b"Message-ID", b"X-Id")
    assert taken_for(stripped.replace(b"From: probe@example.org", b"From: " + sender.encode())) is kind
