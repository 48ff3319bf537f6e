"""A report as Markdown (GFM), with text from servers and strangers made safe for it, and as one HTML file."""

import re
from collections.abc import Iterable
from pathlib import Path

from tasks.mail.model.safe_text import one_line
from tasks.mail.report import document as doc
from tasks.mail.report.svg.ground import DARK, FONT, LIGHT, data_uri

_PUNCTUATION = re.compile(r"[\\`*_{}\[\]()<>#+!|~&$^\"'-]")
# GFM makes links out of bare addresses too, but not in a code span, from which they can still be copied.
_ADDRESS = re.compile(r"[^\s<>()\[\]|\"',;]*(?:://|www\.|@)[^\s<>()\[\]|\"',;]*", re.IGNORECASE)


def as_markdown(blocks: Iterable[doc.Block]) -> str:
    """The blocks with a blank line between them."""
    return "\n\n".join(map(_block, blocks)) + "\n"


def _block(block: doc.Block) -> str:
    match block:
        case doc.Heading(text, level):
            return f"{'#' * level} {_inline(text)}"
        case doc.Paragraph(text):
            return _inline(text)
        case doc.Note(text):
            return f"> {_inline(text)}"
        case doc.Table(head, rows):
            lines = ([*map(_inline, head)], ["---"] * len(head), *([*map(_inline, row)] for row in rows))
            return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
        case doc.Listing(items):
            return "\n".join(f"- {f'**{escape(name)}**: ' if name else ''}{_inline(text)}" for name, text in items)
        case doc.Picture(alt, svg):
            return f"![{escape(alt)}]({data_uri(svg)})"
    raise TypeError(f"not for Markdown: {type(block).__name__}")


def _inline(text: doc.Inline) -> str:
    match text:
        case doc.Own():
            return str(text)
        case doc.Code(shown):
            return code_span(shown)
        case doc.Strong(inner):
            return f"**{_inline(inner)}**"
        case doc.Link(name, address):
            return escape(name) if address.startswith("#") else f"[{escape(name)}]({address})"
        case tuple():
            return "".join(map(_inline, text))
    return escape(text)


def escape(text: object) -> str:
    """Text that Markdown shows as it is: no markup, HTML, table cell or link comes out of it."""
    shown, parts, end = one_line(str(text), None), [], 0
    for address in _ADDRESS.finditer(shown):
        parts += [_plain(shown[end : address.start()]), code_span(address[0])]
        end = address.end()
    return "".join((*parts, _plain(shown[end:])))


def _plain(text: str) -> str:
    return _PUNCTUATION.sub(lambda match: f"&#{ord(match[0])};", text)


def code_span(text: object) -> str:
    """Text as a code span inside a table cell: it can be copied as it is."""
    shown = one_line(str(text), None).replace("|", r"\|")
    fence = "`" * (max((len(run) for run in re.findall(r"`+", shown)), default=0) + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{pad}{shown}{pad}{fence}" if shown else ""


def as_html(title: str, blocks: Iterable[doc.Block]) -> str:
    """The whole file, which needs nothing beside it: no script, no font, no address."""
    from jinja2 import Environment, FileSystemLoader  # 0.1 s, and hardly any command needs it

    templates = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=templates, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["kind"] = lambda part: type(part).__name__
    page = environment.get_template("page.html.j2")
    return page.render(title=title, blocks=blocks, font=FONT, light=LIGHT, dark=DARK) + "\n"
