"""What is markup to a channel, and how a text is written so that it is shown there and nothing of it works: pure.

A text from servers and strangers may ring everybody in a chat, show a link under another name, or be refused whole,
since it is no HTML. It is written for a channel where Prefect makes the message, by filters of the template.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Literal, get_args

Markup = Literal["plain", "slack", "telegram", "discord", "any"]
Replacements = tuple[tuple[str, str], ...]  # one after the other

_NO_MENTION = ("@", "@\u200b")  # a blank of no width: no service escapes it, and none reads a name behind it
_HTML: Replacements = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"))

REPLACEMENTS: Mapping[Markup, Replacements] = {
    "plain": (),
    "slack": _HTML,  # without < it reads no mention and no link
    "telegram": (*_HTML, _NO_MENTION),
    # It reads mentions before Markdown, and so those behind a backslash, too.
    "discord": (*((char, f"\\{char}") for char in "\\*_~`|<"), ("](", "]\\("), _NO_MENTION),
    # Whatever a service reads, and whether it knows an escape or not: full-width forms are no markup anywhere.
    "any": (*((char, chr(ord(char) + 0xFEE0)) for char in "\\*_~`|<>&"), ("](", "] ("), _NO_MENTION),
}
VALUE = re.compile(r"\{\{ (.+?) \}\}")
LONGEST = 1024  # characters: what PagerDuty takes; in any markup less than the 2,000 of Discord


def known(name: object) -> Markup:
    """The markup of this name; "any", which is harmless everywhere, where there is none."""
    return next((one for one in get_args(Markup) if one == name), "any")


def shown(template: str, markup: Markup, longest: int = LONGEST, first: Replacements = ()) -> str:
    """A template of Prefect, with whatever it puts in written for a channel: at most `longest` characters of each."""
    replaced = (f" | replace({json.dumps(old)}, {json.dumps(new)})" for old, new in (*first, *REPLACEMENTS[markup]))
    filters = "".join(replaced)
    return VALUE.sub(lambda found: f"{{{{ ({found[1]} | string)[:{longest}]{filters} }}}}", template)
