"""Ports, folders and child processes: everything in the foreground, nothing left behind."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import NamedTuple, TypeVar

from tests.support.checks.bounds import THREAD_SECONDS
from tests.support.servers import PROGRAM_PATH

HOST = "127.0.0.1"
BLOCK = 32
CONFIG = Path(__file__).with_name("config")

T = TypeVar("T")


class Endpoint(NamedTuple):
    """Where a server listens."""

    host: str
    port: int


class Ports:
    """A block of ports that no other test run takes.

    The first port of the block stays bound for as long as the block is held: that is the lock, and, since nothing
    listens there, also the address of a server that is down. The blocks lie below the range from which Linux picks
    ports for outgoing connections.
    """

    def __init__(self) -> None:
        bases = list(range(20000, 32768 - BLOCK, BLOCK))
        random.shuffle(bases)
        for base in bases:
            guard = _bound(base)
            if guard is None:
                continue
            if all(_is_free(port) for port in range(base + 1, base + BLOCK)):
                self._guard = guard
                self._unused = iter(range(base + 1, base + BLOCK))
                self.closed = Endpoint(HOST, base)
                return
            guard.close()
        raise RuntimeError("no free block of ports between 20000 and 32768")

    def take(self) -> int:
        """The next port of the block."""
        return next(self._unused)

    def release(self) -> None:
        """Let others have the block."""
        self._guard.close()


def _bound(port: int) -> socket.socket | None:
    """A socket bound to the port, or None where it is in use."""
    sock = socket.socket()
    try:
        sock.bind((HOST, port))
    except OSError:
        sock.close()
        return None
    return sock


def _is_free(port: int) -> bool:
    sock = _bound(port)
    if sock is not None:
        sock.close()
    return sock is not None


def render(template: str, target: Path, **values: object) -> Path:
    """Write a file of the config folder with its ${names} filled in."""
    text = (CONFIG / template).read_text(encoding="utf-8")
    target.write_text(Template(text).substitute(values), encoding="utf-8")
    return target


def environment() -> dict[str, str]:
    """The environment of the servers: plain English logs, and Debian's places for servers."""
    return {**os.environ, "PATH": PROGRAM_PATH, "LC_ALL": "C"}


def run(argv: Sequence[str | Path]) -> str:
    """Run a helper program to its end and return what it printed."""
    done = subprocess.run(argv, env=environment(), capture_output=True, text=True, timeout=30)
    if done.returncode != 0:
        raise RuntimeError(f"{argv[0]} failed: {done.stdout}{done.stderr}")
    return done.stdout


class Child:
    """A server as a child process. Its output goes to a file: an inherited terminal or pipe would never be closed."""

    def __init__(self, argv: Sequence[str | Path], output: Path, more: Mapping[str, str]) -> None:
        self.output = output
        with output.open("ab") as file:
            # A session of its own: Postfix's master ends its whole process group.
            self._process = subprocess.Popen(
                argv,
                env={**environment(), **more},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self.pid = self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def code(self) -> int:
        """The exit code, once it has ended."""
        return self._process.wait(0)

    def stop(self, pid: int | None = None) -> None:
        """End the server politely, by `pid` where the one to tell is not our own child, then by force."""
        if self.running:
            os.kill(pid or self.pid, signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait(THREAD_SECONDS)


def until(attempt: Callable[[], T | None], failure: Callable[[], str], seconds: float = 60) -> T:
    """Call `attempt` until it returns something; raise with the text of `failure` when the time is up."""
    end = time.monotonic() + seconds
    while True:
        result = attempt()
        if result is not None:
            return result
        if time.monotonic() > end:
            raise RuntimeError(failure())
        time.sleep(0.01)


def greets(address: Endpoint | Path) -> bool | None:
    """True once a server answers there: with a greeting on a port, with its mere presence on a socket file."""
    try:
        with _connected(address) as sock:
            return True if isinstance(address, Path) or sock.recv(1) else None
    except OSError:
        return None


def refuses(address: Endpoint | Path) -> bool:
    """Whether nobody listens there."""
    try:
        _connected(address).close()
    except (ConnectionRefusedError, FileNotFoundError):
        return True
    except OSError:
        pass
    return False


def _connected(address: Endpoint | Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX if isinstance(address, Path) else socket.AF_INET)
    try:
        sock.settimeout(5)
        sock.connect(str(address) if isinstance(address, Path) else address)
    except BaseException:
        sock.close()
        raise
    return sock


class Server:
    """What the servers have in common: a folder, a child process, addresses of which the first greets, a log."""

    def __init__(
        self,
        home: Path,
        argv: Sequence[str | Path],
        addresses: Sequence[Endpoint | Path],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.home = home
        self._environment = environment or {}
        self._argv = argv
        self._addresses = addresses
        self._child: Child | None = None

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.running

    def launch(self) -> None:
        """Start the process without waiting for it."""
        self._child = Child(self._argv, self.home / "output", self._environment)
        (self.home / "pid").write_text(str(self._child.pid))

    def wait(self) -> None:
        """Wait until the server answers."""
        until(lambda: greets(self._addresses[0]) if self.running else self._died(), self._complaint)

    def start(self) -> None:
        self.launch()
        self.wait()

    def stop(self) -> None:
        """End the server, and return when nothing of it listens any more."""
        if self._child is not None:
            self._child.stop(self._main_pid())
            self._child = None
            (self.home / "pid").unlink()
            # Grandchildren may outlive the child by a moment, and their listening sockets with them.
            until(
                lambda: all(refuses(address) for address in self._addresses) or None,
                lambda: f"{self._argv[0]} still listens",
            )

    def log(self) -> str:
        """All that the server has logged so far."""
        path = self.home / "log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def _main_pid(self) -> int | None:
        """The process to tell to end, where it is not the child itself."""
        return None

    def _died(self) -> bool | None:
        raise RuntimeError(self._complaint())

    def _complaint(self) -> str:
        output = self.home / "output"
        return f"{self._argv[0]} did not start:\n{output.read_text(errors='replace')}\n{self.log()[-4000:]}"


class Guard:
    """Ends the servers and removes their folder when the test run is gone, even if it was killed."""

    SCRIPT = """
        cat >/dev/null
        for file in "$1"/*/pid "$1"/*/spool/pid/master.pid; do
            [ -f "$file" ] && kill $(cat "$file") 2>/dev/null
        done
        [ -d "$1" ] && sleep 2 && rm -rf "$1"
    """

    def __init__(self, folder: Path) -> None:
        # The guard reads until its input ends: the kernel closes that, however the test run ends.
        self._process = subprocess.Popen(
            ["sh", "-c", self.SCRIPT, "guard", folder], stdin=subprocess.PIPE, start_new_session=True
        )

    def dismiss(self) -> None:
        try:
            self._process.communicate(timeout=THREAD_SECONDS)
        except subprocess.TimeoutExpired:  # somebody else holds its input open
            self._process.kill()
            raise
