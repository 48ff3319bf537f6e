"""Many loops in one flow run: each ends as it would alone, as the records of the server show."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import State, StateType, TaskRun
from prefect.flows import load_flow_from_entrypoint
from prefect.utilities.schema_tools.validation import validate
from pydantic import SecretStr

from flows.concurrency import AT_ONCE
from flows.equip import ROOT
from flows.fleet import fleet_check
from flows.history import read_figures
from tasks.alert_store import RULES_VARIABLE, STATE_VARIABLE, write_variable
from tasks.history.figures import window
from tasks.mail.config.loop import loop_config
from tasks.mail.model.errors import MatrixFailed
from tasks.mail.model.outcome import Outcome
from tasks.mail.model.result import LoopResult
from tasks.mail.net import limits as courtesy
from tasks.mail.run_lock import hold_run
from tasks.run_context import Caller, caller
from tasks.sandbox import Sandbox, Script
from tests.prefect.records import PATIENCE, SOCKETS_LEFT_OPEN, Records, places_of, run_id
from tests.support.raw.imap import RawImap
from tests.support.raw.server import SILENCE
from tests.support.raw.smtp import RawSmtp

pytestmark = [pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN), pytest.mark.usefixtures("server")]

USERS = {f"u{number}": f"Pa55-of-u{number}" for number in range(4)}


@pytest.fixture(autouse=True)
def _passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    for user, password in USERS.items():
        monkeypatch.setenv(f"{user.upper()}_PASSWORD", password)


@pytest.fixture
def name(name: str) -> str:
    """Short enough for the names of the loops."""
    return name[:40].strip("-")


@pytest.fixture
async def system() -> AsyncIterator[Sandbox]:
    async with Sandbox(USERS) as running:
        yield running


def loop(system: Sandbox, user: str, **limits: float) -> dict[str, Any]:
    login = {"host": system.host, "ca_file": system.ca_file, "username": user, "password_secret": f"{user}-password"}
    address = f"{user}@sandbox.test"
    return {
        "smtp": {
            **login,
            "port": system.smtp_port,
            "from_addr": address,
            "to_addr": address,
            "subject_prefix": "[fleet]",
            "retry_delay": 0.0,
        },
        "imap": {**login, "port": system.imaps_port, "retry_delay": 0.1},
        "limits": {"max_wait": 20.0} | limits,
    }


def loops(system: Sandbox, name: str, **limits: float) -> dict[str, Any]:
    return {f"{name}-{user}": loop(system, user, **limits) for user in USERS}


async def run(name: str, **parameters: Any) -> State[Any]:
    state: State[Any] = await fleet_check(name, **parameters, return_state=True)
    return state


async def results_of(state: State[Any]) -> dict[str, LoopResult]:
    found: Any = await state.aresult(raise_on_failure=False)
    return {one.loop: one for one in (found.results if isinstance(found, MatrixFailed) else found)}


async def task_runs(result: LoopResult, expected: int) -> dict[str, TaskRun]:
    """The task runs of a flow run by name, once the server knows how each ended."""
    until = time.monotonic() + PATIENCE
    only = FlowRunFilter(id=FlowRunFilterId(any_=[run_id(result)]))
    async with get_client() as client:
        while True:
            found = await client.read_task_runs(flow_run_filter=only)
            if len(found) >= expected and all(one.state and one.state.is_final() for one in found):
                return {one.name: one for one in found}
            assert time.monotonic() < until, f"{len(found)} task runs are on record"
            await asyncio.sleep(0.1)


async def table(records: Records, name: str) -> list[dict[str, Any]]:
    (artifact,) = await records.artifacts(f"mail-loop-fleet-{name}")
    assert artifact["type"] == "table"
    found: list[dict[str, Any]] = json.loads(artifact["data"])
    return found


async def test_each_loop_is_a_task_run_with_a_state_of_its_own_and_a_row_in_one_table(
    system: Sandbox, records: Records, name: str
) -> None:
    """The worst comes first, and names the whole."""
    given = loops(system, name)
    given[f"{name}-u1"]["imap"]["folder"] = "Archive"
    given[f"{name}-u2"]["smtp"]["password_secret"] = "is-nowhere"
    given[f"{name}-u3"]["smtp"]["to_addr"] = "nobody@sandbox.test"
    state = await run(name, loops=given)
    results = await results_of(state)
    assert (state.type, state.name) == (StateType.FAILED, "Rejected")
    assert state.message is not None
    assert state.message.startswith("1 of 4 loops ok, 1 rejected, 1 ")
    said = {
        key: (one.state.type, one.state.name, one.state.message)
        for key, one in (await task_runs(results[f"{name}-u0"], 4)).items()
        if one.state
    }
    for key, one in results.items():
        kind = StateType.FAILED if one.status == "error" else StateType.COMPLETED
        assert said[key] == (kind, one.outcome.title(), one.sentence)
    assert said[f"{name}-u2"][1] == "Misconfigured"
    rows = await table(records, name)
    assert rows[0]["loop"] == f"{name}-u3"
    assert rows[-1] == {
        "loop": f"{name}-u0",
        "status": "ok",
        "outcome": "delivered",
        "delivery": pytest.approx(results[f"{name}-u0"].delivery_seconds, abs=0.01),
        "sentence": results[f"{name}-u0"].sentence,
    }


async def test_each_loop_has_the_event_and_the_report_of_a_loop_and_is_in_the_history(
    system: Sandbox, records: Records, name: str
) -> None:
    """So that the history of a loop is the same, whichever way it was run."""
    state = await run(name, loops=loops(system, name))
    assert (state.type, state.name, state.message) == (StateType.COMPLETED, "Delivered", "4 of 4 loops ok")
    for one in (await results_of(state)).values():
        (event,) = await records.events(one.loop, 1)
        assert event["payload"] == one.model_dump(mode="json")
        (artifact,) = await records.artifacts(f"mail-loop-{one.loop}")
        assert artifact["flow_run_id"] == one.flow_run_id
    (history,) = await read_figures(window("1h", datetime.now(UTC)), f"{name}-u0")
    assert history.loop == f"{name}-u0"


async def test_told_briefly_what_is_ok_has_an_event_and_is_in_the_history_and_what_is_not_has_a_report_too(
    system: Sandbox, records: Records, name: str
) -> None:
    given = loops(system, name)
    given[f"{name}-u3"]["smtp"]["to_addr"] = "nobody@sandbox.test"
    state = await run(name, loops=given, brief=True)
    results = await results_of(state)
    assert (state.name, len(results)) == ("Rejected", 4)
    for key, one in results.items():
        (event,) = await records.events(key, 1)
        assert event["payload"] == one.model_dump(mode="json")
        assert event["resource"]["mail-loop.alive"] == ("yes" if one.status == "ok" else "no")
        assert len(await records.artifacts(f"mail-loop-{key}")) == (one.status != "ok")
    async with get_client() as client:
        only = FlowRunFilter(id=FlowRunFilterId(any_=[run_id(results[f"{name}-u0"])]))
        assert await client.read_task_runs(flow_run_filter=only) == []
    for key, outcome in ((f"{name}-u0", Outcome.DELIVERED), (f"{name}-u3", Outcome.REJECTED)):
        (history,) = await read_figures(window("1h", datetime.now(UTC)), key)
        assert [one.outcome for one in history.checks] == [outcome]


async def test_told_briefly_a_good_check_still_ends_an_outage(system: Sandbox, name: str) -> None:
    """What is asked once for all loops is who has been called for which of them."""
    state, key = STATE_VARIABLE.format(loop=f"{name}-u0"), f"{name}-u0"
    rule = {"when": "failing", "channels": ["chat"], "recovered_after": 2, "loops": [key]}
    standing = {"called": True, "bad": 3, "checks": 3, "outcome": "lost"}
    async with get_client() as client:
        await write_variable(client, RULES_VARIABLE, {"rules": {"down": rule}})
        await write_variable(client, state, {"down": standing})
        try:
            for called in (True, False):
                await run(name, loops={key: loop(system, "u0")}, brief=True)
                found: Any = await client.read_variable_by_name(state)
                assert found.value["down"]["called"] is called
            assert found.value["down"]["pending"]["chat"]["kind"] == "recovered"
        finally:
            for variable in (RULES_VARIABLE, state):
                await client.delete_variable_by_name(variable)


async def test_servers_that_never_answer_hold_nobody_up(
    system: Sandbox, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More of them than are checked at a time, and before the others: those all end while the first still wait."""
    monkeypatch.setattr(courtesy, "RELAY_PATIENCE_SECONDS", 0.5)
    good: list[LoopResult] = []
    caller.set(Caller(good.append))
    async with RawSmtp({"banner": SILENCE}) as hole:
        dead = loop(system, "u0") | {"imap": None}
        dead["smtp"] |= {"host": hole.host, "port": hole.port, "timeout": 3600.0, "tls": "none"}
        holes = {f"{name}-hole-{number}": dead for number in range(AT_ONCE + 5)}
        running = asyncio.create_task(run(name, loops=holes | loops(system, name)))
        until = time.monotonic() + PATIENCE
        while len(good) < len(USERS):
            assert time.monotonic() < until, f"only {good} have ended"
            assert not running.done()
            await asyncio.sleep(0.1)
        assert {one.outcome for one in good} == {Outcome.DELIVERED}
        while hole.connections < len(holes):
            await asyncio.sleep(0.1)
        hole.hang_up()
        state = await running
    assert (state.name, len(await results_of(state))) == ("Unsent", len(holes) + len(USERS))


