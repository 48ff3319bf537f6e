"""The matrix in one flow run: each pair ends as it would alone, as the records of the server show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect import Flow
from prefect.client.schemas.objects import State, StateType
from prefect.flows import load_flow_from_entrypoint
from prefect.utilities.schema_tools.validation import validate
from pydantic import SecretStr

from flows.loop_matrix import loop_matrix
from tasks.mail.config.matrix import matrix_config
from tasks.mail.model.errors import CheckFailed, MatrixFailed
from tasks.mail.model.outcome import Outcome
from tasks.mail.report.formats import escape
from tasks.mail.run_lock import hold_run
from tasks.sandbox import Sandbox, Script
from tests.prefect.records import SOCKETS_LEFT_OPEN, Records, count, places_of
from tests.support.raw.relays import USERS, matrix
from tests.support.raw.relays import backup as backup
from tests.support.raw.relays import main as main

pytestmark = pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN)

ROOT = Path(__file__).resolve().parents[3]
PAIRS = [("main", "own"), ("main", "outside"), ("backup", "own"), ("backup", "outside")]


@pytest.fixture(autouse=True)
def _passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    for user, password in USERS.items():
        monkeypatch.setenv(f"{user.upper()}_PASSWORD", password)


@pytest.fixture
def name(name: str) -> str:
    """Short enough for the names of the loops."""
    return name[:40].strip("-")


async def run(name: str, parameters: dict[str, Any]) -> State[Any]:
    state: State[Any] = await loop_matrix(name, **parameters, return_state=True)
    return state


async def test_every_pair_is_sent_and_found_within_one_run(
    main: Sandbox, backup: Sandbox, records: Records, name: str
) -> None:
    results = await loop_matrix(name, **matrix(main, backup))
    assert isinstance(results, tuple)
    assert [one.loop for one in results] == [f"{name}-{sender}-{receiver}" for sender, receiver in PAIRS]
    assert {one.outcome for one in results} == {Outcome.DELIVERED}
    assert len({one.flow_run_id for one in results}) == 1
    assert (count(main, "DATA"), count(backup, "DATA")) == (2, 2)
    runs = await records.task_runs(results[0])
    assert sorted(one.name for one in runs) == sorted(
        f"{leg} {one.loop} {one.token}" for one in results for leg in ("send", "search")
    )
    run = await records.flow_run(results[0])
    assert run.state is not None
    assert (run.name, run.state.type, run.state.name, run.state.message) == (
        name,
        StateType.COMPLETED,
        "Delivered",
        "4 of 4 loops ok",
    )


async def test_each_pair_has_the_event_and_the_report_of_a_loop(
    main: Sandbox, backup: Sandbox, records: Records, name: str
) -> None:
    """So that the history of a loop is the same, whichever way it was run."""
    results = await loop_matrix(name, **matrix(main, backup))
    assert isinstance(results, tuple)
    for one in results:
        (event,) = await records.events(one.loop, 1)
        assert event["payload"] == one.model_dump(mode="json")
        (artifact,) = await records.artifacts(f"mail-loop-{one.loop}")
        assert artifact["data"].startswith(f"**{escape(one.loop)}: ok (delivered)**")
        assert artifact["flow_run_id"] == one.flow_run_id


async def test_a_relay_that_loses_everything_is_named_first_in_the_artifact_and_in_the_state(
    main: Sandbox, backup: Sandbox, records: Records, name: str
) -> None:
    main.play(Script(deliver_to=None))
    state = await run(name, matrix(main, backup, max_wait=2.0))
    assert (state.type, state.name) == (StateType.FAILED, "Lost")
    failed = await state.aresult(raise_on_failure=False)
    assert isinstance(failed, MatrixFailed)
    said = "every loop from main fails (lost), while backup to own and outside get through: the outbound of main, "
    assert state.message is not None
    assert state.message.startswith(f"2 of 4 loops ok, 2 lost: {said}")
    (artifact,) = await records.artifacts(f"mail-loop-matrix-{name}")
    first, pattern, table, *_ = artifact["data"].split("\n\n")
    assert first == "**error: 2 of 4 loops ok, 2 lost**"
    assert pattern.startswith("Every loop from main fails &#40;lost&#41;, while backup to own and outside get through")
    assert table.splitlines()[2] == "| **main** | ✗ lost | ✗ lost |"
    assert table.splitlines()[3].startswith("| **backup** | ✓ delivered, ")


async def test_a_warning_completes_under_the_name_of_its_outcome(main: Sandbox, backup: Sandbox, name: str) -> None:
    main.play(Script(deliver_to="Junk"))
    state = await run(name, matrix(main, backup))
    assert (state.type, state.name) == (StateType.COMPLETED, "Junked")
    assert state.message is not None
    assert state.message.startswith("2 of 4 loops ok, 2 junked: every loop from main ends as junk, ")


async def test_a_refusal_is_retried_for_its_pair_alone(main: Sandbox, backup: Sandbox, name: str) -> None:
    main.play(Script(rcpt=["450 4.2.0 Greylisted, please try again"]))
    results = await loop_matrix(name, **matrix(main, backup))
    assert isinstance(results, tuple)
    assert sorted(one.attempts for one in results) == [1, 1, 1, 2]
    assert (count(main, "RCPT"), count(main, "DATA")) == (3, 2)


async def test_a_pair_that_is_being_checked_elsewhere_is_skipped_and_the_others_go_on(
    main: Sandbox, backup: Sandbox, name: str
) -> None:
    parameters = matrix(main, backup)
    loop = matrix_config({"name": name} | parameters).loops()["main", "own"]
    with hold_run(loop):
        state = await run(name, parameters)
    assert (state.type, state.name, state.message) == (StateType.COMPLETED, "Delivered", "3 of 4 loops ok, 1 skipped")


async def test_a_matrix_that_is_wrong_ends_misconfigured_and_sends_nothing(
    main: Sandbox, backup: Sandbox, records: Records, name: str
) -> None:
    parameters = matrix(main, backup)
    parameters["senders"]["backup"]["hots"] = "x"
    state = await run(name, parameters)
    assert (state.type, state.name) == (StateType.FAILED, "Misconfigured")
    assert state.message == (
        "The configuration is wrong, so nothing was sent: senders.backup.hots: unknown field; did you mean host?"
    )
    assert isinstance(await state.aresult(raise_on_failure=False), CheckFailed)
    assert main.commands == backup.commands == []


async def test_a_secret_that_is_nowhere_is_told_with_its_place(main: Sandbox, backup: Sandbox, name: str) -> None:
    parameters = matrix(main, backup)
    parameters["receivers"]["own"]["password_secret"] = "not-there"
    state = await run(name, parameters)
    assert state.message == (
        "The configuration is wrong, so nothing was sent: receivers.own.password_secret: there is no Prefect Secret "
        "block 'not-there' and no environment variable NOT_THERE: create one of them."
    )


async def test_no_password_is_stored_and_the_rest_of_the_parameters_is(
    main: Sandbox, backup: Sandbox, records: Records, home: Path, name: str
) -> None:
    parameters = matrix(main, backup) | {"without": {"backup": ["own"]}}
    for section in (*parameters["senders"].values(), *parameters["receivers"].values()):
        section["password"] = SecretStr(USERS[section["username"]])
        del section["password_secret"]
    parameters["senders"]["passwort"] = USERS["own"]  # a field of no section
    wrong = await run(name, parameters)
    assert wrong.name == "Misconfigured"
    del parameters["senders"]["passwort"]
    results = await loop_matrix(name, **parameters)
    assert isinstance(results, tuple)
    stored = (await records.flow_run(results[0])).parameters
    assert stored["senders"]["main"]["host"] == main.host
    assert stored["senders"]["main"]["password"] == "********"
    assert stored["receivers"]["own"]["address"] == "own@sandbox.test"
    assert stored["without"] == {"backup": ["own"]}
    for one in results:
        await records.events(one.loop, 1)
    await records.task_runs(results[0])
    assert [places_of(password, home) for password in USERS.values()] == [[], []]


def test_the_form_of_a_matrix_has_no_field_for_a_password_or_a_recipient() -> None:
    sections = loop_matrix.parameters.model_dump()["definitions"]
    assert not {"password", "to_addr"} & sections["Sender"]["properties"].keys()
    assert "password" not in sections["Receiver"]["properties"]
    assert next(iter(sections["Receiver"]["properties"])) == "address"


def test_a_deployment_loads_it_and_takes_the_matrix_of_the_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    loaded: Flow[..., object] = load_flow_from_entrypoint(
        "flows/loop_matrix.py:loop_matrix", use_placeholder_flow=False
    )
    form = loaded.parameters.model_dump()
    example = yaml.safe_load((ROOT / "examples" / "matrix.yaml").read_text(encoding="utf-8"))
    assert validate(example, form) == []
    example["senders"]["main"]["password"] = "x"
    assert validate(example, form) != []
