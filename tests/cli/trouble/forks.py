"""Several commands, each in a fork of a process that has imported what they need, which takes longest.

python -m tests.cli.trouble.forks JSON    [["history"], ["alerts", "show"]], say; prints [[code, out, err], ...]
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from contextlib import ExitStack
from importlib import import_module
from tempfile import TemporaryFile
from typing import IO, Any

from flows.cli.main import main
from flows.cli.output import quieten_prefect

MAX_SECONDS = 100
PREFECTS = ("flows.alerts.apply", "flows.deploy.apply", "flows.exporter", "flows.history", "flows.through_prefect")


def start(argv: list[str], out: IO[bytes], err: IO[bytes]) -> int:
    """The process of a command, with its output in these files."""
    if pid := os.fork():
        return pid
    signal.alarm(MAX_SECONDS)  # one that hangs ends with -14
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    try:
        code: Any = main(argv)
    except SystemExit as error:
        code = error.code
    except BaseException:
        traceback.print_exc()
        code = -1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def said(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def all_of(commands: list[list[str]]) -> list[tuple[int, str, str]]:
    """How each ended, and what it said; they run side by side."""
    with ExitStack() as stack:
        files = [[stack.enter_context(TemporaryFile()) for _ in range(2)] for _ in commands]
        pids = [start(argv, *streams) for argv, streams in zip(commands, files, strict=True)]
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        return [(code, said(out), said(err)) for code, (out, err) in zip(codes, files, strict=True)]


if __name__ == "__main__":
    quieten_prefect()  # as each of them does before it imports Prefect
    for module in PREFECTS:
        import_module(module)
    print(json.dumps(all_of(json.loads(sys.argv[1]))))
