"""Who saw a probe cannot make another one that counts."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.mail.config.loop import SmtpConfig
from tasks.mail.model.header import Header, Ref
from tasks.mail.probe.compose import compose, signature
from tasks.mail.probe.ownership import is_signed

SMTP = SmtpConfig(host="mx.test", from_addr="a@example.org", to_addr="b@example.org", subject_prefix="[loop]")
SENT = datetime(2026, 11, 23, 14, 15, tzinfo=UTC)
KEY = bytes(range(32))
PROBE = compose("office", SMTP, SENT, key=KEY)
HEADER = PROBE.content.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
DATE = b"Date: Mon, 23 Nov 2026 14:15:00 +0000"


def signed(header: bytes, key: bytes = KEY) -> bool:
    return is_signed(Header(Ref("INBOX", 1, 7), SENT, header), key)


def test_a_probe_is_signed_with_the_key_of_its_installation() -> None:
    assert signed(HEADER)
    assert not signed(HEADER, bytes(32))
    assert not signed(HEADER, b"")
    assert KEY.hex().encode() not in PROBE.content
    assert repr(KEY) not in repr(PROBE)


def test_without_a_key_none_is_signed() -> None:
    unsigned = compose("office", SMTP, SENT).content
    assert b"X-Mail-Loop-Signature" not in unsigned
    assert not signed(unsigned.partition(b"\r\n\r\n")[0], b"")
    own = signature(KEY, PROBE.id, SENT, "office").encode()
    anybodys = signature(b"", PROBE.id, SENT, "office").encode()
    assert own in HEADER
    assert not signed(HEADER.replace(own, anybodys), b"")


@pytest.mark.parametrize(
    "date",
    [
        b"Date: Mon, 23 Nov 2026 15:15:00 +0100",
        b"Date: 23 Nov 2026 14:15:00 -0000",
        b"Date: Mon, 23 Nov 2026\r\n 14:15:00 +0000 (UTC)",
    ],
)
def test_a_server_may_write_the_same_date_in_another_form(date: bytes) -> None:
    assert DATE in HEADER
    assert signed(HEADER.replace(DATE, date))


@pytest.mark.parametrize(
    ("field", "instead"),
    [
        (DATE, b"Date: Mon, 23 Nov 2026 12:15:00 +0000"),
        (DATE, b"Date: nonsense"),
        (DATE, b"Date: Mon, 23 Nov 99999 14:15:00 +9999"),
        (DATE, b"X-Date: none"),
        (DATE, DATE + b"\r\n" + DATE),
        (b"X-Mail-Loop-Name: office", b"X-Mail-Loop-Name: home"),
        pytest.param(PROBE.id.encode(), b"0" * 32, id="another id"),
        (b"X-Mail-Loop-Signature: ", b"X-Mail-Loop-Signature: 0"),
        (b"X-Mail-Loop-Signature: ", b"X-Mail-Loop-Signature: \xff\xe9"),
        (b"X-Mail-Loop-Signature: ", b"X-Mail-Loop-Signature: 00\r\nX-Mail-Loop-Signature: "),
    ],
)
def test_whatever_else_it_says_of_itself_the_signature_does_not_fit(field: bytes, instead: bytes) -> None:
    assert field in HEADER
    assert not signed(HEADER.replace(field, instead))


@given(st.binary(max_size=300))
def test_no_octets_of_a_stranger_are_signed_and_none_break_it(octets: bytes) -> None:
    assert not signed(octets)
    assert not signed(HEADER.replace(b"X-Mail-Loop-Signature: ", b"X-Mail-Loop-Signature: " + octets + b"!"))
