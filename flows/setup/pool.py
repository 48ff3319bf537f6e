"""The work pool: made where there is none, and closed, so that no run has a say in the process that runs it."""

from __future__ import annotations

import json
from typing import Any

from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

from flows.deploy.pool_template import CLOSED, TEMPLATE, is_open
from flows.prefect_api.connection import at
from flows.prefect_api.probe import impatient_client

POOL = "mail-loop"


async def ensure_pool(url: str, login: str | None, *, ours: bool) -> str:
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
