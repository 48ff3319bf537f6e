"""Whatever a server or a stranger sends, no parser raises, and each keeps its promise.

The examples are made up anew for each version of the code, and are the same in each run of it.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from aiosmtplib import (
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPServerDisconnected,
)
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tasks.mail.config.loop import ImapConfig, SmtpConfig
from tasks.mail.mailboxes.folders import places
from tasks.mail.mailboxes.imap import responses as imap_rows
from tasks.mail.mailboxes.imap.encoding import internaldate, quoted_string
from tasks.mail.mailboxes.imap.framing import NotImapError, ResponseReader
from tasks.mail.mailboxes.imap.message_data import fetched_messages
from tasks.mail.mailboxes.imap.responses import MAX_FOUND, Response, found_uids
from tasks.mail.mailboxes.mailbox import Folder
from tasks.mail.model.errors import enhanced_code
from tasks.mail.model.header import UNKNOWN_DATE, Header, Ref
from tasks.mail.model.outcome import ErrorType
from tasks.mail.model.redaction.redactor import Redactor
from tasks.mail.model.safe_text import one_line
from tasks.mail.probe.compose import Probe, compose
from tasks.mail.probe.match import Match, body_has_id, decoded, match
from tasks.mail.probe.ownership import Owner
from tasks.mail.report import formats
from tasks.mail.report.document import Own, Table
from tasks.mail.search.inbound import carries
from tasks.mail.senders.smtp import replies
from tasks.mail.senders.smtp.replies import queue_id
from tests.support.mail.lookalikes import LOOK_ALIKES
from tests.support.mail.notices import BOUNCES, DELAYS, bounce_of
from tests.support.mail.strategies import TEXT, few, stable

SMTP = SmtpConfig(
    host="relay.test", from_addr="probe@example.org", to_addr="nobody@example.net", subject_prefix="[mail-loop]"
)


def probe_of(number: str) -> Probe:
    """A probe whose id is known: what is drawn from it is the same in each run."""
    made = compose("office", SMTP, datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC))
    token, content = number[: len(made.token)], made.content.replace(made.id.encode(), number.encode())
    return replace(
        made,
        id=number,
        subject=made.subject.replace(made.token, token),
        message_id=made.message_id.replace(made.id, number),
        content=content.replace(made.token.encode(), token.encode()),
    )


PROBE, OTHER = probe_of("3a0d" * 8), probe_of("c5f2" * 8)
NOTICES = [*BOUNCES.values(), *DELAYS.values(), *LOOK_ALIKES.values()]


def pieces(*known: bytes) -> st.SearchStrategy[bytes]:
    """Octets in which the words that a parser knows are frequent."""
    return st.lists(st.sampled_from(known) | st.binary(max_size=6), max_size=25).map(b"".join)


def mutated(honest: st.SearchStrategy[bytes], insert: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Honest input with a few places deleted, overwritten or put in."""

    def edit(raw: bytes, edits: Sequence[tuple[float, int, bytes]]) -> bytes:
        for place, length, new in edits:
            start = int(place * len(raw))
            raw = raw[:start] + new + raw[start + length :]
        return raw

    places = st.tuples(st.floats(0, 1), st.sampled_from([0, 1, 3, 40, 400]), insert)
    return st.builds(edit, honest, st.lists(places, max_size=4))


