"""docs/architecture.svg, and the table of rooms in docs/architecture.md, made from the imports of the code.

`python -m tests.support.drawing --write` puts both where they stand; a test fails when they are not what the code is.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from xml.sax.saxutils import escape

from tests.support.house import BELOW, MODULES, ROOMS, ROOT, Room, between, room_of

DOCUMENT = ROOT / "docs" / "architecture.md"
PICTURE = ROOT / "docs" / "architecture.svg"
BEGIN, END = "<!-- rooms: python -m tests.support.drawing --write -->\n", "<!-- end -->"

# Columns, from the left: where a room stands on its floor, and by which column a long arrow goes round other rooms.
PLACES = {
    "flows.cli": 0.0,
    "flows": 0.0,
    "tasks": 2.0,
    "correlation": 1.0,
    "tracing": 2.0,
    "history": 3.0,
    "metrics": 4.0,
    "alerts": 5.0,
    "mail": 4.0,
    "report": 3.0,
    "verdict": 0.0,
    "search": 1.0,
    "senders": 0.0,
    "mailboxes": 1.0,
    "journey": 2.0,
    "auth": 0.5,
    "probe": 1.5,
    "net": 0.0,
    "causes": 1.0,
    "config": 3.0,
    "model": 1.5,
    "sandbox": 5.0,
}
ROUND = {
    ("flows", "metrics"): 4.0,
    ("tasks", "search"): 1.5,
    ("mail", "config"): 4.0,
    ("alerts", "config"): 5.0,
}
LEFT, TOP, COLUMN, FLOOR, WIDTH, HEIGHT = 84.0, 78.0, 146.0, 58.0, 124.0, 30.0
BEND = FLOOR - HEIGHT  # what an arrow needs to get from one column into another
CAPTIONS = (
    "An arrow says: imports. It is left out where a longer way says the same. Imports run downward, never sideways.",
    "Blue knows Prefect; violet is made of many results; green is one check. The sandbox stands apart.",
)
STYLE = """
    .card { fill: #fff; stroke: #c9d1d9 } .rim { fill: #e6effb } .many { fill: #f3ecfa } .one { fill: #e8f5ea }
    .apart { fill: #fff; stroke-dasharray: 4 3 } rect { stroke: #57606a } path { fill: none; stroke: #57606a }
    text { font: 14px sans-serif; fill: #1f2328; text-anchor: middle } .small { font-size: 12px; text-anchor: start }
"""
Point = tuple[float, float]


def arrows() -> list[tuple[str, str]]:
    """Which room imports which, by their short names, without those that a longer way says as well."""
    graph = between({name: room_of(name).short for name in MODULES})
    return sorted(
        (one, other) for one in graph for other in graph[one] if not _reached(graph, graph[one] - {other}, other)
    )


def _reached(graph: Mapping[str, set[str]], starts: Iterable[str], goal: str) -> bool:
    seen, waiting = set[str](), [*starts]
    while waiting:
        if (one := waiting.pop()) not in seen:
            seen.add(one)
            waiting += graph.get(one, ())
    return goal in seen


def picture() -> str:
    """The rooms, floor by floor, as SVG on a card of its own: readable on light and on dark pages."""
    rooms = {room.short: room for room in ROOMS}
    if unplaced := rooms.keys() - PLACES.keys():
        raise KeyError(f"PLACES says of no column for {', '.join(sorted(unplaced))}")
    drawn = arrows()
    ends = _ends(drawn, rooms)
    width = LEFT + max(PLACES.values()) * COLUMN + WIDTH / 2 + LEFT - WIDTH / 2
    height = _y(rooms["model"]) + HEIGHT + 24
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img"'
        ' aria-labelledby="title">',
        '  <title id="title">The rooms of Mail Loop Check and the imports between them</title>',
        f"  <style>{STYLE}  </style>",
        '  <marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">',
        '    <path d="M0 0L8 4L0 8z" style="fill: #57606a; stroke: none"/>',
        "  </marker>",
        f'  <rect class="card" x="0.5" y="0.5" width="{width - 1:g}" height="{height - 1:g}" rx="8"/>',
        *(
            f'  <text class="small" x="{LEFT - WIDTH / 2:g}" y="{26 + 18 * number}">{escape(line)}</text>'
            for number, line in enumerate(CAPTIONS)
        ),
        *(f'  <path d="{_path(*ends[pair], ROUND.get(pair))}" marker-end="url(#head)"/>' for pair in drawn),
    ]
    for room in ROOMS:
        x, y = _x(room), _y(room)
        name = room.name if room.short == "mail" else room.short
        size = f'width="{WIDTH:g}" height="{HEIGHT:g}" rx="5"'
        lines += [
            f'  <rect class="{_kind(room)}" x="{x - WIDTH / 2:g}" y="{y:g}" {size}/>',
            f'  <text x="{x:g}" y="{y + 20:g}">{name}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])


def _x(room: Room) -> float:
    return LEFT + PLACES[room.short] * COLUMN


def _y(room: Room) -> float:
    return TOP + (max(other.floor for other in ROOMS) - room.floor) * FLOOR


def _kind(room: Room) -> str:
    if room.short == "sandbox":
        return "apart"
    if room.name.startswith("tasks.mail"):
        return "one"
    return "many" if room.floor < next(other.floor for other in ROOMS if other.name == "tasks") else "rim"


def _ends(drawn: Iterable[tuple[str, str]], rooms: Mapping[str, Room]) -> dict[tuple[str, str], tuple[Point, Point]]:
    """Where each arrow begins and ends: side by side along the edge of a room, in the order of where they go."""
    out, into = defaultdict(list), defaultdict(list)
    for one, other in drawn:
        out[one].append((one, other))
        into[other].append((one, other))
    begins: dict[tuple[str, str], float] = {}
    stops: dict[tuple[str, str], float] = {}
    for places, pairs_of, far in ((begins, out, 1), (stops, into, 0)):
        for name, pairs in pairs_of.items():
            pairs.sort(key=lambda pair: (ROUND.get(pair, PLACES[pair[far]]), PLACES[pair[far]]))
            for number, pair in enumerate(pairs):
                places[pair] = _x(rooms[name]) + (number - (len(pairs) - 1) / 2) * WIDTH / (len(pairs) + 1)
    return {
        (one, other): ((begins[one, other], _y(rooms[one]) + HEIGHT), (stops[one, other], _y(rooms[other])))
        for one, other in drawn
    }


def _path(begin: Point, end: Point, column: float | None) -> str:
    """Down to the end; bent into a column and out of it on the first and the last floor of the way."""
    (x, y), (to_x, to_y) = begin, end
    if column is None and to_y - y <= BEND:
        return f"M{x:g} {y:g}{_bend(x, y, to_x, to_y)}"
    lane = to_x if column is None else LEFT + column * COLUMN
    return f"M{x:g} {y:g}{_bend(x, y, lane, y + BEND)}V{to_y - BEND:g}{_bend(lane, to_y - BEND, to_x, to_y)}"


def _bend(x: float, y: float, to_x: float, to_y: float) -> str:
    middle = (y + to_y) / 2
    return f"L{to_x:g} {to_y:g}" if x == to_x else f"C{x:g} {middle:g} {to_x:g} {middle:g} {to_x:g} {to_y:g}"


def table() -> str:
    """The rooms from the top down, as in the picture."""
    rows = ["| room | what is in it | may import |", "| --- | --- | --- |"]
    for room in sorted(ROOMS, key=lambda room: (-room.floor, room.short == "sandbox")):
        may = ", ".join(room.may.split()) if room.may != BELOW else BELOW
        rows.append(f"| `{room.name.replace('.', '/')}/` | {room.what} | {may or 'nothing of ours'} |")
    return "\n".join(rows) + "\n"


def document() -> str:
    """The document with the table as it is now."""
    text = DOCUMENT.read_text(encoding="utf-8")
    return re.sub(f"(?<={re.escape(BEGIN)}).*?(?={re.escape(END)})", lambda _: table(), text, flags=re.DOTALL)


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("usage: python -m tests.support.drawing --write")
    PICTURE.write_text(picture(), encoding="utf-8")
    DOCUMENT.write_text(document(), encoding="utf-8")
