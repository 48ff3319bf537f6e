"""The picture as it is drawn, of whatever times and words: readable, complete, harmless, within its bounds."""

from __future__ import annotations

import base64
import re
from itertools import combinations
from typing import NamedTuple
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from tasks.mail.report.svg import draw as drawing
from tasks.mail.report.svg.bars import LANES, Bar, BarKind
from tasks.mail.report.svg.draw import svg
from tasks.mail.report.svg.ground import data_uri
from tasks.mail.report.svg.layout import as_label, ems, fit, fit_columns
from tasks.mail.report.svg.text import alternative, text
from tasks.mail.report.svg.timeline import Mark, Timeline

stable = settings(derandomize=True, database=None, deadline=None, max_examples=150)

NAMESPACE = "{http://www.w3.org/2000/svg}"
TIMES = st.sampled_from([0.0, 1e-9, 0.001, 0.3, 2.0, 300.0, 2220.0, 1e9, 1e300]) | st.floats(-1.0, allow_nan=False)
WORDS = (
    st.text(max_size=60)
    | st.text("\x00\x07\x1b\x7f\r\n\t \u202e\u200b\ud800\u0301\ufdfd漢<>&\"'`]-:Wm", max_size=200)
    | st.sampled_from(["dns", "relay.example.org -> edge.example.net", "</text><script>alert(1)</script>", "]]>"])
)


@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    """Bars in any order and of any length, in a chain or not."""
    bars, at = [], 0.0
    for _ in range(draw(st.integers(0, 14))):
        start = draw(st.just(at) | TIMES)
        at = start + max(draw(TIMES), 0.0)
        lane, kind = draw(st.sampled_from(list(LANES))), draw(st.sampled_from(KINDS))
        bars.append(Bar(lane, draw(WORDS), start, at, kind, draw(WORDS)))
    marks = [Mark(draw(TIMES), draw(WORDS), draw(st.sampled_from(["moment", "limit"]))) for _ in range(draw(MARKS))]
    return Timeline(draw(WORDS), tuple(bars), tuple(marks), draw(TIMES))


KINDS: list[BarKind] = ["step", "slow", "failed", "waiting"]
MARKS = st.integers(0, 6)
ORDINARY = Timeline(
    "office: late",
    (
        Bar("smtp", "dns", 0.0, 0.001, "step", "1 ms"),
        Bar("smtp", "data", 0.001, 0.1, "step", "99 ms"),
        Bar("hops", "relay.example.org -> edge.example.net", 0.1, 2220.0, "slow", "37 min"),
        Bar("hops", "edge.example.net -> mx.example.net", 2220.0, 2220.4, "step", "400 ms"),
        Bar("imap", "login", 0.1, 0.2, "step", "100 ms"),
        Bar("imap", "waiting", 0.2, 2220.4, "waiting", "37 min"),
        Bar("imap", "search", 2220.4, 2221.0, "failed", "timeout after 600 ms"),
    ),
    (Mark(0.1, "accepted"), Mark(600.1, "late after 10 min", "limit"), Mark(7200.1, "lost after 2 h", "limit")),
    2221.0,
)


class Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float
    what: str

    def overlaps(self, other: Box) -> bool:
        across = self.left < other.right - 0.1 and other.left < self.right - 0.1
        return across and self.top < other.bottom and other.top < self.bottom


def parsed(timeline: Timeline) -> ElementTree.Element:
    return ElementTree.fromstring(svg(timeline))


def text_boxes(root: ElementTree.Element) -> list[Box]:
    """Where the texts are, with the widest that a common font makes of them, and the tallest."""
    boxes = []
    for element in root.iter(f"{NAMESPACE}text"):
        words, size = "".join(element.itertext()), float(element.get("font-size", "12"))
        width = ems(words, bold=element.get("font-weight") == "600") * size
        x, y = float(element.attrib["x"]), float(element.attrib["y"])
        left = x - width * {"start": 0.0, "middle": 0.5, "end": 1.0}[element.get("text-anchor", "start")]
        boxes.append(Box(left, y - 0.95 * size, left + width, y + 0.25 * size, words))
    return boxes


