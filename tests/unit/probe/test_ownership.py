"""What an old probe of a loop is, and what only resembles one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tasks.mail.config.loop import SmtpConfig
from tasks.mail.model.header import UNKNOWN_DATE, Header, Ref
from tasks.mail.probe.compose import compose
from tasks.mail.probe.ownership import Owner, is_thorough

SMTP = SmtpConfig(
    host="mx.example.org",
    from_addr="monitor@example.org",
    to_addr="inbox@example.net",
    subject_prefix="[Übung] a prefix that is long enough to be folded when it is encoded, twice or more",
)
NOW = datetime(2026, 11, 23, tzinfo=UTC)
PROBE = compose("office", SMTP, NOW - timedelta(days=2))
HEADERS = PROBE.content.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
OWNER = Owner("office", "monitor@example.org", NOW - timedelta(days=1))


def row(headers: bytes = HEADERS, arrived: datetime = NOW - timedelta(days=2)) -> Header:
    return Header(Ref("INBOX", 1, 7), arrived, headers)


def test_a_probe_is_known_by_what_it_says_of_itself() -> None:
    assert OWNER.owns(row())
    assert OWNER.owns(row(b"Received: by mx\r\nReturn-Path: <monitor@example.org>\r\n" + HEADERS))


def test_the_probe_of_this_run_is_no_earlier_one() -> None:
    assert not Owner.of(PROBE, NOW).sent(row())


def test_a_young_one_is_ours_but_not_old() -> None:
    assert OWNER.sent(row(arrived=NOW))
    assert not OWNER.owns(row(arrived=NOW))


@pytest.mark.parametrize("arrived", [NOW, NOW - timedelta(days=1), NOW + timedelta(days=400), UNKNOWN_DATE])
def test_one_that_is_young_or_has_no_date_is_left_alone(arrived: datetime) -> None:
    assert not OWNER.owns(row(arrived=arrived))


@pytest.mark.parametrize(
    ("field", "instead"),
    [
        (b"X-Mail-Loop-Name: office", b"X-Mail-Loop-Name: office2"),
        (b"X-Mail-Loop-Name: office", b"X-Mail-Loop-Name: office\r\nX-Mail-Loop-Name: home"),
        (b"X-Mail-Loop-Id: ", b"X-Mail-Loop-Id: a"),
        (b"X-Mail-Loop-Id: ", b"X-Mail-Loop-Id: " + b"a" * 32 + b"\r\nX-Mail-Loop-Id: "),
        (b"From: monitor@example.org", b"From: <monitor@example.org.elsewhere.test>"),
        (b"From: monitor@example.org", b"From: monitor@example.org <x@elsewhere.test>"),
        (b"Auto-Submitted: auto-generated", b"Auto-Submitted: no"),
        (PROBE.token.encode() + b"\r\n", b"000000!\r\n"),
        (b"MIME-Version", b"In-Reply-To: <x@y>\r\nMIME-Version"),
        (b"text/plain", b"multipart/report"),
    ],
    ids=lambda text: text.replace(PROBE.token.encode(), b"token").decode(),  # the same in each process of a test run
)
def test_whatever_else_differs_is_not_ours(field: bytes, instead: bytes) -> None:
    assert field in HEADERS
    assert not OWNER.sent(row(HEADERS.replace(field, instead)))


def test_one_run_in_sixteen_is_thorough() -> None:
    assert 0 < sum(is_thorough(compose("office", SMTP)) for _ in range(1000)) < 200