IMAP = pieces(
    *(b"(", b")", b'"', b"\\", b" ", b"NIL", b"{3}", b"~{3}", b"\r", b"\n", b"[", b"]", b"<0>", b"*", b"+"),
    *(b"1 FETCH (", b"UID 7", b" BODY[", b"BODY[HEADER.FIELDS (A)]<0> ", b"FLAGS (\\Seen)", b" EXISTS"),
    *(
        b'INTERNALDATE " 4-Mar-2026 05:06:07 +0000"',
        b'LIST (\\Junk) "/" ',
        b"&AOk-",
        b"STATUS a (UIDNEXT 4",
        b"OK [A 1]",
    ),
)
RESPONSES: st.SearchStrategy[Response] = st.lists(IMAP, min_size=1, max_size=5).map(tuple)
MAIL = pieces(
    *(
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b" ",
        b": ",
        b"--b\r\n",
        b"--b--",
        b"=?utf-8?q?",
        b"=?x?b?",
        b"?=",
        b"\x00",
        b"\xff",
    ),
    *(
        b"Content-Type: multipart/report; boundary=b\r\n",
        b"Content-Type: message/delivery-status\r\n",
        b"; boundary*=x'",
    ),
    *(b"Content-Transfer-Encoding: base64\r\n", b"Content-Type: text/rfc822-headers\r\n", b"Action: failed\r\n"),
    *(b"X-Mail-Loop-Id: ", PROBE.id.encode(), b"Message-ID: ", PROBE.message_id.encode(), b"Return-Path: <>\r\n"),
    *(b"From: MAILER-DAEMON\r\n", b"Subject: ", PROBE.subject.encode(), b"X-Mail-Loop-Name: office\r\n", b"5.1.1"),
    *(b"Content-Type: message/rfc822\r\n\r\n", b"permanent error", b"Probe: ", b"Status: 5.1.1\r\n"),
)


def about(content: bytes) -> st.SearchStrategy[bytes]:
    """A message, and all that may be written about it."""
    return st.sampled_from([content, *(build(content) for build in NOTICES)])


ABOUT_OTHER = about(OTHER.content)
ABOUT_PROBE = about(PROBE.content)
HARMLESS = st.sampled_from([b"", b"\r\n", b"\r\n\r\n", b" ", b":", b"--", b"\x00", b"\xff\xfe", b"=", b"=?x?q?", b"<>"])


# -- IMAP ---------------------------------------------------------------------------------------------------------


@stable
@given(st.lists(RESPONSES, max_size=4))
def test_a_message_is_told_of_once_and_its_row_is_complete(responses: list[Response]) -> None:
    found = fetched_messages(responses)
    uids = [one.uid for one in found if one.uid is not None]
    assert len(uids) == len({*uids})
    for one in found:
        row = one.row(one.octets)
        assert 0 < row.seq < 2**32
        assert 0 <= row.uid < 2**32
        assert row.internaldate.tzinfo is not None
        assert all(flag == flag.upper() for flag in row.flags)
        assert len(row.headers) <= sum(len(part) for response in responses for part in response)


@stable
@given(st.integers(1, 2**32 - 1), st.integers(1, 2**32 - 1), st.binary(max_size=200), st.booleans())
def test_a_row_has_the_octets_that_were_sent(seq: int, uid: int, octets: bytes, literal: bool) -> None:
    begin = b'%d FETCH (FLAGS (\\Seen) UID %d INTERNALDATE " 4-Mar-2026 05:06:07 +0100" BODY[HEADER.FIELDS (A B)]<0> '
    begin %= (seq, uid)
    escaped = b'"' + octets.replace(b"\\", rb"\\").replace(b'"', rb"\"") + b'"'
    response = (begin + b"{%d}" % len(octets), octets, b")") if literal else (begin + escaped + b")",)
    (one,) = fetched_messages([response])
    row = one.row(one.octets)
    assert (row.seq, row.uid, row.headers, row.flags) == (seq, uid, octets, frozenset({"\\SEEN"}))
    assert row.internaldate.utcoffset() == timedelta(hours=1)


@stable
@given(RESPONSES, st.booleans())
def test_a_folder_name_never_ends_a_command_line(response: Response, utf8: bool) -> None:
    folder = imap_rows.listed_folder(response, utf8)
    if folder is not None:
        assert not re.search(rb"[\x00-\x1f\x7f]", folder.wire)
        assert imap_rows.listed_folder((b'LIST () "/" ' + quoted_string(folder.wire),), utf8) is not None


