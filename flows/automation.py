"""The automations on the Prefect server that end what killed processes left unfinished: it never does by itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from prefect.automations import AutomationCore, ChangeFlowRunState, EventTrigger, Posture, ResourceSpecification
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.settings import PREFECT_API_URL, temporary_settings

NAME = "mail-loop: crash runs whose heartbeat stopped"
UNBEGUN = "mail-loop: crash runs that were taken and not begun"
FLOWS = ["fleet-check", "inbound-check", "loop-matrix", "loop-vantage", "mail-loop-check"]
SILENCE = timedelta(minutes=10)  # three of Prefect's heartbeats and more, and longer than a server takes to restart
START = timedelta(minutes=5)  # a worker takes a run 10 s before its time, and starts a process within seconds


def crash_silent_runs(silence: timedelta = SILENCE) -> AutomationCore:
    """A run that has sent a heartbeat, and then for `silence` neither another one nor a state, is crashed.

    Only runs of our flows. A final state stays as it is, for the server refuses to turn it into "Crashed".
    """
    message = f"No heartbeat for {silence.total_seconds():.0f} s: the process was killed."
    return _crash(NAME, "prefect.flow-run.heartbeat", silence, message)


def crash_unbegun_runs(start: timedelta = START) -> AutomationCore:
    """A run that a worker has taken, "Pending", and that does not begin within `start`, is crashed: the worker is gone.

    Prefect neither ends it nor gives it to another worker. Nor does this: a run that begins late after all would send
    twice. Nothing was sent, and the next run takes place as scheduled.
    """
    message = f"Not begun within {start.total_seconds():.0f} s: its worker was killed. Nothing was sent."
    return _crash(UNBEGUN, "prefect.flow-run.Pending", start, message)


def _crash(name: str, after: str, within: timedelta, message: str) -> AutomationCore:
    return AutomationCore(
        name=name,
        description="Written by mail-loop serve and alerts apply, which put it back to what it was.",
        trigger=EventTrigger(
            posture=Posture.Proactive,
            match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
            match_related=ResourceSpecification({"prefect.resource.role": "flow", "prefect.resource.name": FLOWS}),
            after={after},
            expect={"prefect.flow-run.*"},
            for_each={"prefect.resource.id"},
            threshold=1,
            within=within,
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message=message)],
    )


async def ensure(url: str) -> None:
    """Make sure that the server at `url` has the automations, once each. One that was switched off stays so."""
    with temporary_settings({PREFECT_API_URL: url}):
        await ensure_here()


async def ensure_here() -> None:
    """The same for the server that is configured."""
    async with get_client() as client:
        for wanted in (crash_silent_runs(), crash_unbegun_runs()):
            found = await client.read_automations_by_name(wanted.name)
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
