"""Every probe is accounted for, across runs: what an earlier run did not collect is told once, on a real Dovecot."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from uuid import uuid4

import pytest

from flows.direct import check
from tasks.mail.checks import accounts
from tasks.mail.config.loop import LoopConfig
from tasks.mail.model.outcome import Outcome, Reported
from tasks.mail.model.result import LoopResult
from tasks.mail.probe.compose import Probe, compose
from tasks.mail.search.cleanup.ledger import CLAIM_FLAG, REPORTED_FLAG
from tasks.mail.search.watch import SearchRequest, watch
from tasks.mail.senders.registry import Attempts, attempt
from tasks.mail.signing_key import key_in_state
from tasks.mail.verdict.result import conclude
from tests.support.checks.bounds import PROGRAM_SECONDS
from tests.support.mail.old_probes import DAY, flags, foreign, old_probe, put, read_by_its_owner
from tests.support.servers.lab import Lab, User
from tests.support.servers.loops import contents, fields, loop
from tests.support.servers.processes import until

MINUTE = timedelta(minutes=1)
SHORT = 1.0  # seconds after which a message that never comes is lost
PROCESSES = multiprocessing.get_context("forkserver")


def as_message(probe: Probe) -> EmailMessage:
    message = message_from_bytes(probe.content, policy=policy.SMTP)
    assert isinstance(message, EmailMessage)
    return message


def earlier(config: LoopConfig, age: timedelta) -> tuple[str, EmailMessage]:
    """A probe that a run sent so long ago, and its id."""
    message = old_probe(config, age)
    return str(message["X-Mail-Loop-Id"]), message


def told(result: LoopResult) -> list[str]:
    """The ids of the earlier probes that it tells."""
    return [probe.probe_id for probe in result.earlier_probes]


def keywords(lab: Lab, user: User) -> list[list[str]]:
    """The flags of each message in INBOX, in the order of the UIDs."""
    return [sorted(flags.split()) for _, flags in sorted(contents(lab, user).items())]


async def lost(config: LoopConfig, age: timedelta, flow_run: str) -> LoopResult:
    """A check that began so long ago, of a message that does not arrive in time."""
    probe = compose(config.name, config.smtp, datetime.now(UTC) - age, flow_run, key_in_state())
    attempts = Attempts()
    receipt = await attempt(probe, config.smtp, attempts)
    assert config.imap is not None
    found = await watch(SearchRequest(probe, receipt, config.imap, None, SHORT, SHORT))
    result = conclude(config, probe, attempts, receipt, found, flow_run)
    assert result.outcome is Outcome.LOST, result.sentence
    return result


async def test_a_probe_reported_lost_is_told_with_its_true_delay_once_it_arrives(lab: Lab, user: User) -> None:
    """Held back in the relay's queue, as the next server was down; the outage is over, and nothing is told twice."""
    config = loop(lab, user)
    flow_run = str(uuid4())
    lab.edge.stop()
    try:
        first = await lost(config, 37 * MINUTE, flow_run)
    finally:
        lab.edge.launch()
        lab.edge.wait()
    await asyncio.to_thread(until, lambda: contents(lab, user) or None, lambda: "the relay keeps it")

    second = await check(config)
    (late,) = second.earlier_probes
    assert (late.probe_id, late.token, late.flow_run_id) == (first.probe_id, first.token, flow_run)
    assert (late.reported, late.folder) == (Reported.LOST, "INBOX")
    assert late.delivery_seconds is not None
    assert 37 * 60 <= late.delivery_seconds < 38 * 60
    assert second.notes == (
        f"The probe of {late.sent_at:%Y-%m-%d %H:%M} UTC ({first.token}) reported lost arrived in INBOX after 37 min.",
    )
    assert keywords(lab, user) == [[CLAIM_FLAG, REPORTED_FLAG]]

    third = await check(config)
    assert (third.earlier_probes, third.notes) == ((), ())
    await asyncio.sleep(2.5)  # INTERNALDATE has whole seconds
    fourth = await check(loop(lab, user, imap={"retention": 1.0}, max_wait=SHORT))
    assert fourth.earlier_probes == ()
    assert contents(lab, user) == {}

    account, *others = accounts([first, second, third, fourth])
    assert (account.outcome, account.delivery_seconds) == (Outcome.LATE, late.delivery_seconds)
    assert [other.outcome for other in others] == [Outcome.DELIVERED] * 3


async def test_the_probe_of_a_killed_check_is_told_as_uncollected(lab: Lab, user: User) -> None:
    config = loop(lab, user)
    number, message = earlier(config, 10 * MINUTE)
    put(lab, user, message, 10 * MINUTE - timedelta(seconds=3))
    (probe,) = (await check(config)).earlier_probes
    assert (probe.probe_id, probe.reported, probe.flow_run_id) == (number, Reported.UNCOLLECTED, None)
    assert probe.delivery_seconds == pytest.approx(3.5, abs=1.5)
    assert told(await check(config)) == []


async def test_a_check_whose_own_message_is_lost_or_bounces_tells_of_earlier_ones(lab: Lab, user: User) -> None:
    for number, (situation, outcome) in enumerate(
        [(user.plus("discard"), Outcome.LOST), (user.plus("unknown"), Outcome.BOUNCED)]
    ):
        probe, message = earlier(loop(lab, user), 2 * number * MINUTE + 5 * MINUTE)
        put(lab, user, message, timedelta())
        result = await check(loop(lab, user, situation, max_wait=3.0 if outcome is Outcome.LOST else 30.0))
        assert (result.outcome, told(result)) == (outcome, [probe])


