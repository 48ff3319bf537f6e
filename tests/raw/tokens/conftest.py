"""A token server, and no token of another test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tasks.mail.auth.tokens import access, rotation
from tests.support.oauth.server import TokenServer, token_server


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with token_server() as running:
        yield running


@pytest.fixture(autouse=True)
def _no_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port may be used again."""
    monkeypatch.setattr(access, "_sources", {})
    monkeypatch.setattr(rotation, "_families", {})
    monkeypatch.setattr(rotation, "_keepers", {})
