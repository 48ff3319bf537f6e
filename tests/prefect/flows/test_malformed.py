"""The table of wrong values through the parameters of the flow, and through the form of a deployment.

A run with a wrong value ends "Misconfigured" with the sentence of the table, or the server refuses to make one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import PrefectHTTPStatusError
from prefect.flow_engine import run_flow
from prefect.states import Pending

from flows.mail_loop import mail_loop_check
from flows.through_prefect import result_of
from tasks.mail.model.errors import ConfigError
from tasks.mail.model.outcome import Outcome
from tasks.parameters import loop_of
from tasks.sandbox import Sandbox
from tests.prefect.records import SOCKETS_LEFT_OPEN, places_of
from tests.support.malformed import SECRET, VALUES, Value, good

pytestmark = pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN)

# Their sentences are about a password in clear, which the form of a deployment has no field for.
IN_CLEAR = ("smtp.username: absent", "smtp.password_secret: 'relay-password'", "imap.password: absent")

Answer = TypeVar("Answer")


def one_of_each(keys: Callable[[Value], object], cases: Sequence[Value]) -> list[Value]:
    """The first case with each key."""
    return list({keys(case): case for case in reversed(cases)}.values())[::-1]


def shape(case: Value) -> tuple[str, str]:
    """What is wrong with which field, whatever its value."""
    return case.path, re.sub("not '.*", "", case.said)


def on_the_wire(case: Value, base: dict[str, Any]) -> bool:
    """Whether JSON in UTF-8, which Prefect speaks, can carry it."""
    try:
        json.dumps(case.applied(base), allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError):
        return False
    return True


async def each(cases: Sequence[Value], do: Callable[[Value], Awaitable[Answer]]) -> dict[str, Answer]:
    """What `do` says of each case; one after the other, for SQLite makes several at a time wait for seconds."""
    return {case.id: await do(case) for case in cases}


async def told(state: State[Any]) -> tuple[object, ...]:
    """How a run ended: its state, the verdict with its sentence, and whether the state's message says it once."""
    result = await result_of(state)
    message = state.message or ""
    assert result.error_msg is not None
    return state.type.value, state.name, result.outcome, result.error_msg, message.count(result.error_msg)


def misconfigured(case: Value) -> tuple[object, ...]:
    return "FAILED", "Misconfigured", Outcome.MISCONFIGURED, case.said, 1


async def test_every_wrong_value_among_the_parameters_is_told_with_its_sentence(box: Sandbox) -> None:
    said = []
    for case in VALUES:
        data = case.applied(good(box.smtp_port))
        try:
            said.append(f"taken as {loop_of(data['name'], data['smtp'], data['imap'], data['limits'])}")
        except ConfigError as error:
            said.append(str(error))
    assert said == [case.said for case in VALUES]


@pytest.mark.long
async def test_a_run_with_a_wrong_parameter_ends_misconfigured_and_sends_nothing(
    server: str, box: Sandbox, home: Path
) -> None:
    """One of each field, and what is no configuration at all."""
    base = good(box.smtp_port)
    cases = [
        *one_of_each(lambda case: case.path, [case for case in VALUES if "\ud800" not in case.id]),
        Value("smtp", None, "smtp: is required: the relay that a probe is handed to"),
        Value("name", None, "name: is required: name of the loop, such as office-to-gmail"),
        Value("smtp", object, "smtp: must be a mapping of fields such as host"),
        Value("imap", b"imap", "imap: must be a mapping of fields such as host"),
    ]

    async def run(case: Value) -> tuple[object, ...]:
        return await told(await mail_loop_check(**case.applied(base), return_state=True))

    assert await each(cases, run) == {case.id: misconfigured(case) for case in cases}
    assert box.commands == []
    assert places_of(SECRET, home) == []


@pytest.mark.long
async def test_the_form_of_a_deployment_refuses_wrong_values_or_its_run_ends_misconfigured(
    deployed: str, box: Sandbox, home: Path
) -> None:
    """The server's words are its own, but they name the field; a run that it lets pass is ours to end."""
    base = good(box.smtp_port, password_secret="sandbox-password")
    fit = [case for case in VALUES if case.id not in IN_CLEAR and on_the_wire(case, base)]
    cases = one_of_each(shape, fit)
    async with get_client() as client:
        staging = await client.read_deployment_by_name("mail-loop-check/staging")

        async def create(case: Value) -> FlowRun | httpx.Response:
            try:
                # Pending already, so that no worker takes it.
                return await client.create_flow_run_from_deployment(
                    staging.id, parameters=case.applied(base), state=Pending()
                )
            except PrefectHTTPStatusError as refused:
                return refused.response

        answers = await each(cases, create)
    passed = {case.path: case for case in cases if isinstance(answers[case.id], FlowRun)}
    for case in cases:
        if isinstance(answer := answers[case.id], httpx.Response):
            section, _, field = case.path.partition(".")
            assert (answer.status_code, "Traceback" in answer.text) == (409, False)
            assert f"Validation failed for field '{section}" in answer.text
            assert field in answer.text or not field.isidentifier()
            assert SECRET not in answer.text

    async def run(case: Value) -> tuple[object, ...]:
        """As a worker does it, in this process, for a field of each kind that the server let pass."""
        flow_run = answers[case.id]
        assert isinstance(flow_run, FlowRun)
        running: Any = run_flow(mail_loop_check, flow_run=flow_run, return_type="state")
        return await told(await running)

    assert len(passed) > 5
    assert await each([*passed.values()], run) == {case.id: misconfigured(case) for case in passed.values()}
    assert box.commands == []
    assert places_of(SECRET, home) == []
