"""Headers as a test writes them down."""

from __future__ import annotations

from tasks.mail.journey.authentication.trust import Field


def header(text: str) -> list[Field]:
    """The fields of a header, folded lines and all."""
    fields: list[Field] = []
    for line in text.strip("\n").split("\n"):
        if line[:1] in " \t":
            name, value = fields.pop()
            fields.append((name, f"{value}\r\n{line}"))
        else:
            name, _, value = line.partition(":")
            fields.append((name, value))
    return fields