async def test_a_probe_in_junk_is_told_and_two_copies_are_told_as_one(lab: Lab, user: User) -> None:
    config = loop(lab, user)
    number, message = earlier(config, 40 * MINUTE)
    for folder, age in (("INBOX", MINUTE), ("Junk", 2 * MINUTE), ("INBOX", 3 * MINUTE)):
        put(lab, user, message, age, folder)
    (probe,) = (await check(config)).earlier_probes
    assert (probe.probe_id, probe.folder) == (number, "INBOX")
    assert probe.delivery_seconds == pytest.approx(37 * 60, abs=3)
    put(lab, user, message, timedelta())  # one more copy, even later
    assert told(await check(config)) == []


async def test_where_probes_are_kept_a_late_one_is_told_and_one_that_was_found_is_not(lab: Lab, user: User) -> None:
    config = loop(lab, user, imap={"delete_after_check": False})
    number, message = earlier(config, 40 * MINUTE)
    put(lab, user, message, MINUTE)
    put(lab, user, foreign(1), MINUTE)
    read_by_its_owner(lab, user)
    assert [told(await check(config)) for _ in range(3)] == [[number], [], []]
    assert keywords(lab, user) == [[CLAIM_FLAG, REPORTED_FLAG], [], [REPORTED_FLAG], [REPORTED_FLAG], [REPORTED_FLAG]]


async def test_what_lies_there_unmarked_takes_recent_from_nobody_where_that_is_asked_for(lab: Lab, user: User) -> None:
    """It is told as soon as it can be marked."""
    config = loop(lab, user, user.plus("discard"), imap={"spare_recent": True}, max_wait=SHORT)
    number, message = earlier(config, 40 * MINUTE)
    put(lab, user, message, MINUTE)
    put(lab, user, foreign(1), MINUTE)
    before = flags(lab, user)
    assert before[2] == r"(\Recent"
    result = await check(config)
    assert (told(result), flags(lab, user)) == ([], before)
    assert len(result.notes) == 1
    read_by_its_owner(lab, user)
    assert [told(await check(config)) for _ in range(2)] == [[number], []]


async def test_a_check_with_nothing_to_tell_changes_nothing(lab: Lab, user: User) -> None:
    put(lab, user, foreign(1), MINUTE)
    before = flags(lab, user)
    await check(loop(lab, user, user.plus("discard"), max_wait=SHORT))
    assert flags(lab, user) == before == {1: r"(\Recent"}


async def test_a_probe_that_only_resembles_one_is_neither_told_nor_marked(lab: Lab, user: User) -> None:
    """Another installation may have a loop of the same name."""
    config = loop(lab, user)
    put(lab, user, old_probe(config, 2 * DAY, From="monitor@elsewhere.test"), DAY)
    read_by_its_owner(lab, user)
    before = flags(lab, user)
    assert (await check(config)).earlier_probes == ()
    assert flags(lab, user) == before


async def test_a_run_that_dies_before_its_result_is_out_loses_nothing(lab: Lab, user: User) -> None:
    config = loop(lab, user)
    number, message = earlier(config, 40 * MINUTE)
    put(lab, user, message, MINUTE)
    probe, attempts = compose(config.name, config.smtp), Attempts()
    assert config.imap is not None
    receipt = await attempt(probe, config.smtp, attempts)
    found = await watch(SearchRequest(probe, receipt, config.imap, None, 30.0, 30.0))
    assert [late.probe_id for late in found.earlier] == [number]  # and nobody ever hears of it
    assert keywords(lab, user) == [[CLAIM_FLAG]]
    assert [told(await check(config)) for _ in range(2)] == [[number], []]


def _dies_when_it_has_told(path: Path) -> None:
    config = LoopConfig.model_validate(json.loads(path.read_text(encoding="utf-8")))

    def show(result: LoopResult) -> None:
        path.with_suffix(".result").write_text(result.model_dump_json(), encoding="utf-8")
        os.kill(os.getpid(), signal.SIGKILL)

    asyncio.run(check(config, show))


async def test_a_run_that_dies_when_its_result_is_out_is_followed_by_one_that_tells_the_same(
    lab: Lab, user: User, tmp_path: Path
) -> None:
    """With the same id, so that it is counted once; after that nobody tells it."""
    config = loop(lab, user)
    number, message = earlier(config, 40 * MINUTE)
    put(lab, user, message, MINUTE)
    smtp, imap = fields(lab, user)
    (tmp_path / "loop.json").write_text(json.dumps({"name": config.name, "smtp": smtp, "imap": imap}))
    process = PROCESSES.Process(target=_dies_when_it_has_told, args=(tmp_path / "loop.json",))
    process.start()
    await asyncio.to_thread(process.join, PROGRAM_SECONDS)
    assert process.exitcode == -signal.SIGKILL
    first = LoopResult.model_validate_json((tmp_path / "loop.result").read_text(encoding="utf-8"))
    second, third = await check(config), await check(config)
    assert [told(first), told(second), told(third)] == [[number], [number], []]
