"""How a probe is found on a server that misbehaves: every fault ends in the right outcome, through the whole check."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email import message_from_bytes

import pytest

from flows.direct import check
from tasks.mail.model.outcome import ErrorType, Outcome, Status
from tasks.mail.model.result import LoopResult
from tasks.mail.probe.compose import compose
from tasks.mail.search.findings import MAX_OLD_REPORTS
from tests.support.checks.rounds import (
    FAULTS,
    KINDS,
    NO,
    RECEIVED,
    SHORT,
    Relay,
    Round,
    Script,
    around,
    assert_found,
    letter,
    notes,
    report,
    stripped,
)
from tests.support.left_behind import nothing_is_left_behind as nothing_is_left_behind
from tests.support.raw.imap import RawImap, Session
from tests.support.raw.mailbox import Message
from tests.support.raw.server import DEFAULT, DROP, SILENCE, Action, Line


def capabilities(phase: str) -> dict[str, str]:
    return {"capabilities": "IMAP4rev1 IDLE UIDPLUS"} if phase == "login" else {}


# What every look needs, with the stage it belongs to and what a NO there is. The one to LIST alone can be done without.
NEEDED = {
    "greeting": ("connect", ErrorType.MAILBOX),
    "capability": ("login", ErrorType.MAILBOX),
    "authenticate": ("login", ErrorType.AUTH),
    "login": ("login", ErrorType.AUTH),
    "list": ("select", ErrorType.MAILBOX),
    "examine": ("select", ErrorType.MAILBOX),
    "fetch": ("search", ErrorType.MAILBOX),
}
FINAL = {"authenticate", "login"}  # where a NO would be met again


def fault_at(phase: str, fault: str) -> Action:
    return b"* NO [X-CODE] not today\r\n" if (phase, fault) == ("greeting", "no") else FAULTS[fault]


@pytest.mark.parametrize("phase", NEEDED)
async def test_a_fault_that_lasts_leaves_the_mail_unverified(phase: str) -> None:
    """Though it lies there: nobody could look. But for a login, a NO that gives no reason is tried again to the end."""
    stage, refusal = NEEDED[phase]

    async def one(fault: str) -> None:
        async with around({phase: fault_at(phase, fault)}, **capabilities(phase)) as way:
            result = await way.check(SHORT, timeout=0.3)
            connections = way.mailbox.connections
        assert (result.status, result.outcome) == (Status.ERROR, Outcome.UNVERIFIED), fault
        assert (result.leg, result.stage) == ("imap", stage), fault
        assert result.error_type is (refusal if fault == "no" else KINDS[fault]), fault
        assert "connect" in result.imap_stages, fault
        if fault == "no" and phase in FINAL:
            assert connections == 1
        elif fault != "silence":
            assert connections > 1

    await asyncio.gather(*(one(fault) for fault in FAULTS if (phase, fault) != ("list", "no")))


@pytest.mark.parametrize("phase", [*NEEDED, "status", "noop"])
async def test_a_fault_that_passes_is_overcome(phase: str) -> None:
    """A single NO as well: a server that is busy says no more. What can be done without it costs no connection."""

    async def one(fault: str) -> None:
        async with around({phase: [fault_at(phase, fault)]}, **capabilities(phase)) as way:
            way.later(0.2)
            assert_found(await way.check(timeout=0.3))
            needless = fault == "no" and phase in {"list", "status", "fetch"}
            assert way.mailbox.connections == (1 if needless else 2), fault
            assert way.mailbox.messages == [], fault

    faults = [fault for fault in FAULTS if fault != "no" or phase not in FINAL]
    await asyncio.gather(*(one(fault) for fault in faults))


@pytest.mark.parametrize("phase", ["select", "store", "expunge"])
async def test_what_fails_after_the_message_was_found_is_a_note(phase: str) -> None:
    async def one(fault: str) -> None:
        async with around({phase: FAULTS[fault]}) as way:
            result = await way.check(timeout=0.3)
            assert len(way.mailbox.messages) == int(phase != "expunge"), fault  # it tells of its fault when it is done
            assert way.mailbox.connections == 1, fault
        assert_found(result)
        (note,) = notes(result)
        assert "After the message was found the mailbox failed" in note

    await asyncio.gather(*(one(fault) for fault in FAULTS))


async def test_waiting_survives_every_fault_of_idle() -> None:
    """And a server without it, or one that ends it at once."""
    done: Action = b"+ idling\r\n{tag} OK at once\r\n"
    scripts: list[Script] = [{phase: fault} for phase in ("idle", "done") for fault in FAULTS.values()]
    polled = {"capabilities": "IMAP4rev1 UIDPLUS"}

    async def one(script: Script, options: dict[str, str]) -> tuple[Script, LoopResult, int]:
        async with around(script, **options) as way:
            way.later(3.5)
            return script, await way.check(timeout=0.3), way.mailbox.count("NOOP")

    cases = [one(script, {}) for script in [*scripts, {}, {"idle": done}]]
    for script, result, looks in await asyncio.gather(*cases, one({}, polled)):
        assert (result.status, result.outcome) == (Status.OK, Outcome.DELIVERED), script
        assert looks < 100, script


async def test_a_message_that_comes_during_the_wait_is_found_on_the_same_connection() -> None:
    async with around() as way:
        way.later(0.5)
        assert_found(await way.check())
        assert way.mailbox.connections == 1


async def test_a_login_that_is_refused_is_tried_once() -> None:
    refusal = b"{tag} NO [AUTHENTICATIONFAILED] wrong\r\n"
    async with around({"authenticate": refusal}) as way:
        result = await way.check()
        assert way.mailbox.count("AUTHENTICATE") == 1
    assert (result.outcome, result.error_type) == (Outcome.UNVERIFIED, ErrorType.AUTH)


@pytest.mark.parametrize("code", ["LIMIT", "UNAVAILABLE", "INUSE"])
async def test_a_login_that_is_refused_for_now_is_tried_again(code: str) -> None:
    refusal = b"{tag} NO [%s] later\r\n" % code.encode()
    async with around({"authenticate": [refusal]}) as way:
        assert_found(await way.check())
        assert way.mailbox.count("AUTHENTICATE") == 2
        way.mailbox.play("authenticate", refusal)
        result = await way.check(SHORT)
    assert (result.outcome, result.error_type) == (Outcome.UNVERIFIED, ErrorType.MAILBOX)


async def test_a_walk_that_is_interrupted_begins_again() -> None:
    """The probe lies in the second batch, and the connection is lost between the two."""
    async with around({"fetch": [DEFAULT, DROP]}) as way:

        def arrive(raw: bytes) -> None:
            way.mailbox.append(raw)
            for number in range(25):
                way.mailbox.append(b"Subject: %d\r\n\r\nhello\r\n" % number)

        way.relay.arrive = arrive
        assert_found(await way.check())
        assert len(way.mailbox.messages) == 25


async def test_a_new_uidvalidity_makes_all_that_was_known_worthless() -> None:
    """The folder was made anew while the connection was lost: its messages begin at 1 again."""
    old = [Message(uid, b"Subject: old\r\n\r\nhello\r\n") for uid in (100, 101)]
    anew = b"* 1 EXISTS\r\n* OK [UIDVALIDITY 2] anew\r\n* OK [UIDNEXT 2] next\r\n{tag} OK [READ-ONLY] done\r\n"
    async with around({"examine": [DEFAULT, anew], "noop": [DEFAULT, DEFAULT, DROP]}, messages=old) as way:
        way.mailbox.folders.pop("Junk")

        def arrive(raw: bytes) -> None:
            asyncio.get_running_loop().call_later(0.1, replace, raw)

        def replace(raw: bytes) -> None:
            way.mailbox.messages[:] = [Message(1, raw)]

        # The first look, before the message came, has seen everything below 102.
        way.relay.arrive = arrive
        result = await way.check(delete_after_check=False)
    assert_found(result)
    assert result.matched_uids == (1,)


async def test_without_uidplus_the_probe_is_flagged_and_nothing_is_expunged() -> None:
    async with around(capabilities="IMAP4rev1 SASL-IR IDLE AUTH=PLAIN") as way:
        foreign = way.mailbox.append(b"Subject: foreign\r\n\r\nhello\r\n")
        foreign.flags.add("\\Deleted")
        assert_found(await way.check())
        assert [message.flags for message in way.mailbox.messages] == [{"\\Deleted"}, {"\\Deleted"}]
        for command in ("EXPUNGE", "UID EXPUNGE", "CLOSE"):
            assert way.mailbox.count(command) == 0


@pytest.mark.parametrize(("name", "special"), [("Werbung", {"Werbung": "\\Junk"}), ("Spam", {})])
async def test_junk_is_found_by_its_use_and_by_its_name(name: str, special: dict[str, str]) -> None:
    async with around() as way:
        way.mailbox.folders, way.mailbox.special = {"INBOX": [], name: []}, special
        way.later(0.0, name)
        result = await way.check()
        assert way.mailbox.folders[name] == []
    assert_found(result, Outcome.JUNKED)
    assert result.folder == name


async def test_a_folder_that_is_made_during_the_wait_is_looked_at() -> None:
    """A filter makes the folder for the first message that it files there."""
    async with around() as way:

        def arrive(raw: bytes) -> None:
            made = {"New": [Message(1, RECEIVED + raw)]}
            asyncio.get_running_loop().call_later(0.2, way.mailbox.folders.update, made)

        way.relay.arrive = arrive
        result = await way.check(SHORT)
    assert_found(result, Outcome.MISPLACED)
    assert result.folder == "New"


@pytest.mark.parametrize("configured", [None, "Ghost"])
async def test_a_folder_that_cannot_be_opened_is_a_note(configured: str | None) -> None:
    """Junk and others alike, whether the wait ends with the message or without."""
    listing = b'* LIST () "/" INBOX\r\n* LIST (\\Junk) "/" Ghost\r\n* LIST () "/" Shadow\r\n{tag} OK done\r\n'
    async with around({"list": listing}) as way:
        way.later(0.1)
        found = await way.check(junk_folder=configured)
        way.lose()
        lost = await way.check(SHORT, junk_folder=configured)
    assert_found(found)
    assert any("Ghost could not be looked at" in note for note in notes(found))
    assert lost.outcome is Outcome.LOST
    assert len(notes(lost)) == len(set(notes(lost)))
    assert {note.split()[2] for note in notes(lost)} == {"Ghost", "Shadow"}


async def test_the_senders_own_copy_is_no_arrival() -> None:
    """His program has put it there, so no server has received it; no special use and no name gives it away."""
    async with around() as way:
        way.mailbox.folders["Gesendete Objekte"] = []
        way.later(0.0, "Gesendete Objekte")
        result = await way.check(SHORT)
        assert len(way.mailbox.folders["Gesendete Objekte"]) == 1
    assert (result.status, result.outcome) == (Status.ERROR, Outcome.LOST)


async def test_a_folder_that_does_not_exist_ends_the_search_at_once() -> None:
    for refusal in (NO, b"{tag} NO [NONEXISTENT] no such folder\r\n"):
        async with around({"examine": refusal}) as way:
            result = await way.check(folder="nowhere")
            assert way.mailbox.connections == 1
        assert (result.outcome, result.error_type) == (Outcome.UNVERIFIED, ErrorType.MAILBOX)


async def test_without_a_list_the_expected_folder_is_looked_at() -> None:
    """And the junk folder, where it is configured."""
    async with around({"list": NO}) as way:
        found = await way.check()
        way.later(0.0, "Junk")
        junked = await way.check(junk_folder="Junk")
        way.lose()
        lost = await way.check(SHORT)
    assert_found(found)
    assert_found(junked, Outcome.JUNKED)
    assert (lost.status, lost.outcome) == (Status.ERROR, Outcome.LOST)
    for result in (found, junked, lost):
        assert any("The folders could not be listed" in note for note in notes(result))


async def test_a_list_that_is_refused_later_leaves_what_is_known() -> None:
    async with around({"list": [DEFAULT, NO]}) as way:
        way.mailbox.folders["Other"] = []
        way.relay.arrive = lambda raw: way.mailbox.append(RECEIVED + raw, "Other")
        result = await way.check(SHORT)
        assert way.mailbox.connections == 1
    assert_found(result, Outcome.MISPLACED)


async def test_messages_that_are_only_said_to_be_there_end_the_search_in_time() -> None:
    many = b"* 4000000000 EXISTS\r\n* OK [UIDVALIDITY 1] valid\r\n* OK [UIDNEXT 1] next\r\n{tag} OK done\r\n"
    async with around({"examine": many}) as way:
        way.lose()
        result = await way.check(SHORT)
        assert way.mailbox.count("FETCH") < 250
    assert result.outcome is Outcome.LOST
    assert "Only the newest 20000 messages of INBOX were looked at." in notes(result)


class Slow(RawImap):
    """Answers some commands in time, but just so."""

    slow: frozenset[str] = frozenset()
    patience = 0.25

    async def reply(self, line: Line, phase: str, default: bytes, tag: bytes = b"") -> bytes:
        if phase in self.slow:
            await asyncio.sleep(self.patience)
        return await super().reply(line, phase, default, tag)


async def test_many_slow_answers_do_not_hold_the_search_up() -> None:
    """Each comes within the timeout, but all together would take half a minute."""
    async with Relay() as relay, Slow() as mailbox:
        mailbox.folders |= {f"List {number}": [] for number in range(50)}
        mailbox.slow = frozenset({"status", "examine"})
        way = Round(relay, mailbox)
        way.lose()
        async with asyncio.timeout(10):
            result = await way.check(SHORT, timeout=0.5)
    assert (result.status, result.outcome) == (Status.ERROR, Outcome.UNVERIFIED)
    assert (result.leg, result.error_type) == ("imap", ErrorType.TIMEOUT)


async def test_slow_answers_after_the_message_was_found_are_a_note() -> None:
    """Nor do they take more time than was left."""
    async with Relay() as relay, Slow({"store": SILENCE}) as mailbox:
        mailbox.slow = frozenset({"select"})
        way = Round(relay, mailbox)
        relay.arrive = mailbox.append
        result = await way.check(0.001, timeout=3.0)
    assert_found(result)
    assert any("(no answer to UID STORE in the time that was left)" in note for note in notes(result))


@pytest.mark.parametrize(
    "answer",
    [
        b'* 1 FETCH (UID 1 INTERNALDATE "22-Nov-2026 22:01:07 +0100")\r\n',
        b'* 1 FETCH (UID 1 BODY[HEADER.FIELDS (X-MAIL-LOOP-ID)]<0> "")\r\n',
        b"* 1 FETCH (\r\n",
    ],
)
async def test_what_cannot_be_read_may_be_the_message(answer: bytes) -> None:
    """So it is not said to be lost."""
    async with around({"fetch": answer + b"{tag} OK done\r\n"}) as way:
        result = await way.check(SHORT)
    assert (result.status, result.outcome) == (Status.ERROR, Outcome.UNVERIFIED)
    assert (result.stage, result.error_type) == ("search", ErrorType.MAILBOX)
    assert "could not be read" in result.sentence


async def test_news_about_flags_is_nothing_that_could_not_be_read() -> None:
    """But it shows no message either: one that the server only counts may be the probe."""
    async with around({"fetch": b"* 1 FETCH (FLAGS (\\Seen))\r\n{tag} OK done\r\n"}) as way:
        assert (await way.check(SHORT)).outcome is Outcome.UNVERIFIED
        way.mailbox.messages.clear()
        way.lose()
        assert (await way.check(SHORT)).outcome is Outcome.LOST


async def test_what_could_not_be_read_does_not_matter_where_the_message_is_found() -> None:
    async with around({"fetch": [b"* 1 FETCH (UID 1)\r\n{tag} OK done\r\n"]}) as way:
        way.mailbox.append(b"Subject: odd\r\n\r\n")
        way.later(0.2)
        assert_found(await way.check())


async def test_a_refused_status_of_junk_is_a_note() -> None:
    async with around({"status": NO}) as way:
        result = await way.check()
    assert_found(result)
    assert any("Junk could not be looked at" in note for note in notes(result))


async def test_an_empty_mailbox_gets_one_complete_look_at_the_end() -> None:
    """Even when the time was over before the mailbox was open."""
    async with around() as way:
        way.lose()
        result = await way.check(1e-6)
        log = way.mailbox.log
    assert (result.status, result.outcome, result.error_type) == (Status.ERROR, Outcome.LOST, ErrorType.NO_MESSAGE)
    assert sum(line.startswith("STATUS") for line in log) == 1
    assert {line.split()[1].strip('"') for line in log if line.startswith("EXAMINE")} == {"INBOX", "Junk"}
    assert not any(line.startswith("IDLE") for line in log)


class LateCopy(RawImap):
    """Receives a second copy, and somebody else's message, in the moment in which a folder is opened for changes."""

    async def _select(self, session: Session, tag: bytes, verb: str, argument: str) -> None:
        if verb == "select" and len(self.messages) == 1:
            self.put(self.messages[0].raw)
            self.put(b"Subject: foreign\r\n\r\n")
        await super()._select(session, tag, verb, argument)


