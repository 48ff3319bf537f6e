"""What a user types to call this program again."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

NAME = "mail-loop"


def program() -> str:
    """Its name where a shell finds it by that, else the path that it was called by."""
    called, found = Path(sys.argv[0]), shutil.which(NAME)
    if called.name != NAME or (found and called.exists() and called.samefile(found)):
        return NAME
    return shlex.quote(str(called))
