"""What a Prefect server needs for this project, and its workers.

That is the work pool, the deployments, the automation that ends killed runs, and passwords with the hosts for them.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import prefect
from prefect.automations import AutomationCore, ChangeFlowRunState, EventTrigger, Posture, ResourceSpecification
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.objects import StateType
from prefect.events.schemas.automations import Automation
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.settings import PREFECT_API_AUTH_STRING

from flows.alerts.automations import put_automation
from flows.prefect_api.connection import at
from flows.prefect_api.probe import impatient_client
from flows.registry import CHECK_FLOWS, LOOP_VANTAGE
from flows.server.login import OF_CLIENT, home_of
from flows.server.prefect import ServerError
from tasks.mail.config.loading.secret_list import LIST_FILE, LIST_VARIABLE, Use, add_to, list_path, missing_at
from tasks.mail.config.loop import CheckConfig
from tasks.mail.config.secrets import login_sections, unresolved, variable

Say = Callable[[str], None]

ROOT = Path(__file__).resolve().parent.parent
DEPLOYMENTS = ROOT / "prefect.yaml"
TEMPLATE = ROOT / "deploy" / "pool.json"
POOL = "mail-loop"
AUTOMATION_NAME = "mail-loop: crash runs whose heartbeat stopped"
# Three of Prefect's heartbeats and more, and longer than a server takes to restart.
HEARTBEAT_SILENCE = timedelta(minutes=10)
_FLOWS = sorted(entry.name for entry in (*CHECK_FLOWS, LOOP_VANTAGE))
_EXAMPLE_RELAY = "relay.example.org"
# By each of them a run would have the worker's secrets, or a list of secrets and hosts of its own.
CLOSED = ("env", "command", "working_dir")


def is_open(template: dict[str, Any]) -> bool:
    """Whether a run may set one of CLOSED: by a variable, or by a value that is made of variables.

    An `env` in the job configuration is enough: Prefect adds to it that of the run, whatever the variables are. Where
    there is no template the first worker puts Prefect's own there, which is open.
    """
    if not template:
        return True
    offered = (template.get("variables") or {}).get("properties") or {}
    configured = template.get("job_configuration") or {}
    made_of_variables = any("{{" in json.dumps(configured.get(name)) for name in CLOSED)
    return "env" in configured or made_of_variables or not offered.keys().isdisjoint(CLOSED)


async def ensure_pool(*, ours: bool) -> str:
    """Make sure that the server has the pool; returns what there is to be said, empty where nothing is.

    One that is there stays as it is. Where the server is ours an open one is closed: by its template alone, for its
    limit, its description and a pause are the user's.
    """
    template: dict[str, Any] = json.loads(TEMPLATE.read_text(encoding="utf-8"))
    async with impatient_client() as client:
        try:
            found = await client.read_work_pool(POOL)
        except ObjectNotFound:
            try:
                await client.create_work_pool(WorkPoolCreate(name=POOL, type="process", base_job_template=template))
                return ""
            except ObjectAlreadyExists:  # somebody else was faster
                found = await client.read_work_pool(POOL)
        if not is_open(found.base_job_template):
            return ""
        if not ours:
            return (
                f"The work pool {POOL} is open: whoever may start runs may set {', '.join(CLOSED)} of their "
                f"process, and so get every secret of its worker. To close it: "
                f"prefect work-pool update {POOL} --base-job-template {TEMPLATE}"
            )
        await client.update_work_pool(POOL, WorkPoolUpdate(base_job_template=template))
        return f"The work pool {POOL} was open, and is closed now: no run can set {', '.join(CLOSED)} any more."


def crash_silent_runs(silence: timedelta = HEARTBEAT_SILENCE) -> AutomationCore:
    """A run that has sent a heartbeat, and then for `silence` neither another one nor a state, is crashed.

    Only runs of our flows. A final state stays as it is, for the server refuses to turn it into "Crashed".
    """
    return AutomationCore(
        name=AUTOMATION_NAME,
        description="Written by mail-loop serve and alerts apply, which put it back to what it was.",
        trigger=EventTrigger(
            posture=Posture.Proactive,
            match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
            match_related=ResourceSpecification({"prefect.resource.role": "flow", "prefect.resource.name": _FLOWS}),
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.*"},
            for_each={"prefect.resource.id"},
            threshold=1,
            within=silence,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                message=f"No heartbeat for {silence.total_seconds():.0f} s: the process was killed.",
            )
        ],
    )


async def ensure_automation() -> None:
    """Make sure that the server has the automation, once. One that was switched off stays so."""
    async with impatient_client() as client:
        found: list[Automation | None] = [*await client.read_automations_by_name(AUTOMATION_NAME)]
        for there in found or [None]:
            await put_automation(client, crash_silent_runs(), there)


def equip(url: str, environment: Mapping[str, str], *, ours: bool = False) -> None:
    """Give the server at `url` work pool, deployments and automation, as often as you like. Raises ServerError.

    `ours`: the server is one of `serve`, where an open pool is closed.
    """
    # MAIL_LOOP_HOME is for the worker: seen here, it would be frozen into the deployments.
    env = {name: value for name, value in environment.items() if name != "MAIL_LOOP_HOME"} | {"PREFECT_API_URL": url}
    made = "work pool"
    try:
        with at(url, environment.get(OF_CLIENT)):
            if said := asyncio.run(ensure_pool(ours=ours)):
                print(said)
            made = "automation"
            _prefect(env, "--no-prompt", "deploy", "--all")
            asyncio.run(ensure_automation())
    except httpx.HTTPError as error:
        raise ServerError(
            f"the {made} could not be made on the Prefect server at {url} ({type(error).__name__}): "
            f"see its log; it has to be as new as Prefect here, {prefect.__version__}"
        ) from None
    if _EXAMPLE_RELAY in DEPLOYMENTS.read_text(encoding="utf-8"):
        print(f"prefect.yaml still names {_EXAMPLE_RELAY}: put your own relay and mailbox there, then do this again.")


def _prefect(env: Mapping[str, str], *arguments: str) -> None:
    """One prefect command, quiet unless it fails."""
    run = subprocess.run(  # noqa: S603  # our own interpreter, with arguments of our own
        [sys.executable, "-m", "prefect", *arguments],
        env=dict(env),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode != 0:
        # What Prefect says in the end counts; before it stands a traceback.
        last = (run.stdout + run.stderr).strip().rpartition("\n\n")[2]
        raise ServerError(f"prefect {' '.join(arguments)} failed: {' '.join(last.split())}")


async def unknown_passwords(
    url: str, checks: Iterable[CheckConfig], environment: Mapping[str, str] = os.environ
) -> list[str]:
    """A sentence for each password that neither the environment nor the Prefect server at `url` knows."""
    logins = [login for check in checks for login in login_sections(check).values()]
    secrets = {name for login in logins for _, name in unresolved(login)}
    named = {secret for secret in secrets if not environment.get(variable(secret))}
    with at(url, environment.get(PREFECT_API_AUTH_STRING.name)):
        async with impatient_client() as client:
            blocks = await client.read_block_documents_by_type("secret") if named else []
    return [
        f"No password {secret} is known: set {variable(secret)} and start the worker anew (make stop, make serve), "
        f"or make a Prefect Secret block {secret}."
        for secret in sorted(named - {block.name for block in blocks})
    ]


def allow(home: Path, uses: Iterable[Use], say: Say) -> None:
    """Add what the list of secrets and hosts of the worker of the `serve` in `home` lacks. Raises ConfigError."""
    if added := add_to(home / LIST_FILE, uses):
        say(f"Its worker may hand these secrets to these hosts from now on, by {home / LIST_FILE}: {' '.join(added)}")


def allow_at(url: str, uses: Iterable[Use], say: Say, *, dry_run: bool = False) -> None:
    """The same for the server at `url`; for workers elsewhere the lines are said. Raises ConfigError."""
    home = home_of(url)
    if home is not None and not dry_run:
        allow(home, uses, say)
        return
    path = home / LIST_FILE if home is not None else list_path() if os.environ.get(LIST_VARIABLE) else None
    lines = missing_at(path, uses) if path is not None else [use.line for use in uses]
    if not lines:
        return
    if home is not None:
        say(f"these lines would be added to {path}:")
    else:
        at = path or f"its file {LIST_FILE} (with the units of deploy/systemd /etc/mail-loop/{LIST_FILE})"
        say(f"A worker hands a secret only to the hosts that its list names. It needs these lines in {at}:")
    for line in lines:
        say(line)