async def test_a_copy_that_comes_after_the_first_is_seen_when_the_folder_is_opened_for_the_deletion() -> None:
    """And deleted with it, by its own header; what else has come by then is left alone."""
    async with Relay() as relay, LateCopy() as mailbox:
        relay.arrive = mailbox.append
        result = await Round(relay, mailbox).check()
        assert_found(result, Outcome.DUPLICATED)
        assert result.copies == 2
        assert [message.raw for message in mailbox.messages] == [b"Subject: foreign\r\n\r\n"]
        assert mailbox.count("NOOP") == 0


async def test_mail_that_is_there_at_once_takes_ten_commands() -> None:
    async with around() as way:
        assert_found(await way.check())
        assert len(way.mailbox.log) - way.mailbox.count("CAPABILITY") == 10


async def test_the_newest_message_is_asked_for_alone_and_copies_before_it_are_seen_all_the_same() -> None:
    async with around() as way:
        for number in range(30):
            way.mailbox.append(b"Subject: %d\r\n\r\nhello\r\n" % number)

        def arrive(raw: bytes) -> None:
            for message in (raw, b"Subject: foreign\r\n\r\n", raw):
                way.mailbox.append(message)

        way.relay.arrive = arrive
        result = await way.check()
        fetches = [line.partition(" (")[0] for line in way.mailbox.log if line.startswith("FETCH")]
    assert_found(result, Outcome.DUPLICATED)
    assert result.copies == 2
    assert fetches[:2] == ["FETCH 33:33", "FETCH 23:32"]  # one run in sixteen looks at more in the end


