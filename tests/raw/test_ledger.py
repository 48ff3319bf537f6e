"""Earlier probes on servers that keep no keywords, lie about them, or fail between the steps of telling."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flows.direct import check
from tasks.mail.model.outcome import Outcome, Reported
from tasks.mail.model.result import LoopResult
from tasks.mail.probe.compose import compose
from tasks.mail.search.cleanup.ledger import CLAIM_FLAG, REPORTED_FLAG
from tasks.mail.search.cleanup.stale import MAX_REPORTED
from tasks.mail.search.watch import SearchRequest, watch
from tasks.mail.senders.registry import Attempts, attempt
from tasks.mail.signing_key import key_in_state
from tests.support.checks.rounds import SHORT, Relay, Round, notes
from tests.support.left_behind import nothing_is_left_behind as nothing_is_left_behind
from tests.support.raw.imap import RawImap, Session
from tests.support.raw.mailbox import Message
from tests.support.raw.server import DEFAULT, DROP, Fault, Line

NO = b"{tag} NO [X-CODE] not today\r\n"
HOUR = timedelta(hours=1)
EVERY = r"\Seen \Deleted \*"


class Ledger(RawImap):
    """A mailbox that can search, and says in SELECT which flags it keeps; None: it does not say."""

    permanent: str | None = EVERY
    ignored = ""  # a flag that it takes, and does not set
    stores: Sequence[bytes | Fault] = ()  # what each STORE comes to instead, one after the other

    async def reply(self, line: Line, phase: str, default: bytes, tag: bytes = b"") -> bytes:
        if phase == "select" and self.permanent is not None:
            default = f"* OK [PERMANENTFLAGS ({self.permanent})] kept\r\n".encode() + default
        return await super().reply(line, phase, default, tag)

    async def _perform(self, session: Session, tag: bytes, verb: str, argument: str, uid: bool) -> None:
        if verb == "search":
            without = argument.partition("UNKEYWORD ")[2].partition(" ")[0]
            own = [m for m in session.view if b"X-Mail-Loop-Name: raw\r\n" in m.raw and without not in m.flags]
            uids = "".join(f" {message.uid}" for message in own)
            await self.reply(session, "status", f"* SEARCH{uids}\r\n".encode() + tag + b" OK done\r\n", tag)
            return
        if verb == "store" and self.stores:
            action, *self.stores = self.stores
            if isinstance(action, bytes):
                await session.write(action.replace(b"{tag}", tag))
                return
            if action is not DEFAULT:
                await session.suffer(action)
        await super()._perform(session, tag, verb, argument, uid)
        for message in session.view:
            message.flags.discard(self.ignored)


@dataclass
class Way(Round):
    mailbox: Ledger


@asynccontextmanager
async def around(**options: Any) -> AsyncIterator[Way]:
    async with Relay() as relay, Ledger(**options) as mailbox:
        relay.arrive = mailbox.append
        yield Way(relay, mailbox)


def late(way: Round, age: timedelta = HOUR, delay: timedelta = timedelta(minutes=37)) -> Message:
    """A probe that was sent so long ago, and came so much later."""
    loop, now = way.loop(), datetime.now(UTC)
    return way.mailbox.append(
        compose(loop.name, loop.smtp, now - age, key=key_in_state()).content, internaldate=now - age + delay
    )


def told(result: LoopResult) -> list[Reported]:
    return [probe.reported for probe in result.earlier_probes]


@pytest.mark.parametrize(
    "permanent", [EVERY, rf"\Seen \Deleted {CLAIM_FLAG} {REPORTED_FLAG}", rf"\deleted {CLAIM_FLAG.lower()} \*"]
)
async def test_a_server_that_keeps_keywords_remembers_what_was_told(permanent: str) -> None:
    async with around() as way:
        way.mailbox.permanent = permanent
        message = late(way)
        assert [told(await way.check(30.0)) for _ in range(3)] == [[Reported.LOST], [], []]
        assert message.flags == {CLAIM_FLAG, REPORTED_FLAG}


@pytest.mark.parametrize("permanent", [None, "", r"\Seen \Deleted", r"\Deleted $MailLoop"])
@pytest.mark.parametrize("uidplus", [True, False])
async def test_without_keywords_it_is_told_when_it_is_deleted(permanent: str | None, uidplus: bool) -> None:
    extra = "UIDPLUS " if uidplus else ""
    async with around(capabilities=f"IMAP4rev1 SASL-IR IDLE {extra}AUTH=PLAIN") as way:
        way.mailbox.permanent = permanent
        message = late(way)
        assert told(await way.check(30.0)) == []
        assert message.flags == set()
        expected = [[Reported.LOST], [], []] if permanent != "" else [[], [], []]  # it keeps no flag at all
        assert [told(await way.check(30.0, retention=60.0)) for _ in range(3)] == expected
        assert (message in way.mailbox.messages) is not (uidplus and permanent != "")


async def test_without_keywords_nothing_is_told_where_probes_are_kept() -> None:
    async with around() as way:
        way.mailbox.permanent = None
        message = late(way)
        results = [await way.check(30.0, delete_after_check=False, retention=60.0) for _ in range(3)]
        assert [told(result) for result in results] == [[], [], []]
        assert message.flags == set()
        assert way.mailbox.count("STORE") == way.mailbox.count("UID STORE") == 0


@pytest.mark.parametrize(("ignored", "first"), [(CLAIM_FLAG, [Reported.LOST]), (r"\Deleted", [])])
async def test_a_flag_that_a_server_takes_but_does_not_set_is_no_claim(ignored: str, first: list[Reported]) -> None:
    """Or it would be told by each run; what is old is claimed by being deleted."""
    async with around() as way:
        way.mailbox.permanent = EVERY if ignored == CLAIM_FLAG else None
        way.mailbox.ignored = ignored
        late(way)
        results = [await way.check(SHORT, retention=0.5) for _ in range(2)]
        assert [told(result) for result in results] == [first, []]


async def test_a_refused_claim_is_no_claim() -> None:
    """It is told by the first run that may mark it; what is wrong changes nothing about the verdict."""
    async with around() as way:
        way.lose()
        late(way)
        way.mailbox.stores = [NO, DROP]
        results = [await way.check(SHORT) for _ in range(4)]
        assert {result.outcome for result in results} == {Outcome.LOST}
        assert [told(result) for result in results] == [[], [], [Reported.LOST], []]
        assert notes(results[1])[0].startswith("Whether earlier probes were left behind could not be seen: ")


async def test_a_claim_whose_answer_was_lost_is_taken_up_by_the_next_run() -> None:
    async with around() as way:
        way.lose()
        message = late(way)
        way.mailbox.script["store"] = [DROP, DEFAULT]  # it is stored, but the connection dies before the answer
        assert told(await way.check(SHORT)) == []
        assert message.flags == {CLAIM_FLAG}
        assert [told(await way.check(SHORT)) for _ in range(2)] == [[Reported.LOST], []]


@pytest.mark.parametrize("fault", [NO, DROP])
async def test_what_could_not_be_marked_as_told_is_told_again_with_the_same_id(fault: Any) -> None:
    async with around() as way:
        way.lose()
        message = late(way)
        way.mailbox.stores = [DEFAULT, fault]  # the claim, and the mark
        results = [await way.check(SHORT) for _ in range(3)]
        assert [told(result) for result in results] == [[Reported.LOST], [Reported.LOST], []]
        first, second = (result.earlier_probes[0] for result in results[:2])
        assert first == second
        assert message.flags == {CLAIM_FLAG, REPORTED_FLAG}


@pytest.mark.parametrize("permanent", [EVERY, None], ids=["keywords", "none"])
async def test_a_run_that_ends_before_its_result_is_out_loses_nothing(permanent: str | None) -> None:
    async with around() as way:
        way.mailbox.permanent = permanent
        late(way)
        loop = way.loop(30.0, retention=60.0)
        assert loop.imap is not None
        probe = compose(loop.name, loop.smtp)
        receipt = await attempt(probe, loop.smtp, Attempts())
        found = await watch(SearchRequest(probe, receipt, loop.imap, None, 30.0, 30.0))
        assert len(found.earlier) == 1  # and nobody ever hears of it
        assert [told(await check(loop)) for _ in range(2)] == [[Reported.LOST], []]
        assert way.mailbox.messages == []


async def test_the_copy_of_a_probe_whose_telling_was_cut_short_does_not_hide_it() -> None:
    async with around() as way:
        first, second = late(way), late(way)
        second.raw = first.raw
        first.flags, second.flags = {CLAIM_FLAG}, {REPORTED_FLAG}
        assert [told(await way.check(30.0)) for _ in range(2)] == [[Reported.LOST], []]


async def test_what_is_not_signed_is_collected_and_noted_and_counts_for_nothing() -> None:
    """Whoever saw one probe knows all that the next one says of itself, but for the signature."""
    async with around() as way:
        loop, now = way.loop(), datetime.now(UTC)
        seen = compose(loop.name, loop.smtp, now - HOUR, key=key_in_state()).content
        number = re.search(rb"X-Mail-Loop-Id: (\w+)", seen)[1]  # type: ignore[index]
        forged = seen.replace(number, b"f" * 32).replace(b" %b\r\n" % number[:6], b" ffffff\r\n")
        way.mailbox.append(forged, internaldate=now - timedelta(minutes=23))
        first, second = [await way.check(30.0, retention=60.0) for _ in range(2)]
        assert [probe.probe_id for probe in first.earlier_probes] == ["f" * 32]
        assert first.counted_probes == ()
        (note,) = notes(first)
        assert note.startswith("A probe of this loop without our signature (ffffff) arrived in INBOX at ")
        assert (second.earlier_probes, way.mailbox.messages) == ((), [])


async def test_no_number_of_forged_probes_hides_one_of_ours() -> None:
    """Nor does one with the same id, and an earlier date."""
    async with around() as way:
        message = late(way)
        now = datetime.now(UTC)
        unsigned = re.sub(rb"X-Mail-Loop-Signature: .*\r\n", b"", message.raw)
        number = re.search(rb"X-Mail-Loop-Id: (\w+)", unsigned)[1]  # type: ignore[index]
        for place in range(MAX_REPORTED + 5):
            other = b"%032x" % (place or int(number, 16))
            raw = unsigned.replace(number, other).replace(b" %b\r\n" % number[:6], b" %b\r\n" % other[:6])
            way.mailbox.append(raw, internaldate=now - timedelta(minutes=50))
        result = await way.check(30.0)
        assert len(result.earlier_probes) == MAX_REPORTED
        assert [probe.probe_id.encode() for probe in result.counted_probes] == [number]


async def test_many_are_told_over_several_runs_and_each_once() -> None:
    async with around() as way:
        way.lose()
        for _ in range(MAX_REPORTED + 5):
            late(way)
        results = [await way.check(SHORT) for _ in range(3)]
        assert [len(result.earlier_probes) for result in results] == [MAX_REPORTED, 5, 0]
        assert len({probe.probe_id for result in results for probe in result.earlier_probes}) == MAX_REPORTED + 5
        assert len(notes(results[0])) < 20


async def test_the_cost_is_one_search_a_folder_and_does_not_grow_with_other_mail() -> None:
    """But for one run in sixteen."""
    async with around() as way:
        way.lose()
        for folder in ("INBOX", "Junk"):
            way.mailbox.append(b"Subject: other mail\r\n\r\nhello\r\n", folder)
        costs: list[list[str]] = []
        while len(costs) < 2:
            before = len(way.mailbox.log)
            if str((await way.check(SHORT)).probe_id).endswith("0"):
                continue
            new = way.mailbox.log[before:]
            assert sum(command.startswith("UID SEARCH") for command in new) == 2  # INBOX and Junk
            costs.append([command.split()[0] for command in new[-5:]])
            for number in range(100):
                way.mailbox.append(b"Subject: [loop] other mail %d\r\n\r\nhello\r\n" % number)
        assert costs == [["EXAMINE", "UID", "EXAMINE", "UID", "LOGOUT"]] * 2


@pytest.mark.parametrize("ahead", [timedelta(hours=-2), timedelta(hours=2)], ids=["slow", "fast"])
async def test_a_server_clock_that_is_known_to_be_off_is_reckoned_with(ahead: timedelta) -> None:
    """By this run's own message."""
    async with around() as way:
        loop, now = way.loop(), datetime.now(UTC)
        content = compose(loop.name, loop.smtp, now - HOUR, key=key_in_state()).content
        way.mailbox.append(content, internaldate=now - HOUR + timedelta(minutes=37) + ahead)
        way.relay.arrive = lambda raw: way.mailbox.append(raw, internaldate=datetime.now(UTC) + ahead)
        (probe,) = (await way.check(30.0)).earlier_probes
        assert probe.delivery_seconds == pytest.approx(37 * 60, abs=5)
        assert probe.reported is Reported.LOST


async def test_a_message_that_the_relay_refused_tells_of_earlier_ones_all_the_same() -> None:
    async with around() as way:
        way.lose()
        late(way)
        way.relay.script["eod"] = [b"554 5.7.1 no\r\n"]
        result = await way.check(SHORT)
        assert (result.outcome, told(result)) == (Outcome.REJECTED, [Reported.LOST])


async def test_a_mailbox_that_may_not_be_changed_is_checked_all_the_same_where_probes_are_kept() -> None:
    async with around() as way:
        late(way)
        way.mailbox.script["select"] = [NO] * 10
        result = await way.check(30.0, delete_after_check=False)
        assert (result.outcome, notes(result), told(result)) == (Outcome.DELIVERED, [], [])
        assert not any(message.flags for message in way.mailbox.messages)
