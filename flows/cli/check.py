"""`mail-loop check`: runs the checks of files, and says what each found as soon as it has.

While they wait, a terminal has a moving line for each loop.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from flows.cli.arguments import positive
from flows.cli.output import drawn_for, has_prefect, say
from tasks.correlation.pattern import blame
from tasks.mail.config.addresses import slug
from tasks.mail.config.loading.files import loaded, planned
from tasks.mail.config.loop import CheckConfig, InboundConfig, Limits, LoopConfig
from tasks.mail.config.plan import Planned
from tasks.mail.model.errors import ConfigError
from tasks.mail.model.outcome import Leg
from tasks.mail.model.result import LoopResult
from tasks.mail.model.safe_text import one_line
from tasks.mail.net.stages import Progress, followers
from tasks.mail.report.svg.timeline import timeline_of
from tasks.mail.report.text import result_line, who_acts
from tasks.mail.verdict.ends import misconfigured

_DESCRIPTION = """\
Runs the check of each file, all at the same time, as Prefect flow runs on the server
that is configured; where none is, without Prefect, and nothing is recorded.
A file holds a loop (smtp and imap), one half of it, a matrix of loops (senders and
receivers), a fleet (defaults and loops), or NyxMon's check.data; a folder stands for
the files in it. Of several loops, the last line says which relay or mailbox their
failures point to, where they do."""
LEGS_IN_WORDS: dict[str, str] = {Leg.SENDING: "sending", Leg.RECEIVING: "looking for it"}
_MAX_WORDS_CHARS = 60  # characters of a step's words
_UNRECORDED = (
    "mail-loop: note: nothing was recorded, for no Prefect server is configured: set PREFECT_API_URL "
    "(mail-loop serve starts one), or say --direct"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Files, and how their checks are run."""
    parser.description, parser.formatter_class = _DESCRIPTION, argparse.RawDescriptionHelpFormatter
    parser.add_argument("files", nargs="+", metavar="FILE", help="YAML, JSON or TOML")
    parser.add_argument("--json", action="store_true", help="one JSON object per check on stdout, all else on stderr")
    parser.add_argument("--max-wait", type=positive, metavar="S", help="seconds to wait, instead of limits.max_wait")
    parser.add_argument("--direct", action="store_true", help="without Prefect: no server, no record of the run")


def run(arguments: argparse.Namespace) -> int:
    """The exit code of the worst check."""
    worst, out = 0, sys.stdout  # as it is: while lines move, another one stands in its place
    checks: list[Planned] = []
    wrong: list[LoopResult] = []
    for file, found in loaded(arguments.files):
        if isinstance(found, ConfigError):
            name = found.check or slug(Path(file).stem) or "unnamed"
            wrong.append(misconfigured(name, str(found), cause=found.cause))
        else:
            checks += planned(found)
    configs = [_with_max_wait(check.config, arguments.max_wait) for check in checks]
    limits = {config.name: config.limits if isinstance(config, LoopConfig) else None for config in configs}

    with follow_on_terminal({name: one.max_wait if one else None for name, one in limits.items()}) as over:

        def show(result: LoopResult) -> None:
            nonlocal worst
            worst = max(worst, result.exit_code)
            over(result.loop)
            if arguments.json:
                say(result.model_dump_json())
                return
            say(result_line(result))
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
        if direct := arguments.direct or not has_prefect():
            from flows.direct import check_all

            results = asyncio.run(check_all(configs, show))
        else:
            from flows.through_prefect import check_all_through_prefect

            results = check_all_through_prefect(configs, show)
    if direct and not arguments.direct:
        print(_UNRECORDED, file=sys.stderr)
    if shown := blame(checks, results):
        say(f"pattern: {shown}", sys.stderr if arguments.json else sys.stdout)
    return worst


def _with_max_wait(config: CheckConfig, seconds: float | None) -> CheckConfig:
    """The loop with another limit; a message that comes after it is lost, so none can be late beyond it."""
    if seconds is None:
        return config
    if isinstance(config, InboundConfig):
        print(f"{config.name}: note: --max-wait does not apply to an inbound check", file=sys.stderr)
        return config
    warn_after = config.limits.warn_after
    limits = {"max_wait": seconds, "warn_after": min(warn_after, seconds) if warn_after is not None else None}
    return config.model_copy(update={"limits": config.limits.model_copy(update=limits)})


def plain_timeline(result: LoopResult, stream: TextIO, limits: Limits | None = None) -> list[str]:
    """The timeline as text, without its title."""
    return drawn_for(stream, timeline_of(result, limits))[1:]


class Line:
    """What one loop is doing, in words. `limit`: seconds after the acceptance when its message is lost."""

    def __init__(self, show: Callable[[str], None], limit: float | None) -> None:
        self.show = show
        self.limit = limit
        self.attempt = 1
        self.failed = False  # that one has
        self.reason = ""  # why the mailbox could not be read, until it is looked into

    def __call__(self, step: Progress) -> None:
        if step.leg == Leg.SENDING:
            self.attempt += bool(self.failed and not step.text)
            self.failed = bool(step.text)  # only the end of one has words
        said = one_line(step.text, _MAX_WORDS_CHARS)
        words = [f"{LEGS_IN_WORDS.get(step.leg, step.leg)}: {step.stage} {said}".rstrip()]
        if self.attempt > 1:
            words.append(f"attempt {self.attempt}")
        if step.leg == Leg.RECEIVING and (said or step.stage == "search"):
            self.reason = said
        if step.leg == Leg.RECEIVING and self.reason:  # on a narrow terminal it is what there must be room for
            words = [self.reason, *words[1:]] if said else [*words, f"last try: {self.reason}"]
        if step.leg == Leg.RECEIVING and self.limit is not None:
            words.append(f"lost after {self.limit:g} s")
        self.show(" \u00b7 ".join(words))


@contextmanager
def follow_on_terminal(limits: Mapping[str, float | None]) -> Iterator[Callable[[str], None]]:
    """Follow these loops (name: limit) on stderr, if that is a terminal; yields what ends the line of one."""
    if not sys.stderr.isatty():
        yield lambda loop: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress as Bar
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.table import Column

    # What is printed meanwhile goes above the lines; were stdout no terminal, it would go astray.
    console = Console(stderr=True, highlight=False, emoji=False)
    # What it is doing takes the room that is left, so that a long reason leaves name and time as they are.
    doing = TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=True))
    columns = (SpinnerColumn(), TextColumn("{task.fields[loop]}"), TimeElapsedColumn(), doing)
    with Bar(*columns, console=console, transient=True, expand=True, redirect_stdout=sys.stdout.isatty()) as bar:
        lines = {loop: bar.add_task("waiting for its turn", total=None, loop=escape(loop)) for loop in limits}

        def follower(loop: str) -> Callable[[Progress], None]:
            return Line(lambda text: bar.update(lines[loop], description=escape(text)), limits.get(loop))

        token = followers.set(follower)
        try:
            yield lambda loop: bar.update(lines[loop], visible=False) if loop in lines else None
        finally:
            followers.reset(token)