class Meanwhile(RawImap):
    """Receives the probe while it answers in this phase, and says so right away."""

    def __init__(self, phase: str) -> None:
        super().__init__()
        self.phase = phase
        self.probe = b""

    async def reply(self, line: Line, phase: str, default: bytes, tag: bytes = b"") -> bytes:
        if phase == self.phase and self.probe and isinstance(line, Session):
            self.put(self.probe)
            self.probe = b""
            default += self._refresh(line)
        return await super().reply(line, phase, default, tag)


@pytest.mark.parametrize(("phase", "others"), [("examine", 0), ("examine", 30), ("fetch", 30)])
async def test_what_comes_during_the_first_look_is_fetched_without_being_told_of_again(phase: str, others: int) -> None:
    async with Relay() as relay, Meanwhile(phase) as mailbox:
        for number in range(others):
            mailbox.put(b"Subject: %d\r\n\r\nhello\r\n" % number)
        relay.arrive = lambda raw: setattr(mailbox, "probe", raw)
        assert_found(await Round(relay, mailbox).check())
        assert mailbox.count("NOOP") == 0


async def test_a_probe_among_older_ones_is_the_only_one_taken() -> None:
    async with around() as way:
        for _ in range(30):
            way.mailbox.append(compose("raw", way.loop().smtp).content)
        older = list(way.mailbox.messages)
        way.lose()
        assert (await way.check(SHORT)).outcome is Outcome.LOST
        way.relay.arrive = way.mailbox.append
        result = await way.check()
        assert_found(result)
        assert result.copies == 1
        assert way.mailbox.messages == older
        assert not any(message.flags for message in older)


