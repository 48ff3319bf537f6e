"""Where things stand in the picture of a check: time to scale, how wide words are, and that none stands on another.

Places and sizes are in pixels, or, of a text, in em or in columns of a terminal.
"""

import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

from tasks.mail.model.durations import DAY, HOUR, MIN_SECONDS, MINUTE, clamp, duration
from tasks.mail.model.safe_text import one_line
from tasks.mail.report.svg.bars import Bar
from tasks.mail.report.svg.timeline import Timeline

STEPS = (
    *(factor * 10.0**power for power in range(-7, 1) for factor in (1, 2, 5)),
    *(10.0, 20.0, 30.0, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 20 * MINUTE, 30 * MINUTE),
    *(HOUR, 2 * HOUR, 6 * HOUR, 12 * HOUR),
    *(factor * 10.0**power * DAY for power in range(5) for factor in (1, 2, 5)),
)
MIN_BAR_WIDTH = 3.0  # pixels of the shortest bar
SMALL = 12.0  # font size of all but the title
BETWEEN, SWATCH = 16.0, 14.0  # between two captions; before the caption of a bar that is not just a step
MAX_HEADLINE_CHARS = 300  # characters of the headline
_BESIDE = 5.0  # between the line of a mark and its label
_MAX_CHARS = 120  # characters of a label, before it is cut to the room that it has
ELLIPSIS = "…"

_WIDE = frozenset("#&+<=>^~×→ABCDEFGHJKLNOPQRSTUVXYZ")  # noqa: RUF001  # the signs that the picture itself uses
# Widths in em, none below those of DejaVu Sans, the widest of the common fonts.
_WIDTHS = {
    **dict.fromkeys(" ',-./:;ijl|\\I", 0.38),
    **dict.fromkeys("!()[]frt", 0.45),
    **dict.fromkeys(_WIDE, 0.85),
    **dict.fromkeys("%@MWmw", 1.0),
}
_BOLD = 1.12


def ticks(end: float, most: int) -> list[float]:
    """Round moments from 0 to `end`, at most `most` of them besides 0."""
    step = step_for(end, most)
    return [step * number for number in range(int(end / step * (1 + 1e-9)) + 1)]


def step_for(end: float, most: int) -> float:
    """The smallest round step of which `most` reach to `end`."""
    return next((step for step in STEPS if end / step <= most), STEPS[-1])


def tick(seconds: float) -> str:
    """A tick in words, exact."""
    if seconds == 0:
        return "0"
    if seconds < 0.9995:
        return f"{seconds * 1000:.6g} ms"
    return duration(seconds) if seconds % MINUTE == 0 else f"{seconds:.6g} s"


@dataclass(frozen=True, slots=True)
class Scale:
    """Where moments lie. Proportional, but for a least distance between any two that matter."""

    moments: Sequence[float]
    places: Sequence[float]

    @classmethod
    def of(cls, moments: Iterable[float], end: float, left: float, width: float, least: float) -> "Scale":
        """A scale from 0 to `end` over `width`; these moments are `least` apart, or as far as half of it allows."""
        end = max(clamp(end), MIN_SECONDS)
        inner = sorted({moment for moment in map(clamp, moments) if 0 < moment < end})
        known = [0.0, *(b for a, b in pairwise([0.0, *inner]) if b - a > end * 1e-9), end]
        spans = [b - a for a, b in pairwise(known)]
        widths = _widths(spans, width, min(least, width / 2 / len(spans)))
        return cls(known, [left + place for place in accumulate(widths, initial=0.0)])

    def at(self, moment: float) -> float:
        """The place of a moment; before the first and after the last it is theirs."""
        index = min(max(bisect_right(self.moments, moment), 1), len(self.moments) - 1)
        (a, b), (left, right) = self.moments[index - 1 : index + 1], self.places[index - 1 : index + 1]
        return left + (right - left) * min(max((moment - a) / (b - a), 0.0), 1.0)


def _widths(spans: Sequence[float], width: float, least: float) -> list[float]:
    """Widths that add up to `width`: in proportion to the spans, and none under `least`."""
    small: set[int] = set()
    while True:
        rest = sum(span for index, span in enumerate(spans) if index not in small)
        each = (width - least * len(small)) / rest
        more = {index for index, span in enumerate(spans) if index not in small and span * each < least}
        if not more:
            return [least if index in small else span * each for index, span in enumerate(spans)]
        small |= more


def as_label(text: str, limit: int = _MAX_CHARS) -> str:
    """One line of bounded length, without what is invisible, moves text about, or stacks over other lines."""
    shown = (c.encode("unicode_escape").decode() if unicodedata.category(c) in ("Mn", "Me") else c for c in text)
    return one_line("".join(shown), limit)


