"""`mail-loop` in forks of one process that has imported what all of its commands need: to import it takes longest.

A fork has the arguments, environment, folder and streams of its own command. Prefect, which reads its settings while it
is imported, is imported after the fork. What Python itself reads at its start cannot be changed in one: a command with
a variable of Python's has to be a program of its own.

python -m tests.support.command.forks DESCRIPTOR    the process that forks, until that socket is closed at the other end
"""

import asyncio
import atexit
import gc
import json
import os
import runpy
import signal
import socket
import struct
import subprocess
import sys
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.support.checks.bounds import THREAD_SECONDS

ROOT = Path(__file__).resolve().parents[3]
OURS = ("flows.cli.check", "flows.cli.trace", "flows.cli.validate", "flows.direct", "tasks.mail.config.loading.files")
# What Prefect imports.
OTHERS = (
    "coolname",
    "dateutil.rrule",
    "fsspec",
    "griffe",
    "httpx",
    "jsonschema",
    "pathspec",
    "pendulum",
    "prometheus_client",
    "pydantic_settings",
    "pytz",
    "rich.console",
    "unittest.mock",
    "websockets.asyncio.client",
)
IGNORED = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)  # where no -W is given
NUMBER = struct.Struct("i")


class Fork:
    """A command that was started."""

    returncode: int | None = None

    def __init__(self, report: socket.socket) -> None:
        self._report = report
        self.pid = self._number(report.recv(NUMBER.size))
        report.setblocking(False)

    async def wait(self) -> int:
        """The exit code; that of a signal is negative."""
        if self.returncode is None:
            answer = await asyncio.get_running_loop().sock_recv(self._report, NUMBER.size)
            self.returncode = os.waitstatus_to_exitcode(self._number(answer))
            self._report.close()
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    @staticmethod
    def _number(answer: bytes) -> int:
        return int(NUMBER.unpack(answer)[0])


class Forks:
    """The process that forks."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            argv = [sys.executable, "-W", "error", "-m", "tests.support.command.forks", str(theirs.fileno())]
            self._process = subprocess.Popen(
                argv, cwd=ROOT, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )

    def start(
        self,
        module: str,
        arguments: Sequence[str],
        env: Mapping[str, str],
        folder: Path,
        out: int,
        err: int,
        warned: str | None,
    ) -> Fork:
        """What `python -W WARNED -m MODULE ARGUMENTS` does in the folder, its output in these files."""
        report, theirs = socket.socketpair()
        data = json.dumps([module, arguments, dict(env), str(folder), warned]).encode()
        with theirs:
            socket.send_fds(self._control, [NUMBER.pack(len(data))], [theirs.fileno(), out, err])
            self._control.sendall(data)
        return Fork(report)

    def close(self) -> None:
        self._control.close()
        self._process.wait(THREAD_SECONDS)


@cache
def forks() -> Forks:
    """Those of this process, from the first command on."""
    made = Forks()
    atexit.register(made.close)
    return made


def load() -> None:
    """Import what the commands need, but Prefect."""
    for module in OURS:
        import_module(module)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for module in OTHERS:
            import_module(module)
    assert "prefect" not in sys.modules
    gc.freeze()


def serve(control: socket.socket) -> list[Any] | None:
    """Returns in each fork, with what it is to do, and None in the end."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # what waits for a command is waited for by nobody
    while True:
        size, streams, _, _ = socket.recv_fds(control, NUMBER.size, 3)
        if not size:
            return None
        data = b""
        while len(data) < NUMBER.unpack(size)[0]:
            data += control.recv(65536)
        if os.fork() == 0:
            control.close()
            become(*streams)
            return list(json.loads(data))
        for stream in streams:
            os.close(stream)


def become(report: int, out: int, err: int) -> None:
    """Start the command's own process, and say its number, then how it ended; returns in that process."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if pid := os.fork():
        os.write(report, NUMBER.pack(pid))
        os.write(report, NUMBER.pack(os.waitpid(pid, 0)[1]))
        os._exit(0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    for stream in (report, out, err):
        os.close(stream)


def run(module: str, arguments: Sequence[str], env: Mapping[str, str], folder: str, warned: Any) -> None:
    """As Python would have begun with all this."""
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    warnings.resetwarnings()
    sys.warnoptions[:] = [warned] if warned else []
    if warned:
        warnings.simplefilter(warned)
    else:
        for category in IGNORED:
            warnings.simplefilter("ignore", category)
        warnings.filterwarnings("default", category=DeprecationWarning, module="__main__")
    sys.path[0] = folder
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    load()
    with socket.socket(fileno=int(sys.argv[1])) as control:
        job = serve(control)
    if job is not None:
        run(*job)
