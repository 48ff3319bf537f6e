"""The machine-readable record at the end of a check's artifact, and the way back from it.

It is one HTML comment on a line of its own, which no Markdown viewer shows, in ASCII and without any character that
could end it: whatever a server said stays inside.
"""

import json
from collections.abc import Iterable, Mapping
from itertools import takewhile

from tasks.mail.model.result import LoopResult

OPEN, CLOSE = "<!-- mail-loop-result ", " -->"
# Only strings of JSON can hold these, and there the escape means the same.
_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "--": "-\\u002d"}


def embedded(result: LoopResult) -> str:
    """The line that carries `result`."""
    return _line(result.model_dump(mode="json"))


def embedded_all(results: Iterable[LoopResult]) -> str:
    """The lines of many, each without what it has by default."""
    return "\n".join(_line(result.model_dump(mode="json", exclude_defaults=True)) for result in results)


def _line(fields: Mapping[str, object]) -> str:
    text = json.dumps(fields, separators=(",", ":"))
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    return f"{OPEN}{text}{CLOSE}"


def extracted(artifact: object) -> LoopResult | None:
    """The result that an artifact carries; None where it carries none, or one that cannot be read.

    Only the last line counts: nothing that a report shows is there.
    """
    return _of_line(artifact.rstrip().rpartition("\n")[2]) if isinstance(artifact, str) else None


def extracted_all(artifact: object) -> list[LoopResult]:
    """The results at the end of the artifact of a fleet: its last lines, as long as they are records."""
    lines = reversed(artifact.rstrip().split("\n")) if isinstance(artifact, str) else ()
    found = [_of_line(line) for line in takewhile(lambda line: line.startswith(OPEN), lines)]
    return [result for result in reversed(found) if result is not None]


def _of_line(line: str) -> LoopResult | None:
    if not (line.startswith(OPEN) and line.endswith(CLOSE)):
        return None
    try:
        return result_from(json.loads(line[len(OPEN) : -len(CLOSE)]))
    except (ValueError, RecursionError):
        return None


def result_from(fields: object) -> LoopResult | None:
    """The result in these fields of JSON; None where it cannot be read. Fields of a later version are ignored."""
    if not isinstance(fields, dict):
        return None
    try:
        return LoopResult.model_validate({name: fields[name] for name in _FIELDS & fields.keys()})
    except (ValueError, RecursionError):
        return None


_FIELDS = {field.alias or name for name, field in LoopResult.model_fields.items()}
