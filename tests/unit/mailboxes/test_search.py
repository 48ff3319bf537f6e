"""UID SEARCH: what is asked, and what any server may answer."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.mail.mailboxes.imap.encoding import criteria
from tasks.mail.mailboxes.imap.responses import MAX_FOUND, Response, found_uids


def test_the_question_is_in_days_and_by_header_and_keyword() -> None:
    since = datetime(2026, 3, 1, 23, 59, tzinfo=UTC)
    asked = b" ".join(criteria(since, "X-Mail-Loop-Name", "office"))
    assert asked == b'SINCE 1-Mar-2026 HEADER X-Mail-Loop-Name "office"'
    assert b" ".join(criteria(None, "X", "y", "$Told")) == b'UNKEYWORD $Told HEADER X "y"'


@pytest.mark.parametrize(
    ("response", "uids"),
    [
        (b"SEARCH", []),
        (b"SEARCH 5 3 9", [3, 5, 9]),
        (b"search 7 (MODSEQ 12)", [7]),
        (b'ESEARCH (TAG "A1") UID ALL 2,10:12', [2, 10, 11, 12]),
        (b'ESEARCH (TAG "A1") UID ALL 12:10', [10, 11, 12]),
        (b'ESEARCH (TAG "A1") UID', []),
        (b"SEARCHED 5", []),
        (b"SEARCH 0 99999999999 5", [5]),
        (b'ESEARCH (TAG "A1") UID ALL :,x,9', []),
        (b"4 EXISTS", []),
    ],
)
def test_the_answer(response: bytes, uids: list[int]) -> None:
    assert found_uids([(response,)]) == uids


@pytest.mark.parametrize(
    "response", [b"ESEARCH UID ALL 1:4294967295", b"SEARCH" + b"".join(b" %d" % n for n in range(1, 9999))]
)
def test_an_answer_without_end_is_cut_off(response: bytes) -> None:
    assert found_uids([(response,)]) == list(range(1, MAX_FOUND + 1))


@given(st.lists(st.one_of(st.binary(max_size=60), st.text("0123456789:,* SEARCHUIDAL()", max_size=60).map(str.encode))))
def test_whatever_comes_is_uids_or_nothing(parts: list[bytes]) -> None:
    responses: list[Response] = [(part,) for part in parts]
    uids = found_uids(responses)
    assert uids == sorted(set(uids))
    assert len(uids) <= MAX_FOUND
    assert all(0 < uid < 2**32 for uid in uids)
