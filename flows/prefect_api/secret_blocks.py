"""Which passwords a Prefect server knows."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from prefect.settings import PREFECT_API_AUTH_STRING

from flows.prefect_api.connection import at
from flows.prefect_api.probe import impatient_client
from tasks.mail.config.loading.environment import variable
from tasks.mail.config.loop import CheckConfig
from tasks.mail.config.secrets import login_sections


async def unknown_passwords(
    url: str, checks: Iterable[CheckConfig], environment: Mapping[str, str] = os.environ
) -> list[str]:
    """A sentence for each password that neither the environment nor the Prefect server at `url` knows."""
    secrets = {login.password_secret for check in checks for login in login_sections(check).values()}
    named = {secret for secret in secrets if secret and not environment.get(variable(secret))}
    with at(url, environment.get(PREFECT_API_AUTH_STRING.name)):
        async with impatient_client() as client:
            blocks = await client.read_block_documents_by_type("secret") if named else []
    return [
        f"No password {secret} is known: set {variable(secret)} and start the worker anew (make stop, make serve), "
        f"or make a Prefect Secret block {secret}."
        for secret in sorted(named - {block.name for block in blocks})
    ]
