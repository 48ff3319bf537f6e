"""The steps of a check as Prefect tasks, and what else it needs within a flow run."""

from tasks.credentials import SecretBlocks
from tasks.mail.config.loop import InboundConfig, SenderSection
from tasks.mail.engine import Context, Steps
from tasks.mail.model.errors import MailboxFailure, SendFailure
from tasks.mail.model.facts import Arrival, Receipt
from tasks.mail.probe.compose import Probe
from tasks.mail.search.inbound import Recent
from tasks.mail.search.request import SearchRequest
from tasks.mail.senders.attempts import Attempts
from tasks.run_context import begin, this_run
from tasks.search import look, search
from tasks.send import send
from tasks.signing_key import signing_key


class PrefectSteps:
    """See tasks.mail.engine.Steps."""

    async def send(self, probe: Probe, section: SenderSection, attempts: Attempts) -> Receipt | SendFailure:
        return await send(probe, section, attempts)

    async def search(self, request: SearchRequest) -> Arrival | MailboxFailure:
        return await search(request)

    async def look(self, inbound: InboundConfig) -> Recent | MailboxFailure:
        return await look(inbound)


async def context_of_run(steps: Steps) -> Context:
    """The context of the checks of this flow run."""
    return Context(steps, SecretBlocks(), await signing_key(), this_run(), begin)
