"""The ground of our pictures: an SVG card that is readable on light and dark pages, without script. Pure.

Colours come in three lightnesses (calm, loud, dark), and every meaning has a shape of its own beside its colour.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

WIDTH = 800
FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"

# By role; tests/unit/history keeps every text at 4.5:1 against what it stands on, every mark at 3:1.
LIGHT = {
    "card": "#ffffff",
    "frame": "#d0d7de",
    "ink": "#1f2328",
    "soft": "#57606a",
    "grid": "#e6e9ed",
    "ok": "#0b6bab",
    "warning": "#a85a00",
    "error": "#a3003b",
    "silent": "#6e7781",
    "ok-cell": "#cfe4f4",
    "warning-cell": "#f5b335",
    "error-cell": "#a3003b",
    "on-warning": "#1f2328",
    "on-error": "#ffffff",
    "outage": "#fbe3ea",
}
DARK = {
    "card": "#161b22",
    "frame": "#3d444d",
    "ink": "#e6edf3",
    "soft": "#a2acb6",
    "grid": "#262c35",
    "ok": "#58b4f0",
    "warning": "#f0b040",
    "error": "#ff7096",
    "silent": "#8b949e",
    "ok-cell": "#123f5e",
    "warning-cell": "#f0b040",
    "error-cell": "#ff7096",
    "on-warning": "#161b22",
    "on-error": "#161b22",
    "outage": "#3a1a26",
}


def _rules(colours: Mapping[str, str]) -> str:
    return "".join(
        f".mlp .{name}{{fill:{colour}}}.mlp .s-{name}{{stroke:{colour}}}" for name, colour in colours.items()
    )


STYLE = (
    f".mlp text{{font-family:{FONT};font-size:12px}}.mlp .line{{fill:none}}"
    f"{_rules(LIGHT)}@media (prefers-color-scheme:dark){{{_rules(DARK)}}}"
)


def card(title: str, about: str, description: str, height: float, parts: Iterable[str]) -> str:
    """An SVG with a solid ground. `about` stands under the title; `description` is for those who cannot see it."""
    return "".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="mlp" role="img" viewBox="0 0 {WIDTH} {number(height)}"',
            f' width="{WIDTH}" height="{number(height)}">',
            f"<title>{escape(title)}</title><desc>{escape(description)}</desc><style>{STYLE}</style>",
            f'<rect class="card s-frame" x=".5" y=".5" width="{WIDTH - 1}" height="{number(height - 1)}" rx="8"/>',
            text(16, 26, title, "ink", size=15, weight=600),
            text(16, 44, about, "soft"),
            *parts,
            "</svg>",
        ]
    )


def text(
    x: float, y: float, content: str, role: str = "soft", anchor: str = "start", size: int = 12, weight: int = 400
) -> str:
    """A line of text on its base line."""
    style = f' text-anchor="{anchor}"' if anchor != "start" else ""
    if size != 12 or weight != 400:
        style += f' style="font-size:{size}px;font-weight:{weight}"'
    return f'<text class="{role}" x="{number(x)}" y="{number(y)}"{style}>{escape(content)}</text>'


def strokes(shapes: Iterable[str], role: str, width: float, extra: str = "") -> str:
    """One path of many shapes, drawn as lines; nothing where there are none."""
    data = "".join(shapes)
    if not data:
        return ""
    return (
        f'<path class="line s-{role}" stroke-width="{number(width)}" stroke-linecap="round" '
        f'stroke-linejoin="round"{f" {extra}" if extra else ""} d="{data}"/>'
    )


def fills(shapes: Iterable[str], role: str) -> str:
    """One path of many shapes, filled; nothing where there are none."""
    data = "".join(shapes)
    return f'<path class="{role}" d="{data}"/>' if data else ""


def dot(x: float, y: float) -> str:
    """A point: its size is the width of the stroke."""
    return f"M{number(x)} {number(y)}h0"


def triangle(x: float, y: float, r: float = 4) -> str:
    return f"M{number(x)} {number(y - r)}l{number(r)} {number(1.7 * r)}h{number(-2 * r)}z"


def cross(x: float, y: float, r: float = 3) -> str:
    d = number(2 * r)
    return f"M{number(x - r)} {number(y - r)}l{d} {d}M{number(x + r)} {number(y - r)}l-{d} {d}"


def exclamation(x: float, y: float) -> str:
    return f"M{number(x)} {number(y - 4)}v5M{number(x)} {number(y + 4)}h0"


def question(x: float, y: float) -> str:
    return f"M{number(x - 2)} {number(y - 2.6)}a2 1.8 0 1 1 2.6 2.2q-.6 .4 -.6 1.6M{number(x)} {number(y + 4)}h0"


def box(x: float, y: float, width: float, height: float) -> str:
    return f"M{number(x)} {number(y)}h{number(width)}v{number(height)}h{number(-width)}z"


def number(value: float) -> str:
    """A coordinate, to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")