@stable
@given(RESPONSES, st.lists(RESPONSES, max_size=4))
def test_what_else_a_server_says_is_read_or_left(response: Response, more: list[Response]) -> None:
    items = imap_rows.status_items(response)
    assert items is None or all(name == name.upper() for name in items)
    counted = imap_rows.message_count(response)
    assert counted is None or 0 <= counted[0] < 2**32
    counts, codes = imap_rows.selected([response, *more])
    assert all(0 <= value < 2**32 for value in (*counts.values(), *codes.values()))
    name, argument, words = imap_rows.response_code(response[0])
    assert name is None or (name == name.upper() and 0 < len(name) <= 64)
    assert response[0].endswith(words)
    assert argument in response[0]
    shown = imap_rows.readable(response[0])
    assert shown.isprintable()
    assert len(shown) <= 200


SEARCHED = pieces(
    b"SEARCH ", b"ESEARCH ", b'(TAG "a1") ', b"UID ", b"ALL ", b"1", b":", b",", b"1:4294967295", b" 7 ", b"9" * 9
)


@stable
@given(st.lists(SEARCHED.map(lambda text: (text,)), max_size=4))
def test_a_search_finds_few_uids_in_order(responses: list[Response]) -> None:
    uids = found_uids(responses)
    assert uids == sorted(set(uids))
    assert len(uids) <= MAX_FOUND
    assert all(0 < uid < 2**32 for uid in uids)


@stable
@given(st.sets(st.integers(1, 2**32 - 1), max_size=40), st.booleans())
def test_a_search_finds_what_the_server_says(uids: set[int], extended: bool) -> None:
    listed = sorted(uids)
    if extended:
        response = b'ESEARCH (TAG "a1") UID' + (b" ALL " + b",".join(b"%d" % uid for uid in listed) if listed else b"")
    else:
        response = b"SEARCH" + b"".join(b" %d" % uid for uid in listed)
    assert found_uids([(response,)]) == listed


def test_a_search_that_names_everything_many_times_takes_no_memory() -> None:
    ranges = b",".join(b"%d:%d" % (first, first + 999) for first in range(1, 50_000_000, 1001))
    assert len(found_uids([(b"ESEARCH UID ALL " + ranges,)])) == MAX_FOUND


@stable
@given(
    st.lists(
        st.builds(Folder, TEXT, st.frozensets(st.sampled_from(["\\JUNK", "\\SENT", "\\NOSELECT"])), st.just(b"x"))
    ),
    st.sampled_from(["INBOX", "Junk", "Archive/Büro"]),
)
def test_whatever_folders_there_are_the_expected_one_is_looked_at_and_none_twice(
    folders: list[Folder], expected: str
) -> None:
    imap = ImapConfig(host="imap.test", username="bob", password_secret="x", folder=expected)
    first, junk, others = places(folders, imap)
    assert (first.folder, first.optional) == (expected, False)
    assert expected not in {place.folder for place in [*others, *([junk] if junk else [])]}
    assert junk is None or junk.folder not in {place.folder for place in others}


@stable
@given(st.binary(max_size=40) | st.from_regex(rb"[ 0-3]?[0-9]-(Jan|FEB|dec|xxx)-[0-9]{4} [0-9:]{8} [+-][0-9]{4}"))
def test_every_date_is_a_date(value: bytes) -> None:
    assert internaldate(value).utcoffset() is not None


@stable
@given(pieces(b"* ", b"* 1 FETCH (BODY[] {3}\r\n", b"* OK {3}", b"\r\n", b"\n", b"{2}\r\n", b"a1 OK\r\n"), st.data())
def test_responses_are_the_same_however_the_network_cuts_them(octets: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=6)))
    ends = [*cuts, len(octets)]
    chunks = [octets[start:end] for start, end in zip([0, *cuts], ends, strict=True)]
    assert read(chunks) == read([octets])


def read(chunks: Sequence[bytes]) -> list[Response | str]:
    reader, found = ResponseReader(), list[Response | str]()
    try:
        for chunk in chunks:
            reader.feed(chunk)
            while (response := reader.next()) is not None:
                found.append(response)
    except NotImapError as error:
        found.append(str(error))
    return found


# -- mail ---------------------------------------------------------------------------------------------------------


