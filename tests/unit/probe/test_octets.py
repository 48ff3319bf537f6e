"""Nothing of a stranger's message is parsed before it has a word of the probe, and nothing is missed for that."""

from __future__ import annotations

import base64
import quopri
from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.mail.model.outcome import DELAYED, FAILED
from tasks.mail.probe import bounce
from tasks.mail.probe.bounce import concerns, notice_of
from tasks.mail.probe.match import body_has_id
from tasks.mail.probe.octets import MOST_LINES, MOST_MULTIPARTS, bounded, has_end, mentions
from tests.support.mail.bombs import bombs
from tests.support.mail.notices import BOUNCES, DELAYS, bounce_of, delay_of
from tests.support.mail.strategies import few, stable
from tests.support.mail.verp import OTHER, OWN, PROBE, coming_to

ID = "3a0df1c2" * 4
TEXTS = st.binary(max_size=60)
LENGTHS = st.integers(1, 90)


def in_lines(text: bytes, length: int) -> bytes:
    return b"\r\n".join(text[start : start + length] for start in range(0, len(text), length))


@stable
@given(TEXTS, TEXTS, LENGTHS)
def test_an_id_in_base64_is_seen_wherever_it_stands_and_however_the_lines_are_broken(
    before: bytes, after: bytes, length: int
) -> None:
    encoded = in_lines(base64.b64encode(before + ID.encode() + after), length)
    head = b"Content-Type: text/plain\r\nContent-Transfer-Encoding: BASE64\r\n\r\n"
    assert mentions(head + encoded, ID)
    other = in_lines(base64.b64encode(before + ID[:-1].encode() + b"x" + after), length)
    assert not mentions(head + other, ID)


@stable
@given(TEXTS, TEXTS, st.booleans())
def test_an_id_in_quoted_printable_is_seen(before: bytes, after: bytes, every: bool) -> None:
    text = before + b"\r\n" + ID.encode() + after
    encoded = b"=\r\n".join(b"=%02X" % octet for octet in text) if every else quopri.encodestring(text)
    assert mentions(b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + encoded, ID)


ENCODE = {"base64": base64.encodebytes, "quoted-printable": quopri.encodestring}


def encoded(raw: bytes, way: str) -> bytes:
    """The same notice, a text, encoded."""
    head, _, body = raw.partition(b"\r\n\r\n")
    return head + b"\r\nContent-Transfer-Encoding: %s\r\n\r\n" % way.encode() + ENCODE[way](body)


NOTICES = [
    *(build(probe.content) for family in (BOUNCES, DELAYS) for build in family.values() for probe in (PROBE, OTHER)),
    *(coming_to(OWN, build(b"")) for family in (BOUNCES, DELAYS) for build in family.values()),
]
TEXT_NOTICES = [raw for raw in NOTICES if b"multipart" not in raw.partition(b"\r\n\r\n")[0]]
ALL = [*NOTICES, *(encoded(raw, way) for raw, way in zip(TEXT_NOTICES, cycle(ENCODE), strict=False))]


def assert_same(raw: bytes) -> None:
    for fresh in (True, False):
        parsed = notice_of(raw, PROBE, fresh)
        told = {FAILED: bounce_of(raw, PROBE, fresh), DELAYED: delay_of(raw, PROBE, fresh)}
        assert [notice for notice in told.values() if notice] == ([parsed] if parsed else [])


@pytest.mark.parametrize("raw", ALL, ids=range(len(ALL)))
def test_what_is_not_parsed_would_have_been_nobodys_notice(raw: bytes) -> None:
    """Of every form of a bounce, of this probe and of another, plain, and if it is a text in one of two encodings."""
    assert_same(raw)


@few
@given(st.sampled_from(ALL), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), TEXTS), max_size=4))
def test_that_holds_for_notices_that_are_damaged_as_well(raw: bytes, edits: list[tuple[float, int, bytes]]) -> None:
    for place, length, new in edits:
        start = int(place * len(raw))
        raw = raw[:start] + new + raw[start + length :]
    assert_same(raw)


def test_a_bomb_is_not_parsed() -> None:
    before = bounce._parsed.cache_info()
    for raw in bombs(2**20, "inbox@example.net"):
        assert bounce_of(raw, PROBE) is None
        assert not body_has_id(raw, PROBE)
        assert not concerns(raw, PROBE)
    assert bounce._parsed.cache_info() == before


def test_of_a_bomb_with_the_id_so_much_is_parsed_and_no_more() -> None:
    for raw in bombs(2**20, "inbox@example.net"):
        part = bounded(raw)
        assert raw.startswith(part)
        assert part.count(b"\n") <= MOST_LINES
        assert part.lower().count(b"boundary") <= MOST_MULTIPARTS
    for raw in NOTICES:
        assert bounded(raw) == raw


@pytest.mark.parametrize("name", BOUNCES)
def test_a_bounce_that_returns_more_than_is_parsed_is_a_bounce_all_the_same(name: str) -> None:
    raw = BOUNCES[name](PROBE.content)
    assert bounce_of(raw + b"\r\n" * MOST_LINES * 2, PROBE) == bounce_of(raw, PROBE) != None  # noqa: E711


@pytest.mark.parametrize("raw", [b"", b"A: b", b"A: b\r\n", b"A: b\r\n c"])
def test_a_header_without_an_end_was_cut_off(raw: bytes) -> None:
    assert not has_end(raw)
    assert has_end(raw + b"\r\n\r\n")
