"""The SMTP leg as a Prefect task."""

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.states import Failed

from tasks.mail.config.loop import MOST_RETRY_DELAYS, SenderSection
from tasks.mail.model.errors import SendFailure
from tasks.mail.model.facts import Receipt
from tasks.mail.model.safe_text import unlinked
from tasks.mail.probe.compose import Probe
from tasks.mail.senders.attempts import Attempts
from tasks.mail.senders.registry import attempt
from tasks.states import finding


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
        return Failed(
            message=unlinked(f"Attempt {attempts.count}, at {failure.stage}: {failure}"), data=failure.alone()
        )


async def send(probe: Probe, section: SenderSection, attempts: Attempts) -> Receipt | SendFailure:
    """Run the task with the retries of this configuration, and take out what it found."""
    configured = send_probe.with_options(
        retries=section.retries,
        retry_delay_seconds=section.retry_delays()[:MOST_RETRY_DELAYS] or 0,
    )
    state = await configured(probe, section, attempts, return_state=True)  # type: ignore[misc]  # typed as if it were not async
    return await finding(state, Receipt, SendFailure)
