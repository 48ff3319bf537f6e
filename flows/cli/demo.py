"""`mail-loop demo`: a whole check, with greylisting, on a mail system and a Prefect server of its own."""

import argparse
import json
import os
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress as Bar
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

from flows.cli.check import LEGS_IN_WORDS
from flows.cli.output import drawn_for, program, say
from flows.server.login import LOGIN_FILE, how_to_log_in
from flows.server.prefect import SERVER, free_port, server_settings, start_server
from flows.server.processes import stop
from flows.server.sandbox import PASSWORD, SANDBOX, ports_of, sandbox_loop, start_sandbox
from tasks.mail.config.loop import loop_config
from tasks.mail.config.state_dir import state_home
from tasks.mail.model.result import LoopResult
from tasks.mail.net.stages import Progress, listener
from tasks.mail.report.svg.timeline import timeline_of
from tasks.mail.report.text import attempts, result_line

_LOOP = "demo.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What stays, and where."""
    parser.add_argument("--keep", action="store_true", help="leave the Prefect server and the mail system running")
    parser.add_argument("--oauth", action="store_true", help="log in with tokens (OAuth 2) in place of a password")
    parser.add_argument("--home", type=Path, default=state_home() / "demo", help="folder for its state (%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Run one check and say what it found; returns its exit code."""
    home, keep = arguments.home.absolute(), arguments.keep
    console = Console(highlight=False, emoji=False)
    end_demo(home)
    (home / LOGIN_FILE).unlink(missing_ok=True)  # of a demo that is over: this one has its own
    try:
        with console.status("starting a mail system of our own"):
            box = start_sandbox(home, "--greylist-first", *(["--oauth"] if arguments.oauth else []))
        console.print(f"mail system: {ports_of(box)}; it greylists", soft_wrap=True)
        with console.status("starting a Prefect server of our own (the first time it makes its database)"):
            url = start_server(home, free_port())
        console.print(f"Prefect server: {url}")
        if keep:
            _write(home / _LOOP, box)
        result = _check(home, url, box, console)
        console.print(result_line(result), style="bold", markup=False, soft_wrap=True)
        for text in [*attempts(result), *result.notes]:
            console.print(f"  {text}", markup=False, soft_wrap=True)
        for text in drawn_for(sys.stdout, timeline_of(result)):
            say(f"  {text}")
        console.print(_how_to_see(home, url, result, keep), markup=False, soft_wrap=True)
        return result.exit_code
    finally:
        if not keep:
            end_demo(home)


def end_demo(home: Path) -> list[str]:
    """End what a demo left running; returns the names of what was."""
    (home / _LOOP).unlink(missing_ok=True)  # the password in it opens nothing any more
    return [name for name in (SERVER, SANDBOX) if stop(home, name)]


def _check(home: Path, url: str, box: dict[str, Any], console: Console) -> LoopResult:
    """The check as an operator would run it, the password by name only."""
    port = int(url.rpartition(":")[2].partition("/")[0])
    os.environ.update(server_settings(home, port))
    # The console is the demo's; the run's own log is in the UI.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    with console.status("loading Prefect"):
        import asyncio

        from flows.through_prefect import check_through_prefect, records_written

    loop = loop_config(_loop(box))

    async def check_and_wait() -> LoopResult:
        columns = (SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
        with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
            listener.set(_shown_live(console, bar))
            result = await check_through_prefect(loop)
        await records_written([result])
        return result

    return asyncio.run(check_and_wait())


def _loop(box: dict[str, Any], password: str | None = None) -> dict[str, object]:
    limits = {"max_wait": 30.0}
    return sandbox_loop(box, "demo", limits, password, subject_prefix="[mail-loop demo]", retry_delay=2.0)


def _write(path: Path, box: dict[str, Any]) -> None:
    """The loop as a file, so that it can be checked again while the mail system is up: with the password in it."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps(_loop(box, os.environ[PASSWORD]), indent=2), encoding="utf-8")


def _shown_live(console: Console, bar: Bar) -> Callable[[Progress], None]:
    """Show what the check is doing: by a moving line with a clock on a terminal, by one line a step elsewhere."""
    line, begun = bar.add_task("checking", total=None), time.monotonic()
    last: Progress | None = None

    def show(step: Progress) -> None:
        nonlocal last
        if step != last:
            last = step
            text = f"{LEGS_IN_WORDS.get(step.leg, step.leg)}: {step.stage} {step.text}".rstrip()
            bar.update(line, description=escape(text))
            if step.text or not console.is_terminal:
                console.print(f"{time.monotonic() - begun:6.2f} s  {text}", markup=False, soft_wrap=True)

    return show


def _how_to_see(home: Path, url: str, result: LoopResult, keep: bool) -> str:
    ui = f"{url.removesuffix('/api')}/v2/runs/flow-run/{result.flow_run_id}"
    if keep:
        again = f"export PREFECT_API_URL={url}; {program()} check {shlex.quote(str(home / _LOOP))}"
        end = f"make stop (or {program()} stop --home {shlex.quote(str(home))})"
        login = "\n".join(how_to_log_in(home, url, show=True))
        return f"See the run in the Prefect UI: {ui}\n{login}\nCheck it again: {again}\nEnd both with: {end}"
    return f"To see the run in the Prefect UI: make demo KEEP=1 (or {program()} demo --keep) leaves the servers up."
