"""The machine-readable record at the end of a check's artifact, and the way back from it: pure.

It is one HTML comment on a line of its own, which no Markdown viewer shows, in ASCII and without any character that
could end it: whatever a server said stays inside.
"""

from __future__ import annotations

import json

from tasks.mail.result import LoopResult

OPEN, CLOSE = "<!-- mail-loop-result ", " -->"
# Only strings of JSON can hold these, and there the escape means the same.
ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "--": "-\\u002d"}


def embedded(result: LoopResult) -> str:
    """The line that carries `result`."""
    text = json.dumps(result.model_dump(mode="json"), separators=(",", ":"))
    for character, escape in ESCAPES.items():
        text = text.replace(character, escape)
    return f"{OPEN}{text}{CLOSE}"


def extracted(artifact: object) -> LoopResult | None:
    """The result that an artifact carries; None where it carries none, or one that cannot be read.

    Only the last line counts: nothing that a report shows is there.
    """
    if not isinstance(artifact, str):
        return None
    line = artifact.rstrip().rpartition("\n")[2]
    if not (line.startswith(OPEN) and line.endswith(CLOSE)):
        return None
    try:
        return read(json.loads(line[len(OPEN) : -len(CLOSE)]))
    except (ValueError, RecursionError):
        return None


def read(fields: object) -> LoopResult | None:
    """The result in these fields of JSON; None where it cannot be read. Fields of a later version are ignored."""
    if not isinstance(fields, dict):
        return None
    try:
        return LoopResult.model_validate({name: fields[name] for name in KNOWN & fields.keys()})
    except (ValueError, RecursionError):
        return None


KNOWN = {field.alias or name for name, field in LoopResult.model_fields.items()}
