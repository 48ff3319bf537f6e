"""Many checks that wait in one mailbox over one session: each ends as it would alone, whatever comes of the others."""

from __future__ import annotations

import asyncio
import math
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from flows.direct import check
from tasks.mail.config.loop import LoopConfig
from tasks.mail.mailboxes.imap.pool.pool import opened, together
from tasks.mail.model.outcome import ErrorType, Outcome
from tasks.mail.model.result import LoopResult
from tasks.mail.net import limits
from tests.support import certificates
from tests.support.checks.many_loops import loops, once_all_wait
from tests.support.checks.rounds import SHORT, SOON, Relay, Round, Script, around, notes, report
from tests.support.left_behind import nothing_is_left_behind as nothing_is_left_behind
from tests.support.raw.imap import RawImap
from tests.support.raw.server import DEFAULT, DROP, SILENCE, Line

MANY = 20
FOREIGN = b"From: someone@elsewhere.test\r\nSubject: foreign %d\r\nMessage-ID: <%d@elsewhere.test>\r\n\r\nhello\r\n"


async def checked(configs: Iterable[LoopConfig]) -> list[LoopResult]:
    async with asyncio.timeout(SOON), together(MANY):
        return await asyncio.gather(*map(check, configs))


def delivered(way: Round) -> Callable[[list[bytes]], None]:
    def then(sent: list[bytes]) -> None:
        for raw in sent:
            way.mailbox.append(raw)

    return then


def outcomes(results: Sequence[LoopResult]) -> Counter[Outcome]:
    return Counter(one.outcome for one in results)


@asynccontextmanager
async def among_foreign_mail(script: Script | None = None, **options: Any) -> AsyncIterator[Round]:
    """A mailbox that has other mail as well, which is there in the end, too."""
    async with around(script, **options) as way:
        present = [way.mailbox.append(FOREIGN % (number, number)) for number in range(30)]
        yield way
        assert [one for one in way.mailbox.messages if one in present] == present
        assert not any(one.flags for one in present)


async def test_each_finds_its_own_over_one_session_and_deletes_nothing_else() -> None:
    async with among_foreign_mail() as way:
        once_all_wait(way, MANY, delivered(way))
        results = await checked(loops(way, MANY))
        assert (way.mailbox.connections, len(way.mailbox.credentials)) == (1, 1)
        assert len(way.mailbox.messages) == 30
    assert [(one.outcome, one.copies, notes(one)) for one in results] == [(Outcome.DELIVERED, 1, [])] * MANY
    assert len({one.matched_uids for one in results}) == MANY


async def test_waiting_takes_no_more_commands_for_many_than_for_one() -> None:
    """Those of the time that they wait; each begins for himself, and has a last look at the end of his own time."""

    async def waited(count: int) -> Counter[str]:
        async with among_foreign_mail() as way:
            way.lose()
            assert outcomes(await checked(loops(way, count, 1.0))) == {Outcome.LOST: count}
            return Counter(re.sub(r"^(UID )?(\w+).*", r"\2", line) for line in way.mailbox.log)

    one, many = await asyncio.gather(waited(1), waited(MANY))
    assert many["FETCH"] <= one["FETCH"] + MANY
    assert many["NOOP"] + many["STATUS"] < (one["NOOP"] + one["STATUS"]) * MANY / 4


async def test_who_comes_later_sees_what_is_there_and_what_comes_then() -> None:
    """And of those before him nobody's message is his."""
    async with among_foreign_mail() as way:
        once_all_wait(way, 6, delivered(way), 0.1)
        first, last = loops(way, 6)[:3], loops(way, 6)[3:]

        async def later() -> list[LoopResult]:
            await asyncio.sleep(0.4)
            return await asyncio.gather(*map(check, last))

        async with asyncio.timeout(SOON), together(MANY):
            early, late = await asyncio.gather(asyncio.gather(*map(check, first)), later())
        assert way.mailbox.connections == 1
    assert outcomes([*early, *late]) == {Outcome.DELIVERED: 6}


class Sluggish(RawImap):
    """Takes its time for what brings the view up to date."""

    async def reply(self, line: Line, phase: str, default: bytes, tag: bytes = b"") -> bytes:
        if phase == "noop":
            await asyncio.sleep(0.1)
        return await super().reply(line, phase, default, tag)


