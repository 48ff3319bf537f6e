"""The ground of every picture: a card of its own colour, its palette, its shapes. No script, no link, no font file.

Within an <img> a picture does not know the theme of the page, so it is readable on a light and on a dark one as it is.
"""

import base64
from collections.abc import Iterable, Mapping
from html import escape

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

# By role, on a light and on a dark page; tests/unit/history keeps every text at 4.5:1 against what it stands on, every
# mark at 3:1.
_PALETTE = {
    "card": ("#f8fafc", "#161b22"),
    "frame": ("#cbd5e1", "#3d444d"),
    "ink": ("#0f172a", "#e6edf3"),
    "soft": ("#475569", "#a2acb6"),
    "grid": ("#e2e8f0", "#262c35"),
    "ok": ("#0b6bab", "#58b4f0"),
    "warning": ("#a85a00", "#f0b040"),
    "error": ("#a3003b", "#ff7096"),
    "silent": ("#64748b", "#8b949e"),
    "ok-cell": ("#cfe4f4", "#123f5e"),
    "warning-cell": ("#f5b335", "#f0b040"),
    "error-cell": ("#a3003b", "#ff7096"),
    "on-warning": ("#0f172a", "#161b22"),
    "on-error": ("#ffffff", "#161b22"),
    "outage": ("#fbe3ea", "#3a1a26"),
}
LIGHT = {role: light for role, (light, _) in _PALETTE.items()}
DARK = {role: dark for role, (_, dark) in _PALETTE.items()}


def _rules(colours: Mapping[str, str]) -> str:
    return "".join(f".mlp .{key}{{fill:{colour}}}.mlp .s-{key}{{stroke:{colour}}}" for key, colour in colours.items())


# For pictures whose parts have a class by their role.
_CLASSES = (
    f"<style>.mlp text{{font-family:{FONT};font-size:12px}}.mlp .line{{fill:none}}"
    f"{_rules(LIGHT)}@media (prefers-color-scheme:dark){{{_rules(DARK)}}}</style>"
)


def document(
    size: tuple[float, float], title: str, description: str, parts: Iterable[str], *, look: str, frame: str, head: str
) -> str:
    """An SVG with a solid ground; `description` is for those who cannot see it.

    `look` and `frame` are the attributes of the whole and of the card, `head` is what stands before the card.
    """
    width, height = size
    opened = f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width:.0f} {height:.0f}"'
    lines = [
        f'{opened} width="{width:.0f}" height="{height:.0f}" {look}>',
        f"<title>{escape(title, quote=False)}</title>",
        f"<desc>{escape(description, quote=False)}</desc>",
        head,
        f'<rect x="0.5" y="0.5" width="{width - 1:.0f}" height="{height - 1:.0f}" rx="8" {frame}/>',
        *parts,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def card(title: str, about: str, description: str, height: float, parts: Iterable[str]) -> str:
    """A picture in classes, 800 pixels wide. `about` stands under the title."""
    head = [label(16, 26, title, "ink", size=15, weight=600), label(16, 44, about)]
    look = {"look": 'class="mlp"', "frame": 'class="card s-frame"', "head": _CLASSES}
    return document((800, height), title, description, [*head, *parts], **look)


def data_uri(picture: str) -> str:
    """An SVG as an address for an image in Markdown or HTML."""
    return "data:image/svg+xml;base64," + base64.b64encode(picture.encode()).decode()


def label(
    x: float, y: float, content: str, role: str = "soft", anchor: str = "start", size: int = 12, weight: int = 400
) -> str:
    """A line of text on its base line."""
    style = f' text-anchor="{anchor}"' if anchor != "start" else ""
    if size != 12 or weight != 400:
        style += f' style="font-size:{size}px;font-weight:{weight}"'
    return f'<text class="{role}" x="{pixels(x)}" y="{pixels(y)}"{style}>{escape(content, quote=False)}</text>'


def strokes(shapes: Iterable[str], role: str, width: float, extra: str = "") -> str:
    """One path of many shapes, drawn as lines; nothing where there are none."""
    data = "".join(shapes)
    look = f'stroke-width="{pixels(width)}" stroke-linecap="round" stroke-linejoin="round"'
    return f'<path class="line s-{role}" {look}{f" {extra}" if extra else ""} d="{data}"/>' if data else ""


def fills(shapes: Iterable[str], role: str) -> str:
    """One path of many shapes, filled; nothing where there are none."""
    data = "".join(shapes)
    return f'<path class="{role}" d="{data}"/>' if data else ""


def dot(x: float, y: float) -> str:
    """A point: its size is the width of the stroke."""
    return f"M{pixels(x)} {pixels(y)}h0"


def triangle(x: float, y: float, r: float = 4) -> str:
    return f"M{pixels(x)} {pixels(y - r)}l{pixels(r)} {pixels(1.7 * r)}h{pixels(-2 * r)}z"


def cross(x: float, y: float, r: float = 3) -> str:
    d = pixels(2 * r)
    return f"M{pixels(x - r)} {pixels(y - r)}l{d} {d}M{pixels(x + r)} {pixels(y - r)}l-{d} {d}"


def exclamation(x: float, y: float) -> str:
    return f"M{pixels(x)} {pixels(y - 4)}v5M{pixels(x)} {pixels(y + 4)}h0"


def question(x: float, y: float) -> str:
    return f"M{pixels(x - 2)} {pixels(y - 2.6)}a2 1.8 0 1 1 2.6 2.2q-.6 .4 -.6 1.6M{pixels(x)} {pixels(y + 4)}h0"


def box(x: float, y: float, width: float, height: float) -> str:
    return f"M{pixels(x)} {pixels(y)}h{pixels(width)}v{pixels(height)}h{pixels(-width)}z"


def pixels(value: float) -> str:
    """A coordinate, to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")
