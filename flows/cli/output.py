"""What commands print, and the streams that they print on."""

from __future__ import annotations

import errno
import io
import os
import shlex
import shutil
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from tasks.mail.report.svg.timeline import Timeline

BROKEN = 3  # exit code: the configuration is wrong, or the tool itself failed
_NAME = "mail-loop"
_NARROW = 80  # columns of what is no terminal


def say(text: str, file: TextIO | None = None) -> None:
    """Print a line, at once."""
    print(text, file=file, flush=True)


def program() -> str:
    """What a user types to call this program again: its name if a shell finds it by that, else its path."""
    called, found = Path(sys.argv[0]), shutil.which(_NAME)
    if called.name != _NAME or (found and called.exists() and called.samefile(found)):
        return _NAME
    return shlex.quote(str(called))


def drawn_for(stream: TextIO, picture: Timeline) -> list[str]:
    """The lines of a timeline: in colour on a terminal, in ASCII where the stream can carry no more."""
    from tasks.mail.report.svg import text as plain

    if not picture.bars:
        return []
    terminal = stream.isatty()
    width = shutil.get_terminal_size().columns - 2 if terminal else _NARROW
    ascii_only = (stream.encoding or "").lower().replace("-", "") != "utf8"
    return plain.text(picture, width, colour=terminal and "NO_COLOR" not in os.environ, ascii_only=ascii_only)


def quieten_prefect() -> None:
    """Keep the log of the runs off the terminal, where Prefect has it too; set before its import, which reads it."""
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_INTERNAL_LEVEL", "CRITICAL")  # whole events that could not be sent
    os.environ.setdefault("DO_NOT_TRACK", "1")
    warnings.filterwarnings("ignore", "Failed to create the Prefect home directory")  # no command of ours needs it


def has_prefect() -> bool:
    """Whether a Prefect server is configured, by the environment or by a profile, as Prefect itself reads them."""
    quieten_prefect()
    from flows.prefect_api.connection import configured_url

    return configured_url() is not None


class _Lenient(io.FileIO):
    """A stream that goes to nowhere from the first write on that fails: disk full, reader gone, terminal closed."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            if self.fileno() == 1 and error.errno != errno.EPIPE:  # a reader that has seen enough knows it
                print(f"mail-loop: the output cannot be written: {os.strerror(error.errno or 0)}", file=sys.stderr)
            return memoryview(data).nbytes


def make_lenient() -> None:
    """Let nothing that is printed fail: what a command does is done, whoever reads of it.

    Replaces stdout and stderr, and opens those that are closed: else the next file opened would be in their place.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  # open to the end
    sys.stdout = _lenient(sys.stdout, sys.__stdout__, 1)
    sys.stderr = _lenient(sys.stderr, sys.__stderr__, 2)


def _lenient(stream: TextIO | None, original: TextIO | None, number: int) -> TextIO:
    """The stream, unless somebody has put another in its place."""
    is_lenient = isinstance(getattr(getattr(stream, "buffer", None), "raw", None), _Lenient)
    if stream is not original or not isinstance(stream, io.TextIOWrapper | None) or is_lenient:
        return stream or io.StringIO()
    encoding, errors, by_line = ("utf-8", "backslashreplace", True)
    if stream is not None:
        stream.flush()
        encoding, errors, by_line = stream.encoding, stream.errors or "strict", stream.line_buffering
        by_line = by_line or stream.write_through
    raw = _Lenient(number, "wb", closefd=False)
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding=encoding, errors=errors, line_buffering=by_line)
