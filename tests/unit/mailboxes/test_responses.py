"""What is made of the octets of an IMAP server, whatever they are."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta, timezone

import pytest

from tasks.mail.mailboxes.imap import responses as imap_rows
from tasks.mail.mailboxes.imap.encoding import folder_name, internaldate, quoted_string, strings, uid_set
from tasks.mail.mailboxes.imap.framing import (
    MAX_LINE_OCTETS,
    MAX_LITERAL_OCTETS,
    MAX_REPLY_OCTETS,
    MAX_RESPONSES,
    NotImapError,
    ResponseReader,
)
from tasks.mail.mailboxes.imap.message_data import FetchedRow, fetched_messages
from tasks.mail.mailboxes.imap.responses import Response
from tasks.mail.mailboxes.mailbox import Folder
from tasks.mail.model.header import UNKNOWN_DATE

SECTION = b"BODY[HEADER.FIELDS (X-MAIL-LOOP-ID SUBJECT)]<0>"
DATE = b'INTERNALDATE "22-Nov-2026 22:01:07 +0100"'
WHEN = datetime(2026, 11, 22, 22, 1, 7, tzinfo=timezone(timedelta(hours=1)))
HEADERS = b"Subject: * a ( b)\r\nA1 OK done\r\n\r\n"


def rows(responses: list[Response]) -> list[FetchedRow]:
    return [one.row(one.octets) for one in fetched_messages(responses)]


def read(data: bytes, size: int = 65536) -> list[Response]:
    """The responses in `data`, fed in pieces."""
    reader, found = ResponseReader(), []
    for start in range(0, len(data), size):
        reader.feed(data[start : start + size])
        while (response := reader.next()) is not None:
            found.append(response)
    return found


class TestReader:
    @pytest.mark.parametrize("size", [1, 2, 7, 65536])
    def test_the_size_of_the_pieces_does_not_matter(self, size: int) -> None:
        data = b"* 1 FETCH (BODY[] {12}\r\n* OK\r\n{9}\r\n UID 4)\r\n* 2 EXISTS\r\nA1 OK done\r\n"
        expected = [(b"* 1 FETCH (BODY[] {12}", b"* OK\r\n{9}\r\n ", b"UID 4)"), (b"* 2 EXISTS",), (b"A1 OK done",)]
        assert read(data, size) == expected

    def test_an_empty_literal_is_a_literal(self) -> None:
        assert read(b"* 1 FETCH (BODY[] {0}\r\n UID 4)\r\n") == [(b"* 1 FETCH (BODY[] {0}", b"", b" UID 4)")]

    @pytest.mark.parametrize("line", [b"A1 NO no folder {5}", b"* OK {5}", b"* bye {5}", b"+ go on {5}"])
    def test_a_text_for_people_announces_no_literal(self, line: bytes) -> None:
        assert read(line + b"\r\n") == [(line,)]

    def test_a_line_may_end_in_a_bare_line_feed(self) -> None:
        assert read(b"* OK hello\n* 1 EXISTS\n") == [(b"* OK hello",), (b"* 1 EXISTS",)]

    @pytest.mark.parametrize("end", [b"", b"\r\n"])
    def test_an_endless_line_is_refused(self, end: bytes) -> None:
        with pytest.raises(NotImapError, match="a line of more than"):
            read(b"* " + b"x" * MAX_LINE_OCTETS + end)

    @pytest.mark.parametrize("size", [b"%d" % (MAX_LITERAL_OCTETS + 1), b"2000000000", b"9" * 20])
    def test_a_large_literal_is_refused_before_it_comes(self, size: bytes) -> None:
        with pytest.raises(NotImapError, match="announced a literal"):
            read(b"* 1 FETCH (BODY[] {" + size + b"}\r\n")

    def test_a_flood_of_lines_is_refused(self) -> None:
        with pytest.raises(NotImapError, match="lines for one command"):
            read(b"* OK\r\n" * (MAX_RESPONSES + 1))

    def test_a_flood_of_octets_is_refused(self) -> None:
        line = b"* OK " + b"x" * 2**19 + b"\r\n"
        with pytest.raises(NotImapError, match="octets for one command"):
            read(line * (MAX_REPLY_OCTETS // len(line) + 1))

    def test_each_command_is_counted_anew(self) -> None:
        reader = ResponseReader()
        for _ in range(3):
            reader.begin_command()
            reader.feed(b"* OK\r\n" * (MAX_RESPONSES - 1))
            while reader.next() is not None:
                pass
        assert not reader.rest()


class TestRow:
    @pytest.mark.parametrize(
        "response",
        [
            (b"7 FETCH (UID 12 " + DATE + b" " + SECTION + b" {%d}" % len(HEADERS), HEADERS, b")"),
            (b"7 fetch (" + SECTION + b" {%d}" % len(HEADERS), HEADERS, b" uid 12 " + DATE + b")"),
            (b"7 FETCH (" + SECTION + b" ~{%d}" % len(HEADERS), HEADERS, b" " + DATE + b" FLAGS (\\Seen) UID 12)"),
            (b"7 FETCH (FLAGS (a (b) {4}", b") x(", b") UID 12 MODSEQ (5) " + DATE + b" " + SECTION, HEADERS, b")"),
        ],
    )
    def test_items_come_in_any_order_and_case(self, response: Response) -> None:
        (one,) = fetched_messages([response])
        row = one.row(one.octets)
        assert one.is_readable
        assert (row.seq, row.uid, row.internaldate, row.headers) == (7, 12, WHEN, HEADERS)

    def test_flags_are_upper_case(self) -> None:
        (one,) = fetched_messages([(b"7 FETCH (UID 12 FLAGS (\\Seen $mine) " + DATE + b" " + SECTION + b" NIL)",)])
        assert one.row(b"").flags == {"\\SEEN", "$MINE"}

    def test_short_headers_may_come_quoted(self) -> None:
        (one,) = fetched_messages([(b"7 FETCH (UID 12 " + DATE + b" " + SECTION + rb' "Subject: \"(\\")',)])
        assert one.row(one.octets) == FetchedRow(7, 12, WHEN, b'Subject: "(\\')

    @pytest.mark.parametrize("value", [b"NIL", b'""', b'"X-Other: 1"', b"{2}"])
    def test_a_message_without_any_of_the_fields_was_not_read(self, value: bytes) -> None:
        """No mail is without all of them."""
        response = (b"7 FETCH (UID 12 " + DATE + b" " + SECTION + b" " + value, b"\r\n", b")")
        (one,) = fetched_messages([response if value == b"{2}" else (response[0] + b")",)])
        assert not one.is_readable
        assert one.row(b"") == FetchedRow(7, 12, WHEN, b"")

    @pytest.mark.parametrize(
        "line",
        [
            b"7 FETCH (FLAGS (\\Seen))",
            b"7 FETCH (UID 12 FLAGS (\\Seen))",
            b"7 FETCH (UID 0 " + DATE + b" " + SECTION + b' "Date: x")',
            b"7 FETCH (UID 4294967296 " + DATE + b" " + SECTION + b' "Date: x")',
            b"7 FETCH (UID -1 " + DATE + b" " + SECTION + b' "Date: x")',
            b"7 FETCH (UID 12 " + DATE + b")",
            b"7 FETCH (",
            b"7 EXISTS",
            b"",
        ],
    )
    def test_what_does_not_answer_the_question_is_no_row(self, line: bytes) -> None:
        assert [one for one in fetched_messages([(line,)]) if one.is_readable] == []

    def test_a_date_that_is_not_told_is_unknown(self) -> None:
        (one,) = fetched_messages([(b"7 FETCH (UID 12 " + SECTION + b' "Date: x")',)])
        assert one.is_readable
        assert one.row(one.octets).internaldate == UNKNOWN_DATE

    def test_what_is_told_of_a_message_in_several_responses_is_put_together(self) -> None:
        """By its number, or by its UID where numbers have changed in between."""
        parts = [
            (b"7 FETCH (UID 12 FLAGS (\\Seen))",),
            (b"8 FETCH (UID 14)",),
            (b"7 FETCH (" + DATE + b")",),
            (b"7 FETCH (" + SECTION + b' "Date: x")',),
            (b"1 EXPUNGE",),
            (b"7 FETCH (" + SECTION + b' "Date: of another")',),
            (b"7 FETCH (UID 14 " + SECTION + b' "Date: y")',),
            (b"6 FETCH (UID 12 FLAGS ())",),
        ]
        found = {one.uid: one.row(one.octets) for one in fetched_messages(parts) if one.uid}
        assert found == {12: FetchedRow(7, 12, WHEN, b"Date: x"), 14: FetchedRow(8, 14, UNKNOWN_DATE, b"Date: y")}


class TestInternaldate:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (b"22-Nov-2026 22:01:07 +0100", WHEN),
            (b" 2-nov-2026 22:01:07 +0000", datetime(2026, 11, 2, 22, 1, 7, tzinfo=UTC)),
            (b"02-Jan-2026 00:00:00 -0330", datetime(2026, 1, 2, 3, 30, tzinfo=UTC)),
            (b"31-Dec-2016 23:59:60 +0000", datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ],
    )
    def test_it_is_read_with_its_zone(self, text: bytes, expected: datetime) -> None:
        assert internaldate(text) == expected

    @pytest.mark.parametrize(
        "text",
        [
            b"",
            b"now",
            b"31-Feb-2026 00:00:00 +0000",
            b"02-Foo-2026 00:00:00 +0000",
            b"01-Jan-0000 00:00:00 +0000",
            b"02-Jan-2026 25:00:00 +0000",
            b"02-Jan-2026 00:00:00 +9900",
            b"02-Jan-2026 00:00:00",
        ],
    )
    def test_nonsense_is_an_unknown_date(self, text: bytes) -> None:
        assert internaldate(text) == UNKNOWN_DATE


class TestFolder:
    @pytest.mark.parametrize(
        ("response", "name", "attributes"),
        [
            ((rb'LIST (\HasNoChildren \Junk) "/" "Spam mail"',), "Spam mail", {"\\HASNOCHILDREN", "\\JUNK"}),
            ((rb'list () "." INBOX.Entw&APw-rfe',), "INBOX.Entwürfe", set()),
            ((rb'LIST (\NonExistent) NIL "a\"b\\c"',), 'a"b\\c', {"\\NONEXISTENT"}),
            ((rb'LIST (\Noselect) "/" [Gmail]/Spam',), "[Gmail]/Spam", {"\\NOSELECT"}),
            ((rb'LIST () "\\" {7}', b"a (b) c", b""), "a (b) c", set()),
            ((rb'LIST () "/" inbox',), "INBOX", set()),
            ((rb'LIST () "/" "a" (CHILDINFO ("SUBSCRIBED"))',), "a", set()),
            ((rb'LIST () "/" "R&D"',), "R&D", set()),
            (('LIST () "/" "Büro"'.encode(),), "Büro", set()),
        ],
    )
    def test_a_name_is_understood(self, response: Response, name: str, attributes: set[str]) -> None:
        folder = imap_rows.listed_folder(response)
        assert folder is not None
        assert (folder.name, set(folder.attributes)) == (name, attributes)

    def test_a_folder_without_messages_cannot_be_selected(self) -> None:
        names = [rb'LIST (\noselect) "/" a', rb'LIST (\NonExistent) "/" b', rb'LIST (\Junk) "/" c']
        folders = [imap_rows.listed_folder((name,)) for name in names]
        assert [folder is not None and folder.selectable for folder in folders] == [False, False, True]

    @pytest.mark.parametrize(
        "response",
        [
            (rb'LIST () "/"',),
            (rb"LIST (\Junk",),
            (b"LIST",),
            (rb'LSUB () "/" a',),
            (rb'LIST () "/" {9}', b"a\r\nx STOP", b""),
        ],
    )
    def test_a_line_without_a_usable_name_is_no_folder(self, response: Response) -> None:
        assert imap_rows.listed_folder(response) is None

    @pytest.mark.parametrize("utf8", [False, True])
    @pytest.mark.parametrize("name", ["INBOX", "Entwürfe & mehr", 'a"b\\c', "日本語/✓", "a b", "[Gmail]/Spam"])
    def test_a_name_goes_out_as_it_came_in(self, name: str, utf8: bool) -> None:
        line = b'LIST () "/" ' + quoted_string(folder_name(name, utf8))
        assert imap_rows.listed_folder((line,), utf8) == Folder(name, frozenset(), folder_name(name, utf8))


class TestOthers:
    def test_status_gives_its_numbers_whatever_the_folder_is_called(self) -> None:
        for response in [
            (b'STATUS "a (b" (UIDNEXT 5 UIDVALIDITY 7)',),
            (b"status a (uidvalidity 7 uidnext 5)",),
            (b"STATUS {3}", b"a b", b" (MESSAGES 1 UIDNEXT 5 UIDVALIDITY 7)"),
        ]:
            items = imap_rows.status_items(response)
            assert items is not None
            assert [imap_rows.number(items.get(name)) for name in (b"UIDNEXT", b"UIDVALIDITY")] == [5, 7]

    def test_selected_collects_what_the_folder_is(self) -> None:
        responses: list[Response] = [(b"3 EXISTS",), (b"0 RECENT",), (b"OK [UIDNEXT 9] x",), (b"OK [UIDVALIDITY 2]",)]
        assert imap_rows.selected(responses) == ({"EXISTS": 3, "RECENT": 0}, {"UIDNEXT": 9, "UIDVALIDITY": 2})

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (b"[unavailable] later", ("UNAVAILABLE", b"", b"later")),
            (b"[CAPABILITY IMAP4rev1 IDLE] hi", ("CAPABILITY", b"IMAP4rev1 IDLE", b"hi")),
            (b"no code [LIMIT]", (None, b"", b"no code [LIMIT]")),
            (b"[", (None, b"", b"[")),
            (b"", (None, b"", b"")),
        ],
    )
    def test_a_response_code_stands_at_the_start(self, text: bytes, expected: tuple[str | None, bytes, bytes]) -> None:
        assert imap_rows.response_code(text) == expected

    def test_words_are_shown_on_one_short_line(self) -> None:
        assert imap_rows.readable(b" a\x1b[2Jb\r\nc\xff ") == "a\\x1b[2Jb cÿ"
        assert imap_rows.readable("ü\u202e".encode()) == "ü\\u202e"
        assert len(imap_rows.readable(b"\x00" * 10**6)) == 200

    def test_strings_are_quoted_where_quotes_can_carry_them(self) -> None:
        assert strings(b'a"b', b"\\") == [rb'"a\"b" "\\"']
        assert strings(b"a", "ü".encode()) == [b'"a" {2}', "ü".encode()]
        assert strings(b"\r\n", b"a") == [b"{2}", b'\r\n "a"']

    def test_uids_are_named_in_order(self) -> None:
        assert uid_set({30, 4, 12}) == b"4,12,30"


def test_nothing_that_a_server_sends_raises() -> None:
    """Mutations of good responses are read or ignored."""
    dice = random.Random(20261122)
    seeds = [
        b"7 FETCH (UID 12 " + DATE + b" " + SECTION + rb' "Subject: \"x\"")',
        rb'LIST (\Junk \HasChildren) "/" "Entw&APw-rfe"',
        b'STATUS "a b" (UIDNEXT 5 UIDVALIDITY 7)',
        b"OK [UIDNEXT 4392] Predicted",
    ]
    pieces = [
        b"(",
        b")",
        b'"',
        b"\\",
        b"[",
        b"]",
        b"{3}",
        b"NIL",
        b"&",
        b"&-",
        b"&AB",
        b"\xff",
        b"\0",
        b" ",
        b"9" * 5000,
    ]
    for _ in range(20_000):
        parts = [bytearray(dice.choice(seeds)) for _ in range(dice.choice((1, 1, 3)))]
        for part in parts:
            for _ in range(dice.randrange(4)):
                place = dice.randrange(len(part) + 1)
                part[place : place + dice.randrange(4)] = dice.choice(pieces)
        response = tuple(map(bytes, parts))
        rows([response])
        imap_rows.listed_folder(response, utf8=dice.random() < 0.5)
        imap_rows.status_items(response)
        imap_rows.selected([response])
        imap_rows.readable(response[0])


@pytest.mark.parametrize("piece", [b"(", b'"', b"[", b"BODY[", b"\\", b'"\\', b"{", b"{1", b"a ", b"&", b"<"])
def test_no_line_is_too_long_to_be_read(piece: bytes) -> None:
    """Long lines of what a parser might stumble over: quadratic time would take minutes."""
    line = (piece * MAX_LINE_OCTETS)[: MAX_LINE_OCTETS // 8]
    for head in (b"7 FETCH (", b"LIST (", b'LIST () "/" ', b"STATUS a (", b"OK [", b'LIST () "/" "'):
        for response in ((head + line,), (head + line + b"{3}", b"abc", line)):
            rows([response])
            imap_rows.listed_folder(response)
            imap_rows.status_items(response)
            imap_rows.selected([response])
            imap_rows.readable(response[0])