async def test_a_message_without_its_header_is_found_by_subject_and_body_and_left() -> None:
    async with around() as way:
        way.relay.arrive = lambda raw: way.mailbox.append(stripped(raw))
        result = await way.check()
        assert len(way.mailbox.messages) == 1
        assert way.mailbox.messages[0].flags == set()
    assert_found(result)
    assert notes(result) == [
        "A copy without our own header fields was left in the mailbox: only they prove that it may be deleted."
    ]


async def test_a_clock_far_behind_does_not_hide_the_message() -> None:
    """It lies behind a batch that is old by its dates; the look at the end takes no notice of them."""
    past = datetime.now(UTC) - timedelta(days=4000)
    async with around() as way:

        def arrive(raw: bytes) -> None:
            way.mailbox.append(raw, internaldate=past)
            for number in range(25):
                way.mailbox.append(b"Subject: %d\r\n\r\nhello\r\n" % number, internaldate=past)

        way.relay.arrive = arrive
        result = await way.check(SHORT)
    assert_found(result)
    assert any("clock is at least" in note for note in notes(result))


async def test_a_bounce_ends_the_wait() -> None:
    async with around() as way:
        way.relay.arrive = lambda raw: way.mailbox.append(report(raw))
        result = await way.check()
        assert len(way.mailbox.messages) == 1
    assert (result.status, result.outcome) == (Status.ERROR, Outcome.BOUNCED)
    assert result.error_msg == "550 5.1.1 No such user"
    assert result.bounce is not None
    assert (result.bounce.action, result.bounce.recipient) == ("failed", "bob@localhost.test")
    assert (result.bounce.mailbox, result.bounce.folder) == ("bob at 127.0.0.1", "INBOX")
    assert result.bounce.arrived_at is not None