async def test_one_that_is_given_up_in_the_middle_of_a_command_takes_nothing_from_the_others() -> None:
    async with Relay() as relay, Sluggish() as mailbox:
        way = Round(relay, mailbox)
        once_all_wait(way, 5, delivered(way), 0.8)
        async with asyncio.timeout(SOON), together(MANY):
            running = [asyncio.create_task(check(config)) for config in loops(way, 5)]
            while mailbox.count("NOOP") < 2:
                await asyncio.sleep(0.01)
            running[0].cancel()
            results = await asyncio.gather(*running[1:])
            await asyncio.wait(running)
        assert mailbox.connections == 1
        assert len(mailbox.messages) == 1
    assert outcomes(results) == {Outcome.DELIVERED: 4}


async def test_a_lost_connection_is_opened_again_once_and_each_goes_on() -> None:
    async with among_foreign_mail() as way:

        def lose(sent: list[bytes]) -> None:
            way.mailbox.hang_up(DROP)
            for raw in sent:
                way.mailbox.put(raw)

        once_all_wait(way, MANY, lose)
        results = await checked(loops(way, MANY))
        assert way.mailbox.connections == 2
    assert outcomes(results) == {Outcome.DELIVERED: MANY}
    assert {len(notes(one)) for one in results} == {1}
    assert all("failed while the message was looked for" in notes(one)[0] for one in results)


async def test_a_server_that_stays_away_leaves_the_mail_of_all_unverified() -> None:
    async with around({"greeting": [DEFAULT, *[DROP] * 100]}) as way:
        once_all_wait(way, 5, lambda sent: way.mailbox.hang_up(DROP))
        results = await checked(loops(way, 5, 1.0))
    assert outcomes(results) == {Outcome.UNVERIFIED: 5}


async def test_a_server_that_falls_silent_does_so_for_all() -> None:
    """Those whose time is over first included: nothing is lost that nobody could look for."""
    async with around({"noop": [DEFAULT, *[SILENCE] * 100]}) as way:
        way.lose()
        short, long = loops(way, 6, SHORT, timeout=0.3)[:3], loops(way, 6, 1.0, timeout=0.3)[3:]
        results = await checked([*short, *long])
    assert not [one.sentence for one in results if one.outcome not in (Outcome.UNVERIFIED, Outcome.LOST)]
    assert all(one.error_type is ErrorType.TIMEOUT for one in results if one.outcome is Outcome.UNVERIFIED)


async def test_the_time_of_one_is_over_while_the_others_wait_on() -> None:
    async with among_foreign_mail() as way:
        once_all_wait(way, 6, lambda sent: [way.mailbox.append(raw) for raw in sent[3:]], 1.0)
        results = await checked([*loops(way, 3, SHORT), *loops(way, 6)[3:]])
        assert way.mailbox.connections == 1
    assert [one.outcome for one in results] == [Outcome.LOST] * 3 + [Outcome.DELIVERED] * 3


async def test_a_folder_that_is_refused_is_the_trouble_of_those_who_want_it() -> None:
    async with among_foreign_mail() as way:
        once_all_wait(way, 6, delivered(way))
        results = await checked([*loops(way, 3, SHORT, folder="Nowhere"), *loops(way, 6)[3:]])
    assert outcomes(results[:3]) == {Outcome.UNVERIFIED: 3}
    assert outcomes(results[3:]) == {Outcome.DELIVERED: 3}


async def test_a_junk_folder_that_is_refused_is_a_note_of_each() -> None:
    async with among_foreign_mail({"status": b"{tag} NO [X-CODE] not today\r\n"}) as way:
        once_all_wait(way, 3, delivered(way))
        results = await checked(loops(way, 3))
        assert way.mailbox.connections == 1
    assert outcomes(results) == {Outcome.DELIVERED: 3}
    assert all("The folder Junk could not be looked at" in one for result in results for one in notes(result))


