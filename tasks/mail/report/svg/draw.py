"""The timeline of a check as an SVG."""

from collections.abc import Iterator
from html import escape
from typing import Literal

from tasks.mail.model.durations import clamp
from tasks.mail.report.svg.bars import LANES
from tasks.mail.report.svg.ground import FONT, LIGHT, document
from tasks.mail.report.svg.layout import (
    BETWEEN,
    MAX_HEADLINE_CHARS,
    MIN_BAR_WIDTH,
    SMALL,
    SWATCH,
    Caption,
    Scale,
    as_label,
    captions,
    edges,
    ems,
    fit,
    is_plain,
    marks,
    tick,
    ticks,
)
from tasks.mail.report.svg.text import alternative
from tasks.mail.report.svg.timeline import Timeline

WIDTH, PAD, _COLUMN = 860.0, 20.0, 52.0
LEFT, RIGHT = PAD + _COLUMN, WIDTH - PAD
_BAR, _LINE, _GAP, _LANE_GAP = 14.0, 17.0, 9.0, 8.0
_ABOVE = 6.0  # between the labels of marks and the first row
_TITLE, _HEADLINE = 15.0, 13.0  # font sizes
_MAX_TICKS = 8

CARD, INK, MUTED, WAITING = (LIGHT[role] for role in ("card", "ink", "soft", "silent"))
STEP, SLOW, FAILED = "#3b78c3", "#d9600a", "#7f1d4e"
_FILLS = {"step": STEP, "slow": SLOW, "failed": "url(#failed)", "waiting": "url(#waiting)"}
_STROKES = {"step": "", "slow": "#7c2d12", "failed": FAILED, "waiting": WAITING}
_PATTERNS = f"""<defs>
<pattern id="waiting" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">\
<rect width="6" height="6" fill="#eef2f7"/><rect width="1.5" height="6" fill="#94a3b8"/></pattern>
<pattern id="failed" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">\
<rect width="6" height="6" fill="{FAILED}"/><path d="M0 0H6M0 0V6" stroke="{CARD}" stroke-width="1.5"/></pattern>
</defs>"""


def svg(timeline: Timeline) -> str:
    """The picture as an SVG document."""
    moments = [at for bar in timeline.bars for at in (bar.start, bar.end)] + [mark.at for mark in timeline.inside]
    scale = Scale.of(moments, timeline.end, LEFT, RIGHT - LEFT, MIN_BAR_WIDTH)
    labels = marks(timeline, scale, RIGHT)
    first = PAD + _TITLE + 2 * _LINE  # the first line of the marks' labels
    top = first + _LINE * (max((label.line for label in labels), default=-1) + 1)
    rows, bottom = _rows(timeline, scale, top + _ABOVE)
    height = bottom + PAD + (_LINE if timeline.bars else 0)
    parts = [
        *_head(timeline),
        *(_axis(timeline, scale, top, bottom) if timeline.bars else ()),
        *_lines(timeline, scale, labels, first, bottom),
        *rows,
        *(_words(label, first + label.line * _LINE + SMALL, INK) for label in labels),
    ]
    return document(
        (WIDTH, height),
        f"{as_label(timeline.title)}: {as_label(timeline.headline, MAX_HEADLINE_CHARS)}",
        alternative(timeline),
        parts,
        look=f'font-family="{FONT}" font-size="{SMALL:.0f}"',
        frame=f'fill="{CARD}" stroke="{LIGHT["frame"]}"',
        head=_PATTERNS,
    )


def _head(timeline: Timeline) -> Iterator[str]:
    """The title, the limits that are too far away to be drawn, and the headline."""
    room = RIGHT - PAD
    if timeline.beyond:
        note = fit(", ".join(as_label(mark.label) for mark in timeline.beyond), room / 2 / SMALL) + " →"
        note_width = ems(note) * SMALL
        yield _words(Caption(RIGHT - note_width, 0, note, ends=True), PAD + _TITLE, MUTED)
        room -= note_width + BETWEEN
    title = fit(as_label(timeline.title), room / _TITLE, bold=True)
    yield _text(PAD, PAD + _TITLE, title, size=_TITLE, ink=INK, bold=True)
    headline = fit(as_label(timeline.headline, MAX_HEADLINE_CHARS), (RIGHT - PAD) / _HEADLINE)
    yield _text(PAD, PAD + _TITLE + _LINE + 3, headline, size=_HEADLINE, ink=INK)


