"""A moving line for each loop while its check waits, on a terminal; nothing elsewhere."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from tasks.mail.model.outcome import Leg
from tasks.mail.model.safe_text import one_line
from tasks.mail.net.stages import Progress, followers

LEGS_IN_WORDS: dict[str, str] = {Leg.SENDING: "sending", Leg.RECEIVING: "looking for it"}
_MAX_WORDS_CHARS = 60  # characters of a step's words


class Line:
    """What one loop is doing, in words. `limit`: seconds after the acceptance when its message is lost."""

    def __init__(self, show: Callable[[str], None], limit: float | None) -> None:
        self.show = show
        self.limit = limit
        self.attempt = 0
        self.reason = ""  # why the mailbox could not be read, until it is looked into

    def __call__(self, step: Progress) -> None:
        if (step.leg, step.stage, step.text) == (Leg.SENDING, "dns", ""):  # each attempt begins with it
            self.attempt += 1
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