class Renewed(RawImap):
    """Its folders are made anew when somebody says so."""

    validity = 1

    async def reply(self, line: Line, phase: str, default: bytes, tag: bytes = b"") -> bytes:
        default = default.replace(b"UIDVALIDITY 1]", b"UIDVALIDITY %d]" % self.validity)
        return await super().reply(line, phase, default, tag)


async def test_a_folder_that_is_made_anew_is_looked_at_anew() -> None:
    """The last look of one meets it; the others have to begin again, and find what comes then."""
    async with Relay() as relay, Renewed() as mailbox:
        way = Round(relay, mailbox)

        def renew(sent: list[bytes]) -> None:
            mailbox.validity = 2
            mailbox.folders["INBOX"] = []
            mailbox._highest.clear()
            for raw in sent[1:]:
                asyncio.get_running_loop().call_later(1.5, mailbox.append, raw)

        once_all_wait(way, 4, renew)
        results = await checked([*loops(way, 1, 1.0), *loops(way, 4)[1:]])
        assert mailbox.messages == []
    assert [one.outcome for one in results] == [Outcome.LOST] + [Outcome.DELIVERED] * 3
    assert {one.copies for one in results[1:]} == {1}


async def test_a_bounce_for_one_is_read_once_and_is_his() -> None:
    async with among_foreign_mail() as way:

        def bounce(sent: list[bytes]) -> None:
            way.mailbox.append(report(sent[0]))
            for raw in sent[1:]:
                asyncio.get_running_loop().call_later(0.5, way.mailbox.append, raw)

        once_all_wait(way, 6, bounce)
        results = await checked(loops(way, 6))
        read = [line for line in way.mailbox.log if line.startswith("UID FETCH 31 (UID BODY.PEEK[]")]
        assert len(read) == 1
    assert [one.outcome for one in results] == [Outcome.BOUNCED] + [Outcome.DELIVERED] * 5
    assert [one.bounce is not None for one in results] == [True] + [False] * 5


async def test_junk_and_a_second_copy_are_told_of_whom_they_concern() -> None:
    async with among_foreign_mail() as way:

        def then(sent: list[bytes]) -> None:
            way.mailbox.append(sent[0], "Junk")
            way.mailbox.append(sent[1])
            way.mailbox.append(sent[1])
            asyncio.get_running_loop().call_later(0.1, way.mailbox.append, sent[2])
            asyncio.get_running_loop().call_later(0.2, way.mailbox.append, sent[2])
            for raw in sent[3:]:
                way.mailbox.append(raw)

        once_all_wait(way, 6, then)
        results = await checked(loops(way, 6))
        assert way.mailbox.connections == 1
        assert way.mailbox.folders["Junk"] == []
    assert [one.outcome for one in results] == [Outcome.JUNKED] + [Outcome.DUPLICATED] * 2 + [Outcome.DELIVERED] * 3
    assert [one.copies for one in results] == [1, 2, 2, 1, 1, 1]


async def test_a_certificate_that_has_expired_is_refused_for_all(tmp_path: Path) -> None:
    tls = certificates.expired(tmp_path)
    async with around(tls=tls.context, implicit=True) as way:
        results = await checked(loops(way, 5, SHORT, tls="implicit", ca_file=tls.ca_file))
        assert way.mailbox.connections < 5
        assert way.mailbox.credentials == []
    assert {(one.outcome, one.error_type, one.stage) for one in results} == {(Outcome.UNVERIFIED, ErrorType.TLS, "tls")}
    assert all({"dns", "connect", "tls"} <= one.imap_stages.keys() for one in results)


async def test_a_refused_login_is_tried_once_for_all() -> None:
    async with around({"authenticate": b"{tag} NO [AUTHENTICATIONFAILED] no\r\n"}) as way:
        results = await checked(loops(way, 5))
        assert way.mailbox.connections == 1
    assert {(one.outcome, one.error_type, one.stage) for one in results} == {
        (Outcome.UNVERIFIED, ErrorType.AUTH, "login")
    }


