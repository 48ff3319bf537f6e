"""Two relays and two mailboxes: what goes out through either arrives in the same place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tasks.sandbox import Sandbox

USERS = {"own": "Pa55-of-own", "outside": "Pa55-of-outside"}


class Relay(Sandbox):
    """A relay that hands what it accepts to the mailboxes of another system."""

    def __init__(self, system: Sandbox) -> None:
        super().__init__(system.users)
        self._system = system

    async def deliver(self, user: str, raw: bytes, folder: str = "INBOX") -> int:
        return await self._system.deliver(user, raw, folder)


@pytest.fixture
async def main() -> AsyncIterator[Sandbox]:
    async with Sandbox(USERS) as running:
        yield running


@pytest.fixture
async def backup(main: Sandbox) -> AsyncIterator[Sandbox]:
    async with Relay(main) as running:
        yield running


def sender(relay: Sandbox, secret: str) -> dict[str, Any]:
    return {
        "host": relay.host,
        "port": relay.smtp_port,
        "ca_file": relay.ca_file,
        "username": "own",
        "password_secret": secret,
        "from_addr": "own@sandbox.test",
        "subject_prefix": "[matrix]",
        "retry_delay": 0.0,
    }


def receiver(system: Sandbox, user: str, secret: str, address: str | None = None) -> dict[str, Any]:
    return {
        "address": address or f"{user}@sandbox.test",
        "host": system.host,
        "port": system.imaps_port,
        "ca_file": system.ca_file,
        "username": user,
        "password_secret": secret,
        "retry_delay": 0.1,
    }


def matrix(main: Sandbox, backup: Sandbox, max_wait: float = 20.0) -> dict[str, Any]:
    """The parameters of a matrix without its name: relays main and backup, into the mailboxes of main."""
    return {
        "senders": {"main": sender(main, "own-password"), "backup": sender(backup, "own-password")},
        "receivers": {user: receiver(main, user, f"{user}-password") for user in USERS},
        "limits": {"max_wait": max_wait},
    }
