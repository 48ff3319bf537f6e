"""A clock for child processes that a test sets as it likes; it needs Debian's faketime."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.checks.bounds import PROGRAM_SECONDS


class Clock:
    """The clock of the processes that are started with `env`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set(0)
        self.env = {
            "LD_PRELOAD": library(),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, seconds: int) -> None:
        """Let it be so far ahead of ours from now on."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.replace(self._file)


def library() -> str:
    """Where faketime has its library. It fails where a semaphore is left of a killed process with its number."""
    for _ in range(20):
        told = subprocess.run(
            ["faketime", "-m", "-f", "+0", "printenv", "LD_PRELOAD"],
            capture_output=True,
            text=True,
            check=False,
            timeout=PROGRAM_SECONDS,
        )
        if told.returncode == 0:
            return told.stdout.strip()
    raise AssertionError(f"faketime does not start: {told.stderr}")
