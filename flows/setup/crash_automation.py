"""The automation on the Prefect server that ends what a killed process left "Running": the server itself never does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from prefect.automations import AutomationCore, ChangeFlowRunState, EventTrigger, Posture, ResourceSpecification
from prefect.client.schemas.objects import StateType

from flows.prefect_api.connection import at
from flows.prefect_api.probe import impatient_client
from flows.registry import CHECK_FLOWS, LOOP_VANTAGE

AUTOMATION_NAME = "mail-loop: crash runs whose heartbeat stopped"
_FLOWS = sorted(entry.name for entry in (*CHECK_FLOWS, LOOP_VANTAGE))
# Three of Prefect's heartbeats and more, and longer than a server takes to restart.
HEARTBEAT_SILENCE = timedelta(minutes=10)


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


async def ensure_automation(url: str, login: str | None = None) -> None:
    """Make sure that the server at `url` has the automation, once. One that was switched off stays so."""
    with at(url, login):
        await ensure_automation_here()


async def ensure_automation_here() -> None:
    """The same for the server that is configured."""
    wanted = crash_silent_runs()
    async with impatient_client() as client:
        found = await client.read_automations_by_name(AUTOMATION_NAME)
        if not found:
            await client.create_automation(wanted)
        for automation in found:
            if _content(automation) != _content(wanted):
                enabled = wanted.model_copy(update={"enabled": automation.enabled})
                await client.update_automation(automation.id, enabled)


def _content(automation: AutomationCore) -> dict[str, Any]:
    """What makes it up, without what the server adds."""
    shown = automation.model_dump(mode="json", include={"description", "trigger", "actions"})
    return shown | {"trigger": {name: value for name, value in shown["trigger"].items() if name != "id"}}
