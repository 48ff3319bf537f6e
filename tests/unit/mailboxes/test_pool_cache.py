"""What many know together of a folder is what each would have been told by the server."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.mail.config.loop import SmtpConfig
from tasks.mail.mailboxes.imap.folder import Selected
from tasks.mail.mailboxes.imap.message_data import FetchedRow
from tasks.mail.mailboxes.imap.pool import cache
from tasks.mail.mailboxes.imap.pool.cache import FolderView
from tasks.mail.model.header import Header, Ref
from tasks.mail.probe.compose import compose
from tasks.mail.probe.match import HEADERS, loop_ids, match, match_header
from tests.support.mail.lookalikes import LOOK_ALIKES
from tests.support.mail.notices import BOUNCES, DELAYS, head_of

stable = settings(derandomize=True, database=None, deadline=None, max_examples=200)
SMTP = SmtpConfig(host="relay.test", from_addr="a@example.org", to_addr="b@example.net", subject_prefix="[x]")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def row(seq: int, uid: int, headers: bytes = b"Subject: x\r\n\r\n") -> FetchedRow:
    return FetchedRow(seq, uid, NOW, headers)


EVENTS = st.one_of(
    st.tuples(st.just("arrives"), st.integers(1, 3), st.just(0)),
    st.tuples(st.just("goes"), st.integers(1, 30), st.just(0)),
    st.tuples(st.just("fetch"), st.integers(1, 30), st.integers(1, 30)),
    st.tuples(st.just("reopens"), st.booleans(), st.just(0)),
)


@stable
@given(st.integers(0, 12), st.lists(EVENTS, max_size=40))
def test_what_is_known_by_number_is_so_and_what_is_not_is_asked_for(
    there: int, events: list[tuple[str, int, int]]
) -> None:
    """A mailbox as a list beside it: messages come and go, are fetched, and the folder is opened again."""
    uids = list(range(1, there + 1))
    following = there + 1
    view = FolderView(Selected(there, following, 1))
    for kind, one, other in events:
        if kind == "arrives":
            uids += range(following, following + one)
            following += one
            view.count(len(uids), "EXISTS")
        elif kind == "goes" and uids:
            number = min(one, len(uids))
            del uids[number - 1]
            view.count(number, "EXPUNGE")
        elif kind == "fetch" and uids:
            first, last = sorted((min(one, len(uids)), min(other, len(uids))))
            if wanted := view.unknown(first, last):
                learned = [row(number, uids[number - 1]) for number in range(wanted[0], wanted[1] + 1)]
                view.learn(learned, view.changes)
            assert view.unknown(first, last) is None
            assert [found.uid for found in view.range(first, last)] == uids[first - 1 : last]
        elif kind == "reopens":
            if one and uids:  # one goes while the folder is not open, and nobody tells
                uids.pop(0)
            view.reopened(Selected(len(uids), following, 1))
        assert view.exists == len(uids)
        for number, uid in enumerate(uids, 1):
            assert [found.uid for found in view.range(number, number)] in ([], [uid])


def test_only_so_much_is_kept_and_the_rest_asked_for_again() -> None:
    view = FolderView(Selected(3, 1, 1))
    large = b"Subject: " + b"x" * (cache.MAX_HEADER_OCTETS // 2) + b"\r\n\r\n"
    view.learn([row(number, number, large) for number in (1, 2, 3)], view.changes)
    view.reached([row(3, 3)])
    assert view.unknown(1, 3) == (1, 2)
    assert view.since(1) is None
    assert [one.uid for one in view.since(3) or []] == [3]


def test_a_server_that_says_to_have_more_than_there_can_be_takes_no_room() -> None:
    view = FolderView(Selected(4_000_000_000, 1, 1))
    view.count(3_999_999_999, "EXPUNGE")
    view.count(4_000_000_000, "EXISTS")
    view.count(2**32 - 1, "EXISTS")
    view.learn([row(2**32 - 1, 7)], view.changes)
    assert view.exists == 2**32 - 1
    assert [one.uid for one in view.range(2**32 - 3, 2**32 - 1)] == [7]
    assert view.unknown(2**32 - 3, 2**32 - 1) == (2**32 - 3, 2**32 - 2)


IDS = st.sampled_from(["0" * 32, "ab" * 16, " ", "x y", "é"])
FIELDS = st.sampled_from(
    ["X-Mail-Loop-Id: {}", "x-mail-loop-id:\r\n {}", "X-Mail-Loop-Id: {} ", "Message-ID: <{}@example.org>"]
)


@stable
@given(st.lists(st.tuples(FIELDS, st.integers(0, 5)), max_size=4), st.lists(IDS, min_size=5, max_size=5), st.binary())
def test_the_ids_alone_never_say_otherwise_than_the_whole_header(
    fields: list[tuple[str, int]], ids: list[str], rest: bytes
) -> None:
    probe = compose("office", SMTP)
    lines = [field.format([*ids, probe.id][number]) for field, number in fields]
    headers = "\r\n".join([*lines, ""]).encode() + rest
    known = Header(Ref("INBOX", 1, 1), NOW, headers, loop_ids=loop_ids(headers))
    assert match_header(known, probe) is match(headers, probe)


def test_nor_of_what_looks_like_a_probe_or_a_bounce() -> None:
    mine, other = compose("office", SMTP), compose("office", SMTP)
    texts = [mine.content, other.content]
    for build in (*LOOK_ALIKES.values(), *BOUNCES.values(), *DELAYS.values()):
        texts += [build(mine.content), build(other.content)]
    for text in texts:
        headers = head_of(text)
        for probe in (mine, other):
            known = Header(Ref("INBOX", 1, 1), NOW, headers, loop_ids=loop_ids(headers))
            assert match_header(known, probe) is match(headers, probe), HEADERS.parsebytes(headers).get("Subject")
