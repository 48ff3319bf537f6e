"""The picture as lines of text, for a terminal and for what is none; and in one line, for who cannot see it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tasks.mail.model.durations import MIN_SECONDS, clamp, duration
from tasks.mail.report.svg.bars import LANES, Bar
from tasks.mail.report.svg.layout import ELLIPSIS, MAX_HEADLINE_CHARS, as_label, columns, fit_columns, tick, ticks
from tasks.mail.report.svg.timeline import Timeline

_MAX_WIDTH = 120  # columns: on more, eyes lose the line
_LANE, _GAP = 6, 2  # columns of the lane's name, and before the words behind a bar
_MIN_PLOT = 10  # columns of the bars: with fewer, they are left out
_TICK = 9  # columns for each tick


@dataclass(frozen=True, slots=True)
class Signs:
    """What bars, marks and cut words are drawn with."""

    bars: Mapping[str, str]
    moment: str
    limit: str
    ellipsis: str
    arrow: str


_BLOCKS = Signs({"step": "█", "slow": "█", "failed": "▚", "waiting": "░"}, "│", "┊", ELLIPSIS, "→")
_ASCII = Signs({"step": "=", "slow": "#", "failed": "x", "waiting": "."}, "|", ":", "~", "->")
_COLOURS = {"step": "36", "slow": "1;33", "failed": "1;31", "waiting": "2"}
_BOLD, _FAINT = "1", "2"

_Part = tuple[str, str]  # words, and their colour: the parameter of an ANSI sequence


def text(timeline: Timeline, width: int = 80, *, colour: bool = False, ascii_only: bool = False) -> list[str]:
    """Lines of at most `width` columns; with `ascii_only`, nothing that any stream could not carry."""
    page = _Page(timeline, max(min(width, _MAX_WIDTH), 0), _ASCII if ascii_only else _BLOCKS)
    return [page.line(parts, colour) for parts in page.lines()]


class _Page:
    """One drawing: how many columns there are, and for what."""

    def __init__(self, timeline: Timeline, width: int, signs: Signs) -> None:
        self.timeline, self.width, self.signs = timeline, width, signs
        self.end = max(timeline.end, MIN_SECONDS)
        self.values = _GAP + max((columns(self.value(bar)) for bar in timeline.bars), default=0)
        labels = 1 + max((columns(self.clean(bar.label)) for bar in timeline.bars), default=0)
        self.labels = max(min(labels, (width - _LANE - self.values) // 2), 1)
        self.plot = width - _LANE - self.labels - self.values
        if self.plot < _MIN_PLOT:
            self.labels, self.plot = max(min(labels, width - _LANE - self.values), 1), 0

    def lines(self) -> Iterator[Sequence[_Part]]:
        yield [(self.clean(self.timeline.title), _BOLD)]
        yield [(self.clean(self.timeline.headline), "")]
        if not self.timeline.bars:
            return
        lane, foremost = None, self.timeline.foremost
        for row in self.timeline.rows:
            for bar in row:
                name, lane = "" if bar.lane == lane else LANES[bar.lane], bar.lane
                strong = _BOLD if bar is foremost else ""
                label = self.fit(self.clean(bar.label), self.labels - 1)
                label += " " * (self.labels - columns(label))
                yield [(name.ljust(_LANE), _FAINT), (label, strong), *self.bar(bar), (self.value(bar), strong)]
        if self.plot:
            yield [(" " * (_LANE + self.labels), ""), (self.axis(), _FAINT)]
        yield from self.notes()

    def bar(self, bar: Bar) -> Iterator[_Part]:
        """The bar itself, to scale but for its one column at the least, among the lines of the marks."""
        if not self.plot:
            return
        cells = [" "] * self.plot
        for mark in self.timeline.inside:
            cells[self.column(mark.at)] = self.signs.moment if mark.kind == "moment" else self.signs.limit
        left = self.column(bar.start)
        right = max(left + 1, round(clamp(bar.end) / self.end * self.plot))
        yield "".join(cells[:left]), _FAINT
        yield self.signs.bars[bar.kind] * (right - left), _COLOURS[bar.kind]
        yield "".join(cells[right:]) + " " * _GAP, _FAINT

    def axis(self) -> str:
        """Round times, each in the middle below its column."""
        line = ""
        for at in ticks(self.end, max(self.plot // _TICK, 2)):
            label = tick(at)
            start = max(self.column(at) - len(label) // 2, 0)
            if start > len(line) or not line:
                line = line.ljust(start) + label
        return line

    def notes(self) -> Iterator[Sequence[_Part]]:
        """What the lines of the marks are, and the limits that are too far away to be drawn."""
        inside, beyond = self.timeline.inside, self.timeline.beyond
        moments = [f"{self.clean(mark.label)} at {duration(mark.at)}" for mark in inside if mark.kind == "moment"]
        limits = [self.clean(mark.label) for mark in [*inside, *beyond] if mark.kind == "limit"]
        if beyond:
            limits[-1] += f" {self.signs.arrow}"
        for sign, notes in ((self.signs.moment, moments), (self.signs.limit, limits)):
            for line in self.wrap(notes, self.width - 2):
                yield [(f"{sign} {line}", _FAINT)]

    @staticmethod
    def wrap(notes: Sequence[str], width: int) -> Iterator[str]:
        """The notes on as few lines as they fit on."""
        line = ""
        for note in notes:
            if line and columns(f"{line}, {note}") > width:
                yield f"{line},"
                line = ""
            line = f"{line}, {note}" if line else note
        if line:
            yield line

    def column(self, at: float) -> int:
        return min(int(clamp(at) / self.end * self.plot), self.plot - 1)

    def clean(self, words: str) -> str:
        """One line that is safe to print, in what the stream can carry."""
        words = as_label(words)
        if self.signs is _ASCII:
            words = words.replace(ELLIPSIS, _ASCII.ellipsis).encode("ascii", "backslashreplace").decode()
        return words

    def value(self, bar: Bar) -> str:
        """Its time; and its kind, where the time does not speak of it."""
        return self.clean(bar.text) + (" (slow)" if bar.kind == "slow" else "")

    def fit(self, words: str, room: int) -> str:
        return fit_columns(words, room).replace(ELLIPSIS, self.signs.ellipsis)

    def line(self, parts: Sequence[_Part], colour: bool) -> str:
        """The parts in their colours, as far as the line reaches."""
        left, found = self.width, ""
        for words, code in parts:
            words = self.fit(words, left)
            left -= columns(words)
            found += f"\x1b[{code}m{words}\x1b[0m" if colour and code and words.strip() else words
        return found.rstrip()


def alternative(timeline: Timeline) -> str:
    """The whole picture in words, on one line: the caller escapes it for Markdown."""
    sentences = [as_label(timeline.title), as_label(timeline.headline, MAX_HEADLINE_CHARS)]
    for lane, name in LANES.items():
        bars = [f"{as_label(bar.label)} {as_label(bar.text)}".strip() for bar in timeline.bars if bar.lane == lane]
        sentences += [f"{name}: {', '.join(bars)}"] if bars else []
    marks = [*timeline.inside, *timeline.beyond]
    sentences += [
        ", ".join(f"{as_label(mark.label)} at {duration(mark.at)}" for mark in marks if mark.kind == "moment"),
        ", ".join(as_label(mark.label) for mark in marks if mark.kind == "limit"),
    ]
    return " ".join(f"{sentence}." for sentence in sentences if sentence)
