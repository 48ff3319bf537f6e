"""`mail-loop check`: runs the checks of files, and says what each found as soon as it has."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import warnings
from pathlib import Path
from typing import TextIO

from flows.cli.describe import with_max_wait
from flows.cli.progress_lines import live
from tasks.correlation.pattern import blame
from tasks.mail.config.addresses import slug
from tasks.mail.config.loading.files import loaded, planned
from tasks.mail.config.loop import Limits, LoopConfig
from tasks.mail.config.plan import Planned
from tasks.mail.model.errors import ConfigError
from tasks.mail.model.result import LoopResult
from tasks.mail.model.safe_text import one_line
from tasks.mail.report.report import line, timeline, who_acts
from tasks.mail.report.svg import text as plain
from tasks.mail.report.svg.timeline import Timeline
from tasks.mail.verdict.result import misconfigured

NARROW = 80  # columns of what is no terminal
UNRECORDED = (
    "mail-loop: note: nothing was recorded, for no Prefect server is configured: set PREFECT_API_URL "
    "(mail-loop serve starts one), or say --direct"
)


def run_check(arguments: argparse.Namespace) -> int:
    """The command; returns the exit code of the worst check."""
    worst, out = 0, sys.stdout  # as it is: while lines move, another one stands in its place
    checks: list[Planned] = []
    wrong: list[LoopResult] = []
    for file, found in loaded(arguments.files):
        if isinstance(found, ConfigError):
            name = found.check or slug(Path(file).stem) or "unnamed"
            wrong.append(misconfigured(name, str(found), cause=found.cause))
        else:
            checks += planned(found)
    configs = [with_max_wait(check.config, arguments.max_wait) for check in checks]
    limits = {config.name: config.limits if isinstance(config, LoopConfig) else None for config in configs}

    with live({name: one.max_wait if one else None for name, one in limits.items()}) as over:

        def show(result: LoopResult) -> None:
            nonlocal worst
            worst = max(worst, result.exit_code)
            over(result.loop)
            if arguments.json:
                say(result.model_dump_json())
                return
            say(line(result))
            for note in result.notes:
                print(f"{result.loop}: note: {one_line(note, None)}", file=sys.stderr)
            if len(configs) == 1:  # of several loops a line each: their reports have the rest
                for text in who_acts(result):
                    say(f"  {text}")
                for text in plain_timeline(result, out, limits.get(result.loop)):
                    say(f"  {text}".rstrip())

        for result in wrong:
            show(result)
        if not configs:
            return worst
        if direct := arguments.direct or not _has_prefect():
            from flows.direct import check_all

            results = asyncio.run(check_all(configs, show))
        else:
            from flows.through_prefect import check_all as check_all_through_prefect

            results = check_all_through_prefect(configs, show)
    if direct and not arguments.direct:
        print(UNRECORDED, file=sys.stderr)
    if shown := blame(checks, results):
        say(f"pattern: {shown}", sys.stderr if arguments.json else sys.stdout)
    return worst


def _has_prefect() -> bool:
    """Whether a Prefect server is configured, by the environment or by a profile, as Prefect itself reads them."""
    quieten_prefect()
    from flows.prefect_api.connection import configured_url

    return configured_url() is not None


def plain_timeline(result: LoopResult, stream: TextIO, limits: Limits | None = None) -> list[str]:
    """The timeline as text: in colour on a terminal, in ASCII where the stream can carry no more; without its title."""
    return drawn_for(stream, timeline(result, limits))[1:]


def drawn_for(stream: TextIO, picture: Timeline) -> list[str]:
    """The lines of a timeline; none where there is nothing to be drawn."""
    if not picture.bars:
        return []
    terminal = stream.isatty()
    width = shutil.get_terminal_size().columns - 2 if terminal else NARROW
    ascii_only = (stream.encoding or "").lower().replace("-", "") != "utf8"
    return plain.text(picture, width, colour=terminal and "NO_COLOR" not in os.environ, ascii_only=ascii_only)


def say(text: str, file: TextIO | None = None) -> None:
    """Print a line, at once."""
    print(text, file=file, flush=True)


def quieten_prefect() -> None:
    """Keep the log of the runs off the terminal, where Prefect has it too; set before its import, which reads it."""
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_INTERNAL_LEVEL", "CRITICAL")  # whole events that could not be sent
    os.environ.setdefault("DO_NOT_TRACK", "1")
    warnings.filterwarnings("ignore", "Failed to create the Prefect home directory")  # no command of ours needs it
