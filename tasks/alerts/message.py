"""What a call says, and how it is written for a channel, so that nothing in it works as markup there.

A text from servers and strangers may ring everybody in a chat, show a link under another name, or be refused whole,
since it is no HTML. It is written for a channel where Prefect makes the message, by filters of the template.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal, get_args

from tasks.alerts.state import Kind, Standing
from tasks.mail.model.durations import in_units
from tasks.mail.model.result import LoopResult
from tasks.mail.model.safe_text import one_line

MAX_SENTENCE_CHARS, _MAX_WHO_CHARS = 500, 150  # characters: with subject and link no service takes less
LINK_REPLACEMENT = ("://", ": //")  # in the words of others: only our own link, to the run, works
_IN_OUR_LINK = str.maketrans({char: f"%{ord(char):02X}" for char in "\\*_~`|<>&@"})  # markup; the address is the same

# For Prefect's templates, which see the event from which on the loop was silent. WITHIN is filled in here.
_SILENT_SUBJECT = "[mail-loop] {{ event.payload.loop }}: silent"
_SILENT_BODY = (
    "No good check of {{ event.payload.loop }} has come within WITHIN, which is no verdict on the mail: see whether "
    "worker, schedule and machine are up.\n"
    "The last one: {{ (event.occurred | string)[:16] }} UTC: {{ event.payload.sentence }}"
)

# An action has no condition of its own: a call whose text cannot be made is not made. While a schedule is switched off,
# nothing is due.
UNSCHEDULED = "nobody_is_called_for_a_loop_without_an_active_schedule"
ONLY_IF_SCHEDULED = (
    "{% if not (deployment and not deployment.paused and deployment.schedules | selectattr('active') | list) %}"
    f"{{{{ {UNSCHEDULED}() }}}}{{% endif %}}"
)

Markup = Literal["plain", "slack", "telegram", "discord", "any"]
Replacements = tuple[tuple[str, str], ...]  # one after the other

_NO_MENTION = ("@", "@\u200b")  # a blank of no width: no service escapes it, and none reads a name behind it
_HTML: Replacements = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"))

_REPLACEMENTS: Mapping[Markup, Replacements] = {
    "plain": (),
    "slack": _HTML,  # without < it reads no mention and no link
    "telegram": (*_HTML, _NO_MENTION),
    # It reads mentions before Markdown, and so those behind a backslash, too.
    "discord": (*((char, f"\\{char}") for char in "\\*_~`|<"), ("](", "]\\("), _NO_MENTION),
    # Whatever a service reads, and whether it knows an escape or not: full-width forms are no markup anywhere.
    "any": (*((char, chr(ord(char) + 0xFEE0)) for char in "\\*_~`|<>&"), ("](", "] ("), _NO_MENTION),
}
_VALUE = re.compile(r"\{\{ (.+?) \}\}")
MAX_VALUE_CHARS = 1024  # characters: what PagerDuty takes; in any markup less than the 2,000 of Discord


def subject(kind: Kind, loop: str, outcome: str) -> str:
    """The headline of a call."""
    return f"[mail-loop] {loop}: {kind}" + (f" ({outcome})" if outcome and kind != "recovered" else "")


def body(
    kind: Kind, result: LoopResult, standing: Standing, at: datetime, last_good: datetime | None, url: str | None
) -> str:
    """The text of a call: the verdict first. `standing` is that before a recovery, or with the check that calls."""
    lines = [one_line(result.sentence.replace(*LINK_REPLACEMENT), MAX_SENTENCE_CHARS)]
    if kind == "recovered":
        was = f"was {standing.outcome}" if standing.checks else "had no good check"
        lines.append(f"It {was} {_since(standing, at)}.")
    else:
        if result.who_acts:
            lines.append(one_line(f"Who acts: {result.who_acts.replace(*LINK_REPLACEMENT)}.", _MAX_WHO_CHARS))
        if result.cause:
            lines.append(f"Cause: {result.cause}.")
        good = f"{_minute(last_good)}" if last_good else "none on record"
        since = _since(standing, at)
        lines.append(f"{since[0].upper()}{since[1:]}. The last good check: {good}.")
    if url:
        lines.append(f"The run: {url.translate(_IN_OUR_LINK)}")
    return "\n".join(lines)


def silent(within: str) -> tuple[str, str]:
    """Subject and text of a call about silence, as templates of Prefect."""
    return _SILENT_SUBJECT, _SILENT_BODY.replace("WITHIN", within)


def _since(standing: Standing, at: datetime) -> str:
    if standing.since is None:
        return "just now"
    length = at - standing.since
    parts = [in_units(60 * round(length / timedelta(minutes=1)), most=3)] if length >= timedelta(minutes=1) else []
    if standing.checks:
        parts.append("one check" if standing.checks == 1 else f"{standing.checks} checks")
    return f"since {_minute(standing.since)} ({', '.join(parts)})"


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def markup_named(name: object) -> Markup:
    """The markup of this name; "any", which is harmless everywhere, where there is none."""
    return next((one for one in get_args(Markup) if one == name), "any")


def in_markup(template: str, markup: Markup, longest: int = MAX_VALUE_CHARS, first: Replacements = ()) -> str:
    """A template of Prefect, with whatever it puts in written for a channel: at most `longest` characters of each."""
    replaced = (f" | replace({json.dumps(old)}, {json.dumps(new)})" for old, new in (*first, *_REPLACEMENTS[markup]))
    filters = "".join(replaced)
    return _VALUE.sub(lambda found: f"{{{{ ({found[1]} | string)[:{longest}]{filters} }}}}", template)
