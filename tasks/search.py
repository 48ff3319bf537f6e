"""The IMAP leg as Prefect tasks."""

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.states import Failed

from tasks.mail.config.loop import InboundConfig
from tasks.mail.model.errors import MailboxFailure
from tasks.mail.model.facts import Arrival
from tasks.mail.model.safe_text import unlinked
from tasks.mail.search.inbound import Recent, find_recent
from tasks.mail.search.pace import Tries
from tasks.mail.search.request import SearchRequest
from tasks.mail.search.watch import watch
from tasks.states import finding


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
        return Failed(message=unlinked(f"At {failure.stage}: {failure}"), data=failure.alone())


async def search(request: SearchRequest) -> Arrival | MailboxFailure:
    """Run the task, and take out what it found."""
    state = await find_probe(request, return_state=True)  # type: ignore[misc]  # see send()
    return await finding(state, Arrival, MailboxFailure)


def may_change(task: Task[..., object], task_run: TaskRun, state: State[object]) -> bool:
    """Retry an empty look and a failed connection, not a refused login, nor what a second look has settled."""
    return isinstance(state.data, MailboxFailure) and not state.data.permanent


@task(
    task_run_name="look {inbound.name}",
    retry_condition_fn=may_change,
    cache_policy=NO_CACHE,
    persist_result=False,
)
async def look_for_recent(inbound: InboundConfig, tries: Tries) -> Recent | State[object]:
    """Look once for a fresh message; each run of the task is one look."""
    try:
        return await find_recent(inbound, tries)
    except MailboxFailure as failure:
        return Failed(message=unlinked(f"At {failure.stage}: {failure}"), data=failure.alone())


async def look(inbound: InboundConfig) -> Recent | MailboxFailure:
    """Run the task with the retries of this configuration, and take out what it found."""
    configured = look_for_recent.with_options(
        retries=inbound.mailbox.retries, retry_delay_seconds=inbound.mailbox.retry_delay
    )
    state = await configured(inbound, Tries(), return_state=True)  # type: ignore[misc]  # see send()
    return await finding(state, Recent, MailboxFailure)