async def test_loops_that_wait_in_one_mailbox_share_one_session(name: str) -> None:
    async with RawSmtp() as relay, RawImap() as mailbox:
        sent: list[bytes] = []

        def arrive(raw: bytes) -> None:
            sent.append(raw)
            if len(sent) == len(USERS):
                for one in sent:
                    asyncio.get_running_loop().call_later(0.2, mailbox.append, one)

        relay.deliver = arrive
        smtp = {"host": relay.host, "port": relay.port, "tls": "none", "subject_prefix": "[fleet]"}
        smtp |= {"from_addr": "bob@localhost.test", "to_addr": "bob@localhost.test"}
        imap = {"host": mailbox.host, "port": mailbox.port, "tls": "none", "username": "bob"}
        one = {"smtp": smtp, "imap": imap | {"password_secret": "u0-password"}, "limits": {"max_wait": 20.0}}
        results = await results_of(await run(name, loops={f"{name}-{user}": one for user in USERS}))
        assert mailbox.connections == 1
    assert [(result.outcome, result.copies) for result in results.values()] == [(Outcome.DELIVERED, 1)] * len(USERS)


async def test_a_loop_that_is_being_checked_elsewhere_is_skipped_and_the_others_go_on(
    system: Sandbox, records: Records, name: str
) -> None:
    given = loops(system, name)
    with hold_run(loop_config({"name": f"{name}-u1", **given[f"{name}-u1"]})):
        state = await run(name, loops=given)
    assert (state.type, state.name, state.message) == (StateType.COMPLETED, "Delivered", "3 of 4 loops ok, 1 skipped")
    results = await results_of(state)
    skipped = (await task_runs(results[f"{name}-u0"], 4))[f"{name}-u1"].state
    assert skipped is not None
    assert (skipped.type, skipped.name) == (StateType.CANCELLED, "Skipped")


