"""The pictures, the page, the artifact and the text of a history: complete by themselves, legible, and safe."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tasks.history.calendar import draw_calendar
from tasks.history.draw_latency import MAX_AXIS_TICKS, Axis, draw_latency, time_ticks
from tasks.history.figures import Figures, Window, histories
from tasks.history.report import history_html, history_lines, history_markdown
from tasks.mail.checks import Check, of_result
from tasks.mail.model.durations import MAX_SPAN
from tasks.mail.model.outcome import Placement, Status
from tasks.mail.model.result import LoopResult
from tasks.mail.report.svg.ground import DARK, LIGHT
from tests.support.checks.results import HOSTILE

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
WEEK = Window(NOON - timedelta(days=7), NOON)
STEP = timedelta(minutes=15)


def arrived(n: int, seconds: float, status: Status = Status.OK, loop: str = "office") -> Check:
    outcome = "delivered" if status is Status.OK else "late"
    return Check(loop, NOON - n * STEP, status, outcome, "It came.", None, seconds, "INBOX", Placement.EXPECTED)


def failed(n: int, sentence: str = "It was refused.", loop: str = "office") -> Check:
    return Check(loop, NOON - n * STEP, Status.ERROR, "deferred", sentence, "rcpt")


def silent(n: int, loop: str = "office") -> Check:
    return Check(loop, NOON - n * STEP, None, "crashed", "It broke.")


MIXED = [*(arrived(n, 1.0 + n / 10) for n in range(20, 40)), arrived(3, 70.0, Status.WARNING), failed(1), silent(2)]
CASES = {
    "nothing": [],
    "one": [arrived(1, 1.5)],
    "nothing arrived": [failed(1), failed(2)],
    "no verdict": [silent(1)],
    "mixed": MIXED,
    "at once": [arrived(n, 0.0) for n in range(3)],
}


def figures(checks: Sequence[Check], window: Window = WEEK) -> Figures:
    return Figures("office", window, tuple(checks))


def pictures(of: Figures) -> list[str]:
    return [draw_latency(of), draw_calendar(of), draw_calendar(of, tooltips=False)]


class Elements(HTMLParser):
    """The elements of a page, and every attribute that could fetch something."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "data")]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]


DAYS = (1 / 16, 1, 7, 28, 182, MAX_SPAN.days)


@pytest.mark.parametrize(("name", "days"), [*zip(CASES, DAYS, strict=True), *(("mixed", days) for days in DAYS)])
def test_a_picture_is_a_whole_svg_with_a_ground_a_title_and_a_description(name: str, days: float) -> None:
    """Each kind of history over one period, and the richest over all of them."""
    checks = CASES[name]
    for svg in pictures(figures(checks, Window(NOON - timedelta(days=days), NOON))):
        root = ElementTree.fromstring(svg)
        title, description, _, ground = list(root)[:4]
        assert [element.tag.rpartition("}")[2] for element in (title, description, ground)] == ["title", "desc", "rect"]
        assert title.text
        assert description.text
        assert float(ground.attrib["width"]) == float(root.attrib["width"]) - 1
        assert "script" not in svg
        assert not re.search(r"(?:href|url|src|import)\b", svg)
        assert "nan" not in svg.lower()


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_text_and_marks_stand_out_from_what_they_stand_on(palette: dict[str, str]) -> None:
    """WCAG 2: 4.5:1 for text and for the signs in a cell, 3:1 for marks; also where an outage is the ground."""
    for text_role in ("ink", "soft"):
        for ground in ("card", "outage"):
            assert contrast(palette[text_role], palette[ground]) >= 4.5, (text_role, ground)
    for sign, cell in (("on-warning", "warning-cell"), ("on-error", "error-cell"), ("silent", "card")):
        assert contrast(palette[sign], palette[cell]) >= 4.5, sign
    for mark in ("ok", "warning", "error", "silent"):
        for ground in ("card", "outage"):
            assert contrast(palette[mark], palette[ground]) >= 3, (mark, ground)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_the_cells_of_a_calendar_differ_in_lightness_too(palette: dict[str, str]) -> None:
    """So they do to one who sees no hues; the signs in them say the rest."""
    calm, loud = palette["ok-cell"], (palette["warning-cell"], palette["error-cell"])
    assert all(contrast(calm, cell) >= 1.35 for cell in loud)
    assert contrast(*loud) >= 1.35


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours (WCAG 2)."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize(
    ("values", "logarithmic"),
    [([1.0], False), ([0.0], False), ([1.0, 29.0], False), ([1.0, 30.0], True), ([0.0, 1.0], True), ([0.1, 9e5], True)],
)
def test_the_scale_is_logarithmic_where_times_span_orders_of_magnitude(values: list[float], logarithmic: bool) -> None:
    assert Axis.of(values).logarithmic is logarithmic


@given(st.lists(st.floats(0, 2_000_000), min_size=1))
def test_every_time_lies_within_the_scale_and_ticks_are_few_and_in_order(values: list[float]) -> None:
    upward = Axis.of(values)
    assert all(0 <= upward(value) <= 1 + 1e-9 for value in values)
    heights = [upward(tick) for tick in upward.ticks]
    assert heights == sorted(set(heights))
    assert 2 <= len(heights) <= MAX_AXIS_TICKS + 1


