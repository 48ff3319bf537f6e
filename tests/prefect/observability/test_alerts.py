"""Rules on a real Prefect server, and a pager: it rings once for an outage, once for its end, and for nothing else."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.automations import AutomationCore, DoNothing, EventTrigger, Posture
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.events.filters import EventFilter, EventNameFilter
from prefect.settings import PREFECT_HOME, temporary_settings

from flows.alerts import apply as applying
from flows.alerts.automations import PREFIX
from flows.alerts.loops import deployed, intervals, parameters_of
from flows.cli.serve import WORKER, serve
from flows.equip import AUTOMATION_NAME, ROOT
from flows.prefect_api.connection import at
from flows.server import processes
from flows.server.login import known_login
from flows.server.prefect import SERVER, free_port, start_server
from tasks.alert_store import RULES_VARIABLE, STATE_VARIABLE, last_watched, silent_in, triggered_by, write_variable
from tasks.alerting import SETTLED
from tasks.alerts.rules import LONGER, Alerts, hosts_of
from tasks.finish import publish
from tasks.mail.config.section import validated
from tasks.mail.model.errors import ConfigError
from tasks.mail.model.outcome import Outcome, Status
from tasks.mail.model.result import LoopResult
from tasks.pages import read_events
from tests.prefect.failures.api import Api
from tests.prefect.failures.phases import Scene, deployment_on, until, worker
from tests.prefect.observability.pager import Pager
from tests.prefect.records import ALLOWED, PASSWORD, SOCKETS_LEFT_OPEN, forget_server, leave_connections, places_of
from tests.support.command.run import mail_loop
from tests.support.first_start import FirstStart

# Apprise reads pictures with what Python is about to lose.
pytestmark = [
    pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN),
    pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning"),
]

GOOD, LATE, LOST = (Status.OK, Outcome.DELIVERED), (Status.WARNING, Outcome.LATE), (Status.ERROR, Outcome.LOST)
SKIPPED = (Status.WARNING, Outcome.SKIPPED)
SPANS = [f" within {span}" for span in LONGER]
ONE = {"failing": {"when": "failing", "recovered_after": 1, "channels": ["pager"]}}


class Ground:
    """A Prefect server that can be restarted, and a pager."""

    def __init__(self, home: Path, pager: Pager) -> None:
        self.home = home
        self.pager = pager
        self.port = free_port()
        self.url = start_server(home, self.port)

    def restart(self) -> None:
        processes.stop(self.home, SERVER)
        start_server(self.home, self.port)


@pytest.fixture(scope="module")
def ground(
    first_start: FirstStart, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Ground]:
    home = first_start(tmp_path_factory.mktemp("alerts"))
    with Pager() as pager, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DO_NOT_TRACK", "1")
        patch.setenv("PAGER_URL", pager.url())
        patch.setenv("CHAT_URL", pager.url("json"))
        patch.setenv("MAIL_URL", "mailtos://ops:canary@relay.example.org?to=ops@example.com")
        forget_server()
        try:
            made = Ground(home, pager)
            leave_connections(pytestconfig, made.url)
            with at(made.url, known_login(home)), temporary_settings({PREFECT_HOME: home}):
                yield made
                forget_server()
        finally:
            processes.stop(home, SERVER)


@pytest.fixture
async def pager(ground: Ground) -> AsyncIterator[Pager]:
    """The pager, with the rules of an earlier test gone."""
    ground.pager.down = False
    yield ground.pager
    ground.pager.down = False


async def apply(rules: dict[str, Any], **channels: dict[str, str]) -> list[str]:
    """Put rules in force; returns what was said."""
    said: list[str] = []
    named = {"pager": {"webhook": "pager-url"}, "chat": {"apprise": "chat-url"}} | channels
    used = {name: named[name] for rule in rules.values() for name in rule["channels"]}
    await applying.apply_rules(validated(Alerts, {"channels": used, "rules": rules}), said.append)
    return said


async def checked(loop: str, *verdicts: tuple[Status, Outcome]) -> None:
    """So many checks, told and recorded as those of a flow run are."""

    @flow(name="mail-loop-check")
    async def told() -> None:
        for status, outcome in verdicts:
            now = datetime.now(UTC)
            result = LoopResult(loop=loop, status=status, outcome=outcome, sentence="It was so.", sent_at=now)
            assert await publish(result, None)

    await told()


async def test_an_outage_calls_once_and_its_end_once_more(pager: Pager) -> None:
    await apply({"failing": {"when": "failing", "checks": 2, "recovered_after": 2, "channels": ["pager"]}})
    await checked("office", GOOD, LOST, GOOD, LOST, LOST, LOST)
    await pager.rings("office", ["failing (lost)"])
    await checked("office", LOST, GOOD, LOST, SKIPPED, GOOD, LATE)
    await pager.rings("office", ["failing (lost)", "recovered"])
    text = pager.texts[-1].split("\n")
    assert text[0] == "It was so."
    assert text[1].startswith("It was lost since ")
    assert text[1].endswith("(5 checks).")


async def test_warnings_call_for_a_degraded_loop_through_apprise(pager: Pager) -> None:
    await apply({"slow": {"when": "degraded", "checks": 2, "recovered_after": 1, "channels": ["chat"]}})
    await checked("warned", LATE, LATE, LOST, LATE, GOOD)
    await pager.rings("warned", ["degraded (late)", "recovered"])


async def test_a_rule_of_other_loops_and_one_switched_off_call_nobody(pager: Pager) -> None:
    await apply(ONE | {"mine": {"when": "failing", "loops": ["mine"], "recovered_after": 1, "channels": ["pager"]}})
    async with get_client() as client:
        (every,) = await client.read_automations_by_name(f"{PREFIX}failing to pager")
        await client.pause_automation(every.id)
        said = await apply(
            ONE | {"mine": {"when": "failing", "loops": ["mine"], "recovered_after": 1, "channels": ["pager"]}}
        )
        assert said[0] == "switched off in Prefect, and left so: failing to pager"
        await checked("yours", LOST)
        await checked("mine", LOST)
        await pager.rings("mine", ["failing (lost)"])
        await checked("yours", GOOD)
        await checked("mine", GOOD)
        await pager.rings("mine", ["failing (lost)", "recovered"])
        assert pager.calls("yours") == []
        await client.resume_automation(every.id)


@pytest.mark.long
async def test_a_server_restarted_in_the_middle_of_an_outage_calls_no_second_time(ground: Ground, pager: Pager) -> None:
    await apply(ONE)
    await checked("restarted", LOST)
    await pager.rings("restarted", ["failing (lost)"])
    await asyncio.to_thread(ground.restart)
    await checked("restarted", LOST, LOST, GOOD)
    await pager.rings("restarted", ["failing (lost)", "recovered"])


async def test_a_call_that_the_channel_did_not_take_is_made_again_until_it_has(pager: Pager) -> None:
    await apply({"failing": {"when": "failing", "recovered_after": 1, "channels": ["chat"]}})
    pager.down = True
    await checked("untaken", LOST)
    await until(lambda: pager.refused > 0, "the pager is not called")
    pager.down = False
    await a_minute_later("untaken")
    await checked("untaken", LOST)
    await pager.rings("untaken", ["failing (lost)"])
    await until(lambda: taken("untaken"), "the server does not say that the call was taken")
    await a_minute_later("untaken")
    await checked("untaken", LOST, GOOD)
    await pager.rings("untaken", ["failing (lost)", "recovered"])


async def test_a_call_that_a_kill_prevented_is_made_by_the_next_check(pager: Pager) -> None:
    """It was written down that it has to be made, and then there was no more time."""
    await apply(ONE)
    at = (datetime.now(UTC) - SETTLED).isoformat()
    call = {
        "event": "5f8c2f0e-9a53-4d3c-8f0e-2d4c3f0a1b2c",
        "kind": "failing",
        "subject": "[mail-loop] killed: failing (lost)",
        "body": "It was so.",
        "at": at,
    }
    standing = {"called": True, "bad": 1, "checks": 1, "since": at, "outcome": "lost", "pending": {"pager": call}}
    async with get_client() as client:
        await write_variable(client, STATE_VARIABLE.format(loop="killed"), {"failing": standing})
    await checked("killed", LOST, LOST)
    await pager.rings("killed", ["failing (lost)"])


async def a_minute_later(loop: str) -> None:
    """The calls on record of a loop, moved into the past."""
    async with get_client() as client:
        name = STATE_VARIABLE.format(loop=loop)
        found = await client.read_variable_by_name(name)
        assert found is not None
        assert isinstance(found.value, dict)
        for standing in found.value.values():
            for call in standing["pending"].values():
                call["at"] = (datetime.fromisoformat(call["at"]) - SETTLED).isoformat()
        await write_variable(client, name, found.value)


async def taken(loop: str) -> bool:
    """Whether the newest call about a loop has been answered, as the server writes down in its own time."""
    async with get_client() as client:
        executed = EventFilter(event=EventNameFilter(name=["prefect.automation.action.executed"]))
        variable = await client.read_variable_by_name(STATE_VARIABLE.format(loop=loop))
        assert variable is not None
        calls = [call["event"] for one in variable.value.values() for call in one["pending"].values()]  # type: ignore[union-attr]
        related = {one.id for event in (await client.read_events(executed, limit=50)).events for one in event.related}
        return all(f"prefect.event.{call}" in related for call in calls)


@pytest.mark.long
async def test_500_good_checks_call_nobody(pager: Pager) -> None:
    """With rules of every kind in force; and nothing is left to be remembered."""
    every = {kind: {"when": kind, "channels": ["pager"]} for kind in ("failing", "degraded")}
    await apply(every | {"silent": {"when": "silent", "within": "10m", "channels": ["pager"]}})
    loops = [f"good-{number}" for number in range(4)]
    for loop in loops:  # at once, beside other tests, they are too many for SQLite
        await checked(loop, *[GOOD] * 125)
    await checked("witness", LOST)
    await pager.rings("witness", ["failing (lost)"])  # what was called for before it has come by now
    assert [subject for subject in pager.rung if "good-" in subject] == []
    async with get_client() as client:
        names = {variable.name for variable in await client.read_variables(limit=200)}
    assert not names & {STATE_VARIABLE.format(loop=loop) for loop in loops}


async def test_what_the_file_says_is_what_there_is_and_nothing_else_is_touched(ground: Ground, pager: Pager) -> None:
    foreign = AutomationCore(
        name=f"{PREFIX}of somebody else",
        trigger=EventTrigger(posture=Posture.Reactive, expect={"something"}, threshold=1),
        actions=[DoNothing()],
    )
    two = ONE | {"quiet": {"when": "silent", "within": "2h", "channels": ["chat"]}}
    async with get_client() as client:
        created = await client.create_automation(foreign)
        await apply(ONE)
        said = await apply(two)
        quiet = ["quiet to chat", *(f"quiet to chat, no check{more}" for more in ("", *SPANS))]
        assert said == [*(f"created: {one}" for one in quiet), "in force: 2 rules, 2 channels"]
        before = sorted((one.name, str(one.id)) for one in await client.read_automations())
        assert await apply(two) == ["in force: 2 rules, 2 channels"]
        assert sorted((one.name, str(one.id)) for one in await client.read_automations()) == before
        said = await apply({"failing": {"when": "failing", "checks": 3, "channels": ["pager"]}})
        assert said[-1] == "in force: 1 rule, 1 channel"
        assert {*(f"removed: {one}" for one in quiet), "removed: channel chat"} <= set(said)
        names = [one.name for one in await client.read_automations()]
        assert sorted(names) == sorted([AUTOMATION_NAME, foreign.name, f"{PREFIX}failing to pager"])
        await client.delete_automation(created)
    assert places_of("canary-of-the-pager", ground.home) == []


async def test_what_is_in_force_and_what_goes_on_is_shown(pager: Pager) -> None:
    await apply(ONE | {"quiet": {"when": "silent", "within": "2h", "loops": ["shown"], "channels": ["pager"]}})
    await checked("shown", LOST)
    said = await shown()
    assert said[:2] == ["failing: failing after 1 check, all loops, to pager", "quiet: silent for 2h, shown, to pager"]
    (line,) = [line for line in said if line.startswith("called: shown ")]
    assert line.startswith("called: shown is lost since ")
    assert line.endswith(" UTC (rule failing)")
    await checked("shown", GOOD)
    await pager.rings("shown", ["failing (lost)", "recovered"])


@pytest.mark.parametrize(
    ("channels", "error"),
    [
        (
            {"pager": {"webhook": "nowhere"}},
            "channels.pager.webhook: there is no Prefect Secret block 'nowhere' and no environment variable NOWHERE: "
            "create one of them",
        ),
        ({"pager": {"webhook": "chat-url"}}, "channels.pager.webhook: the value of chat-url is no http or https URL"),
        ({"pager": {"apprise": "path"}}, "channels.pager.apprise: the value of path is no URL that Apprise knows"),
        (
            {"pager": {"block": "slack-webhook/none"}},
            "channels.pager.block: there is no block slack-webhook/none on the server",
        ),
        (
            {"pager": {"apprise": "mail-url"}},
            "rules.failing.channels: pager is mail, and the rule holds for all loops: name those that do not depend on "
            "that mail",
        ),
    ],
)
async def test_a_channel_that_cannot_be_is_said_and_changes_nothing(
    ground: Ground, channels: dict[str, Any], error: str
) -> None:
    await apply(ONE)
    async with get_client() as client:
        before = [one.model_dump() for one in await client.read_automations()]
        with pytest.raises(ConfigError) as raised:
            await apply(ONE, **channels)
        assert str(raised.value) == error
        assert [one.model_dump() for one in await client.read_automations()] == before


async def test_mail_is_no_channel_for_a_loop_that_depends_on_it(ground: Ground) -> None:
    async with get_client() as client:
        flow = await client.create_flow_from_name("mail-loop-check")
        for name, host in (("near", "relay.example.org"), ("far", "relay.example.net")):
            smtp = {"host": host, "from_addr": f"a@{name}.test", "to_addr": f"b@{name}.test"}
            await client.create_deployment(flow, name=name, parameters={"name": name, "smtp": smtp})
    mail = {"pager": {"apprise": "mail-url"}}
    for loop, error in (
        (
            "near",
            "rules.failing.channels: pager is mail, and the loop near may depend on it (both go by example.org), so a "
            "call that mail is broken would be stuck with it: choose another channel",
        ),
        (
            "unknown",
            "rules.failing.channels: pager is mail, and the server knows no loop unknown, so whether that depends on "
            "it cannot be told: deploy the loop first, or choose another channel",
        ),
    ):
        with pytest.raises(ConfigError) as raised:
            await apply({"failing": ONE["failing"] | {"loops": [loop]}}, **mail)
        assert str(raised.value) == error
    said = await apply({"failing": ONE["failing"] | {"loops": ["far"]}}, **mail)
    assert said[-1] == "in force: 1 rule, 1 channel"
    await apply(ONE)


async def test_a_loop_that_is_only_within_a_fleet_or_a_matrix_is_known(ground: Ground, tmp_path: Path) -> None:
    """Those in files as well, where the files are on this machine; what is wrong on its own is passed over."""
    smtp = {"host": "relay.example.org", "from_addr": "a@b.test", "to_addr": "c@d.test", "subject_prefix": "[x]"}
    imap = {"host": "imap.example.net", "username": "u@example.net", "password_secret": "s"}
    sender = {name: value for name, value in smtp.items() if name != "to_addr"}
    (tmp_path / "loops.json").write_text(json.dumps({"loops": {"in-a-file": {"smtp": smtp}}}), encoding="utf-8")
    given: dict[str, list[dict[str, Any]]] = {
        "fleet-check": [
            {"name": "sites", "loops": {"in-a-fleet": {"smtp": smtp, "imap": imap}}},
            {"name": "files", "files": [str(tmp_path), "/nowhere"]},
            {"name": "wrong", "loops": {"x": {"smtp": {"hots": "x"}}}},
        ],
        "loop-matrix": [
            {"name": "all", "senders": {"a": sender}, "receivers": {"b": imap | {"address": "u@example.net"}}}
        ],
    }
    async with get_client() as client:
        for flow, deployments in given.items():
            number = await client.create_flow_from_name(flow)
            for one in deployments:
                await client.create_deployment(number, name=f"known-{one['name']}", parameters=one)
        known = parameters_of(await deployed(client))
    assert {"in-a-fleet", "in-a-file", "all-a-b"} <= known.keys()
    assert not {"x", "sites", "files", "all"} & known.keys()
    assert hosts_of(known["in-a-fleet"]) == {"relay.example.org", "imap.example.net", "b.test", "d.test", "example.net"}


async def said_by(*arguments: str | Path, **env: str) -> list[str]:
    """Run the command as the README does; returns what it says."""
    ended = await mail_loop(*arguments, env=os.environ | env)
    assert ended.code == 0, ended
    return ended.out.splitlines()


async def is_watched(loop: str) -> bool:
    async with get_client() as client:
        return await last_watched(client, loop, "silent") is not None


@pytest.mark.long
async def test_the_steps_of_the_readme_call_nobody_and_a_worker_that_dies_is_called_for_once_and_its_return_too(
    ground: Ground, pager: Pager, tmp_path: Path
) -> None:
    """With the rules of the examples, but for their 45 minutes: one is all that this waits.

    A loop is checked by hand, one is due in an hour only, one has a schedule that is switched off, and two lose their
    worker, one of them within a fleet: they alone are called for, and `alerts show` says so.
    """
    example = (ROOT / "examples" / "alerts.yaml").read_text(encoding="utf-8")
    (tmp_path / "alerts.yaml").write_text(example.replace("45m", "1m"), encoding="utf-8")
    env = {"PREFECT_API_URL": ground.url, "PREFECT_API_AUTH_STRING": known_login(ground.home) or ""}
    env |= {"PAGER_URL": pager.url("json"), "CHAT_URL": pager.url(), "SANDBOX_PASSWORD": PASSWORD}
    await asyncio.to_thread(serve, ground.home, ground.port)
    processes.stop(ground.home, WORKER)
    with (ground.home / "secrets.allow").open("a", encoding="utf-8") as allowed:
        allowed.write(ALLOWED)
    await deployment_on("hourly", schedules=every(3600), parameters={"name": "hourly"})
    resting = await deployment_on("resting", schedules=every(30), parameters={"name": "resting"})
    said = await said_by("alerts", "apply", tmp_path / "alerts.yaml", **env)
    assert said[-1] == "in force: 3 rules, 2 channels"
    (hourly,) = [line for line in said if "hourly" in line]
    assert hourly.startswith(
        "note: rules.silent: within: 1m is too short for hourly, whose checks are due up to 1 h apart"
    )
    assert hourly.endswith("give it a rule of its own with loops: [hourly] and within: 3h")
    async with get_client() as client:
        await client.pause_deployment(resting)
        due = (await intervals(client, datetime.now(UTC))).loops
        assert (due["production"], due["hourly"]) == (timedelta(minutes=15), timedelta(hours=1))
        assert not {"staging", "inbound", "resting", "by-hand"} & due.keys()
    async with (
        Api(ground.url) as api,
        Scene("deserted", "none", api) as scene,
        Scene("in-a-fleet", "none", api) as member,
        Scene("by-hand", "none", api) as by_hand,
    ):
        await deployment_on("deserted", schedules=every(30), parameters=scene.parameters())
        await fleet_on("deserted", {"in-a-fleet": member.parameters()})
        (tmp_path / "by-hand.json").write_text(json.dumps(by_hand.parameters()), encoding="utf-8")
        checked_by_hand = asyncio.create_task(said_by("check", tmp_path / "by-hand.json", **env))
        with worker(ground.home, ground.port, "deserted") as running:
            for loop in ("deserted", "in-a-fleet"):
                await until(lambda loop=loop: is_watched(loop), f"no check of {loop} is run")  # type: ignore[misc]
            os.killpg(running.pid, signal.SIGKILL)
        assert (await checked_by_hand)[0].startswith("by-hand: ok (delivered)")
        for loop in ("deserted", "in-a-fleet"):
            await pager.rings(loop, ["silent"], seconds=180.0)
        assert any("No good check of deserted has come within 1m" in text for text in pager.texts)
        # The server writes down in its own time what became of a call.
        said_of = [f"called: {loop} is silent since " for loop in ("deserted", "in-a-fleet")]
        await until(lambda: are_shown(*said_of), "the calls are not shown")
        assert await triggered() == {"deserted", "in-a-fleet", "resting"}  # of which one was no call
        with worker(ground.home, ground.port, "deserted"):
            for loop in ("deserted", "in-a-fleet"):
                await pager.rings(loop, ["silent", "recovered"], seconds=120.0)
        await until(are_shown, "the calls are still shown")
    assert [pager.calls(loop) for loop in ("by-hand", "resting", "hourly", "production", "staging")] == [[]] * 5
    async with get_client() as client:
        await client.delete_variable_by_name(RULES_VARIABLE)


async def triggered() -> set[str]:
    """The loops that the server has found silent."""
    async with get_client() as client:
        ids = (await applying.in_force(client))["automations"]["silent"]["pager"]
        return {silent_in(event) async for event in read_events(client, triggered_by(ids))}


async def are_shown(*beginnings: str) -> bool:
    """Whether these calls, and no others of these loops, are shown."""
    loops = ("deserted", "in-a-fleet", "resting", "hourly", "by-hand")
    lines = sorted(line for line in await shown() if "called" in line and any(loop in line for loop in loops))
    return len(lines) == len(beginnings) and all(map(str.startswith, lines, beginnings))


async def shown() -> list[str]:
    said: list[str] = []
    await applying.show_rules(said.append)
    return said


async def fleet_on(pool: str, loops: dict[str, dict[str, Any]]) -> None:
    """A fleet that is told briefly, on the work pool of a deployment."""
    async with get_client() as client:
        like = await client.read_deployment_by_name(f"mail-loop-check/{pool}")
        inside = {name: {key: one[key] for key in ("smtp", "imap", "limits")} for name, one in loops.items()}
        await client.create_deployment(
            await client.create_flow_from_name("fleet-check"),
            name=pool,
            entrypoint="flows/fleet.py:fleet_check",
            pull_steps=like.pull_steps,
            work_pool_name=pool,
            parameters={"name": "sites", "loops": inside, "brief": True},
            schedules=every(30),
        )


def every(seconds: float) -> list[DeploymentScheduleCreate]:
    """A schedule whose first check is due at once."""
    soon = IntervalSchedule(interval=timedelta(seconds=seconds), anchor_date=datetime.now(UTC) + timedelta(seconds=3))
    return [DeploymentScheduleCreate(schedule=soon, slug="soon", active=True)]
