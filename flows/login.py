"""A login that ends in a Secret block."""

from collections.abc import Awaitable, Callable

from flows.prefect_api.connection import api, in_a_thread
from tasks.credentials import SecretBlocks
from tasks.mail.logins import Store
from tasks.run_context import Caller, caller


def with_blocks(log_in: Callable[[Store], Awaitable[int]]) -> int:
    """What `log_in` returns. The server has answered before anybody is asked to log in. Raises ServerError."""

    async def run() -> int:
        return await log_in(SecretBlocks())

    with api("Secret blocks are on a Prefect server: set PREFECT_API_URL, or say --direct"):
        caller.set(Caller(lambda result: None))  # the secrets of the client are the user's own
        return in_a_thread(run)
