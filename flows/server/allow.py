"""The list of secrets and hosts of the worker of `mail-loop serve`, and of workers that are elsewhere."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from flows.server.login import home_of
from tasks.mail.config.loading.secret_list import LIST_FILE, LIST_VARIABLE, Use, add_to, list_path, missing_at

Say = Callable[[str], None]


def allow(home: Path, uses: Iterable[Use], say: Say) -> None:
    """Add what the list of the worker of the `serve` in `home` lacks. Raises ConfigError."""
    if added := add_to(home / LIST_FILE, uses):
        say(f"Its worker may hand these secrets to these hosts from now on, by {home / LIST_FILE}: {' '.join(added)}")


def allow_at(url: str, uses: Iterable[Use], say: Say, *, dry_run: bool = False) -> None:
    """The same for the server at `url`; for workers elsewhere the lines are said. Raises ConfigError."""
    home = home_of(url)
    if home is not None and not dry_run:
        allow(home, uses, say)
        return
    path = home / LIST_FILE if home is not None else list_path() if os.environ.get(LIST_VARIABLE) else None
    lines = missing_at(path, uses) if path is not None else [use.line for use in uses]
    if not lines:
        return
    if home is not None:
        say(f"these lines would be added to {path}:")
    else:
        at = path or f"its file {LIST_FILE} (with the units of deploy/systemd /etc/mail-loop/{LIST_FILE})"
        say(f"A worker hands a secret only to the hosts that its list names. It needs these lines in {at}:")
    for line in lines:
        say(line)