async def test_after_the_first_seconds_all_wait_by_idle_or_by_few_looks() -> None:
    async def waited(capabilities: str) -> None:
        async with around(capabilities=capabilities) as way:
            once_all_wait(way, MANY, delivered(way), 3.6)
            results = await checked(loops(way, MANY))
            assert way.mailbox.connections == 1
            assert way.mailbox.count("IDLE") <= 5
            assert (way.mailbox.count("IDLE") > 0) is ("IDLE" in capabilities)
        assert outcomes(results) == {Outcome.DELIVERED: MANY}

    await asyncio.gather(waited("IMAP4rev1 IDLE UIDPLUS"), waited("IMAP4rev1 UIDPLUS"))


class Counting(RawImap):
    """Knows how many were connected at a time."""

    most = 0

    async def converse(self, line: Line) -> None:
        self.most = max(self.most, len(self._lines))
        await super().converse(line)


async def test_no_server_gets_more_sessions_than_it_may_and_who_waits_for_one_is_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Though the time for his message is over long before he may look for it."""
    monkeypatch.setattr(limits, "MAX_SESSIONS_A_HOST", 1)
    async with Relay() as relay, Counting() as mailbox:
        way = Round(relay, mailbox)
        relay.arrive = mailbox.append
        users = [loops(way, 5, 0.2, username=f"user{number}", timeout=0.5)[number] for number in range(5)]
        results = await checked(users)
        assert mailbox.most == 1
        assert mailbox.connections == 5
    assert outcomes(results) == {Outcome.DELIVERED: 5}


async def test_a_server_that_never_answers_keeps_its_place_from_others_for_a_while_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "MAX_SESSIONS_A_HOST", 1)
    async with around() as way, RawImap({"greeting": SILENCE}) as hole:
        dead = loops(way, 2, 3.0, port=hole.port, username="nobody", timeout=0.3, retry_delay=0.2)
        results = await checked([*dead, *loops(way, 4)[2:]])
    assert [one.outcome for one in results] == [Outcome.UNVERIFIED] * 2 + [Outcome.DELIVERED] * 2


async def test_a_relay_gets_few_connections_at_once_and_those_that_hang_hold_nobody_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "MAX_CONNECTIONS_A_RELAY", 2)
    monkeypatch.setattr(limits, "RELAY_PATIENCE_SECONDS", 0.5)

    class Busy(Relay):
        most = 0

        async def converse(self, line: Line) -> None:
            self.most = max(self.most, len(self._lines))
            await asyncio.sleep(0.02)
            await super().converse(line)

    async with Busy() as relay, RawImap() as mailbox:
        relay.arrive = mailbox.append
        assert outcomes(await checked(loops(Round(relay, mailbox), 10))) == {Outcome.DELIVERED: 10}
        assert relay.most == 2
        relay.play("banner", [SILENCE, SILENCE])
        configs = loops(Round(relay, mailbox), 6)
        smtp = configs[0].smtp.model_copy(update={"timeout": 6.0, "retries": 0})
        results = await checked(config.model_copy(update={"smtp": smtp}) for config in configs)
    assert outcomes(results) == {Outcome.UNSENT: 2, Outcome.DELIVERED: 4}


async def test_the_header_of_a_message_is_fetched_once_but_its_flags_by_each_who_needs_them() -> None:
    async with among_foreign_mail() as way, together(MANY):
        imap = loops(way, 1)[0].imap
        assert imap is not None
        first, second = [await opened(imap, math.inf, number) for number in ("1" * 32, "2" * 32)]
        folder = await first.examine("INBOX")
        assert (await second.examine("INBOX")).exists == folder.exists
        for box in (first, second):
            rows = [row async for batch in box.newest_first(folder.exists, flags=False) for row in batch]
            assert len(rows) == folder.exists
        assert way.mailbox.count("FETCH") == 2  # batches
        way.mailbox.messages[-1].flags.add("$Told")
        async for batch in second.newest_first(folder.exists, 1):
            assert [row.flags for row in batch] == [frozenset({"$TOLD"})]
        way.mailbox.messages[-1].flags.clear()
        await first.close()
        assert [row.uid for row in await second.fetch_range(folder.exists, folder.exists)] == [30]
        await second.close()
        assert way.mailbox.connections == 1


async def test_a_check_alone_has_a_session_of_its_own() -> None:
    async with around() as way:
        await asyncio.gather(*map(check, loops(way, 3)))
        assert way.mailbox.connections == 3
