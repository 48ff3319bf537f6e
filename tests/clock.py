"""A clock for child processes that a test sets as it likes; it needs Debian's faketime."""

from __future__ import annotations

import subprocess
from pathlib import Path


class Clock:
    """The clock of the processes that are started with `env`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set(0)
        preload = subprocess.run(
            ["faketime", "-m", "-f", "+0", "printenv", "LD_PRELOAD"], capture_output=True, text=True, check=True
        )
        self.env = {
            "LD_PRELOAD": preload.stdout.strip(),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, seconds: int) -> None:
        """Let it be so far ahead of ours from now on."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.replace(self._file)
