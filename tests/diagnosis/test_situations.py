"""Each situation is made for real, and named with its place and its remedy, in the words of docs/diagnosis.md."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tasks.mail.config.loop import LoopConfig
from tasks.mail.report.report import markdown
from tests.diagnosis.document import documented, said
from tests.diagnosis.making import judged
from tests.diagnosis.situations import SITUATIONS, Situation
from tests.support.servers.lab import Lab


@pytest.mark.parametrize("situation", SITUATIONS, ids=str)
async def test_a_situation_is_named_with_its_place_and_its_remedy(whole_lab: Lab, situation: Situation) -> None:
    config, result = await situation.make(whole_lab)
    told = said(result, whole_lab)
    keep(situation, markdown(result, in_force(config), config.limits), told.texts)
    assert told.normal() == documented()[situation.title, situation.case].normal()
    assert result.error_type == situation.error_type
    data = result.model_dump(mode="json")
    assert {path: at(data, path) for path in situation.facts} == situation.facts


async def test_nothing_is_said_where_nothing_is_wrong(whole_lab: Lab) -> None:
    """The control: signed, judged and delivered, with every expectation met."""
    _, result = await judged()(whole_lab)
    assert said(result, whole_lab).normal().texts == (
        "Mail gets through: the message arrived in INBOX TIME after relay.test accepted it.",
    )


def at(data: object, path: str) -> object:
    """The value at a path such as `journey.hops.1.by`."""
    for part in path.split("."):
        data = data[int(part)] if isinstance(data, list) else data[part] if isinstance(data, dict) else None
    return data


def in_force(config: LoopConfig) -> dict[str, dict[str, object]]:
    """The configuration as reports show it."""
    sections = {"smtp": config.smtp, "imap": config.imap, "limits": config.limits}
    return {name: section.redacted() for name, section in sections.items() if section is not None}


def keep(situation: Situation, report: str, texts: tuple[str, ...]) -> None:
    """Where SITUATIONS names a folder, leave there what a newcomer would be given."""
    if folder := os.environ.get("SITUATIONS"):
        Path(folder, f"{situation}.md").write_text(report, encoding="utf-8")
        Path(folder, f"{situation}.txt").write_text("\n>\n".join(f"> {text}" for text in texts), encoding="utf-8")
