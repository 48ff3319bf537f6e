"""The probe within the message that a spam filter made of it, and the attachments of people, which are no arrival."""

from __future__ import annotations

import base64

import pytest

from tasks.mail.config.loop import SmtpConfig
from tasks.mail.probe.bounce import notice_of
from tasks.mail.probe.compose import compose
from tasks.mail.probe.match import Match, match
from tasks.mail.search.classify import is_own, match_body, without_own_lines
from tests.support.mail.wrapping import WRAPPERS, around, header_of

SMTP = SmtpConfig(
    host="relay.test", from_addr="probe@example.org", to_addr="inbox@example.net", subject_prefix="[mail-loop]"
)
PROBE = compose("office", SMTP)
OTHER = compose("office", SMTP)


@pytest.mark.parametrize("name", WRAPPERS)
def test_the_probe_in_a_filters_message_is_found_and_ours_to_delete_by_its_own_header(name: str) -> None:
    raw = WRAPPERS[name](PROBE.content)
    assert match(header_of(raw), PROBE) in (Match.COPY, Match.PERHAPS, Match.ENCLOSED, Match.OWN)
    assert match_body(raw, PROBE) in (Match.COPY, Match.OWN)
    assert is_own(raw, PROBE)
    # Without its own fields it is found, and left.
    stripped = WRAPPERS[name](PROBE.content.replace(b"X-Mail-Loop", b"X-Gone"))
    assert match_body(stripped, PROBE) is Match.COPY
    assert not is_own(stripped, PROBE)


@pytest.mark.parametrize("name", WRAPPERS)
def test_another_probe_in_it_is_none_and_one_of_another_loop_is_not_ours_to_delete(name: str) -> None:
    other = WRAPPERS[name](OTHER.content)
    assert match(header_of(other), PROBE) in (Match.NO, Match.ENCLOSED)
    assert match_body(other, PROBE) is Match.NO
    assert not is_own(other, PROBE)
    assert not is_own(WRAPPERS[name](PROBE.content.replace(b"Name: office", b"Name: home")), PROBE)


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_wrapper_without_a_return_path_may_be_a_report_but_says_nothing_of_a_failure(name: str) -> None:
    raw = b"Return-Path: <>\r\n" + WRAPPERS[name](PROBE.content)
    assert match(header_of(raw), PROBE) in (Match.REPORT, Match.UNLESS_REPORT)
    assert notice_of(without_own_lines(raw, PROBE), PROBE) is None
    assert match_body(raw, PROBE) in (Match.COPY, Match.OWN)


@pytest.mark.parametrize(
    "head",
    [
        b"From: ann@example.org\r\nSubject: Fwd: {subject}",
        b"From: ann@example.org\r\nSubject: {subject}",
        b"From: probe@example.org\r\nSubject: Fwd: {subject}",
        b"From: probe@example.org\r\nSubject: WG: ***SPAM*** {subject}\r\nX-Spam-Flag: YES",
        b"From: probe@example.org\r\nSubject: {subject}\r\nDate: Mon, 2 Mar 2026 00:00:00 +0000\r\nMessage-ID: <a@b>",
        b"From: ann@example.org\r\nSubject: see below\r\nMessage-ID: <a@b>",
    ],
)
def test_what_somebody_attaches_is_no_arrival(head: bytes) -> None:
    head = head.replace(b"{subject}", PROBE.subject.encode())
    for kind in (b"message/rfc822", b"application/octet-stream", b"text/plain"):
        raw = around(head, b"Content-Type: %s\r\nContent-Disposition: attachment\r\n\r\n%s" % (kind, PROBE.content))
        assert match_body(raw, PROBE) is Match.NO, kind
        assert not is_own(raw, PROBE), kind


def test_a_list_of_what_was_held_is_no_arrival() -> None:
    """Though it has our Message-ID, as a quarantine's notice may."""
    head = b"From: quarantine@gateway.test\r\nSubject: 1 message was held\r\nMessage-ID: " + PROBE.message_id.encode()
    raw = around(head, b"Content-Type: text/plain\r\n\r\nFrom: probe@example.org\r\nId: " + PROBE.id.encode())
    assert match_body(raw, PROBE) is Match.NO


def test_an_original_in_base64_is_read_though_no_standard_allows_it() -> None:
    part = b"Content-Type: message/rfc822; x-spam-type=original\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    raw = around(b"From: probe@example.org\r\nSubject: x", part + base64.encodebytes(PROBE.content))
    assert match_body(raw, PROBE) is Match.OWN


def test_wrappers_around_wrappers_are_opened_but_not_without_end() -> None:
    inner = PROBE.content
    for _ in range(3):
        inner = WRAPPERS["SpamAssassin, report_safe 1"](inner)
    assert match_body(inner, PROBE) in (Match.COPY, Match.OWN)
    for _ in range(200):
        inner = around(b"From: probe@example.org\r\nSubject: x", b"Content-Type: message/rfc822\r\n\r\n" + inner)
    assert match_body(inner, PROBE) is Match.NO
