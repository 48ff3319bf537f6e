"""Probes that nobody collected are removed by later runs of their loop, and nothing else is touched."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import random
import signal
import sys
from collections.abc import Mapping
from datetime import timedelta
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, NoReturn

import pytest

from flows.cli.main import main
from flows.direct import check
from tasks.mail.config.loop import LoopConfig
from tasks.mail.model.outcome import Outcome
from tasks.mail.model.result import LoopResult
from tasks.mail.probe.compose import Probe, compose
from tasks.mail.probe.ownership import is_thorough
from tasks.mail.search.cleanup.collect import settle
from tasks.mail.search.cleanup.ledger import REPORTED_FLAG
from tasks.mail.search.watch import SearchRequest, watch
from tasks.mail.senders.registry import Attempts, attempt
from tasks.mail.verdict.result import conclude
from tests.support.checks.bounds import PROGRAM_SECONDS
from tests.support.mail.old_probes import DAY, flags, foreign, old_probe, put, read_by_its_owner
from tests.support.servers.lab import Lab, User
from tests.support.servers.loops import NAME, contents, fields, loop

CHECKS = 200
AT_ONCE = 4
# Each check in a process of its own, forked from one that has imported all of it.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["flows.cli.main", "flows.direct", __name__])


def told(result: LoopResult) -> list[str]:
    """The notes, without what is told of each earlier probe: see test_ledger."""
    return [note for note in result.notes if not note.startswith("The probe of ")]


async def delivered(config: LoopConfig) -> LoopResult:
    result = await check(config)
    assert result.outcome is Outcome.DELIVERED, result.sentence
    return result


async def test_what_nobody_collected_for_a_day_is_told_and_removed(lab: Lab, user: User) -> None:
    config = loop(lab, user)
    for folder, age in (("INBOX", 2 * DAY), ("INBOX", 25 * DAY), ("Junk", 3 * DAY)):
        put(lab, user, old_probe(config, age), age, folder)
    result = await delivered(config)
    assert (contents(lab, user), contents(lab, user, "Junk")) == ({}, {})
    assert sorted(probe.folder for probe in result.earlier_probes) == ["INBOX", "INBOX", "Junk"]
    assert (len(result.notes), told(result)) == (3, [])


async def test_what_was_told_long_ago_is_removed_and_told_to_be_removed(lab: Lab, user: User) -> None:
    config = loop(lab, user)
    for age in (2 * DAY, 3 * DAY):
        put(lab, user, old_probe(config, age), age)
    for uid in contents(lab, user):
        with lab.imap(user) as client:
            client.select("INBOX")
            client.uid("STORE", str(uid), "+FLAGS", f"({REPORTED_FLAG})")
    result = await delivered(config)
    assert (contents(lab, user), result.earlier_probes) == ({}, ())
    [note] = result.notes
    assert note.startswith(
        "2 earlier probes that nobody had collected were deleted; the oldest had arrived in INBOX at "
    )


async def test_a_probe_that_another_check_may_still_wait_for_is_left_alone(lab: Lab, user: User) -> None:
    config = loop(lab, user)
    put(lab, user, old_probe(config, timedelta(seconds=90)), timedelta(seconds=90))
    assert (await delivered(config)).notes == ()
    assert list(contents(lab, user).values()) == [""]
    impatient = loop(lab, user, imap={"retention": 1.0}, max_wait=80.0)  # never less than max_wait
    assert len((await delivered(impatient)).earlier_probes) == 1
    assert contents(lab, user) == {}


async def test_where_probes_are_kept_on_purpose_old_ones_stay(lab: Lab, user: User) -> None:
    config = loop(lab, user, imap={"delete_after_check": False})
    put(lab, user, old_probe(config, 2 * DAY), 2 * DAY)
    assert told(await delivered(config)) == []
    assert len(contents(lab, user)) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"X_Mail_Loop_Name": "another-loop"},
        {"X_Mail_Loop_Name": None},
        {"X_Mail_Loop_Id": None},
        {"X_Mail_Loop_Id": "0" * 32},  # not that of its subject
        {"X_Mail_Loop_Id": "not-an-id"},
        {"From": "somebody@elsewhere.test"},
        {"Auto_Submitted": None},
        {"Auto_Submitted": "auto-replied"},
        {"Subject": "Fwd: [mail-loop] and more"},
        {"In_Reply_To": "<1@elsewhere.test>"},
        {"Content_Type": 'multipart/report; boundary="x"'},
    ],
    ids=str,
)
async def test_what_is_not_wholly_a_probe_of_this_loop_stays_as_it_is(
    lab: Lab, user: User, changes: Mapping[str, str | None]
) -> None:
    config = loop(lab, user)
    put(lab, user, old_probe(config, 2 * DAY, **changes), 2 * DAY)
    read_by_its_owner(lab, user)
    before = flags(lab, user)
    assert len(before) == 1
    assert (await delivered(config)).notes == ()
    assert flags(lab, user) == before


async def test_a_thorough_run_looks_into_every_folder_and_at_any_age(lab: Lab, user: User) -> None:
    """One run in sixteen, by its random id."""
    config = loop(lab, user)
    for folder, age in (("INBOX", 400 * DAY), ("Projects", 2 * DAY)):
        put(lab, user, old_probe(config, age), age, folder)
    await run(config, thorough=False)
    assert (len(contents(lab, user)), len(contents(lab, user, "Projects"))) == (1, 1)
    await run(config, thorough=True)
    assert (contents(lab, user), contents(lab, user, "Projects")) == ({}, {})


async def run(config: LoopConfig, thorough: bool) -> None:
    """A check of a probe with such an id."""
    probe = next(probe for probe in iter(lambda: compose(config.name, config.smtp), None) if suits(probe, thorough))
    attempts = Attempts()
    receipt = await attempt(probe, config.smtp, attempts)
    assert config.imap is not None
    found = await watch(SearchRequest(probe, receipt, config.imap, None, 30.0, 30.0))
    assert found.hits
    await settle(conclude(config, probe, attempts, receipt, found), config)


def suits(probe: Probe, thorough: bool) -> bool:
    return is_thorough(probe) is thorough


async def test_a_deletion_may_wait_until_it_takes_recent_from_nobody(lab: Lab, user: User) -> None:
    config = loop(lab, user, imap={"spare_recent": True})
    put(lab, user, foreign(1), timedelta(minutes=1))
    before = flags(lab, user)
    assert list(before.values()) == [r"(\Recent"]
    result = await delivered(config)
    assert result.notes == (
        r"Probes were left in INBOX as they are: to change them would take \Recent from other messages.",
    )
    assert flags(lab, user).items() > before.items()
    read_by_its_owner(lab, user)
    assert (await delivered(config)).notes == ()
    assert len(contents(lab, user)) == 2  # the first probe is not old enough yet
    await asyncio.sleep(2.5)  # INTERNALDATE has whole seconds
    result = await delivered(loop(lab, user, imap={"spare_recent": True, "retention": 1.0}, max_wait=1.0))
    assert result.notes[0].startswith("An earlier probe")
    assert result.earlier_probes == ()  # for its own check had found it
    assert list(contents(lab, user)) == list(before)


@pytest.mark.long
async def test_after_200_checks_with_random_kills_nothing_of_ours_is_left(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By SIGTERM and SIGKILL, at any moment; every foreign message keeps its UID and its flags, \\Recent too."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    chance = random.Random()
    print(f"seed {(seed := chance.getrandbits(32))}")
    chance.seed(seed)
    killed = await asyncio.gather(*(_kills(lab, tmp_path, random.Random(chance.random())) for _ in range(AT_ONCE)))
    assert sum(killed) > CHECKS / 4


async def _kills(lab: Lab, folder: Path, chance: random.Random) -> int:
    """One loop's share of the checks, each in a process of its own; returns how many were killed."""
    user = lab.fresh_user()
    for number in range(20):
        put(lab, user, foreign(number), timedelta(minutes=number))
    put(lab, user, foreign(99), timedelta(minutes=1), "Projects")  # it stays \Recent: no probe is in there
    read_by_its_owner(lab, user)
    before = flags(lab, user), flags(lab, user, "Projects")
    path = folder / f"{user.username}.json"
    path.write_text(json.dumps(_configuration(lab, user)), encoding="utf-8")
    killed = 0
    for _ in range(CHECKS // AT_ONCE):
        killed += await _check_and_kill(path, chance)
    await asyncio.sleep(2.5)  # what was on its way is there, and as old as the retention time
    results = []
    for _ in range(2):  # the first is still within its own time
        assert await _check(path) == 0, path.with_suffix(".log").read_text()
        results.append(path.with_suffix(".log").read_text())
    ids = [probe["probe_id"] for text in results for probe in json.loads(text.splitlines()[0])["earlier_probes"]]
    assert len(ids) == len(set(ids))  # where none was killed, none is told twice
    assert (flags(lab, user), flags(lab, user, "Projects")) == before
    return killed


def _configuration(lab: Lab, user: User) -> dict[str, Any]:
    smtp, imap = fields(lab, user, imap={"retention": 1.0})
    return {"name": NAME, "smtp": smtp, "imap": imap, "limits": {"max_wait": 1.5}}


def _command(path: Path) -> NoReturn:
    """`mail-loop check --direct`, its output beside the configuration."""
    output = os.open(path.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.exit(main(["check", "--direct", "--json", str(path)]))


async def _ended(process: ForkServerProcess) -> int | None:
    await asyncio.to_thread(process.join, PROGRAM_SECONDS)
    if process.is_alive():  # a thread that waited for it without a bound would outlive the test
        process.kill()
        raise AssertionError("a check did not end")
    return process.exitcode


async def _check(path: Path) -> int | None:
    process = PROCESSES.Process(target=_command, args=(path,))
    process.start()
    return await _ended(process)


async def _check_and_kill(path: Path, chance: random.Random) -> bool:
    """A check that dies, or not, some time after it has begun."""
    process = PROCESSES.Process(target=_command, args=(path,))
    process.start()
    await asyncio.sleep(chance.uniform(0.0, 1.0))
    alive = process.is_alive()
    if alive and process.pid is not None:
        os.kill(process.pid, chance.choice((signal.SIGTERM, signal.SIGKILL)))
    await _ended(process)
    return alive
