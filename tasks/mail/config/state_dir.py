"""Where the project keeps what has to outlive a process."""

from __future__ import annotations

import os
from pathlib import Path


def state_home() -> Path:
    """The folder of this user (XDG Base Directory: state)."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "mail-loop"


def make_private(folder: Path) -> None:
    """Make a folder that only this user may look into: a Prefect database holds the key to its Secret blocks."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
