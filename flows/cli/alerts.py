"""`mail-loop alerts`, against the Prefect server that is configured."""

from __future__ import annotations

from collections.abc import Sequence

from flows.alerts.apply import Say, apply, show
from flows.cli.argument_types import PLAYED
from flows.prefect_api.connection import api, in_a_thread
from tasks.alerts.rules import load_alerts
from tasks.mail.config.state_dir import state_home
from tasks.mail.model.safe_text import one_line


def run(verb: str, file: str, situations: Sequence[str], say: Say) -> int:
    """Do what `verb` says; returns the exit code."""
    alerts = load_alerts(file) if verb == "apply" else None
    with api("alerts live on a Prefect server that stays: set PREFECT_API_URL"):
        if alerts is not None:
            in_a_thread(lambda: apply(alerts, say))
            return 0
        if verb == "show":
            in_a_thread(lambda: show(lambda text: say(one_line(text, None))))
            return 0
        from flows.alerts.drill import trial

        return 0 if in_a_thread(lambda: trial(situations or PLAYED, state_home() / "alerts-test", say)) else 2
