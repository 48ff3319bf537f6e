"""A machine for a test: Debian's systemd on a copy of this disk, in namespaces, with a network of its own."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

HERE = Path(__file__).resolve().parent
INSTALLED = Path("/opt/mail-loop-check")
PATIENCE = 60.0  # seconds until whatever is waited for must have happened, on a busy machine
ENVIRONMENT = {
    "PATH": f"{INSTALLED}/.venv/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "LD_LIBRARY_PATH": "/opt/python/lib",  # see boot
}
JOURNAL = ("journalctl", "--no-pager", "--lines=60")
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
        self._process.wait(PATIENCE)

    def run(self, *argv: str, check: bool = True) -> str:
        """What a command says, run in the machine as root."""
        done = subprocess.run(self._inside(argv), capture_output=True, text=True, check=False, timeout=PATIENCE)
        assert not check or done.returncode == 0, (
            f"{argv}: {done.returncode}: {done.stdout}{done.stderr}{self.run(*JOURNAL, check=False)}"
        )
        return done.stdout

    @contextmanager
    def started(self, *argv: str) -> Iterator[IO[str]]:
        """What a command says that is left running in the machine: it ends with it."""
        with subprocess.Popen(self._inside(argv), stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                yield process.stdout
            finally:
                process.kill()

    def _inside(self, argv: Sequence[str]) -> list[str]:
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text(encoding="ascii")
        init = (children.split() or [str(self._process.pid)])[0]
        # --root: where this process is in a chroot, the root of the mount namespace is another one than that of init.
        enter = ["nsenter", "--target", init, "-m", "-p", "-n", "-u", "-i", "-C", "--root", "--wd"]
        return [*enter, "env", "-i", *(f"{name}={value}" for name, value in ENVIRONMENT.items()), *argv]
