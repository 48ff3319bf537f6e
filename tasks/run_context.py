"""The flow run that we are in, as Prefect knows it, and the command that has started it in this process."""

import asyncio
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID

import anyio
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.runtime import deployment, flow_run

from tasks.mail.model.errors import ConfigError, Overtaken
from tasks.mail.model.result import LoopResult

VANTAGE = "MAIL_LOOP_VANTAGE"  # says of a worker where it is
FROM = "mail-loop-fleet-from:"  # the tag that says of a run where it must take place

NAME_SECONDS = 5.0  # Prefect's own client would try for minutes


@dataclass(frozen=True)
class Caller:
    """The command of ours that has started the run in its own process.

    `on_verdict` gets the result whatever becomes of Prefect; `may_begin` says whether the check is still this run's to
    do. The secrets are those of the user who typed the command, and no list of hosts is asked.
    """

    on_verdict: Callable[[LoopResult], None]
    may_begin: Callable[[], bool] = lambda: True


# Set by our own command line alone: nothing that a run is given can set it.
caller: ContextVar[Caller | None] = ContextVar("caller", default=None)

log = logging.getLogger(__name__)


def this_run() -> str | None:
    """The id of the flow run, None outside of one."""
    return flow_run.id or None


def as_begun() -> FlowRun | None:
    """The flow run as the server described it when it began, None outside of one."""
    context = FlowRunContext.get()
    return context.flow_run if context else None


def of_a_deployment() -> bool:
    """Whether a deployment made this run: its parameters are then stored and shown as they were given."""
    run = as_begun()
    if run is not None and run.parent_task_run_id is None:
        return run.deployment_id is not None
    return deployment.id is not None  # of a run within another; it asks the server, on a client of its own


def place_tag(place: str) -> str:
    """The tag of a deployment, and so of its runs, that are for workers at this place."""
    return f"{FROM}{place}"


def refuse_elsewhere() -> None:
    """Raise ConfigError where this run is in the wrong place: what it found would count for another one."""
    run = as_begun()
    place = next((tag.removeprefix(FROM) for tag in (run.tags if run else ()) if tag.startswith(FROM)), None)
    here = os.environ.get(VANTAGE)
    if place is not None and place != here:
        where = f"is at {here}" if here else "does not say where it is"
        raise ConfigError(
            f"this check is one from {place}, and the worker that took it {where}: a worker at {place} has "
            f"{VANTAGE}={place} in its environment and serves the work queue {place}, and others do not"
        )


@contextmanager
def to_its_end() -> Iterator[None]:
    """Keep Prefect from giving up a check that has begun.

    It does so when it cannot renew the lease that a deployment's concurrency limit takes: as soon as its API is gone,
    and without a word about the mail. A signal, and who cancels the run with one, ends the check as before.
    """
    with anyio.CancelScope(shield=True):
        yield


def begin() -> None:
    """Say that the check begins, for good: nothing more has to be asked of Prefect before. Raises Overtaken."""
    called_by = caller.get()
    if called_by is not None and not called_by.may_begin():
        raise Overtaken("the check is done without Prefect, which has taken too long to let it begin")


async def name_this_run(name: str) -> None:
    """Name the flow run after its token. Only a name: a failure is logged, and that is all."""
    if (run_id := this_run()) is None:
        return
    try:
        async with asyncio.timeout(NAME_SECONDS), get_client() as client:
            await client.update_flow_run(UUID(run_id), name=name)
    except Exception as error:
        log.warning("The flow run could not be named %s: %s", name, type(error).__name__)