def bar_boxes(root: ElementTree.Element) -> list[Box]:
    boxes = []
    for element in root.findall(f"{NAMESPACE}rect")[1:]:  # the first is the card
        x, y, width, height = (float(element.attrib[name]) for name in ("x", "y", "width", "height"))
        if height > 11 and element.attrib["fill"] != drawing.CARD:  # else it is a swatch, or what words stand on
            half = 0.5 if "stroke" in element.attrib else 0.0
            boxes.append(Box(x - half, y - half, x + width + half, y + height + half, element.attrib["fill"]))
    return boxes


def said(whole: str, parts: list[str]) -> bool:
    """Whether the words are there, or as much of them as there was room for."""
    return any(part == whole or (part.endswith("…") and whole.startswith(part[:-1])) for part in parts)


@stable
@given(timelines())
def test_an_svg_is_xml_and_says_every_label_and_duration(timeline: Timeline) -> None:
    root = parsed(timeline)
    parts = [words.strip() for element in root.iter(f"{NAMESPACE}text") for words in element.itertext()] + [""]
    for bar in timeline.bars:
        assert said(as_label(bar.label), parts)
        assert said(as_label(bar.text), parts)
    for mark in timeline.inside:
        assert said(as_label(mark.label), parts)


@stable
@given(timelines())
def test_nothing_is_drawn_outside_of_the_picture_and_no_bar_vanishes(timeline: Timeline) -> None:
    root = parsed(timeline)
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    bars = bar_boxes(root)
    assert len(bars) == len(timeline.bars)
    for box in bars:
        assert box.right - box.left >= 1.5
    for box in [*bars, *text_boxes(root)]:
        assert 0 <= box.left <= box.right <= width
        assert 0 <= box.top <= box.bottom <= height


@stable
@given(timelines())
def test_no_words_stand_on_others_or_on_a_bar(timeline: Timeline) -> None:
    root = parsed(timeline)
    words, bars = text_boxes(root), bar_boxes(root)
    for one, other in combinations([*words, *bars], 2):
        assert not one.overlaps(other), (one, other)


@stable
@given(timelines())
def test_an_svg_stands_for_itself_and_runs_nothing(timeline: Timeline) -> None:
    picture = svg(timeline)
    root = ElementTree.fromstring(picture)
    tags = {element.tag.removeprefix(NAMESPACE) for element in root.iter()}
    assert tags <= {"svg", "title", "desc", "defs", "pattern", "rect", "path", "text", "tspan"}
    names = {name for element in root.iter() for name in element.attrib}
    assert not [name for name in names if name.startswith("on") or "href" in name or name == "style"]
    values = " ".join(value for element in root.iter() for value in element.attrib.values())
    assert set(re.findall(r"url\([^)]*\)", values)) <= {"url(#failed)", "url(#waiting)"}
    assert root.attrib["role"] == "img"
    assert all(c.isprintable() or c == "\n" for c in picture)


@stable
@given(timelines())
def test_a_data_uri_is_the_same_picture(timeline: Timeline) -> None:
    head, _, body = data_uri(svg(timeline)).partition(",")
    assert head == "data:image/svg+xml;base64"
    assert base64.b64decode(body, validate=True).decode() == svg(timeline)


@stable
@given(timelines())
def test_the_text_alternative_is_one_line_that_says_it_all(timeline: Timeline) -> None:
    words = alternative(timeline)
    assert words.isprintable()
    assert all(as_label(bar.label) in words and as_label(bar.text) in words for bar in timeline.bars)
    assert all(as_label(mark.label) in words for mark in timeline.marks)


@stable
@given(timelines(), st.integers(0, 200), st.booleans(), st.booleans())
def test_lines_of_text_keep_to_the_width_and_move_nothing(
    timeline: Timeline, width: int, colour: bool, ascii_only: bool
) -> None:
    for line in text(timeline, width, colour=colour, ascii_only=ascii_only):
        bare = re.sub(r"\x1b\[[\d;]+m", "", line) if colour else line
        assert cell_len(bare) <= width
        assert bare == "" or bare.isprintable()
        assert line.isascii() or not ascii_only


