"""What is read from replies, quotas and headers to name a place and a remedy: pure, so it is tested as tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tasks.mail.journey.filters.ratings import greylisting
from tasks.mail.journey.journey import Journey, Known, journey
from tasks.mail.mailboxes.imap.responses import Response, quotas
from tasks.mail.model.facts import Quota
from tasks.mail.verdict.notes import clock_notes
from tasks.mail.verdict.phrases import changes, slow_step, ways
from tasks.mail.verdict.remedies import renewed

START = datetime(2026, 11, 24, 7, 0, 0, tzinfo=UTC)


def test_a_certificate_is_to_be_renewed_only_where_its_time_is_over() -> None:
    over = "the certificate of a is not accepted: certificate has expired"
    assert renewed(over, "a") == ("renew that certificate", "whoever runs a")
    assert renewed("the certificate of a is not accepted: Hostname mismatch", "a") is None


STORAGE = Quota("STORAGE", 97, 100)


@pytest.mark.parametrize(
    ("responses", "found"),
    [
        ([(b'QUOTAROOT INBOX "User quota"',), (b'QUOTA "User quota" (STORAGE 97 100)',)], (STORAGE,)),
        ([(b'QUOTA "" (MESSAGE 3 5 storage 97 100)',)], (Quota("MESSAGE", 3, 5), STORAGE)),
        ([(b"QUOTA {3}", b"a(b", b" (STORAGE 97 100)")], (STORAGE,)),
        ([(b'QUOTA "(STORAGE 1 1)" (STORAGE 97 100)',)], (STORAGE,)),
        ([(b'QUOTA "" (STORAGE 97)',), (b"QUOTA",), (b"",), (b"OK [NOQUOTA] none",)], ()),
        ([(b'QUOTA "" (ANNOTATION-STORAGE 1 2)',)], ()),
        ([(b'QUOTA "" (STORAGE ' + b"9" * 5000 + b" 100)",)], ()),
    ],
)
def test_quotas_are_read_without_trust(responses: list[Response], found: tuple[Quota, ...]) -> None:
    assert quotas(responses) == found


def test_a_mailbox_is_full_where_no_probe_has_room() -> None:
    assert Quota("STORAGE", 100, 100).is_full
    assert Quota("STORAGE", 120, 100).is_full
    assert STORAGE.is_full
    assert not Quota("STORAGE", 90, 100).is_full
    assert Quota("MESSAGE", 5, 5).is_full
    assert not Quota("MESSAGE", 4, 5).is_full
    assert STORAGE.words == "97 of 100 KiB"


def received(by: str, number: str, at: float) -> str:
    return (
        f"Received: from x by {by} (Postfix) with ESMTP id {number}; {START + timedelta(seconds=at):%d %b %Y %T} +0000"
    )


def message(*fields: str) -> bytes:
    """A probe, its fields top first as they stand."""
    own = ["From: a@example.org", "X-Mail-Loop-Id: 1", "X-Mail-Loop-Name: office"]
    return "\r\n".join([*fields, *own, "", "text"]).encode()


def read(*fields: str, seconds: float = 10.0, body: bytes | None = None, copy: bytes = b"") -> Journey:
    known = Known(START, START + timedelta(seconds=seconds), START, body=body)
    found = journey(message(*fields), known, copy=copy)
    assert found is not None
    return found


RELAY, EDGE = received("relay", "R1", 0), received("edge", "E1", 0)


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (
            ["Received: by c; x", EDGE, RELAY],
            "they separate after edge took it as E1: look there for an alias",
        ),
        (
            [received("edge", "E2", 1), received("gateway", "G1", 1), EDGE, RELAY],
            "they separate after edge took it as E1, and one of them came by way of gateway",
        ),
        ([received("edge", "E2", 1), received("relay", "R2", 1)], "it was handed in twice"),
    ],
)
def test_where_two_copies_part_is_named(second: list[str], words: str) -> None:
    assert ways(read(EDGE, RELAY, copy=message(*second)).parting, "relay").words.startswith(words)


def test_without_a_second_copy_that_can_be_read_no_place_is_named() -> None:
    assert read(EDGE, RELAY).parting is None
    assert read(EDGE, RELAY, copy=b"\0").parting is None
    assert ways(None, "relay") == ("look for a double route", "whoever runs relay")


def test_a_greylister_is_the_server_above_whose_entry_the_field_stands() -> None:
    entries = [("Received", entry.partition(":")[2]) for entry in (EDGE, RELAY)]
    fields = [("X-Greylist", " delayed 300 seconds by postgrey"), *entries]
    assert greylisting(fields) == {"edge"}
    assert greylisting([("X-Greylist", "Sender IP whitelisted, not delayed by milter"), *entries]) == set()
    assert greylisting(fields[:1]) == set()


def test_the_slow_step_names_both_its_ends_and_what_to_follow() -> None:
    found = read(received("edge", "E1", 8), RELAY)
    assert slow_step(found, False) == (
        "; 8.0 s went by between relay and edge: relay held it, or edge was down, busy or refused it for now; "
        "follow R1 in the log of relay",
        "whoever runs relay; then, by what its log says, whoever runs edge",
    )
    found = read("X-Greylist: delayed 8 seconds by postgrey", received("edge", "E1", 8), RELAY)
    greylisted = slow_step(found, False)
    assert greylisted is not None
    assert "which greylisted it" in greylisted.words
    assert greylisted.who == "whoever runs edge, if that is too long"
    assert slow_step(read(EDGE, RELAY), False) is None


def test_a_step_before_the_first_server_is_told_unless_its_refusals_are() -> None:
    found = read(received("relay", "R1", 8))
    assert slow_step(found, False) == ("; 8.0 s went by before relay took it: see its log", "whoever runs relay")
    assert slow_step(found, True) is None


GATEWAY = received("gateway", "G1", 0)


@pytest.mark.parametrize(
    ("verdict", "suspects"),
    [
        ([], "one of relay, gateway and edge"),
        (["Authentication-Results: edge; dkim=fail"], "one of relay and gateway"),
        (["Authentication-Results: edge; dkim=pass"], "edge"),
        (["Authentication-Results: elsewhere; dkim=fail"], "one of relay, gateway and edge"),
    ],
)
def test_who_verified_the_signature_tells_who_may_have_changed_the_body(verdict: list[str], suspects: str) -> None:
    found = changes(read(*verdict, EDGE, GATEWAY, RELAY, body=b"another body"))
    assert found is not None
    assert found.words.startswith(
        f'; on the way {suspects} changed its body ("text" is not ours), which breaks signatures'
    )
    assert found.who == f"whoever runs {suspects}, unless that is intended"


def test_a_wrong_clock_is_named_once_with_its_host() -> None:
    found = read(received("edge", "E1", 1), received("slow", "S2", -600), received("slow", "S1", -600), RELAY)
    assert list(clock_notes(found)) == ["The clock of slow is at least 599 s slow: have it set, for instance by NTP."]
    assert list(clock_notes(read(EDGE, RELAY))) == []


def test_where_all_servers_agree_against_this_machine_its_clock_is_named_and_theirs_are_not() -> None:
    found = read(received("edge", "E1", 601), received("relay", "R1", 600))
    (note,) = clock_notes(found)
    assert note.startswith("This machine's clock is at least 590 s slow, as all servers on the way agree: have it set")


def test_a_hop_without_a_name_or_an_id_does_no_harm() -> None:
    found = read("Received: nonsense", copy=message("Received: other nonsense"))
    assert found.record.hops[0].raw == "nonsense"
    assert ways(found.parting, "relay").words
    assert changes(found) is None


def test_the_record_of_a_hop_blames_no_server_for_the_clock_of_this_machine() -> None:
    found = read(received("edge", "E1", 601), received("relay", "R1", 600))
    assert [hop.skew_seconds for hop in found.record.hops] == [0.0, 0.0]
    found = read(received("edge", "E1", 1), received("slow", "S2", -600), received("slow", "S1", -600), RELAY)
    assert [hop.skew_seconds for hop in found.record.hops] == [0.0, -599.0, -599.0, 0.0]
