"""A check between a relay and the mailbox servers of the world: each has its own way, and the verdict is right."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest

from flows.direct import check
from tasks.mail.mailboxes.imap.pool.pool import together
from tasks.mail.model.outcome import ErrorType, Outcome, Status
from tasks.mail.model.result import LoopResult
from tests.support.checks.many_loops import loops
from tests.support.checks.rounds import SHORT, SOON, Relay, Round, assert_found, letter, notes
from tests.support.left_behind import nothing_is_left_behind as nothing_is_left_behind
from tests.support.mail.wrapping import WRAPPERS
from tests.support.raw.imap import Session
from tests.support.raw.mailbox import Asked, Message, chosen
from tests.support.raw.profiles import (
    COMMON,
    DEAF,
    PROFILES,
    SPOILT,
    Profile,
    Tell,
    World,
    as_it_is,
    blank_line,
    dated,
    empty_but_first,
    in_pieces,
    left_out_but_alone,
    nil_but_alone,
    nil_but_whole,
    no_partial,
    refuses,
    without_date,
    without_octets,
)

PILE_UP = "Probes pile up in INBOX"
STAYS = {"read-only", "keeps all", "keeps all, without UIDPLUS"}
OTHERS = 30  # messages of others in the mailbox


@asynccontextmanager
async def at(profile: Profile, others: int = 0) -> AsyncIterator[tuple[Round, World]]:
    async with Relay() as relay, World(profile) as mailbox:
        for number in range(others):
            mailbox.put(letter(subject=b"%d" % number))
        relay.arrive = mailbox.append
        yield Round(relay, mailbox), mailbox


def notes_of(result: LoopResult) -> list[str]:
    """Those about the mailbox, but for a connection that was lost."""
    return [note for note in notes(result) if "was tried again" not in note and "could not be listed" not in note]


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("others", [0, OTHERS])
async def test_the_probe_is_found_and_cleaned_up_and_nothing_else_is_touched(name: str, others: int) -> None:
    async with at(PROFILES[name], others) as (way, mailbox):
        present = list(mailbox.messages)
        result = await way.check(timeout=5.0)
        left = [message for message in mailbox.messages if message not in present]
        assert [message for message in mailbox.messages if message in present] == present
        assert not any(message.flags for message in present)
    assert_found(result)
    assert result.copies == 1
    if name in STAYS:
        assert [note[: len(PILE_UP)] for note in notes_of(result)] == [PILE_UP]
        assert len(left) == 1
    else:
        assert [note for note in notes_of(result) if "no date of the message" not in note] == []
        assert [message.flags for message in left] == ([{"\\Deleted"}] if "UIDPLUS" not in mailbox.capabilities else [])


async def test_a_probe_that_comes_while_it_is_waited_for_is_found() -> None:
    """However little the server tells of it, among other mail and in a mailbox that was empty."""

    async def one(name: str, others: int) -> tuple[str, int, Outcome]:
        async with at(PROFILES[name], others) as (way, _):
            way.later(0.4)
            return name, others, (await way.check(timeout=10.0)).outcome

    found = await asyncio.gather(*(one(name, others) for name in PROFILES for others in (0, OTHERS)))
    assert [one for one in found if one[2] is not Outcome.DELIVERED] == []


async def test_a_second_copy_is_told() -> None:
    """Whichever of the two is not shown at first."""

    async def one(name: str) -> tuple[str, Outcome, int]:
        async with at(PROFILES[name], OTHERS) as (way, mailbox):
            way.relay.arrive = lambda raw: [mailbox.append(raw), mailbox.append(raw)]
            result = await way.check(timeout=10.0)
            return name, result.outcome, result.copies

    found = await asyncio.gather(*map(one, PROFILES))
    assert [one for one in found if one[1:] != (Outcome.DUPLICATED, 2)] == []


async def test_a_probe_that_never_comes_is_lost() -> None:
    """What other mail is not shown at first is no reason to say less."""

    async def one(name: str) -> tuple[str, Status, Outcome]:
        async with at(PROFILES[name], OTHERS) as (way, _):
            way.lose()
            result = await way.check(1.0, timeout=10.0)
            return name, result.status, result.outcome

    found = await asyncio.gather(*map(one, PROFILES))
    assert [one for one in found if one[1:] != (Status.ERROR, Outcome.LOST)] == []


async def test_checks_that_share_a_session_find_theirs_all_the_same() -> None:
    async def one(name: str) -> tuple[str, set[Outcome]]:
        async with at(PROFILES[name], OTHERS) as (way, mailbox):
            loop = asyncio.get_running_loop()
            way.relay.arrive = lambda raw: loop.call_later(0.4, mailbox.append, raw)
            async with asyncio.timeout(SOON), together(4):
                return name, {one.outcome for one in await asyncio.gather(*map(check, loops(way, 4, timeout=10.0)))}

    found = await asyncio.gather(*map(one, PROFILES))
    assert [one for one in found if one[1] != {Outcome.DELIVERED}] == []


# -- what is not shown -------------------------------------------------------------------------------------------------


def spoilt(raw: bytes) -> bytes:
    return SPOILT + b"\r\n" + raw


UNREADABLE = [blank_line, without_octets, refuses(b"X-Mail-Loop-Id", "[SERVERBUG] cannot read")]
UNREADABLE += [refuses(b"X-Mail-Loop-Id", "[SERVERBUG] cannot read", "")]


@pytest.mark.parametrize("tell", UNREADABLE)
@pytest.mark.parametrize("others", [0, 3])
async def test_a_probe_that_is_never_shown_is_not_lost(tell: Tell, others: int) -> None:
    async with at(Profile(tell=tell), others) as (way, mailbox):
        result = await way.check(SHORT, timeout=5.0)
        assert len(mailbox.messages) == others + 1
    assert (result.status, result.outcome) == (Status.ERROR, Outcome.UNVERIFIED)
    assert (result.stage, result.error_type) == ("search", ErrorType.MAILBOX)
    assert "could not be read" in result.sentence


async def test_a_probe_that_is_shown_a_little_later_is_found_then() -> None:
    """Not only in the look at the end."""
    begun = time.monotonic()

    def tell(one: Asked) -> Iterable[bytes]:
        return as_it_is(one) if time.monotonic() > begun + 2.0 else blank_line(one)

    async with at(Profile(tell=tell), 3) as (way, _):
        assert_found(await way.check())
        begun = time.monotonic()
        async with asyncio.timeout(SOON), together(3):
            results = await asyncio.gather(*map(check, loops(way, 3)))
    assert [result.outcome for result in results] == [Outcome.DELIVERED] * 3


@pytest.mark.parametrize("tell", UNREADABLE[:3])
async def test_what_is_never_shown_makes_none_that_share_a_session_lost(tell: Tell) -> None:
    async with at(Profile(tell=tell), 3) as (way, _), asyncio.timeout(SOON), together(3):
        results = await asyncio.gather(*map(check, loops(way, 3, SHORT, timeout=5.0)))
    assert [result.outcome for result in results] == [Outcome.UNVERIFIED] * 3


@pytest.mark.parametrize("what", ["", "BODY", "<0."])
@pytest.mark.parametrize("place", [0, 15, 29, 30])
async def test_one_message_that_is_refused_hides_none_of_its_neighbours(what: str, place: int) -> None:
    """The newest one, one among others, or one that comes after the probe; of the clean-up's messages, too."""
    async with at(Profile(tell=refuses(SPOILT, "[SERVERBUG] cannot read", what)), OTHERS) as (way, mailbox):
        others = mailbox.messages

        def arrive(raw: bytes) -> None:
            mailbox.append(raw)
            mailbox.append(letter(SPOILT + b"\r\n"))

        if place < OTHERS:
            others[place].raw = spoilt(others[place].raw)
        else:
            way.relay.arrive = arrive
        result = await way.check(timeout=5.0)
        assert not [message for message in mailbox.messages if b"X-Mail-Loop-Id" in message.raw]
        assert mailbox.count("FETCH") + mailbox.count("UID FETCH") < 40
    assert_found(result)