async def test_a_bounce_in_junk_ends_the_wait() -> None:
    async with around() as way:
        way.relay.arrive = lambda raw: way.mailbox.append(report(raw), "Junk")
        result = await way.check()
    assert (result.outcome, result.bounce and result.bounce.folder) == (Outcome.BOUNCED, "Junk")


async def test_the_last_notice_of_a_delay_is_the_one_on_record() -> None:
    """Whichever lies first; the message is looked for all the same."""
    now = datetime.now(UTC)
    for ages in ((20, 10), (10, 20)):
        async with around() as way:

            def arrive(raw: bytes, way: Round = way, ages: tuple[int, int] = ages) -> None:
                for age in ages:
                    text = report(raw, "delayed").replace(b"No such user", b"after %d" % age)
                    way.mailbox.append(text, internaldate=now - timedelta(seconds=age))

            way.relay.arrive = arrive
            result = await way.check(SHORT)
        assert (result.outcome, result.bounce and result.bounce.action) == (Outcome.LOST, "delayed")
        assert result.bounce is not None
        assert result.bounce.diagnostic == "550 5.1.1 after 10"
        assert notes(result) == ["Delayed: edge.test says that it is still trying: 550 5.1.1 after 10."]


async def test_a_message_that_comes_after_the_notice_of_its_delay_is_found() -> None:
    async with around() as way:

        def arrive(raw: bytes) -> None:
            way.mailbox.append(report(raw, "delayed"))
            asyncio.get_running_loop().call_later(0.3, way.mailbox.append, raw)

        way.relay.arrive = arrive
        result = await way.check()
    assert_found(result)
    assert any("still trying" in note for note in result.notes)


