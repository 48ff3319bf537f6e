"""`mail-loop deploy`, against the Prefect server that is configured."""

from __future__ import annotations

from collections.abc import Sequence

from flows.alerts.apply import begin_anew
from flows.deploy.apply import Say, apply
from flows.deploy.template import template
from flows.prefect_api.connection import api, in_a_thread
from flows.server.allow import allow_at
from flows.setup.bootstrap import DEPLOYMENTS
from tasks.mail.config.loading.files import all_planned
from tasks.mail.config.secret_hosts import uses_of
from tasks.mail.model.errors import ConfigError
from tasks.mail.model.safe_text import one_line


def run(
    files: Sequence[str], every: str, fleet: str, say: Say, *, shards: int | None, brief: bool, dry_run: bool
) -> int:
    """Deploy the checks of the files; returns the exit code. Raises ConfigError, ServerError."""
    if brief and not shards:
        raise ConfigError("--brief is for shards: give --shards, too")
    checks = all_planned(files)
    common = template(DEPLOYMENTS)

    def shown(text: str) -> None:
        say(one_line(text, None))

    async def deployed() -> None:
        await begin_anew(await apply(checks, every, fleet, common, shown, shards=shards, brief=brief, dry_run=dry_run))

    with api("deployments live on a Prefect server that stays: set PREFECT_API_URL") as url:
        in_a_thread(deployed)
    allow_at(url, uses_of(check.config for check in checks), shown, dry_run=dry_run)
    return 0
