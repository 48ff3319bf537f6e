"""Bounces as mail servers of the field write them: what becomes of a check that gets one, and what it tells."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tasks.mail.model.outcome import DELAYED
from tasks.mail.model.result import BounceRecord, LoopResult
from tasks.mail.probe.bounce import notice_of
from tasks.mail.probe.compose import Probe
from tasks.mail.probe.match import Match, match
from tests.support.checks.facts import arrival, concluded, loop, probe
from tests.support.mail.notices import head_of, mail

FOLDER = Path(__file__).parents[2] / "support/mail/field/bounces"
CASES: dict[str, dict[str, Any]] = {
    case["name"]: case
    for case in map(json.loads, (FOLDER / "expected.jsonl").read_text(encoding="utf-8").splitlines())
    if "name" in case
}
PROBE = probe(loop())


def returned(name: str, about: Probe = PROBE) -> bytes:
    """The notice on a probe, as the server delivers it: with an empty envelope sender."""
    text = (FOLDER / f"{name}.eml").read_bytes()
    values = {
        b"{to}": about.to_addr.encode(),
        b"{mid}": about.message_id.encode(),
        b"{subjo}": about.subject.encode(),
        b"{hdr}": head_of(about.content),
        b"{msg}": about.content,
    }
    for mark, value in values.items():
        text = text.replace(mark, value)
    return mail(b"Return-Path: <>", text)


def found(raw: bytes) -> BounceRecord | None:
    """What a check makes of a message in the mailbox."""
    kind = match(raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n", PROBE)
    if kind not in (Match.REPORT, Match.UNLESS_REPORT):
        return None
    return notice_of(raw, PROBE)


def result(notice: BounceRecord | None) -> LoopResult:
    if notice is not None and notice.action == DELAYED:
        return concluded(replace(arrival(), delay=notice))
    return concluded(arrival(bounce=notice))


@pytest.mark.parametrize("name", CASES)
def test_a_notice_of_the_field_is_told_with_outcome_server_and_reason_if_it_is_about_the_probe(name: str) -> None:
    case, notice = CASES[name], found(returned(name))
    told = result(notice)
    assert told.outcome.value == case["outcome"]
    server = notice.remote_mta or notice.reporting_mta if notice else ""
    assert re.search(case["server"], server)
    assert re.search(case["reason"], told.sentence)
    if case["outcome"] == "bounced":
        assert server in told.sentence
        assert re.search(case["who"], told.who_acts or "")
    # The same notice on another message is none of the probe.
    number = "e" * 32
    content = PROBE.content.replace(PROBE.id.encode(), number.encode())
    assert (
        found(returned(name, replace(PROBE, id=number, message_id=f"<{number}@example.org>", content=content))) is None
    )
