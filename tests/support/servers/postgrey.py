"""Postgrey: answers 450 at RCPT to the first mail from a client, a sender and a recipient that it has not seen."""

from __future__ import annotations

from pathlib import Path

from tests.support.servers.accounts import Account
from tests.support.servers.processes import Server


class Postgrey(Server):
    """A greylisting policy server. It counts whole seconds, so it may let a mail pass up to one second early."""

    def __init__(self, home: Path, account: Account, delay: int) -> None:
        self.policy = f"check_policy_service unix:{home}/socket"
        account.own(home)
        super().__init__(
            home,
            [
                "postgrey",
                f"--unix={home}/socket",
                f"--dbdir={home}",
                f"--user={account.user}",
                f"--group={account.group}",
                f"--delay={delay}",
                # Otherwise the client, here always the same, is waved through after five mails.
                "--auto-whitelist-clients=0",
                "--whitelist-clients=/dev/null",
                "--whitelist-recipients=/dev/null",
            ],
            addresses=[home / "socket"],
        )
