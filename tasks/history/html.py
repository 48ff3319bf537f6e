"""A history as one HTML file that needs nothing beside it: no script, no font, no address. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from tasks.history import tables
from tasks.history.figures import Figures
from tasks.history.formats import percent, took
from tasks.history.markdown import NOTHING
from tasks.history.svg.calendar import grid
from tasks.history.svg.card import FONT
from tasks.history.svg.latency import PERCENTILES, latency
from tasks.history.window import Window

KINDS = {
    **dict.fromkeys((*tables.OVERVIEW[1:], "lasted at most", "checks", *tables.PLACES[2:6]), "number"),
    **dict.fromkeys(("from", "to", *tables.PLACES[6:]), "when"),
    tables.OUTAGES[-1]: "wide",
}

STYLE = f"""
:root{{color-scheme:light dark;--page:#f6f8fa;--card:#fff;--frame:#d0d7de;--ink:#1f2328;--soft:#57606a;--link:#0b6bab;
--bad:#a3003b}}
@media (prefers-color-scheme:dark){{:root{{--page:#0d1117;--card:#161b22;--frame:#3d444d;--ink:#e6edf3;--soft:#a2acb6;
--link:#58b4f0;--bad:#ff7096}}}}
*{{box-sizing:border-box}}
body{{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 {FONT}}}
main{{max-width:912px;margin:0 auto;padding:32px 16px 64px}}
h1{{font-size:26px;line-height:1.25;margin:0}}
h2{{font-size:21px;margin:48px 0 12px;overflow-wrap:anywhere}}
h3{{font-size:16px;margin:24px 0 8px}}
p{{margin:4px 0}}
.soft,dt,th,figcaption{{color:var(--soft)}}
a{{color:var(--link)}}
.tiles{{display:grid;grid-template-columns:repeat(auto-fit,minmax(180px,1fr));gap:12px;margin:0 0 12px}}
.tile{{background:var(--card);border:1px solid var(--frame);border-radius:8px;padding:12px 14px}}
.tile b{{display:block;font-size:24px;line-height:1.3;font-variant-numeric:tabular-nums}}
.tile b.bad{{color:var(--bad)}}
.tile span{{display:block;color:var(--soft);font-size:13px}}
figure{{margin:0 0 12px;overflow-x:auto}}
figure svg{{display:block;width:100%;min-width:640px;height:auto}}
.table{{overflow-x:auto;background:var(--card);border:1px solid var(--frame);border-radius:8px}}
table{{border-collapse:collapse;width:100%;font-size:14px}}
th,td{{padding:7px 12px;text-align:left;vertical-align:top;border-top:1px solid var(--frame)}}
thead th{{border-top:0;font-weight:600;white-space:nowrap;font-size:13px}}
td.number,th.number{{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}}
td.when{{white-space:nowrap;font-variant-numeric:tabular-nums}}
td.wide{{min-width:260px;overflow-wrap:anywhere}}
dl{{display:grid;grid-template-columns:max-content 1fr;gap:6px 16px;margin:0;font-size:14px}}
dd{{margin:0;overflow-wrap:anywhere}}
@media (max-width:560px){{dl{{grid-template-columns:1fr;gap:0}}dd{{margin-bottom:8px}}}}
@media print{{body{{background:none}}main{{max-width:none;padding:0}}figure,.tile,tr{{break-inside:avoid}}}}
"""


def page(history: Sequence[Figures], period: Window) -> str:
    """The whole file."""
    parts = [f"<h1>Mail Loop Check: history</h1>\n<p class=soft>{escape(str(period))}</p>"]
    if not history:
        parts.append(f"<p>{NOTHING}</p>")
    if len(history) > 1:
        links = [f'<a href="#loop-{number}">{escape(figures.loop)}</a>' for number, figures in enumerate(history)]
        rows = [
            (link, *map(escape, tables.overview(figures)[1:])) for link, figures in zip(links, history, strict=True)
        ]
        parts.append(f"<h2>All loops</h2>\n{_table(tables.OVERVIEW, rows)}")
    parts += [_loop(number, figures) for number, figures in enumerate(history)]
    parts.append(f"<h2>What the figures mean</h2>\n{_definitions(tables.MEANINGS)}")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Mail Loop Check: history</title>
<style>{STYLE}</style>
</head>
<body>
<main>
{chr(10).join(parts)}
</main>
</body>
</html>
"""


def _loop(number: int, figures: Figures) -> str:
    parts = [
        f'<h2 id="loop-{number}">{escape(figures.loop)}</h2>',
        _tiles(figures),
        f"<figure>{latency(figures)}</figure>",
        f"<figure>{grid(figures)}</figure>",
    ]
    for heading, head, rows in (
        ("Outages", tables.OUTAGES, tables.outages(figures)),
        ("Where messages were found", tables.PLACES, tables.places(figures)),
    ):
        if rows:
            parts.append(f"<h3>{heading}</h3>\n{_table(head, (tuple(map(escape, row)) for row in rows))}")
    said = [row for row in tables.facts(figures) if row[0] in ("outcomes", "no verdict")]
    parts.append(f"<h3>Checks</h3>\n{_definitions(said)}")
    return "\n".join(parts)


def _tiles(figures: Figures) -> str:
    """The figures at a glance."""
    p50, *higher = (took(figures.delivery_percentile(name)) for name in PERCENTILES)
    rest = [f"p{name} {value}" for name, value in zip(PERCENTILES[1:], higher, strict=True)]
    open_now = bool(figures.outages) and figures.outages[-1].until is None
    down = [f"{tables.lasted(figures.downtime)} at most"] if figures.outages else []
    tiles = (
        ("availability", percent(figures.availability), [f"{figures.good:,} of {len(figures.judged):,} checks"], False),
        ("median delivery time", p50, [*rest, f"{figures.lost:,} lost"], False),
        ("outages", f"{len(figures.outages):,}", ["one still open"] * open_now + down, open_now),
        (
            "coverage",
            percent(figures.coverage),
            [f"{len(figures.checks) - len(figures.judged):,} without verdict"],
            False,
        ),
    )
    return (
        '<div class="tiles">'
        + "".join(
            f'<div class="tile"><span>{escape(name)}</span><b{" class=bad" if bad else ""}>{escape(value)}</b>'
            f"<span>{_unbroken(about)}</span></div>"
            for name, value, about, bad in tiles
        )
        + "</div>"
    )


def _unbroken(parts: Iterable[str]) -> str:
    """Parts between which alone a line may break."""
    return " · ".join(escape(part).replace(" ", "&nbsp;") for part in parts)


def _table(head: tables.Row, rows: Iterable[tables.Row]) -> str:
    """A table of cells that are HTML already."""
    kinds = [KINDS.get(name, "text") for name in head]
    top = "".join(f'<th scope="col" class="{kind}">{name}</th>' for kind, name in zip(kinds, head, strict=True))
    body = "\n".join(
        "<tr>" + "".join(f'<td class="{kind}">{cell}</td>' for kind, cell in zip(kinds, row, strict=True)) + "</tr>"
        for row in rows
    )
    return f'<div class="table"><table>\n<thead><tr>{top}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'


def _definitions(rows: Iterable[tuple[str, str]]) -> str:
    return "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(said)}</dd>" for name, said in rows) + "</dl>"