@stable
@given(WORDS, st.floats(0, 60), st.booleans())
def test_words_that_are_cut_fit(words: str, room: float, bold: bool) -> None:
    cut = fit(as_label(words), room, bold=bold)
    assert cut == "…" or ems(cut, bold=bold) <= room
    assert cell_len(fit_columns(as_label(words), int(room))) <= int(room)


def test_bars_are_to_scale() -> None:
    bars = tuple(Bar("hops", "", start, end, "step", "") for start, end in ((0.0, 1.0), (1.0, 4.0)))
    short, long = bar_boxes(parsed(Timeline("", bars, (), 4.0)))
    assert (long.right - long.left) / (short.right - short.left) == pytest.approx(3.0, abs=0.02)


def test_kinds_differ_in_more_than_their_colour() -> None:
    bars = tuple(Bar("hops", "", 0.0, 1.0, kind, "") for kind in KINDS)
    root = parsed(Timeline("", bars, (), 1.0))
    looks = set()
    for element in root.findall(f"{NAMESPACE}rect")[1:]:
        if float(element.attrib["height"]) > 11 and element.attrib["fill"] != drawing.CARD:
            fill, stroke = element.attrib["fill"], "stroke" in element.attrib
            looks.add((fill if fill.startswith("url") else "plain", stroke))
    assert len(looks) == len(KINDS)
    drawn = [line for line in text(Timeline("", bars, (), 1.0), 60, ascii_only=True) if "==" in line or "##" in line]
    assert len(drawn) == 2


@pytest.mark.parametrize("ink", [drawing.INK, drawing.MUTED])
def test_words_have_contrast_enough_on_the_card(ink: str) -> None:
    """WCAG 2, level AA: 4.5 to 1."""
    assert contrast(ink, drawing.CARD) >= 4.5


@pytest.mark.parametrize("fill", [drawing.STEP, drawing.SLOW, drawing.FAILED, drawing.WAITING])
def test_bars_have_contrast_enough_on_the_card(fill: str) -> None:
    """WCAG 2, 1.4.11: 3 to 1."""
    assert contrast(fill, drawing.CARD) >= 3.0


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_lines_of_text_are_the_picture() -> None:
    assert text(ORDINARY, 80) == [
        "office: late",
        "37 min 1 s in all; failed: IMAP search, timeout after 600 ms",
        "SMTP  dns                       █      ┊                    1 ms",
        "      data                      █      ┊                    99 ms",
        "hops  relay.example.org -> edg… ██████████████████████████  37 min (slow)",
        "      edge.example.net -> mx.e… │      ┊                 █  400 ms",
        "IMAP  login                     █      ┊                    100 ms",
        "      waiting                   ░░░░░░░░░░░░░░░░░░░░░░░░░░  37 min",
        "      search                    │      ┊                 ▚  timeout after 600 ms",
        "                                0          20 min",
        "│ accepted at 100 ms",
        "┊ late after 10 min, lost after 2 h →",
    ]
    assert text(ORDINARY, 80, ascii_only=True) == [
        "office: late",
        "37 min 1 s in all; failed: IMAP search, timeout after 600 ms",
        "SMTP  dns                       =      :                    1 ms",
        "      data                      =      :                    99 ms",
        "hops  relay.example.org -> edg~ ##########################  37 min (slow)",
        "      edge.example.net -> mx.e~ |      :                 =  400 ms",
        "IMAP  login                     =      :                    100 ms",
        "      waiting                   ..........................  37 min",
        "      search                    |      :                 x  timeout after 600 ms",
        "                                0          20 min",
        "| accepted at 100 ms",
        ": late after 10 min, lost after 2 h ->",
    ]


def test_colour_changes_nothing_but_the_colour() -> None:
    plain, coloured = text(ORDINARY), text(ORDINARY, colour=True)
    assert [re.sub(r"\x1b\[[\d;]+m", "", line).rstrip() for line in coloured] == plain
    assert not any("\x1b" in line for line in plain)


def test_what_is_too_far_away_is_told_at_the_right_edge() -> None:
    far = next(element for element in parsed(ORDINARY).iter(f"{NAMESPACE}text") if "→" in "".join(element.itertext()))
    assert "".join(far.itertext()) == "lost after 2 h →"
    assert (float(far.attrib["x"]), far.get("text-anchor")) == (drawing.RIGHT, "end")