def _rows(timeline: Timeline, scale: Scale, y: float) -> tuple[list[str], float]:
    """The rows of bars, each with what they are below it; and where they end."""
    parts: list[str] = []
    lane, foremost = None, timeline.foremost
    for row in timeline.rows:
        if row[0].lane != lane:
            y += _LANE_GAP if lane else 0.0
            lane = row[0].lane
            parts.append(_text(PAD, y + _BAR - 3, LANES[lane], bold=True))
        places = edges(row, scale)
        for bar, (left, right) in zip(row, places, strict=True):
            parts.append(_bar(left, y, right - left, _BAR, bar.kind))
        for words in (below := captions(row, places, LEFT, RIGHT, foremost)):
            baseline = y + _BAR + SMALL + 2 + words.line * _LINE
            # On a piece of card, so that the lines of marks go behind the words and not through them.
            size = f'x="{words.x - 3:.2f}" y="{baseline - 10.5:.2f}" width="{words.width + 6:.2f}" height="14"'
            parts += [f'<rect {size} fill="{CARD}"/>', _words(words, baseline, MUTED)]
        y += _BAR + _LINE * (below[-1].line + 1) + _GAP
    return parts, y


def _bar(x: float, y: float, width: float, height: float, kind: str) -> str:
    """A bar, a hair short of its neighbour."""
    width = max(width - 1, width / 2)
    outline = ""
    if stroke := _STROKES[kind]:
        x, y, width, height = x + 0.5, y + 0.5, max(width - 1, width / 2), height - 1
        outline = f' stroke="{stroke}"'
    size = f'x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}"'
    return f'<rect {size} rx="1.5" fill="{_FILLS[kind]}"{outline}/>'


def _axis(timeline: Timeline, scale: Scale, top: float, bottom: float) -> Iterator[str]:
    """Round times: a thin line for each, and below it the time if there is room."""
    free = PAD
    for at in ticks(timeline.end, _MAX_TICKS):
        x, label = scale.at(at), tick(at)
        yield f'<path d="M{x:.2f} {top:.2f}V{bottom:.2f}" stroke="{LIGHT["grid"]}"/>'
        half = ems(label) * SMALL / 2
        if free <= x - half and x + half <= WIDTH - PAD / 2:
            yield _text(x, bottom + SMALL + 3, label, anchor="middle")
            free = x + half + BETWEEN / 2


def _lines(timeline: Timeline, scale: Scale, labels: list[Caption], first: float, bottom: float) -> Iterator[str]:
    """The lines of the marks, from their labels down; those of limits are dashed."""
    for mark, label in zip(timeline.inside, labels, strict=True):
        start = f"M{scale.at(clamp(mark.at)):.2f} {first + label.line * _LINE + 2:.2f}"
        look = f'stroke="{INK}" stroke-dasharray="4 3"' if mark.kind == "limit" else f'stroke="{MUTED}"'
        yield f'<path d="{start}V{bottom:.2f}" stroke-width="1.25" {look}/>'


def _words(words: Caption, y: float, ink: str) -> str:
    if words.ends and is_plain(words.label + words.value):
        return _text(words.right, y, words.label, words.value, ink=ink, bold=words.strong, anchor="end")
    if words.kind == "step":
        return _text(words.x, y, words.label, words.value, ink=ink, bold=words.strong)
    swatch = _bar(words.x, y - 9.5, 11, 10, words.kind)
    return swatch + _text(words.x + SWATCH, y, words.label, words.value, ink=ink, bold=words.strong)


def _text(
    x: float,
    y: float,
    label: str,
    value: str = "",
    *,
    size: float = SMALL,
    ink: str = MUTED,
    bold: bool = False,
    anchor: Literal["start", "middle", "end"] = "start",
) -> str:
    """A label and its value, with a halo against the lines behind; strange letters are held to their room."""
    look = f'fill="{ink}" stroke="{CARD}" stroke-width="4" stroke-linejoin="round" paint-order="stroke"'
    look += f' font-size="{size:.0f}"' if size != SMALL else ""
    look += ' font-weight="600"' if bold else ""
    look += f' text-anchor="{anchor}"' if anchor != "start" else ""
    spans, start = [], x
    for text, colour in ((label, ink), (value, INK)):
        if not text:
            continue
        held = ""
        if not is_plain(label + value):
            width = ems(text, bold=bold) * size
            held = f' x="{x:.2f}" textLength="{width:.2f}" lengthAdjust="spacingAndGlyphs"'
            x += width + ems(" ", bold=bold) * size
        paint = f' fill="{colour}"' if colour != ink else ""
        shown = escape(text, quote=False)
        spans.append(f"<tspan{held}{paint}>{shown}</tspan>" if held or paint else shown)
    return f'<text x="{start:.2f}" y="{y:.2f}" {look}>{" ".join(spans)}</text>'
