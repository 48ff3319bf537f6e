"""Standard streams on which nothing that a command says can fail: what it does is done, whoever reads of it."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any, TextIO


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
    """Replace stdout and stderr, and open those that are closed: else the next file opened would be in their place."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  # open to the end
    sys.stdout = _lenient(sys.stdout, sys.__stdout__, 1)
    sys.stderr = _lenient(sys.stderr, sys.__stderr__, 2)


def _lenient(stream: TextIO | None, original: TextIO | None, number: int) -> TextIO:
    """The stream, unless somebody has put another in its place."""
    if stream is not original or not isinstance(stream, io.TextIOWrapper | None) or _is_lenient(stream):
        return stream or io.StringIO()
    encoding, errors, by_line = ("utf-8", "backslashreplace", True)
    if stream is not None:
        stream.flush()
        encoding, errors, by_line = stream.encoding, stream.errors or "strict", stream.line_buffering
        by_line = by_line or stream.write_through
    raw = _Lenient(number, "wb", closefd=False)
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding=encoding, errors=errors, line_buffering=by_line)


def _is_lenient(stream: io.TextIOWrapper | None) -> bool:
    return stream is not None and isinstance(getattr(stream.buffer, "raw", None), _Lenient)
