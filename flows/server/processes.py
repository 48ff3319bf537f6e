"""Processes that outlive the command that started them, each on record so that exactly these can be ended."""

import fcntl
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from tasks.mail.config.state_dir import make_private, open_state_file

_END_SECONDS = 10.0  # from SIGTERM to SIGKILL
_INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_IGNORED_INTERRUPT = (signal.SIGINT, signal.SIG_IGN)


@dataclass(frozen=True)
class Background:
    """A process on record. `started` (clock ticks since boot) tells it from a later process with the same number."""

    name: str
    pid: int
    started: int
    url: str = ""

    @property
    def alive(self) -> bool:
        return _start_time(self.pid) == self.started


def start(
    home: Path, name: str, argv: Sequence[str], env: Mapping[str, str], url: str = "", cwd: Path | None = None
) -> Background:
    """Start a process in a session of its own, its output in `home/<name>.log`, and put it on record."""
    make_private(home)
    with open(home / f"{name}.log", "ab", opener=open_state_file) as log, uninterrupted():
        process = subprocess.Popen(  # noqa: S603  # our own programs, with arguments of our own
            argv, env=dict(env), cwd=cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        process.returncode = 0  # it is meant to outlive this object, which would warn about it
        background = Background(name, process.pid, _start_time(process.pid) or 0, url)
        try:
            with open(_record(home, name), "w", encoding="utf-8", opener=open_state_file) as record:
                record.write(json.dumps(asdict(background)))
        except OSError:  # nobody would find it again
            _end(background, _END_SECONDS)
            raise
    return background


def running(home: Path, name: str) -> Background | None:
    """The process on record under `name`, if it is still there."""
    try:
        background = Background(**json.loads(_record(home, name).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return background if background.alive else None


def environment(background: Background) -> dict[str, str]:
    """The environment that the process was started with; empty if it is gone, or not ours to ask."""
    try:
        text = Path(f"/proc/{background.pid}/environ").read_bytes().decode("utf-8", "surrogateescape")
    except OSError:
        return {}
    pairs = (entry.partition("=") for entry in text.split("\0"))
    return {name: value for name, equals, value in pairs if equals} if background.alive else {}


def stop(home: Path, name: str, grace: float = _END_SECONDS) -> bool:
    """End the process on record under `name` and all it started: with SIGTERM, after `grace` seconds with SIGKILL.

    False if it was not running.
    """
    background = running(home, name)
    if background is not None:
        _end(background, grace)
    _record(home, name).unlink(missing_ok=True)  # only now: should this be interrupted, it can be called again
    return background is not None


def _end(background: Background, grace: float) -> None:
    for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, _END_SECONDS)):
        with suppress(ProcessLookupError):
            os.killpg(background.pid, number)
        until = time.monotonic() + seconds
        while _group_lives(background.pid) and time.monotonic() < until:
            time.sleep(0.05)
    with suppress(ChildProcessError):  # a child of ours would stay as a zombie; another's is not ours to collect
        os.waitpid(background.pid, os.WNOHANG)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Put off the signals that interrupt this process until the block is left.

    Not by blocking them: what is started here would have them blocked as well. An ignored SIGINT, which is what a shell
    gives to what a script runs in the background, would be inherited too, and Prefect's worker then ends at no SIGTERM.
    """
    if threading.current_thread() is not threading.main_thread():  # no other one is interrupted
        yield
        return
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in _INTERRUPTS}
    mine = {n: handler for n, handler in before.items() if callable(handler) or (n, handler) == _IGNORED_INTERRUPT}
    for number in mine:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number, handler in mine.items():
            signal.signal(number, handler)
        for late in came:
            signal.raise_signal(late)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock on `path` (fcntl.flock): processes take turns, and one that dies lets go of it."""
    make_private(path.parent)
    with open(path, "ab", opener=open_state_file) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _record(home: Path, name: str) -> Path:
    return home / f"{name}.json"


def _group_lives(group: int) -> bool:
    """Whether a process of the group does anything any more: an orphan waits as a zombie until init collects it."""
    stats = (_stat(int(path.name)) for path in Path("/proc").iterdir() if path.name.isdigit())
    return any(fields[0] != "Z" and int(fields[2]) == group for fields in stats if fields)


def _start_time(pid: int) -> int | None:
    """When the process was started, in clock ticks since boot; None if it is gone or a zombie."""
    fields = _stat(pid)
    return int(fields[19]) if fields and fields[0] != "Z" else None


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat (proc(5)) from the third, the state, on; none if the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return []
