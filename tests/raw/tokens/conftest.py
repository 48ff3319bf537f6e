"""A token server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.oauth.server import TokenServer, token_server


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with token_server() as running:
        yield running
