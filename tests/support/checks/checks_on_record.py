"""Checks that leave a record on a Prefect server."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate
from prefect.client.schemas.objects import State

from flows.mail_loop import mail_loop_check
from flows.through_prefect import result_of
from tasks.mail.config.loop import Limits
from tasks.mail.model.result import LoopResult
from tasks.sandbox import Sandbox, Script
from tests.prefect.records import imap, smtp

HOUR = timedelta(hours=1)


async def check(box: Sandbox, name: str, script: Script | None = None, **changes: Any) -> LoopResult:
    """One check, with the mail system behaving as the script says."""
    box.play(script or Script())
    limits = changes.pop("limits", Limits(max_wait=20.0))
    state: State[Any] = await mail_loop_check(name, smtp(box, **changes), imap(box), limits, return_state=True)
    return await result_of(state)


async def misconfigured(name: str) -> LoopResult:
    """A check whose configuration lacks most of what it needs."""
    return await result_of(await mail_loop_check(name, {"host": "mail.example"}, return_state=True))


async def run_in(name: str, state: State[Any], artifacts: Iterable[str] = ()) -> None:
    """A run of the check on record, as it would be if it had come to that state, with these artifacts."""
    async with get_client() as client:
        await record(client, name, state, artifacts)


async def record(client: PrefectClient, name: str, state: State[Any], artifacts: Iterable[str]) -> None:
    run = await client.create_flow_run(mail_loop_check, parameters={"name": name, "smtp": {}}, state=state)
    for artifact in artifacts:
        await client.create_artifact(
            ArtifactCreate(key=f"mail-loop-{name}", type="markdown", data=artifact, flow_run_id=run.id)
        )
