"""The deployments of prefect.yaml: loaded, deployed, refused, and run by a real worker in another folder."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect import Flow, State
from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectHTTPStatusError
from prefect.flow_engine import run_flow
from prefect.flows import load_flow_from_entrypoint
from prefect.states import Pending
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools.validation import validate

from flows.deploy.apply import deploy_checks
from flows.deploy.prefect_yaml import read_template
from flows.equip import ROOT
from flows.mail_loop import mail_loop_check
from tasks.mail.config.loading.files import all_planned
from tasks.mail.config.loop import inbound_config, loop_config
from tasks.sandbox import Sandbox
from tests.prefect.deployments.runs import PATIENCE, create_run, ended
from tests.prefect.records import PASSWORD, SOCKETS_LEFT_OPEN, USER, login, parameters, places_of
from tests.prefect.secrecy.canary_checks import places
from tests.support.canaries import CORE, OAUTH_SECRETS, seen_in
from tests.support.checks.deployments import DEPLOYMENTS

pytestmark = pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN)

CHECKS = [one for one in DEPLOYMENTS if one["entrypoint"] != "flows/history.py:loop_history"]
NAMES = ["mail-loop-check/production", "mail-loop-check/staging", "inbound-check/staging"]
REASON = "a deployment never holds a password in clear: name a Prefect Secret block in password_secret"
CANARY = "canary-of-a-deployment"


@pytest.mark.parametrize("deployment", CHECKS, ids=NAMES)
def test_an_entrypoint_loads_and_its_parameters_are_a_valid_configuration(
    deployment: dict[str, Any], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    flow: Flow[..., object] = load_flow_from_entrypoint(deployment["entrypoint"], use_placeholder_flow=False)
    assert request.node.callspec.id == f"{flow.name}/{deployment['name']}"
    given = deployment["parameters"]
    config = inbound_config(given) if flow.name == "inbound-check" else loop_config(given)
    assert f"mail-loop-{config.name}" in deployment["description"]
    validate(given, parameter_schema(flow).model_dump(), raise_on_error=True)


@pytest.mark.long
async def test_the_worker_runs_a_loop_of_a_fleet_from_its_file(deployed: str, box: Sandbox, tmp_path: Path) -> None:
    """As it was deployed a moment ago. Whole fleets are run in test_stored_deployments.py."""
    given = parameters(box, "")
    del given["name"]
    file = tmp_path / "loops.json"
    file.write_text(json.dumps({"defaults": given | {"every": "52w"}, "loops": {"of-a-fleet": {}}}), encoding="utf-8")
    await deploy_checks(all_planned([file]), "15m", "by-worker", read_template(ROOT / "prefect.yaml"), print)
    run = await ended(await create_run("mail-loop-check/of-a-fleet", {}))
    assert run.state is not None
    assert (run.state.type, run.state.name) == ("COMPLETED", "Delivered"), run.state


@pytest.mark.long
async def test_an_inbound_check_by_the_worker_takes_its_password_from_a_secret_block(
    deployed: str, box: Sandbox
) -> None:
    await Secret(value=PASSWORD).save("inbound-block")
    await box.deliver(USER, b"From: a@localhost\r\nSubject: [mail-loop test] by hand\r\n\r\nhello\r\n")
    mailbox = parameters(box, "")["imap"] | {"password_secret": "inbound-block", "search_subject": "[mail-loop test]"}
    run = await ended(await create_run("inbound-check/staging", {"name": "by-worker", "imap": mailbox}))
    assert run.state is not None
    assert (run.state.type, run.state.name) == ("COMPLETED", "Delivered"), run.state


@pytest.mark.parametrize("section", ["smtp", "imap", "bounce_mailbox"])
@pytest.mark.parametrize("other", [{}, {"pot": 1}, {"port": "x"}, {"password_secret": None}], ids=str)
async def test_a_clear_password_is_refused_by_the_server_and_repeated_nowhere(
    deployed: str, box: Sandbox, home: Path, section: str, other: dict[str, Any]
) -> None:
    """Also where there are other errors beside it."""
    given = parameters(box, "refused")
    given["bounce_mailbox"] = dict(given["imap"])
    del given[section]["password_secret"]
    given[section] |= {"password": CANARY, **other}
    with pytest.raises(PrefectHTTPStatusError) as refused:
        await create_run("mail-loop-check/staging", given)
    answer = refused.value.response.text
    assert CANARY not in answer
    assert refused.value.response.status_code == 409
    if section != "smtp" or not other.keys() & {"pot", "port"}:
        assert REASON in answer
    assert places_of(CANARY, home) == []


@pytest.mark.parametrize("section", ["smtp", "imap", "bounce_mailbox"])
@pytest.mark.parametrize(
    "other", [{}, {"tenant": 5, "token_warn_days": -0.5}, {"x": CORE}, {"client_id": ["x"]}], ids=str
)
async def test_clear_secrets_of_oauth_are_refused_by_the_server_and_repeated_nowhere(
    deployed: str, box: Sandbox, home: Path, section: str, other: dict[str, Any]
) -> None:
    """All of them at once, for of several errors it tells one, or repeats what was given; and with others beside."""
    given = parameters(box, "refused")
    given["bounce_mailbox"] = dict(given["imap"])
    del given[section]["password_secret"]
    given[section]["oauth"] = {"provider": "microsoft365", "tenant": "t.test", **OAUTH_SECRETS, **other}
    with pytest.raises(PrefectHTTPStatusError) as refused:
        await create_run("mail-loop-check/staging", given)
    assert refused.value.response.status_code == 409
    assert seen_in(refused.value.response.text) == []
    assert other or "name a Prefect Secret block in client_secret_secret" in refused.value.response.text
    assert places(home) == []


async def test_a_clear_password_in_a_deployment_is_refused_by_the_server(deployed: str, home: Path) -> None:
    async with get_client() as client:
        found = await client.read_deployment_by_name("mail-loop-check/staging")
        given = found.parameters | {"imap": found.parameters["imap"] | {"password": CANARY}}
    async with httpx.AsyncClient(auth=login()) as plain:
        answer = await plain.patch(f"{deployed}/deployments/{found.id}", json={"parameters": given})
    assert answer.status_code == 409
    assert REASON in answer.text
    assert CANARY not in answer.text
    assert places_of(CANARY, home) == []


OWN = "Waxwing-in-clear-4821"  # Prefect stores it, and other tests look for theirs in the same database


@pytest.mark.parametrize("section", ["smtp", "imap", "bounce_mailbox"])
@pytest.mark.parametrize(
    ("clear", "field"),
    [
        ({"password": OWN}, "password"),
        (
            {"oauth": {"provider": "google", "service_account": OAUTH_SECRETS["service_account"].replace(CORE, OWN)}},
            "oauth.service_account",
        ),
        (
            {
                "oauth": {
                    "provider": "google",
                    "client_id": "a",
                    "refresh_token": OAUTH_SECRETS["refresh_token"].replace(CORE, OWN),
                }
            },
            "oauth.refresh_token",
        ),
        ({"oauth": {"client_id": "a", "client_secret": f"{OWN}\n{OWN}"}}, "oauth.client_secret"),
    ],
    ids=["password", "service_account", "refresh_token", "wrong"],
)
async def test_an_unenforced_deployment_with_a_clear_secret_sends_nothing_and_keeps_nothing_of_it(
    deployed: str, box: Sandbox, home: Path, section: str, clear: dict[str, Any], field: str
) -> None:
    given = parameters(box, "unenforced")
    given["bounce_mailbox"] = dict(given["imap"])
    del given[section]["password_secret"]
    given[section] |= clear
    async with get_client() as client:
        flow_id = (await client.read_deployment_by_name("mail-loop-check/staging")).flow_id
        found = await client.read_deployment_by_name("mail-loop-check/staging")
        await client.create_deployment(
            flow_id,
            name="unenforced",
            entrypoint=found.entrypoint,
            pull_steps=found.pull_steps,
            work_pool_name=found.work_pool_name,
            enforce_parameter_schema=False,
        )
    # As a worker does it, in this process; Pending already, so that no worker takes it.
    run = await create_run("mail-loop-check/unenforced", given, state=Pending())
    running: Any = run_flow(mail_loop_check, flow_run=run, return_type="state")
    state: State[Any] = await running
    assert (state.type, state.name) == ("FAILED", "Misconfigured")
    assert state.message is not None
    says = "must not contain line breaks" if field.endswith("client_secret") else "a deployment never holds a "
    assert f"{section}.{field}: {says}" in state.message
    assert OWN not in state.message
    assert box.commands == []


async def test_production_runs_are_scheduled(deployed: str) -> None:
    until = time.monotonic() + PATIENCE
    async with get_client() as client:
        found = await client.read_deployment_by_name("mail-loop-check/production")
        while not (runs := await client.get_scheduled_flow_runs_for_deployments([found.id])):
            assert time.monotonic() < until, "no run of production was scheduled"
            await asyncio.sleep(0.5)
    assert all(run.next_scheduled_start_time.minute % 15 == 0 for run in runs if run.next_scheduled_start_time)