async def test_a_clock_far_behind_does_not_hide_a_bounce() -> None:
    """At the end it is read whatever its date says, and found among others; the id in it decides."""
    past = datetime.now(UTC) - timedelta(hours=2)
    async with around() as way:
        others = [report(compose("raw", way.loop().smtp).content) for _ in range(30)]

        def arrive(raw: bytes) -> None:
            for text in [*others, report(raw)]:
                way.mailbox.append(text, internaldate=past)

        way.relay.arrive = arrive
        result = await way.check(SHORT)
        # Not every old report of a crowded mailbox is read.
        assert sum("BODY.PEEK[]" in line for line in way.mailbox.log) == 1
        way.lose()
        assert (await way.check(SHORT)).outcome is Outcome.LOST
        assert sum("BODY.PEEK[]" in line for line in way.mailbox.log) == 1 + MAX_OLD_REPORTS
    assert (result.status, result.outcome) == (Status.ERROR, Outcome.BOUNCED)


async def test_a_bounce_whose_reading_is_interrupted_is_read_again() -> None:
    async with around({"fetch": [DEFAULT, DROP]}) as way:
        way.relay.arrive = lambda raw: way.mailbox.append(report(raw))
        assert (await way.check()).outcome is Outcome.BOUNCED


async def test_a_report_that_the_server_will_not_show_does_not_shut_the_mailbox() -> None:
    async with around({"fetch": [DEFAULT, NO, DEFAULT, NO]}) as way:
        way.mailbox.append(report(compose("raw", way.loop().smtp).content))
        way.later(0.3)
        result = await way.check()
    assert_found(result)
    assert any("Message 1 in INBOX could not be read" in note for note in notes(result))