@given(st.timedeltas(timedelta(minutes=1), MAX_SPAN), st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)))
def test_the_ticks_of_a_period_lie_in_it_and_are_few(length: timedelta, end: datetime) -> None:
    window = Window(end.replace(tzinfo=UTC) - length, end.replace(tzinfo=UTC))
    found = [moment for moment, _ in time_ticks(window)]
    assert len(found) <= 12
    assert all(window.start <= moment <= window.end for moment in found)


def test_a_failed_check_an_outage_and_no_verdict_each_have_a_shape_of_their_own() -> None:
    svg = draw_latency(figures(MIXED))
    for role in ("s-ok", "warning", "s-error", "s-silent", "outage"):
        assert svg.count(f'class="line {role}"') + svg.count(f'<path class="{role}"') >= 2, role  # picture and legend
    assert "1 outage" in svg
    assert "1 check without a verdict" in svg


def test_what_arrived_without_a_time_is_not_said_to_be_missing() -> None:
    """A loop without a mailbox, and a run whose record is gone: no cross and no triangle but those of the legend."""
    timeless = [
        Check("office", NOON, status, outcome)
        for status, outcome in ((Status.OK, "delivered"), (Status.WARNING, "late"))
    ]
    svg = draw_latency(figures(timeless))
    assert (svg.count('class="line s-error"'), svg.count('<path class="warning"')) == (1, 1)
    lost = Check("office", NOON, Status.WARNING, "lost")
    assert draw_latency(figures([lost])).count('<path class="warning"') == 2


def test_points_that_cover_each_other_are_drawn_once() -> None:
    """A picture of thousands of checks stays small enough for an artifact."""
    many = [arrived(n % 600, 1.0 + n % 7 / 10) for n in range(20_000)]
    assert len(draw_latency(figures(many))) < 100_000


def test_a_page_needs_nothing_beside_it() -> None:
    """No script, no address that would be fetched, and a policy that forbids both."""
    source = history_html([figures(MIXED), Figures("other", WEEK, ())], WEEK)
    found = Elements(source)
    assert not {"script", "link", "img", "iframe", "object", "base"} & set(found.tags)
    assert found.addresses == ["#loop-0", "#loop-1"]
    assert "default-src 'none'" in source
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", source)
    assert "@import" not in source
    assert "prefers-color-scheme:dark" in source


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_strangers_text_does_nothing_in_any_of_them(hostile: str) -> None:
    """As the name of a loop, as a folder, and as what a server said."""
    honest, forged = (histories(said_by(text), WEEK) for text in ("a", hostile))
    source = history_html(forged, WEEK)
    assert Elements(source).tags == Elements(history_html(honest, WEEK)).tags
    assert Elements(source).handlers == []
    for svg in pictures(forged[0]):
        ElementTree.fromstring(svg)
    render = MarkdownIt("commonmark", {"html": True, "linkify": False}).enable("table").render
    tags, plain = (Elements(render(history_markdown(one, WEEK))).tags for one in (forged, honest))
    # An address stands in a code span, for else it would become a link.
    assert [tag for tag in tags if tag != "code"] == [tag for tag in plain if tag != "code"]
    for line in history_lines(forged, WEEK):
        assert line.isprintable(), line


def said_by(stranger: str) -> list[Check]:
    """Two checks with his text in every field."""
    names = {"loop": stranger, "sentence": stranger, "folder": stranger, "placement": Placement.OTHER}
    good = LoopResult.model_validate({"status": "ok", "outcome": "delivered", **names})
    bad = LoopResult.model_validate({"status": "error", "outcome": "deferred", "stage": "rcpt", **names})
    return [of_result(good, NOON - STEP), of_result(bad, NOON)]


def test_the_artifact_shows_both_pictures_of_each_loop() -> None:
    source = history_markdown([figures(MIXED), Figures("other", WEEK, (arrived(1, 1.0),))], WEEK)
    assert source.count("](data:image/svg+xml;base64,") == 4
    for heading in (
        "## office",
        "## other",
        "### Outages",
        "### Where messages were found",
        "### What the figures mean",
    ):
        assert f"\n{heading}\n" in source


def test_the_text_tells_every_figure() -> None:
    assert history_lines([figures(MIXED)], WEEK)[:9] == [
        "office: 23 checks, 2026-11-15 12:00 to 2026-11-22 12:00 UTC",
        "  availability   95.45 %: mail got through in 21 of 22 checks",
        "  coverage       95.65 %: 22 of 23 checks say something about the mail",
        "  delivery time  p50 4.0 s, p95 4.9 s, p99 70 s of 21 messages; 0 lost",
        "  outages        1, 15 min in all at most, the last still open",
        "    2026-11-22 11:45 still open, 15 min, checks: 1, deferred at rcpt: It was refused.",
        "  outcomes       20 delivered, 1 late, 1 deferred",
        "  no verdict     1 crashed",
        "  calendar       an hour is a column, UTC: · mail gets through, ! a warning, x mail does not get through, "
        "? no verdict",
    ]
    assert history_lines([figures(MIXED)], WEEK)[-1] == (
        "  2026-11-22     |  ···· ··   x              |  p50 4.0 s, longest 70 s"
    )


def test_a_history_of_nothing_says_so() -> None:
    assert history_lines([], WEEK) == ["no checks, 2026-11-15 12:00 to 2026-11-22 12:00 UTC"]
    assert "No check was found in this period." in history_html([], WEEK)
    assert "No check was found in this period." in history_markdown([], WEEK)
