"""The work pool: made where there is none, and closed, so that no run has a say in the process that runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

from flows.prefect_api.connection import at
from flows.prefect_api.probe import impatient_client

POOL = "mail-loop"
TEMPLATE = Path(__file__).resolve().parents[2] / "deploy" / "pool.json"
# By each of them a run would have the worker's secrets, or a list of secrets and hosts of its own.
CLOSED = ("env", "command", "working_dir")


async def ensure(url: str, login: str | None, *, ours: bool) -> str:
    """Make sure that the server at `url` has the pool; returns what there is to be said, empty where nothing is.

    One that is there stays as it is. Where the server is ours an open one is closed: by its template alone, for its
    limit, its description and a pause are the user's.
    """
    template: dict[str, Any] = json.loads(TEMPLATE.read_text(encoding="utf-8"))
    with at(url, login):
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


def is_open(template: dict[str, Any]) -> bool:
    """Whether a run may set one of CLOSED: by a variable, or by a value that is made of variables.

    An `env` in the job configuration is enough: Prefect adds to it that of the run, whatever the variables are.
    """
    offered = (template.get("variables") or {}).get("properties") or {}
    configured = template.get("job_configuration") or {}
    made_of_variables = any("{{" in json.dumps(configured.get(name)) for name in CLOSED)
    return "env" in configured or made_of_variables or not offered.keys().isdisjoint(CLOSED)