async def test_a_report_of_a_delay_or_on_another_message_ends_nothing() -> None:
    async with around() as way:
        way.mailbox.append(report(compose("raw", way.loop().smtp).content))
        way.relay.arrive = lambda raw: way.mailbox.append(report(raw, "delayed"))
        assert (await way.check(SHORT)).outcome is Outcome.LOST
        assert len(way.mailbox.messages) == 2


async def test_the_message_counts_for_more_than_its_bounce() -> None:
    """One recipient of an alias bounced, another has it."""
    async with around() as way:

        def arrive(raw: bytes) -> None:
            way.mailbox.append(report(raw))
            way.mailbox.append(raw)

        way.relay.arrive = arrive
        assert_found(await way.check())


async def test_what_quotes_the_probe_is_not_the_probe() -> None:
    """A reply, a forward and an auto-reply, all to this very message."""
    async with around() as way:

        def arrive(raw: bytes) -> None:
            probe = message_from_bytes(raw)
            subject, number = probe["Subject"].encode(), probe["Message-ID"].encode()
            body = probe.get_payload(decode=True)
            assert isinstance(body, bytes)
            quote = b"".join(b"> " + line + b"\r\n" for line in body.splitlines())
            thread = b"In-Reply-To: %s\r\nReferences: %s\r\n" % (number, number)
            way.mailbox.append(b"Subject: Re: " + subject + b"\r\n" + thread + b"\r\n" + quote)
            way.mailbox.append(b"Subject: " + subject + b"\r\nAuto-Submitted: auto-replied\r\n\r\n" + body)
            way.mailbox.append(b"Subject: " + subject + b"\r\n" + thread + b"\r\n" + body)
            way.mailbox.append(b"Subject: Fwd: " + subject + b"\r\n\r\n" + raw)
            forward = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n'
            way.mailbox.append(b"Subject: " + subject + b"\r\n" + forward + raw + b"\r\n--b--\r\n")

        way.relay.arrive = arrive
        result = await way.check(SHORT)
        assert len(way.mailbox.messages) == 5
        assert not any(message.flags for message in way.mailbox.messages)
    assert (result.status, result.outcome) == (Status.ERROR, Outcome.LOST)


async def test_a_connection_in_doubt_is_settled_by_the_mailbox() -> None:
    """The relay falls off after the final dot: never sent again, and what the mailbox says counts."""
    async with around() as way:
        way.relay.play("eod", DROP)
        lost = await way.check(SHORT)
        assert (lost.outcome, lost.attempts, lost.queue_id) == (Outcome.UNSENT, 1, None)
        way.relay.play("eod", b"250 2.0.0 Ok: queued as RAW\r\n")
        assert_found(await way.check())


