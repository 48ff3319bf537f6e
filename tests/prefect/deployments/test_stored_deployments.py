"""Deployments as an earlier version left them on a server run like then: nobody has to deploy anew after an upgrade.

Those in stored/ are of commit 1ff1ee9: what `mail-loop setup` and `mail-loop deploy` made of prefect.yaml, of files of
loops, and of the examples in docs/configuration.md. The server's API told them; ids and times are left out.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.client.schemas.objects import FlowRun
from prefect.flows import load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools.validation import validate

from flows.equip import ROOT
from tasks.sandbox import Sandbox
from tests.prefect.failures.phases import until
from tests.prefect.records import SOCKETS_LEFT_OPEN, USER

pytestmark = pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN)

FOLDER = Path(__file__).parent / "stored"
STORED: dict[str, Any] = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.json")}
# The final state, and the keys of the reports, of the run of each.
ENDS: dict[str, tuple[str, str, set[str]]] = {
    "mail-loop-check.production": ("COMPLETED", "Delivered", {"mail-loop-production"}),
    "mail-loop-check.office": ("COMPLETED", "Delivered", {"mail-loop-office"}),
    "inbound-check.staging": ("COMPLETED", "Delivered", {"mail-loop-inbound"}),
    "fleet-check.many-5m-1-of-1": (
        "COMPLETED",
        "Delivered",
        {"mail-loop-fleet-many-5m-1-of-1", "mail-loop-a", "mail-loop-b"},
    ),
    "fleet-check.sites": ("COMPLETED", "Delivered", {"mail-loop-fleet-sites", "mail-loop-of-a-file"}),
    "loop-matrix.office": (
        "COMPLETED",
        "Delivered",
        {
            "mail-loop-matrix-office",
            *(f"mail-loop-office-{to}" for to in ("main-own", "main-outside", "backup-outside")),
        },
    ),
    "loop-vantage.sites": ("COMPLETED", "Alike", {"mail-loop-vantage-sites"}),
    "loop-history.daily": ("COMPLETED", "Completed", {"mail-loop-history"}),
}


def here(value: Any, box: Sandbox, files: list[str]) -> Any:
    """Stored parameters with the sandbox as their servers, and `files` as their files."""
    if isinstance(value, list):
        return [here(one, box, files) for one in value]
    if not isinstance(value, dict):
        return value
    found = {name: files if name == "files" else here(one, box, files) for name, one in value.items()}
    if "host" in found:
        port = box.smtp_port if "from_addr" in found else box.imaps_port
        found |= {"host": box.host, "port": port, "ca_file": box.ca_file}
        found |= {"username": USER, "password_secret": "sandbox-password"}
    ours = {"from_addr", "to_addr", "address"} & found.keys()
    return found | dict.fromkeys(ours, f"{USER}@sandbox.test")


async def begun(stored: dict[str, Any], box: Sandbox, files: list[str]) -> FlowRun:
    """The deployment as it was, on the server once more, and a run of it."""
    body = stored["deployment"]
    async with get_client() as client:
        flow = await client.create_flow_from_name(stored["flow"])
        # Beside the one of today; paused, so that its schedules make no runs.
        new = body | {"flow_id": str(flow), "name": f"stored-{body['name']}", "paused": True}
        made = (await client.request("POST", "/deployments/", json=new)).json()
        return await client.create_flow_run_from_deployment(made["id"], parameters=here(body["parameters"], box, files))


@pytest.mark.parametrize("stored", STORED.values(), ids=STORED)
def test_the_stored_entrypoint_and_parameters_fit_the_flow_of_today(
    stored: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    flow: Flow[..., object] = load_flow_from_entrypoint(stored["deployment"]["entrypoint"], use_placeholder_flow=False)
    assert flow.name == stored["flow"]
    validate(stored["deployment"]["parameters"], parameter_schema(flow).model_dump(), raise_on_error=True)


@pytest.mark.long
async def test_a_worker_runs_each_stored_deployment_to_the_end_that_it_had(
    deployed: str, box: Sandbox, tmp_path: Path
) -> None:
    """With the parameters as stored but for the mail servers, and with reports under the keys that they had."""
    mail = f"From: a@localhost\r\nTo: {USER}@sandbox.test\r\nSubject: [mail-loop] by hand\r\n\r\nhello\r\n"
    await box.deliver(USER, mail.encode())
    member = STORED["mail-loop-check.office"]["deployment"]["parameters"]
    sections = {name: here(member[name], box, []) for name in ("smtp", "imap", "limits")}
    file = tmp_path / "loops.json"
    file.write_text(json.dumps({"defaults": sections | {"every": "52w"}, "loops": {"of-a-file": {}}}), encoding="utf-8")
    ended: dict[str, tuple[str, str, set[str]]] = {}
    names = list(STORED)
    # A few at a time: on a busy machine the server's database is locked for longer than a worker asks again.
    for few in (names[:3], names[3:6], names[6:]):
        runs = {name: await begun(STORED[name], box, [str(file)]) for name in few}

        async def all_ended(runs: dict[str, FlowRun] = runs) -> bool:
            async with get_client() as client:
                for name, run in runs.items():
                    state = (await client.read_flow_run(run.id)).state
                    if state is not None and state.is_final() and name not in ended:
                        ended[name] = state.type.value, str(state.name), await keys(run)
            return runs.keys() <= ended.keys()

        await until(all_ended, "a run does not end")
    assert ended == ENDS


async def keys(run: FlowRun) -> set[str]:
    """Those of the reports of a run."""
    where = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
    async with get_client() as client:
        return {one.key for one in await client.read_artifacts(artifact_filter=where) if one.key}
