"""A probe on the wire: exactly these headers, its id in the body, ASCII in short lines, whatever prefix it has."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTPUTF8

import pytest

from tasks.mail.config.loop import SmtpConfig
from tasks.mail.probe.compose import Probe, checksum, compose
from tasks.mail.probe.match import HEADERS, Match, body_has_id, decoded, match

WHEN = datetime(2026, 3, 4, 5, 6, 7, 890, tzinfo=UTC)


def probe_of(prefix: str = "[mail-loop]", now: datetime | None = WHEN, **fields: str) -> Probe:
    addresses = {"from_addr": "probe@example.org", "to_addr": "inbox@example.net", **fields}
    run = addresses.pop("run", None)
    smtp = SmtpConfig.model_validate({"host": "relay.test", "subject_prefix": prefix, **addresses})
    return compose("office", smtp, now, run)


def parsed(probe: Probe) -> EmailMessage:
    message = message_from_bytes(probe.content, policy=SMTPUTF8)
    assert isinstance(message, EmailMessage)
    return message


def test_a_probe_has_exactly_these_headers() -> None:
    probe = probe_of()
    assert re.fullmatch(r"[0-9a-f]{32}", probe.id)
    assert probe.token == probe.id[:6]
    assert parsed(probe).items() == [
        ("From", "probe@example.org"),
        ("To", "inbox@example.net"),
        ("Subject", f"[mail-loop] 2026-03-04T05:06:07Z {probe.token}"),
        ("Date", "Wed, 04 Mar 2026 05:06:07 +0000"),
        ("Message-ID", f"<{probe.id}@example.org>"),
        ("X-Mail-Loop-Id", probe.id),
        ("X-Mail-Loop-Name", "office"),
        ("X-Mail-Loop-Body", checksum(probe.content.partition(b"\r\n\r\n")[2])),
        ("Auto-Submitted", "auto-generated"),
        ("X-Auto-Response-Suppress", "All"),
        ("MIME-Version", "1.0"),
        ("Content-Type", 'text/plain; charset="us-ascii"'),
        ("Content-Transfer-Encoding", "7bit"),
    ]


def test_a_run_of_prefect_is_named_in_the_header() -> None:
    run = "0b2f0f5e-6a0e-4b1e-9d0a-1c2d3e4f5a6b"
    assert parsed(probe_of(run=run))["X-Mail-Loop-Run"] == run


@pytest.mark.parametrize(
    ("body", "same"),
    [
        (b"a\r\nb\r\n", True),
        (b"a\nb", True),
        (b"a  \r\nb\t\r\n\r\n", True),
        (b"a\r\nb\r\n-- \r\nscanned\r\n", False),
        (b"a\r\n\r\nb\r\n", False),
        (b" a\r\nb\r\n", False),
    ],
)
def test_the_checksum_takes_white_space_at_an_end_for_no_change(body: bytes, same: bool) -> None:
    assert (checksum(body) == checksum(b"a\r\nb\r\n")) is same


def test_the_body_is_readable_and_holds_the_id() -> None:
    probe = probe_of()
    body = parsed(probe).get_content().replace("\r\n", "\n")
    assert body.startswith("This message was sent by Mail Loop Check")
    assert body.endswith(f"\nLoop: office\nSent: 2026-03-04T05:06:07Z\nProbe: {probe.id}\n")
    assert body_has_id(probe.content, probe)


def test_every_probe_is_another() -> None:
    assert len({probe_of().id for _ in range(100)}) == 100


def test_the_time_in_the_subject_is_utc() -> None:
    local = WHEN.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert probe_of(now=local).subject.split()[1] == "2026-03-04T05:06:07Z"
    assert re.fullmatch(r"\[mail-loop\] \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ [0-9a-f]{6}", probe_of(now=None).subject)


PREFIXES = [
    "[mail-loop]",
    "a",
    "a" * 100,
    "x  y " * 19 + "z",
    "[ä] Prüfung",
    "Überprüfung der Zustellung für das Büro München - Außenstelle Köln",
    "漢" * 100,
    "😀 " * 49 + "😀",
    "=?utf-8?q?hi?=",
    "=?",
    "a\u00a0b\u3000c",
    '"quoted", (comment); <x@y> \\ : ;',
    "Re: Fwd:",
    "\u202eabc\u200b",
    "." * 100,
]


@pytest.mark.parametrize("prefix", PREFIXES, ids=range(len(PREFIXES)))
def test_any_prefix_arrives_as_it_was_written(prefix: str) -> None:
    probe = probe_of(prefix)
    assert probe.subject == f"{prefix} 2026-03-04T05:06:07Z {probe.token}"
    assert decoded(HEADERS.parsebytes(probe.content).get("Subject")) == " ".join(probe.subject.split())
    assert match(probe.content, probe) is Match.OWN


@pytest.mark.parametrize("prefix", PREFIXES, ids=range(len(PREFIXES)))
def test_what_goes_on_the_wire_is_ascii_in_short_lines(prefix: str) -> None:
    probe = probe_of(prefix)
    head, _, body = probe.content.partition(b"\r\n\r\n")
    lines = (head + body).split(b"\r\n")
    assert probe.content.isascii()
    assert not any(b"\r" in line or b"\n" in line or len(line) > 200 for line in lines)
    assert all(re.match(rb"[A-Za-z-]+: \S|[ \t]\S", line) for line in head.split(b"\r\n"))
    assert all(len(word) <= 75 for word in re.findall(rb"=\?utf-8\?[^ \r]*", head))  # RFC 2047, 2
    assert f" {probe.token}\r\nDate:".encode() in probe.content
    assert probe.content.endswith(b"\r\n")


def test_a_non_ascii_local_part_needs_smtputf8_and_stands_as_it_is() -> None:
    probe = probe_of(from_addr="pröbe@exämple.org", to_addr="büro@example.net")
    assert probe.needs_smtputf8
    assert "From: pröbe@xn--exmple-cua.org\r\nTo: büro@example.net\r\n".encode() in probe.content
    assert probe.message_id == f"<{probe.id}@xn--exmple-cua.org>"
    assert match(probe.content, probe) is Match.OWN


def test_an_international_domain_alone_does_not_need_smtputf8() -> None:
    probe = probe_of(to_addr="buero@exämple.org")
    assert not probe.needs_smtputf8
    assert b"To: buero@xn--exmple-cua.org\r\n" in probe.content


def test_a_local_part_with_every_allowed_character_survives() -> None:
    address = "a!#$%&'*+-/=?^_`{|}~.b@example.org"
    assert f"From: {address}\r\n".encode() in probe_of(from_addr=address).content
