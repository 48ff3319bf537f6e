"""What a found message means, in the whole check: marked as spam, wrapped, moved, tagged, filed, or a mere copy."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta

import pytest

from flows.direct import check
from tasks.mail.mailboxes.imap.pool.pool import together
from tasks.mail.model.cause import Cause
from tasks.mail.model.outcome import Outcome, Placement, Status
from tests.support.checks.many_loops import loops, once_all_wait
from tests.support.checks.rounds import RECEIVED, SHORT, SOON, Relay, Round, around, assert_found, notes, stripped
from tests.support.left_behind import nothing_is_left_behind as nothing_is_left_behind
from tests.support.mail.wrapping import WRAPPERS
from tests.support.raw.imap import RawImap, Session

SPAM = b"X-Spam-Status: Yes, score=7.1 required=5.0 tests=BAYES_99=3.5,DKIM_VALID=-0.1\r\n"


async def test_spam_in_the_inbox_is_a_warning_that_names_the_filter() -> None:
    async with around() as way:
        way.relay.arrive = lambda raw: way.mailbox.append(SPAM + RECEIVED + raw)
        result = await way.check()
        critical = await way.check(junked_severity="critical")
        assert way.mailbox.messages == []
    assert (result.status, result.outcome, result.cause) == (Status.WARNING, Outcome.DELIVERED, Cause.MARKED_AS_SPAM)
    assert "SpamAssassin at edge.test scored it 7.1 of 5, for BAYES_99 3.5, and so marked it as spam" in result.sentence
    assert (critical.status, critical.outcome) == (Status.ERROR, Outcome.DELIVERED)


@pytest.mark.parametrize("long", [b"", b"X-Padding: " + b"x" * 200_000 + b"\r\n"])
@pytest.mark.parametrize("field", [b"X-Mimecast-Spam-Signature: yes", b"X-Ovh-Spam-Status: SPAM", b"X-Spam-Flag: YES"])
async def test_the_mark_is_read_of_a_header_of_any_length(field: bytes, long: bytes) -> None:
    async with around() as way:
        way.relay.arrive = lambda raw: way.mailbox.append(long + field + b"\r\n" + RECEIVED + raw)
        result = await way.check()
    assert (result.status, result.outcome, result.cause) == (Status.WARNING, Outcome.DELIVERED, Cause.MARKED_AS_SPAM)


@pytest.mark.parametrize("name", WRAPPERS)
async def test_a_wrapped_probe_is_found_named_as_such_and_cleaned_up(name: str) -> None:
    async with around() as way:
        way.relay.arrive = lambda raw: way.mailbox.append(RECEIVED + WRAPPERS[name](raw))
        result = await way.check(2.0)
        assert way.mailbox.messages == []
    assert result.outcome is Outcome.DELIVERED
    assert "it came wrapped" in result.sentence
    assert not any("left in the mailbox" in note for note in result.notes)


async def test_a_wrapper_that_comes_like_a_bounce_is_none() -> None:
    wrap = WRAPPERS["a gateway that writes as itself"]
    async with around() as way:
        way.relay.arrive = lambda raw: way.mailbox.append(b"Return-Path: <>\r\n" + RECEIVED + wrap(raw))
        result = await way.check(2.0)
        assert way.mailbox.messages == []
    assert result.outcome is Outcome.DELIVERED


async def test_a_wrapped_message_of_another_loop_stays() -> None:
    async with around() as way:
        wrap = WRAPPERS["SpamAssassin, report_safe 1"]
        way.relay.arrive = lambda raw: way.mailbox.append(wrap(raw.replace(b"Name: raw", b"Name: home")))
        assert (await way.check()).outcome is Outcome.DELIVERED
        assert len(way.mailbox.messages) == 1


class Moving(RawImap):
    """Moves what is in INBOX into another folder as soon as somebody has seen it there."""

    target = "Junk"

    async def _perform(self, session: Session, tag: bytes, verb: str, argument: str, uid: bool) -> None:
        await super()._perform(session, tag, verb, argument, uid)
        while verb == "fetch" and session.folder == "INBOX" and self.messages:
            message = self.messages.pop()
            self.put(message.raw, self.target, message.internaldate)


@pytest.mark.parametrize(
    ("target", "outcome", "placement"),
    [("Junk", Outcome.JUNKED, Placement.JUNK), ("Archive", Outcome.MISPLACED, Placement.OTHER)],
)
@pytest.mark.parametrize("field", [b"", SPAM])
async def test_what_is_moved_while_it_is_looked_for_is_no_second_copy(
    target: str, outcome: Outcome, placement: Placement, field: bytes
) -> None:
    async with Relay() as relay, Moving() as mailbox:
        mailbox.folders["Archive"] = []
        mailbox.target = target
        relay.arrive = lambda raw: mailbox.append(field + RECEIVED + raw)
        result = await Round(relay, mailbox).check()
        assert mailbox.folders == {"INBOX": [], "Junk": [], "Archive": []}
    assert (result.status, result.outcome) == (Status.WARNING, outcome), result.sentence
    assert (result.folder, result.placement, result.copies) == (target, placement, 1)
    assert result.cause is (Cause.MARKED_AS_SPAM if field else Cause.MOVED)
    assert f"moved to {target}" in result.sentence


async def test_nor_is_it_where_many_checks_share_a_session() -> None:
    async with Relay() as relay, Moving() as mailbox:
        way = Round(relay, mailbox)
        once_all_wait(way, 3, lambda sent: [mailbox.append(RECEIVED + raw) for raw in sent])
        async with asyncio.timeout(SOON), together(3):
            results = await asyncio.gather(*map(check, loops(way, 3)))
        assert mailbox.folders == {"INBOX": [], "Junk": []}
    assert [(result.outcome, result.copies) for result in results] == [(Outcome.JUNKED, 1)] * 3


async def test_what_is_deleted_while_it_is_looked_for_has_arrived_all_the_same() -> None:
    class Deleting(Moving):
        async def _perform(self, session: Session, tag: bytes, verb: str, argument: str, uid: bool) -> None:
            await super()._perform(session, tag, verb, argument, uid)
            self.folders["Junk"].clear()

    async with Relay() as relay, Deleting() as mailbox:
        relay.arrive = mailbox.append
        assert_found(await Round(relay, mailbox).check())


async def test_two_that_are_both_there_are_two() -> None:
    async with around() as way:

        def arrive(raw: bytes) -> None:
            way.mailbox.put(RECEIVED + raw, "Junk")
            way.mailbox.append(RECEIVED + raw)

        way.relay.arrive = arrive
        result = await way.check()
    assert (result.outcome, result.copies, result.cause) == (Outcome.DUPLICATED, 2, None)


SUBMITTED = (
    b"Received: from us ([192.0.2.1]) by relay.test (Postfix) with ESMTPSA id 4X; Mon, 2 Mar 2026 00:00:00 +0000\r\n"
)
FILTERED = b"Received: from localhost ([127.0.0.1]) by relay.test with ESMTP id 4Y; Mon, 2 Mar 2026 00:00:01 +0000\r\n"
DELIVERED = b"Received: from relay.test by edge.test with LMTP id 4Z; Mon, 2 Mar 2026 00:00:02 +0000\r\n"
EXCHANGE = (
    b"Received: from us ([192.0.2.1]) by ex1.test with Microsoft SMTP Server id 15; Mon, 2 Mar 2026 00:00:00 +0000\r\n"
    b"Received: from ex1.test ([::1]) by ex1.test with mapi id 15.1; Mon, 2 Mar 2026 00:00:01 +0000\r\n"
)


@pytest.mark.parametrize("folder", ["&AMk-l&AOk-ments envoy&AOk-s", "Posta inviata", "Wys&AUI-ane", "No such language"])
@pytest.mark.parametrize("trace", [b"", SUBMITTED, FILTERED + SUBMITTED])
async def test_the_copy_that_the_sender_keeps_is_no_arrival(folder: str, trace: bytes) -> None:
    """Whatever its folder is called, and though a server has filed it: lost stays lost."""
    async with around() as way:
        way.mailbox.folders[folder] = []
        way.relay.arrive = lambda raw: way.mailbox.put(trace + raw, folder)
        result = await way.check(SHORT)
    assert (result.status, result.outcome) == (Status.ERROR, Outcome.LOST)


@pytest.mark.parametrize(
    "trace",
    [
        RECEIVED,
        DELIVERED,
        DELIVERED + SUBMITTED,
        RECEIVED + SUBMITTED,
        EXCHANGE,
        b"Return-Path: <bob@localhost.test>\r\n" + SUBMITTED,
        b"Delivered-To: bob@localhost.test\r\n" + SUBMITTED,
    ],
)
async def test_what_was_delivered_into_another_folder_is_an_arrival(trace: bytes) -> None:
    """With or without Return-Path."""
    async with around() as way:
        way.mailbox.folders["Work"] = []
        way.relay.arrive = lambda raw: way.mailbox.put(trace + raw, "Work")
        result = await way.check(SHORT)
    assert_found(result, Outcome.MISPLACED)


@pytest.mark.parametrize("trace", [b"", SUBMITTED])
async def test_in_the_expected_folder_and_in_junk_nothing_is_the_senders_copy(trace: bytes) -> None:
    async with around() as way:
        way.relay.arrive = lambda raw: way.mailbox.append(trace + raw)
        assert_found(await way.check())
        way.relay.arrive = lambda raw: way.mailbox.append(trace + raw, "Junk")
        assert_found(await way.check(), Outcome.JUNKED)


async def test_what_a_rule_has_archived_is_found_in_the_folder_that_shows_all() -> None:
    """As Gmail has it; the copy of what was sent lies there, too."""
    async with around() as way:
        way.mailbox.folders["[Gmail]/All Mail"] = []
        way.mailbox.special["[Gmail]/All Mail"] = "\\All"
        way.relay.arrive = lambda raw: way.mailbox.put(RECEIVED + raw, "[Gmail]/All Mail")
        archived = await way.check(SHORT)
        way.relay.arrive = lambda raw: way.mailbox.put(
            b"Return-Path: <bob@localhost.test>\r\n" + SUBMITTED + raw, "[Gmail]/All Mail"
        )
        sent = await way.check(SHORT)
    assert_found(archived, Outcome.MISPLACED)
    assert archived.folder == "[Gmail]/All Mail"
    assert sent.outcome is Outcome.LOST


async def test_what_comes_to_inbox_at_the_last_moment_is_not_there_twice_because_another_folder_shows_all() -> None:
    class Late(RawImap):
        """The message comes when the folder that shows all is looked at."""

        raw = b""

        async def _perform(self, session: Session, tag: bytes, verb: str, argument: str, uid: bool) -> None:
            if verb == "status" and "All" in argument and self.raw:
                self.put(self.raw)
                self.put(self.raw, "All")
                self.raw = b""
            await super()._perform(session, tag, verb, argument, uid)

    async with Relay() as relay, Late() as mailbox:
        mailbox.folders["All"] = []
        mailbox.special["All"] = "\\All"
        relay.arrive = lambda raw: setattr(mailbox, "raw", RECEIVED + raw)
        result = await Round(relay, mailbox).check(SHORT)
    assert_found(result)
    assert (result.folder, result.copies) == ("INBOX", 1)


async def test_a_copy_that_is_only_flagged_as_deleted_is_moved() -> None:
    """By a client that knows no MOVE, and expunges later."""

    class Copying(Moving):
        async def _perform(self, session: Session, tag: bytes, verb: str, argument: str, uid: bool) -> None:
            await super(Moving, self)._perform(session, tag, verb, argument, uid)
            if verb == "fetch" and session.folder == "INBOX" and self.messages and not self.messages[0].flags:
                self.messages[0].flags.add("\\Deleted")
                self.put(self.messages[0].raw, self.target)

    async with Relay() as relay, Copying() as mailbox:
        relay.arrive = lambda raw: mailbox.append(RECEIVED + raw)
        result = await Round(relay, mailbox).check()
    assert (result.outcome, result.copies, result.cause) == (Outcome.JUNKED, 1, Cause.MOVED)


@pytest.mark.parametrize("number", [0, 58, 119])
async def test_the_probe_is_found_in_whatever_folder_of_many(number: int) -> None:
    past = datetime.now(UTC) - timedelta(days=3)
    async with around() as way:
        for place in range(120):
            way.mailbox.folders[f"List {place:03}"] = []
            way.mailbox.put(b"Subject: other mail\r\n\r\n", f"List {place:03}", past)
        way.relay.arrive = lambda raw: way.mailbox.put(RECEIVED + raw, f"List {number:03}")
        result = await way.check(SHORT)
    assert_found(result, Outcome.MISPLACED)
    assert result.folder == f"List {number:03}"


async def test_no_sweep_over_many_folders_keeps_the_expected_one_waiting() -> None:
    class Slow(RawImap):
        """The message comes in the middle of the first sweep, which takes several seconds."""

        raw, asked = b"", 0

        async def _perform(self, session: Session, tag: bytes, verb: str, argument: str, uid: bool) -> None:
            if verb == "status" and "List" in argument:
                await asyncio.sleep(0.02)
                self.asked += 1
                if self.asked == 20:
                    self.put(self.raw)
            await super()._perform(session, tag, verb, argument, uid)

    async with Relay() as relay, Slow() as mailbox:
        mailbox.folders |= {f"List {place:03}": [] for place in range(400)}
        relay.arrive = lambda raw: setattr(mailbox, "raw", RECEIVED + raw)
        assert_found(await Round(relay, mailbox).check())
        assert 20 <= mailbox.asked < 200


async def test_folders_that_there_is_no_time_for_are_counted_and_lost_says_so() -> None:
    class Slow(RawImap):
        async def _perform(self, session: Session, tag: bytes, verb: str, argument: str, uid: bool) -> None:
            await asyncio.sleep(0.03 if verb == "status" else 0.0)
            await super()._perform(session, tag, verb, argument, uid)

    async with Relay() as relay, Slow() as mailbox:
        mailbox.folders |= {f"List {place:03}": [] for place in range(60)}
        way = Round(relay, mailbox)
        way.lose()
        result = await way.check(SHORT, timeout=1.0)
    assert result.outcome is Outcome.LOST
    (note,) = notes(result)
    assert re.fullmatch(r"\d+ folders were not looked at \(List \d+, List \d+, List \d+ and others\): .*", note)
    assert "folders that were not looked at (see the notes)" in result.sentence


@pytest.mark.parametrize("tag", [b"EXTERNAL: ", b"***SPAM*** ", b"{Spam?} ", b"[EXT] [SPAM?] ", b"Spam: "])
async def test_with_both_ids_stripped_the_probe_is_known_by_its_token_and_its_body(tag: bytes) -> None:
    async with around() as way:
        way.relay.arrive = lambda raw: way.mailbox.append(
            RECEIVED + re.sub(rb"(?m)^Subject: ", b"Subject: " + tag, stripped(raw))
        )
        assert (await way.check(SHORT)).outcome is Outcome.DELIVERED


@pytest.mark.parametrize(
    "head",
    [b"References:\r\nIn-Reply-To:\r\n", b"References: {mid}\r\nIn-Reply-To: {mid}\r\n", b"X-Was: auto-generated\r\n"],
)
async def test_what_our_own_id_proves_a_gateway_does_not_take_away(head: bytes) -> None:
    def changed(raw: bytes) -> bytes:
        number = re.search(rb"(?m)^Message-ID: (\S+)", raw)
        assert number is not None
        return head.replace(b"{mid}", number[1]) + raw.replace(b"auto-generated", b"auto-replied")

    async with around() as way:
        way.relay.arrive = lambda raw: way.mailbox.append(RECEIVED + changed(raw))
        assert_found(await way.check(SHORT))
        assert way.mailbox.messages == []


async def test_a_notice_with_the_probes_own_message_id_is_its_bounce() -> None:
    """As Domino sends it."""

    def notice(raw: bytes) -> bytes:
        number = re.search(rb"(?m)^Message-ID: \S+", raw)
        assert number is not None
        head = b"Return-Path: <>\r\nFrom: MAILER-DAEMON@edge.test\r\nSubject: DELIVERY FAILURE\r\n" + number[0]
        parts = b"--b\r\n\r\nnot delivered: 550 5.1.1 unknown\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n%s\r\n--b--"
        return head + b"\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + parts % raw

    async with around() as way:
        way.relay.arrive = lambda raw: way.mailbox.append(RECEIVED + notice(raw))
        result = await way.check(2.0)
    assert (result.status, result.outcome) == (Status.ERROR, Outcome.BOUNCED)
    assert "550 5.1.1" in result.sentence


async def test_a_probe_without_a_return_path_that_nothing_refuses_is_the_probe() -> None:
    async with around() as way:
        way.relay.arrive = lambda raw: way.mailbox.append(b"Return-Path: <>\r\n" + RECEIVED + raw)
        assert_found(await way.check())
        assert way.mailbox.messages == []


@pytest.mark.parametrize(
    "folder",
    ["&BCEEPwQwBDw-", "&V4NXPpCuTvY-", "Bulk", "Courrier ind&AOk-sirable", "[Google Mail]/Spam", "Spamverdacht"],
)
async def test_junk_that_is_known_by_its_name_is_looked_at_from_the_first_look_on(folder: str) -> None:
    """Not when the other folders are, five seconds later."""
    async with around() as way:
        del way.mailbox.folders["Junk"]
        way.mailbox.folders[folder] = []
        way.mailbox.folders["Work"] = []
        way.relay.arrive = lambda raw: way.mailbox.put(RECEIVED + raw, folder)
        result = await way.check()
        assert not any(line.startswith("STATUS") and "Work" in line for line in way.mailbox.log)
    assert (result.status, result.outcome, result.cause) == (Status.WARNING, Outcome.JUNKED, None)