async def test_what_is_not_shown_says_nothing_about_a_probe_that_is_found_and_all_about_one_that_is_not() -> None:
    async with at(Profile(tell=refuses(SPOILT, "[SERVERBUG] cannot read")), OTHERS) as (way, mailbox):
        mailbox.messages[OTHERS // 2].raw = spoilt(mailbox.messages[OTHERS // 2].raw)
        assert_found(await way.check(timeout=5.0))
        way.lose()
        result = await way.check(SHORT, timeout=5.0)
    assert result.outcome is Outcome.UNVERIFIED
    assert "1 message in INBOX could not be read" in result.sentence


async def test_nor_is_one_lost_whose_wrapper_alone_is_shown() -> None:
    """What a filter has made of it does not name it in its header, and its body is refused."""
    wrap = WRAPPERS["SpamAssassin, another sender and subject"]
    async with at(Profile(tell=refuses(b"X-Mail-Loop-Id", "[SERVERBUG] cannot read", "PEEK[]"))) as (way, mailbox):
        way.relay.arrive = lambda raw: mailbox.append(wrap(raw))
        result = await way.check(SHORT)
    assert (result.outcome, result.error_type) == (Outcome.UNVERIFIED, ErrorType.MAILBOX)


async def test_a_server_that_refuses_every_message_is_not_asked_for_each() -> None:
    async with at(Profile(tell=refuses(b"", "[SERVERBUG] not today", "")), 1000) as (way, mailbox):
        result = await way.check(SHORT, timeout=5.0)
        assert mailbox.count("FETCH") + mailbox.count("UID FETCH") < 200 * mailbox.connections
    assert result.outcome is Outcome.UNVERIFIED


@pytest.mark.parametrize(
    "tell", [empty_but_first, nil_but_alone, nil_but_whole, no_partial, left_out_but_alone, in_pieces]
)
async def test_the_receiving_half_alone_reads_what_is_not_shown_at_first(tell: Tell) -> None:
    async with at(Profile(tell=tell), 3) as (way, mailbox):
        mailbox.put(letter())
        mailbox.put(letter(subject=b"other"))
        result = await check(way.inbound())
    assert_found(result)
    assert result.copies == 1


WRONG = {
    "a part of a part": r"<0\.",
    "the size, and a part of a part": r"RFC822\.SIZE|<0\.",
    "the date": "INTERNALDATE",
    "fields by name": r"HEADER\.FIELDS",
    "several at once": "^[0-9]+[,:](?![0-9*]*:)",
    "all from one on": r":\*",
}


@pytest.mark.parametrize("what", WRONG)
@pytest.mark.parametrize("others", [0, 5])
async def test_what_a_server_takes_for_wrong_is_asked_for_in_another_way(what: str, others: int) -> None:
    """Whether the probe is there at once, or comes while it is waited for; and it is deleted."""

    async def one(seconds: float) -> tuple[LoopResult, int]:
        async with at(Profile(wrong=WRONG[what]), others) as (way, mailbox):
            way.later(seconds)
            return await way.check(timeout=5.0), len(mailbox.messages)

    for result, left in await asyncio.gather(one(0.0), one(0.4)):
        assert_found(result)
        assert left == others


async def test_a_huge_message_on_a_server_without_partial_fetch_is_passed_over() -> None:
    """How much would come is known by its size; it is no probe, and no reason for doubt."""
    async with at(Profile(tell=no_partial)) as (way, mailbox):
        mailbox.put(letter(b"X-Long: " + b"x" * 2**21 + b"\r\n"))
        assert_found(await way.check(timeout=5.0))
        way.lose()
        assert (await way.check(SHORT, timeout=5.0)).outcome is Outcome.LOST


class Vanishing(World):
    """Where three messages were counted, the second one has gone when they are asked for; NOOP tells so."""

    refuses = False

    def _fetch(self, session: Session, argument: str, uid: bool, tag: bytes) -> bytes:
        if len(self.messages) == 3:
            del self.messages[1]
        whole = session.view
        if self.refuses and any(one not in self.messages for _, one in chosen(whole, argument.split(" ")[0], uid)):
            return tag + b" NO [EXPUNGEISSUED] Some of the messages no longer exist\r\n"
        session.view = [message for message in whole if message in self.messages]
        answer = super()._fetch(session, argument, uid, tag)
        session.view = whole
        return answer


@pytest.mark.parametrize("refuses", [False, True])
async def test_a_message_that_has_gone_is_not_one_that_is_not_shown(refuses: bool) -> None:
    async with Relay() as relay, Vanishing(PROFILES["without IDLE"]) as mailbox:
        mailbox.refuses = refuses
        for number in range(3):
            mailbox.put(letter(subject=b"%d" % number))
        way = Round(relay, mailbox)
        way.lose()
        assert (await way.check(SHORT)).outcome is Outcome.LOST


# -- dates -------------------------------------------------------------------------------------------------------------

NO_DATES = [
    b'"30-Nov-2026 at noon"',
    b"NIL",
    b'""',
    b"()",
    b'"01-Jan-1970 00:00:00 +0000"',
    b'"00-Foo-0000 00:00:00 +0000"',
]


@pytest.mark.parametrize("tell", [without_date, *map(dated, NO_DATES)])
async def test_a_date_that_cannot_be_read_is_no_clock_that_is_wrong(tell: Tell) -> None:
    async with at(Profile(tell=tell), OTHERS) as (way, _):
        result = await way.check(timeout=5.0)
        assert_found(result)
        assert not {"slow", "fast"} & {*" ".join([result.sentence, *result.notes]).split()}
        assert [note[:51] for note in notes(result)] == ["The mail server has no date of the message (its INT"]
        assert result.delivery_seconds is not None
        assert result.arrived_at is None


async def test_without_dates_a_mailbox_is_not_walked_back_to_its_beginning() -> None:
    """What is old by its own Date is old. (One run in sixteen reads the newest thousand, for leftovers.)"""
    async with at(Profile(tell=without_date)) as (way, mailbox):
        for number in range(2000):
            mailbox.put(letter(b"Date: Mon, 2 Mar 2026 00:00:00 +0000\r\n", b"%d" % number))
        way.later(0.4)
        assert_found(await way.check(timeout=5.0))
        asked = [int(line.split()[1].partition(":")[0]) for line in mailbox.log if line.startswith("FETCH ")]
        assert min(asked) > 1000


# -- views, and what it costs to look ----------------------------------------------------------------------------------


async def commands_while_waiting(profile: Profile, seconds: float) -> list[str]:
    """Those of a wait after the tight steps at its beginning; without those of a sweep over other folders."""
    async with at(profile, 1) as (way, mailbox):
        way.later(4.5 + seconds)
        marks: list[int] = []
        loop = asyncio.get_running_loop()
        for later in (4.2, 4.2 + seconds):  # the tight steps are over after 3 s, on a busy machine a little later
            loop.call_later(later, lambda: marks.append(len(mailbox.log)))
        assert_found(await way.check(timeout=5.0))
        return [line for line in mailbox.log[marks[0] : marks[1]] if line != "DONE" and not line.startswith("LIST")]


async def test_waiting_takes_at_most_one_command_a_second() -> None:
    """EXAMINE included, which comes every five seconds at most."""
    names = ["UW", "go-imap", "without IDLE", "GMX"]
    counted = await asyncio.gather(*(commands_while_waiting(PROFILES[name], 11.0) for name in names))
    for name, waited in zip(names, counted, strict=True):
        assert len(waited) <= 11 + 1, (name, waited)
        assert 1 <= sum(line.startswith("EXAMINE") for line in waited) <= 3, (name, waited)


async def test_a_folder_that_takes_long_to_open_is_opened_less_often() -> None:
    class Slow(World):
        async def reply(self, line: object, phase: str, default: bytes, tag: bytes = b"") -> bytes:
            if phase == "examine":
                await asyncio.sleep(1.0)
            return await super().reply(line, phase, default, tag)  # type: ignore[arg-type]

    async with Relay() as relay, Slow(PROFILES["without IDLE"]) as mailbox:
        way = Round(relay, mailbox)
        way.lose()
        async with asyncio.timeout(SOON):
            assert (await way.check(8.0)).outcome is Outcome.LOST
        before_junk = mailbox.log[: mailbox.log.index('EXAMINE "Junk"')]
        assert before_junk.count('EXAMINE "INBOX"') == 2  # at the beginning, and in the last look


async def test_a_view_is_opened_anew_once_for_all_that_share_it() -> None:
    async with at(PROFILES["UW"], 1) as (way, mailbox):
        loop = asyncio.get_running_loop()
        way.relay.arrive = lambda raw: loop.call_later(4.0, mailbox.append, raw)
        async with asyncio.timeout(SOON), together(10):
            results = await asyncio.gather(*map(check, loops(way, 10, delete_after_check=False)))
        opened = [line for line in mailbox.log if line.startswith("EXAMINE")]
    assert [result.outcome for result in results] == [Outcome.DELIVERED] * 10
    assert len(opened) <= 5


@pytest.mark.parametrize("others", [0, OTHERS])
@pytest.mark.parametrize("offer", ["", " ID", " ID MOVE QUOTA"])
async def test_mail_that_is_there_takes_ten_commands_and_twelve_among_other_mail(others: int, offer: str) -> None:
    """ID is not sent where nobody wants it. (One run in sixteen reads more, for what earlier ones may have left.)"""
    async with at(Profile(COMMON + offer), others) as (way, mailbox):
        thorough = True
        while thorough:
            mailbox.log.clear()
            assert_found(await way.check())
            thorough = b"0\r\n" in re.findall(rb"X-Mail-Loop-Id: \w{31}(\w\r\n)", way.relay.messages[-1])
        assert len(mailbox.log) - mailbox.count("CAPABILITY") <= (12 if others else 10)
        assert mailbox.count("ID") == 0


# -- who wants to know, and what is changed ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["163.com", "QQ"])
async def test_who_asks_is_told_to_a_server_that_wants_to_know(name: str) -> None:
    """Once a connection, in two words; what it says to that does not matter."""
    async with at(PROFILES[name]) as (way, mailbox):
        assert_found(await way.check())
        said = [line for line in mailbox.log if line.startswith("ID")]
    assert said == ['ID ("name" "mail-loop-check")']


async def test_a_server_that_does_not_know_examine_is_asked_by_select_and_not_asked_again() -> None:
    async with at(PROFILES["without EXAMINE"], 1) as (way, mailbox):
        mailbox.folders["Junk"].append(Message(1, letter()))
        way.later(0.3)
        assert_found(await way.check())
        assert mailbox.count("EXAMINE") == 1
        assert not mailbox.messages[0].flags


@pytest.mark.parametrize("name", [name for name in PROFILES if name.startswith("Gmail")][:2])
async def test_gmails_probes_go_to_the_trash_and_none_stays_in_all_mail(name: str) -> None:
    async with at(PROFILES[name], 2) as (way, mailbox):
        everything, _, trash = PROFILES[name].folders
        for _ in range(2):
            assert_found(await way.check())
        assert [len(mailbox.folders[folder]) for folder in ("INBOX", everything, trash)] == [2, 2, 2]
        assert not [note for note in notes(await way.check()) if "earlier probe" in note]


@pytest.mark.parametrize("shows", [DEAF])
async def test_a_deaf_junk_folder_is_looked_at(shows: frozenset[str]) -> None:
    async with at(Profile(shows=shows), 1) as (way, _):
        way.later(0.4, "Junk")
        assert_found(await way.check(), Outcome.JUNKED)