class TestInbound:
    """The receiving half alone."""

    async def test_a_message_that_matches_is_found(self) -> None:
        async with around() as way:
            for text in (letter(), letter(b"Auto-Submitted: auto-generated\r\n"), letter(subject=b"Core: [loop] x")):
                way.mailbox.append(text)
            result = await check(way.inbound())
        assert_found(result)
        assert (result.copies, result.matched_uids) == (3, (3, 2, 1))

    @pytest.mark.parametrize(
        "text",
        [
            letter(b"X-Failed-Recipients: bob@localhost.test\r\n"),
            letter(b"Return-Path: <>\r\n"),
            letter(b"Auto-Submitted: auto-replied; owner-email=a@b\r\n"),
            letter(b"Auto-Submitted: auto-notified\r\n"),
            letter(b"In-Reply-To: <a@b>\r\n"),
            letter(subject=b"Re: [loop] hello"),
            letter(subject=b"AW: [loop] hello"),
            letter(subject=b"WG: [loop] hello"),
            letter(subject=b"[EXTERNAL] Fwd: [loop] hello"),
            letter(subject=b"Re[2]: hello [loop]"),
        ],
    )
    async def test_what_answers_forwards_or_reports_a_message_is_none(self, text: bytes) -> None:
        async with around() as way:
            way.mailbox.append(text)
            result = await check(way.inbound())
        assert (result.status, result.outcome) == (Status.ERROR, Outcome.LOST)

    async def test_a_message_of_the_future_is_not_fresh(self) -> None:
        """It would count for years; but a clock may be a little fast."""
        now = datetime.now(UTC)
        async with around() as way:
            way.mailbox.append(letter(), internaldate=now + timedelta(days=2000))
            lost = await check(way.inbound())
            way.mailbox.append(letter(), internaldate=now + timedelta(minutes=50))
            found = await check(way.inbound())
        assert (lost.outcome, lost.error_type) == (Outcome.LOST, ErrorType.NO_MESSAGE)
        assert "(1 with a date in the future)" in lost.sentence
        assert_found(found)
        assert found.matched_uids == (2,)

    async def test_what_cannot_be_read_may_be_the_message(self) -> None:
        async with around({"fetch": b"* 1 FETCH (UID 1)\r\n{tag} OK done\r\n"}) as way:
            way.mailbox.append(letter())
            result = await check(way.inbound())
        assert (result.outcome, result.error_type) == (Outcome.UNVERIFIED, ErrorType.MAILBOX)
        assert "could not be read" in result.sentence

    @pytest.mark.parametrize("phase", ["examine", "fetch"])
    async def test_a_refusal_that_gives_no_reason_is_tried_again(self, phase: str) -> None:
        """Where the message is not read by asking in another way, on the same connection."""
        async with around({phase: [NO] * (2 if phase == "examine" else 6)}) as way:
            way.mailbox.append(letter())
            assert_found(await check(way.inbound(retries=2)))
            assert way.mailbox.connections == 3

    async def test_a_refusal_that_is_final_is_not(self) -> None:
        async with around() as way:
            result = await check(way.inbound(folder="nowhere", retries=2))
            assert way.mailbox.connections == 1
        assert (result.outcome, result.error_type) == (Outcome.UNVERIFIED, ErrorType.MAILBOX)

    async def test_many_slow_answers_do_not_hold_the_look_up(self) -> None:
        """Each comes within the timeout; all that there would be to walk takes half a minute."""
        many = b"* 4000000000 EXISTS\r\n* OK [UIDVALIDITY 1] valid\r\n{tag} OK done\r\n"
        async with Relay() as relay, Slow({"examine": many}) as mailbox:
            mailbox.slow = frozenset({"fetch"})
            async with asyncio.timeout(10):
                result = await check(Round(relay, mailbox).inbound(timeout=0.5))
        assert (result.outcome, result.error_type) == (Outcome.UNVERIFIED, ErrorType.TIMEOUT)


async def test_a_message_is_waited_for_with_one_command_a_look() -> None:
    """As long as the server tells of no news nothing is fetched."""
    async with around() as way:
        way.later(1.0)
        assert_found(await way.check())
        log = way.mailbox.log
    waiting = log[: next(index for index, line in enumerate(log) if line.startswith("UID FETCH"))]
    assert waiting.count("NOOP") > 3
    assert not any(line.startswith("FETCH") for line in waiting)


async def test_a_message_that_the_server_does_not_tell_of_is_found() -> None:
    """Neither in answer to NOOP nor in IDLE: some seconds later it is fetched all the same."""
    script: Script = {"noop": b"{tag} OK nothing\r\n", "idle": NO}
    async with around(script, messages=[Message(1, b"Subject: other mail\r\n\r\n")]) as way:
        loop = asyncio.get_running_loop()
        way.relay.arrive = lambda raw: loop.call_later(0.2, way.mailbox.put, raw)
        assert_found(await way.check())


async def test_an_empty_junk_folder_is_not_opened() -> None:
    async with around() as way:
        way.later(0.2)
        assert_found(await way.check())
        log = way.mailbox.log
    assert sum(line.startswith("STATUS") for line in log) >= 1
    assert {line.split()[1].strip('"') for line in log if line.startswith("EXAMINE")} == {"INBOX"}
