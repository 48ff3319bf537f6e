"""No token of another test."""

from __future__ import annotations

import pytest

from tasks.mail.auth.tokens import access, rotation


@pytest.fixture(autouse=True)
def _no_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port may be used again."""
    monkeypatch.setattr(access, "_sources", {})
    monkeypatch.setattr(rotation, "_families", {})
    monkeypatch.setattr(rotation, "_keepers", {})