@stable
@given(MAIL | mutated(ABOUT_PROBE, MAIL))
def test_no_message_is_the_probe_without_its_id(raw: bytes) -> None:
    if match(raw, PROBE) in {Match.OWN, Match.COPY}:
        assert PROBE.id.encode() in raw
    if match(raw, PROBE) is Match.OWN:
        assert re.search(rb"(?i)(?:\A|[\r\n])x-mail-loop-name:\s*office(?:\s|\Z)", raw)


@stable
@given(mutated(ABOUT_OTHER, HARMLESS))
def test_no_message_about_another_probe_becomes_ours_by_damage(raw: bytes) -> None:
    assert match(raw, PROBE) in {Match.REPORT, Match.NO}
    assert bounce_of(raw, PROBE) is None
    assert not body_has_id(raw, PROBE)


OLD = datetime(2026, 1, 1, tzinfo=UTC)
OWNER = Owner("office", "probe@example.org", OLD + timedelta(days=1))


@stable
@given(MAIL | mutated(ABOUT_PROBE, MAIL))
def test_nothing_is_taken_for_an_old_probe_of_ours_without_all_its_signs(raw: bytes) -> None:
    """What is, is deleted."""
    row = Header(Ref("INBOX", 1, 1), OLD, raw)
    if OWNER.owns(row):
        for sign in (
            rb"x-mail-loop-id:\s*[0-9a-f]{32}\s",
            rb"x-mail-loop-name:",
            rb"auto-submitted:",
            rb"subject:",
            rb"from:",
        ):
            assert re.search(rb"(?i)(?:\A|[\r\n])" + sign, raw)
    assert not OWNER.owns(replace(row, arrived_at=OWNER.before))
    assert not replace(OWNER, loop="home").owns(Header(Ref("INBOX", 1, 1), OLD, PROBE.content))


def test_nothing_about_an_old_probe_is_taken_for_one() -> None:
    """A forgery that has every sign of a probe of this loop is one: nothing secret tells them apart."""
    assert OWNER.owns(Header(Ref("INBOX", 1, 1), OLD, PROBE.content))
    for family in (BOUNCES, DELAYS, LOOK_ALIKES):
        for name, about in family.items():
            assert OWNER.owns(Header(Ref("INBOX", 1, 1), OLD, about(PROBE.content))) is (name == "another id forged"), (
                name
            )


@stable
@given(MAIL | mutated(ABOUT_PROBE, MAIL))
def test_a_bounce_is_shown_in_short_printable_lines(raw: bytes) -> None:
    bounce = bounce_of(raw, PROBE)
    if bounce is not None:
        shown = (bounce.status, bounce.diagnostic, bounce.recipient, bounce.reporting_mta, bounce.remote_mta)
        assert all(text.isprintable() and len(text) <= 300 for text in shown)


@stable
@given(MAIL | mutated(ABOUT_PROBE, MAIL))
def test_a_body_says_yes_or_no(raw: bytes) -> None:
    assert body_has_id(raw, PROBE) in {True, False}


@stable
@given(TEXT | MAIL.map(lambda raw: raw.decode("ascii", "surrogateescape")))
def test_a_header_value_decodes_to_one_line(value: str) -> None:
    text = decoded(value)
    assert text == " ".join(text.split())


@stable
@given(MAIL | mutated(ABOUT_PROBE, MAIL), st.text(max_size=10), st.booleans())
def test_the_receiving_half_takes_or_leaves_every_message(raw: bytes, text: str, deleted: bool) -> None:
    row = Header(Ref("INBOX", 1, 1), UNKNOWN_DATE, raw, frozenset({"\\DELETED"} if deleted else ()))
    assert carries(row, text) in {True, False}
    assert not (deleted and carries(row, text))
    assert not carries(row, PROBE.id + "x")


# -- SMTP ---------------------------------------------------------------------------------------------------------

