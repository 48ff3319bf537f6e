"""`mail-loop exporter`: what Prefect holds of the checks, as metrics for Prometheus."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Collection, Coroutine, Iterable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, get_current_settings, temporary_settings
from prometheus_client import write_to_textfile

from flows.alerts.loops import intervals
from flows.prefect_api.check_runs import Sightings
from flows.prefect_api.connection import own_login
from flows.prefect_api.probe import api_error, impatient_client, probe_api, without_login
from flows.server.metrics_http import application, listening
from tasks.mail.model.errors import ConfigError, describe_os_error
from tasks.metrics.collector import Board

_FIRST_READ_SECONDS = 600.0  # that the first read may take, for it asks for each loop, and one of all schedules
_READ_SECONDS = 60.0
_SCHEDULES_SECONDS, _SCHEDULES_REST = 30.0, 50  # between two reads of the schedules, and so many times what one took
_STALE_READS = 3
_UMASK = 0o022  # the node exporter runs as somebody else


def serve_metrics(
    listen: tuple[str, int] | None,
    textfile: Path | None,
    interval: float,
    most_loops: int,
    exclude: Iterable[str],
    say: Callable[[str], None],
    trusted: Collection[str] = (),
) -> int:
    """Serve metrics at the address and port of `listen`, and keep `textfile`, until a signal comes.

    `interval`: seconds between two reads of Prefect. `trusted`: host names by which it may be asked, see `listening`.
    Raises ConfigError.
    """
    url = get_current_settings().api.url
    if not url:
        raise ConfigError(
            "the exporter reads the Prefect server that is configured, and none is: "
            "set PREFECT_API_URL, such as http://127.0.0.1:4200/api"
        )
    where = without_login(url)
    stale_after = timedelta(seconds=_STALE_READS * interval + _READ_SECONDS)
    board = Board(_now, stale_after, most_loops, version("mail-loop-check"), exclude)
    with ExitStack() as stack:
        if textfile is not None:
            os.umask(_UMASK)
            _write_first(board, textfile)
            stack.callback(textfile.unlink, missing_ok=True)  # what it says would stay true for ever
            say(f"metrics of {where} in {textfile}")
        if listen is not None:
            at = stack.enter_context(listening(*listen, application(board.registry, lambda: board.reads), trusted))
            say(f"metrics of {where} at {at}/metrics")
        with own_login():
            error = asyncio.run(probe_api())
        if error is not None and error.final:
            raise error
        # The next read is the one that tries again: the client's own would take a minute.
        stack.enter_context(temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}))
        asyncio.run(_until_a_signal(_read_on(board, where, textfile, interval)))
    return 0


async def _until_a_signal(work: Coroutine[Any, Any, None]) -> None:
    """Do `work`, which does not end by itself, until somebody wants it to end."""
    working = asyncio.create_task(work)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            asyncio.get_running_loop().add_signal_handler(number, working.cancel)
    with suppress(asyncio.CancelledError):
        await working


async def _read_on(board: Board, url: str, textfile: Path | None, interval: float) -> None:
    """Read Prefect again and again, and say when that no longer works, and when it does again."""
    sightings, limit, trouble = Sightings(_now), _FIRST_READ_SECONDS, ""
    schedules_due = 0.0
    while True:
        begun, before, trouble = time.monotonic(), trouble, ""
        try:
            with own_login():  # each time anew: a server of ours that is started later has one, too
                if begun >= schedules_due:
                    async with asyncio.timeout(_FIRST_READ_SECONDS), impatient_client() as client:
                        board.scheduled(await intervals(client, _now()))
                    took = time.monotonic() - begun
                    schedules_due = begun + max(_SCHEDULES_SECONDS, _SCHEDULES_REST * took)
                async with asyncio.timeout(limit):
                    found = await sightings.read()
        except Exception as error:
            board.failed()
            trouble = _trouble(error, url)
        else:
            board.read(found.new, found.known, found.unreadable, time.monotonic() - begun)
            limit = _READ_SECONDS
        try:
            if textfile is not None:
                write_to_textfile(str(textfile), board.registry)
        except OSError as error:
            trouble = trouble or f"{textfile} cannot be written ({describe_os_error(error)})"
        if trouble != before:
            print(f"mail-loop: {trouble or 'it works again'}", file=sys.stderr, flush=True)
        await asyncio.sleep(max(0.0, begun + interval - time.monotonic()))


def _trouble(error: Exception, url: str) -> str:
    why = type(error).__name__
    if isinstance(error, httpx.HTTPStatusError):
        if (refused := api_error(error)).final:
            return str(refused)
        why = f"HTTP {error.response.status_code}"
    return f"the Prefect server at {url} cannot be read ({why})"


def _write_first(board: Board, textfile: Path) -> None:
    if textfile.suffix != ".prom":
        raise ConfigError(f"--textfile: the node exporter reads files named *.prom only, not {textfile.name}")
    try:
        write_to_textfile(str(textfile), board.registry)
    except OSError as error:
        raise ConfigError(f"--textfile: cannot write {textfile} ({describe_os_error(error)}): check the path") from None


def _now() -> datetime:
    return datetime.now(UTC)