def is_plain(text: str) -> bool:
    """Whether the width of each character is known."""
    return all(c.isascii() or c in _WIDE or c == ELLIPSIS for c in text)


def ems(text: str, *, bold: bool = False) -> float:
    """Width of a text in a proportional font, in em: an upper bound if it is plain."""
    widths = (_WIDTHS.get(c, 0.64 if c.isascii() else 1.0) for c in text)
    return sum(widths) * (_BOLD if bold else 1.0)


def columns(text: str) -> int:
    """Width of a shown text on a terminal."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def fit(text: str, room: float, *, bold: bool = False) -> str:
    """The text, or as much of it as has room (in em), with an ellipsis."""
    return _cut(text, room, lambda part: ems(part, bold=bold))


def fit_columns(text: str, room: int) -> str:
    """The text, or as much of it as has room on a terminal, with an ellipsis."""
    return _cut(text, room, columns) if room > 0 else ""


def _cut(text: str, room: float, width: Callable[[str], float]) -> str:
    if width(text) <= room:
        return text
    room -= width(ELLIPSIS)
    end = 0
    while end < len(text) and (room := room - width(text[end])) >= 0:
        end += 1
    return text[:end].rstrip() + ELLIPSIS


@dataclass(frozen=True, slots=True)
class Caption:
    """A label and its value, from `x` on at most, on line `line`, counted from 0; with `ends` they end at `right`."""

    x: float
    line: int
    label: str
    value: str = ""
    kind: str = "step"
    strong: bool = False
    ends: bool = False

    @property
    def width(self) -> float:
        """As wide as they can be, the swatch included."""
        text = f"{self.label}{' ' if self.value and self.label else ''}{self.value}"
        return SMALL * ems(text, bold=self.strong) + (SWATCH if self.kind != "step" else 0.0)

    @property
    def right(self) -> float:
        return self.x + self.width


def edges(bars: Sequence[Bar], scale: Scale) -> list[tuple[float, float]]:
    """Left and right of each bar of a row: visible, however short it is, and not on its neighbours."""
    free, limit = scale.places[0], scale.places[-1]
    least = min(MIN_BAR_WIDTH, (limit - free) / 2 / len(bars))
    found = []
    for bar in bars:
        left = max(scale.at(clamp(bar.start)), free)
        free = max(scale.at(clamp(bar.end)), left + least)
        found.append((left, free))
    for index in reversed(range(len(found))):
        right = min(found[index][1], limit)
        limit = min(found[index][0], right - least)
        found[index] = (limit, right)
    return found


def captions(
    bars: Sequence[Bar], places: Sequence[tuple[float, float]], left: float, right: float, foremost: Bar | None
) -> list[Caption]:
    """What the bars of a row are: below the first if there is room, and on as many lines as it takes."""
    lines: list[list[Caption]] = [[]]
    for bar in bars:
        strong, room = bar is foremost, right - left
        value = fit(as_label(bar.text), room / SMALL / 2, bold=strong)
        words = Caption(0.0, 0, "", value, bar.kind, strong)
        space = (room - words.width) / SMALL - ems(" ", bold=strong)
        words = replace(words, label=fit(as_label(bar.label), space, bold=strong))
        x = lines[-1][-1].right + BETWEEN if lines[-1] else left
        if lines[-1] and x + words.width > right:
            lines.append([])
            x = left
        lines[-1].append(replace(words, x=x, line=len(lines) - 1))
    (start, end), first = places[0], lines[0][0]
    if len(bars) == 1 and bars[0].kind == "step" and start + first.width > right:
        return [replace(first, x=max(left, end - first.width), ends=end - first.width >= left)]
    shift = max(0.0, min(start - left, *(right - line[-1].right for line in lines)))
    return [replace(words, x=words.x + shift) for line in lines for words in line]


def marks(timeline: Timeline, scale: Scale, right: float) -> list[Caption]:
    """The labels of the marks inside the picture: to the right of their lines if there is room, else to the left."""
    labels: list[Caption] = []
    for mark in timeline.inside:
        place = scale.at(clamp(mark.at))
        words = Caption(place + _BESIDE, 0, fit(as_label(mark.label), (right - scale.places[0]) / SMALL / 2))
        if words.right > right:
            words = replace(words, x=place - _BESIDE - words.width, ends=True)
        labels.append(_free(words, labels))
    return labels


def _free(words: Caption, others: Sequence[Caption]) -> Caption:
    """The words on the first line that has room for them."""
    taken = {o.line for o in others if o.x < words.right + BETWEEN / 2 and words.x < o.right + BETWEEN / 2}
    return replace(words, line=next(line for line in range(len(others) + 1) if line not in taken))
