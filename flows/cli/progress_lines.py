"""A moving line for each loop while its check waits, on a terminal; nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from tasks.mail.model import progress
from tasks.mail.model.progress import Progress
from tasks.mail.model.safe_text import one_line

LEGS = {"smtp": "sending", "imap": "looking for it"}
LONGEST = 60  # characters of a step's words


class Line:
    """What one loop is doing, in words. `limit`: seconds after the acceptance when its message is lost."""

    def __init__(self, show: Callable[[str], None], limit: float | None) -> None:
        self.show = show
        self.limit = limit
        self.attempt = 0

    def __call__(self, step: Progress) -> None:
        if (step.leg, step.stage, step.text) == ("smtp", "dns", ""):  # each attempt begins with it
            self.attempt += 1
        words = [f"{LEGS.get(step.leg, step.leg)}: {step.stage} {one_line(step.text, LONGEST)}".rstrip()]
        if self.attempt > 1:
            words.append(f"attempt {self.attempt}")
        if step.leg == "imap" and self.limit is not None:
            words.append(f"lost after {self.limit:g} s")
        self.show(" \u00b7 ".join(words))


@contextmanager
def live(limits: Mapping[str, float | None]) -> Iterator[Callable[[str], None]]:
    """Follow these loops (name: limit) on stderr, if that is a terminal; yields what ends the line of one."""
    if not sys.stderr.isatty():
        yield lambda loop: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress as Bar
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    # What is printed meanwhile goes above the lines; were stdout no terminal, it would go astray.
    console = Console(stderr=True, highlight=False, emoji=False)
    name, doing = TextColumn("{task.fields[loop]}"), TextColumn("{task.description}")
    columns = (SpinnerColumn(), name, TimeElapsedColumn(), doing)
    with Bar(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty()) as bar:
        lines = {loop: bar.add_task("waiting for its turn", total=None, loop=escape(loop)) for loop in limits}

        def follower(loop: str) -> Callable[[Progress], None]:
            return Line(lambda text: bar.update(lines[loop], description=escape(text)), limits.get(loop))

        token = progress.followers.set(follower)
        try:
            yield lambda loop: bar.update(lines[loop], visible=False) if loop in lines else None
        finally:
            progress.followers.reset(token)
