"""A machine of its own for a test: Debian's systemd on a copy of this disk, in namespaces, with a network of its own."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

HERE = Path(__file__).resolve().parent
INSTALLED = Path("/opt/mail-loop-check")
PATIENCE = 60.0  # seconds until whatever is waited for must have happened, on a busy machine
NAMESPACES = ("--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup")


@dataclass
class Machine:
    """The checkout `root` is at /opt/mail-loop-check in it; nothing that it writes outlives it."""

    folder: Path
    root: Path

    def __enter__(self) -> Machine:
        argv = ["unshare", *NAMESPACES, "--fork", "--kill-child", str(HERE / "boot"), str(self.folder), str(self.root)]
        with (self.folder.parent / "boot.log").open("wb") as log:
            self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until = time.monotonic() + PATIENCE
        while self.run("systemctl", "is-system-running", check=False).strip() not in ("running", "degraded"):
            if self._process.poll() is not None or time.monotonic() > until:
                self._process.kill()
                raise AssertionError((self.folder.parent / "boot.log").read_text(encoding="utf-8"))
            time.sleep(0.2)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()  # and with it everything inside
        self._process.wait()

    def run(self, *argv: str, check: bool = True) -> str:
        """What a command says, run in the machine as root."""
        done = subprocess.run(self._inside(argv), capture_output=True, text=True, check=False, timeout=PATIENCE)
        assert not check or done.returncode == 0, f"{argv}: {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self, *argv: str) -> subprocess.Popen[str]:
        """A command in the machine, left running; it ends with it."""
        return subprocess.Popen(self._inside(argv), stdout=subprocess.PIPE, text=True)

    def _inside(self, argv: Sequence[str]) -> list[str]:
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text(encoding="ascii")
        init = (children.split() or [str(self._process.pid)])[0]
        environment = ["env", "-i", f"PATH={INSTALLED}/.venv/bin:{os.defpath}:/usr/sbin", *_libraries()]
        return ["nsenter", "--target", init, "-m", "-p", "-n", "-u", "-i", "-C", "--wd=/", *environment, *argv]


def _libraries() -> list[str]:
    """What makes the interpreter of the environment find its library there: see boot."""
    return ["LD_LIBRARY_PATH=/opt/python/lib", "HOME=/root", "LANG=C.UTF-8", "XDG_RUNTIME_DIR=/run"]
