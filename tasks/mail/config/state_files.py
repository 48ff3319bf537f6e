"""Opening files of a state folder: never what a symbolic link there leads to, for it may be anybody's file."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def open_state_file(path: str | Path, flags: int) -> int:
    """What open() takes as its opener: private, and an OSError that says so where a symbolic link lies there."""
    try:
        return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(0, "it is a symbolic link, which is not followed: remove it", str(path)) from None
        raise