STAGES = st.sampled_from(["dns", "connect", "tls", "ehlo", "auth", "mail", "rcpt", "data"])
ERRORS: list[Callable[[int, str], BaseException]] = [
    SMTPResponseException,
    SMTPDataError,
    lambda code, text: SMTPRecipientsRefused([SMTPRecipientRefused(code, text, "a@b")]),
    lambda code, text: SMTPRecipientsRefused([]),
    lambda code, text: SMTPServerDisconnected(text),
    lambda code, text: SMTPException(text),
    lambda code, text: ssl.SSLError(abs(code) % 200, "the words of OpenSSL"),
    lambda code, text: OSError(abs(code) % 200, "the words of the system"),
    lambda code, text: TimeoutError(text),
    lambda code, text: ValueError(text),
]
SECRET = st.text("GHIJKLMNOPQRSTUVWXYZ", min_size=8, max_size=12)


@stable
@given(STAGES, st.sampled_from(ERRORS), st.integers(-1, 1000) | st.integers(), TEXT, SECRET, TEXT)
def test_every_reply_and_error_is_told_in_one_line_without_secrets(
    stage: str, error: Callable[[int, str], BaseException], code: int, before: str, secret: str, after: str
) -> None:
    failure = replies.failure(
        stage, error(code, before + secret + after), "relay.test", 30.0, Redactor([("x", secret)])
    )
    assert failure.stage == stage
    assert failure.text.isprintable()
    assert len(failure.text) <= 400
    assert secret not in failure.text
    assert failure.code is None or 200 <= failure.code < 600
    four = failure.code is not None and 400 <= failure.code < 500
    assert failure.temporary is (four and stage != "auth")
    assert stage != "auth" or failure.code is None or failure.error_type is ErrorType.AUTH


REPLIES = pieces(
    *(b"queued as ", b"id=", b"<a@b> [InternalId", b" Message accepted for delivery", b" 1700000000 ", b" - gsmtp"),
    *(b"2.0.0 ", b"5.1.1", b"4XyZ1b2c3d", b".", b" "),
).map(lambda raw: raw.decode("utf-8", "replace"))


@stable
@given(REPLIES | TEXT)
def test_codes_and_queue_ids_hold_nothing_strange(text: str) -> None:
    code, name = enhanced_code(text), queue_id(text)
    assert code is None or (re.fullmatch(r"[245]\.\d+\.\d+", code) and text.startswith(code))
    assert name is None or (re.fullmatch(r"[\w.,@$+=/-]{1,250}", name, re.ASCII) and name in text)


# -- what people see ----------------------------------------------------------------------------------------------


@stable
@given(TEXT, st.none() | st.integers(1, 300))
def test_a_line_is_one_line_printable_and_as_short_as_asked(text: str, limit: int | None) -> None:
    shown = one_line(text, limit)
    assert shown.isprintable()
    assert limit is None or len(shown) <= limit
    assert one_line(shown, limit) == shown


MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def cell(text: str) -> tuple[list[str], str]:
    """What Markdown makes of the one cell of a table: the types of its parts, and its text."""
    tokens = MARKDOWN.parse(formats.as_markdown([Table(("head", "end"), [(Own(text), "end")])]))
    inlines = [token for token in tokens if token.type == "inline"]
    assert [token.type for token in tokens].count("td_open") == 2
    assert inlines[-1].content == "end"
    children = inlines[2].children or []
    return [child.type for child in children], "".join(child.content for child in children)


@few
@given(TEXT)
def test_escaped_text_is_text_in_markdown(text: str) -> None:
    kinds, shown = cell(formats.escape(text))
    assert set(kinds) <= {"text", "text_special", "code_inline"}
    assert shown == one_line(text, None)


@few
@given(TEXT, st.sampled_from(["https://", "www.", "@", "HTTP://x"]), TEXT)
def test_an_address_in_escaped_text_is_code(before: str, address: str, after: str) -> None:
    """So nothing makes a link of it, and it can be copied."""
    text = f"{before}{address}{after}"
    kinds, shown = cell(formats.escape(text))
    assert "code_inline" in kinds
    assert shown == one_line(text, None)


@few
@given(TEXT)
def test_code_is_code_in_markdown(text: str) -> None:
    kinds, shown = cell(formats.code_span(text))
    assert kinds == (["code_inline"] if one_line(text, None) else [])
    assert shown == one_line(text, None)
