"""The moving line of a loop says what it does, and why it does it again."""

from __future__ import annotations

from flows.cli.check import Line
from tasks.mail.net.stages import Progress

REFUSED = "no connection to imap.test port 993: Connection refused; trying again"


def shown(*steps: tuple[str, str, str]) -> list[str]:
    lines: list[str] = []
    line = Line(lines.append, 300.0)
    for step in steps:
        line(Progress(*step))
    return lines


def test_while_a_mailbox_cannot_be_read_the_line_shows_the_last_reason() -> None:
    lines = shown(
        ("imap", "connect", ""),
        ("imap", "connect", REFUSED),
        ("imap", "dns", ""),
        ("imap", "connect", ""),
        ("imap", "search", ""),
        ("imap", "search", ""),
    )
    assert ["Connection refused" in line for line in lines] == [False, True, True, True, False, False]
    assert lines[1].startswith("no connection to imap.test port 993: Connection refused")
    assert lines[2].startswith("looking for it: dns \u00b7 last try: no connection to imap.test")
    assert all(line.endswith("lost after 300 s") for line in lines)


def test_the_reason_of_a_refusal_stands_with_its_stage() -> None:
    assert shown(("smtp", "rcpt", "450 4.2.0 later")) == ["sending: rcpt 450 4.2.0 later"]
