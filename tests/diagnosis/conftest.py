"""The ground of the situations."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.servers.lab import Lab


@pytest.fixture(scope="session")
def whole_lab() -> Iterator[Lab]:
    """The laboratory with everything in it that some situation needs; tests/conftest.py skips where it is missing."""
    with Lab() as lab:
        lab.also(*lab.judges, lab.strict, lab.gateway, lab.drifting)
        yield lab
