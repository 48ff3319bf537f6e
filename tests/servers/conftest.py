"""Fixtures of the tests against real servers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.servers.lab import Lab, User


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """One laboratory for the whole test run; it starts in about two seconds."""
    with Lab() as running:
        yield running


@pytest.fixture
def user(lab: Lab) -> User:
    """A user with an empty mailbox of his own."""
    return lab.fresh_user()
