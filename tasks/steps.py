"""The steps of a check as Prefect tasks, and what else it needs within a flow run."""

import logging
from typing import Any, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.states import Failed

from tasks.credentials import SecretBlocks, signing_key
from tasks.mail.config.loop import MOST_RETRY_DELAYS, InboundConfig, SenderSection
from tasks.mail.engine import Context, Steps
from tasks.mail.model.errors import MailboxFailure, SendFailure
from tasks.mail.model.facts import Arrival, Receipt
from tasks.mail.model.safe_text import unlinked
from tasks.mail.probe.compose import Probe
from tasks.mail.search.inbound import Recent, find_recent
from tasks.mail.search.pace import Tries
from tasks.mail.search.watch import SearchRequest, watch
from tasks.mail.senders.registry import Attempts, attempt
from tasks.run_context import begin, this_run

_A = TypeVar("_A")
_B = TypeVar("_B")


def _without_empty_exception(record: logging.LogRecord) -> bool:
    """Prefect logs a task run that failed with its exception, also where there is none: a line `NoneType: None`."""
    if record.exc_info == (None, None, None):
        record.exc_info = None
    return True


logging.getLogger("prefect.task_runs").addFilter(_without_empty_exception)


def is_temporary(task: Task[..., object], task_run: TaskRun, state: State[object]) -> bool:
    """Retry on a 4yz reply outside authentication, and on nothing else. A plain function: Prefect takes no other."""
    return isinstance(state.data, SendFailure) and state.data.temporary


@task(
    task_run_name="send {probe.loop} {probe.token}",
    retry_condition_fn=is_temporary,
    cache_policy=NO_CACHE,  # a probe that Prefect believes it has sent already would be a false OK
    persist_result=False,
)
async def send_probe(probe: Probe, section: SenderSection, attempts: Attempts) -> Receipt | State[object]:
    """Hand the probe to the relay; each run of the task is one attempt.

    A failure is returned as a state, not raised: a refused message is a finding, and no reason for a traceback.
    """
    try:
        return await attempt(probe, section, attempts)
    except SendFailure as failure:
        return _failed(f"Attempt {attempts.count}, at", failure)


@task(
    task_run_name="search {request.probe.loop} {request.receipt.token}",
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=0,
)
async def find_probe(request: SearchRequest) -> Arrival | State[object]:
    """Look for the message of a receipt, or for its bounce. It waits by itself, so Prefect has nothing to retry."""
    try:
        return await watch(request)
    except MailboxFailure as failure:
        return _failed("At", failure)


def may_change(task: Task[..., object], task_run: TaskRun, state: State[object]) -> bool:
    """Retry an empty look and a failed connection, not a refused login, nor what a second look has settled."""
    return isinstance(state.data, MailboxFailure) and not state.data.permanent


@task(task_run_name="look {inbound.name}", retry_condition_fn=may_change, cache_policy=NO_CACHE, persist_result=False)
async def look_for_recent(inbound: InboundConfig, tries: Tries) -> Recent | State[object]:
    """Look once for a fresh message; each run of the task is one look."""
    try:
        return await find_recent(inbound, tries)
    except MailboxFailure as failure:
        return _failed("At", failure)


def _failed(at: str, failure: SendFailure | MailboxFailure) -> State[object]:
    return Failed(message=unlinked(f"{at} {failure.stage}: {failure}"), data=failure.alone())


class PrefectSteps:
    """See tasks.mail.engine.Steps."""

    async def send(self, probe: Probe, section: SenderSection, attempts: Attempts) -> Receipt | SendFailure:
        configured = send_probe.with_options(
            retries=section.retries, retry_delay_seconds=section.retry_delays()[:MOST_RETRY_DELAYS] or 0
        )
        state = await configured(probe, section, attempts, return_state=True)  # type: ignore[misc]  # typed as if it were not async
        return await finding(state, Receipt, SendFailure)

    async def search(self, request: SearchRequest) -> Arrival | MailboxFailure:
        state = await find_probe(request, return_state=True)  # type: ignore[misc]  # see send()
        return await finding(state, Arrival, MailboxFailure)

    async def look(self, inbound: InboundConfig) -> Recent | MailboxFailure:
        section = inbound.mailbox
        configured = look_for_recent.with_options(retries=section.retries, retry_delay_seconds=section.retry_delay)
        state = await configured(inbound, Tries(), return_state=True)  # type: ignore[misc]  # see send()
        return await finding(state, Recent, MailboxFailure)


async def finding(state: State[Any], success: type[_A], failure: type[_B]) -> _A | _B:
    """What a task or a flow found, be its state Completed or Failed. Raises what broke the run itself."""
    found = await state.aresult(raise_on_failure=False)
    if isinstance(found, (success, failure)):
        return found
    if isinstance(found, BaseException):
        raise found
    raise TypeError(f"the run ended {state.name} with {type(found).__name__}, not {success.__name__}")


async def context_of_run(steps: Steps) -> Context:
    """The context of the checks of this flow run."""
    return Context(steps, SecretBlocks(), await signing_key(), this_run(), begin)