async def test_a_refusal_is_retried_for_its_loop_alone(system: Sandbox, name: str) -> None:
    system.play(Script(rcpt=["450 4.2.0 Greylisted, please try again"]))
    results = await results_of(await run(name, loops=loops(system, name)))
    assert sorted(one.attempts for one in results.values()) == [1, 1, 1, 2]


async def test_files_hold_the_loops_and_an_inbound_check_is_one_of_them(
    system: Sandbox, name: str, tmp_path: Path
) -> None:
    one = loop(system, "u0")
    fleet = {
        "defaults": {"smtp": one["smtp"], "imap": one["imap"]},
        "loops": {f"{name}-a": {}, f"{name}-in": {"smtp": None, "imap": {"search_subject": "[news]"}}},
    }
    (tmp_path / "loops.json").write_text(json.dumps(fleet), encoding="utf-8")
    await system.deliver("u0", b"From: a@localhost\r\nSubject: [news] of today\r\n\r\nhello\r\n")
    results = await results_of(await run(name, files=[str(tmp_path)]))
    assert {key: value.outcome for key, value in results.items()} == dict.fromkeys(fleet["loops"], Outcome.DELIVERED)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({}, "files and loops are empty: give one of them"),
        ({"files": "loops.yaml"}, "files: must be a list of paths"),
        ({"files": ["/nowhere/loops.yaml"]}, "/nowhere/loops.yaml: does not exist: check the path"),
        ({"loops": {"a": {"smtp": {"hots": "x"}}}}, "loops.a.smtp.host: is required"),
        ({"loops": ["a"]}, "loops: must be a mapping of your names to loops"),
    ],
    ids=str,
)
async def test_a_fleet_that_is_wrong_ends_misconfigured(server: str, parameters: dict[str, Any], said: str) -> None:
    state = await run("wrong", **parameters)
    assert (state.type, state.name) == (StateType.FAILED, "Misconfigured")
    assert state.message is not None
    assert state.message.startswith(f"The configuration is wrong, so nothing was sent: {said}")


async def test_no_password_is_stored_and_the_rest_of_the_parameters_is(
    system: Sandbox, records: Records, home: Path, name: str
) -> None:
    given = loops(system, name)
    for one in given.values():
        for section in (one["smtp"], one["imap"]):
            section["password"] = SecretStr(USERS[section["username"]])
            del section["password_secret"]
    wrong = given | {"broken": given[f"{name}-u0"] | {"passwort": USERS["u0"]}}
    assert (await run(name, loops=wrong)).name == "Misconfigured"
    results = await results_of(await run(name, loops=given))
    assert {one.outcome for one in results.values()} == {Outcome.DELIVERED}
    stored = (await records.flow_run(results[f"{name}-u0"])).parameters
    assert stored["loops"][f"{name}-u0"]["smtp"]["password"] == "********"
    assert stored["loops"][f"{name}-u0"]["imap"]["host"] == system.host
    await task_runs(results[f"{name}-u0"], 4)
    for key in results:
        await records.events(key, 1)
    assert [places_of(password, home) for password in USERS.values()] == [[]] * len(USERS)


def test_a_deployment_loads_it_and_its_form_takes_files_or_loops_and_no_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    loaded: Flow[..., object] = load_flow_from_entrypoint("flows/fleet.py:fleet_check", use_placeholder_flow=False)
    form = loaded.parameters.model_dump()
    assert validate({"name": "sites", "files": ["/etc/mail-loop/loops.yaml"]}, form) == []
    smtp = {"host": "a.test", "from_addr": "a@b.test", "to_addr": "c@d.test", "subject_prefix": "x"}
    assert validate({"name": "sites", "loops": {"a": {"smtp": smtp}}}, form) == []
    assert validate({"name": "sites", "loops": {"a": {"smtp": smtp | {"username": "u", "password": "x"}}}}, form) != []
