"""A report as one HTML file that needs nothing beside it: no script, no font, no address."""

from collections.abc import Iterable
from pathlib import Path

from tasks.mail.report.document import Block
from tasks.mail.report.svg.ground import DARK, FONT, LIGHT


def as_html(title: str, blocks: Iterable[Block]) -> str:
    """The whole file."""
    from jinja2 import Environment, FileSystemLoader  # 0.1 s, and hardly any command needs it

    templates = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=templates, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["kind"] = lambda part: type(part).__name__
    page = environment.get_template("page.html.j2")
    return page.render(title=title, blocks=blocks, font=FONT, light=LIGHT, dark=DARK) + "\n"
