"""docs/diagnosis.md, read: its sections, and what a check says in each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tasks.mail.model.outcome import Outcome
from tasks.mail.model.result import LoopResult
from tests.support.servers.lab import Lab

DOCUMENT = Path(__file__).parents[2] / "docs" / "diagnosis.md"
LEAD = re.compile(r"(?:(?P<case>[^`]+), )?`(?P<status>\w+)`, `(?P<outcome>\w+)`:")
# What differs from run to run.
VARIABLE = (
    (re.compile(r"\b4[0-9A-Za-z]{9,}z[0-9A-Za-z]+\b"), "QUEUE-ID"),
    (re.compile(r"\b\d+(?:\.\d+)? m?s\b"), "TIME"),
    (re.compile(r"\b\d{4}-\d\d-\d\d\b"), "DATE"),
)


@dataclass(frozen=True)
class Said:
    """What a check says: the sentence, who acts, then the notes."""

    status: str
    outcome: str
    texts: tuple[str, ...]

    def normal(self) -> Said:
        """Without what differs from run to run."""
        return Said(self.status, self.outcome, tuple(map(_normal, self.texts)))


def documented() -> dict[tuple[str, str], Said]:
    """What the document says, by the title of the section and the case in it."""
    found = {}
    for section in re.split(r"^## ", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        title, *paragraphs = re.split(r"\n\n+", section.strip())
        for lead, quote in pairwise(paragraphs):
            if (said := LEAD.fullmatch(" ".join(lead.split()))) and quote.startswith(">"):
                lines = [line.removeprefix(">").strip() for line in quote.splitlines()]
                texts = [" ".join(text.split()) for text in "\n".join(lines).split("\n\n")]
                case = (said["case"] or "").lower()
                found[title.partition(". ")[2], case] = Said(said["status"], said["outcome"], tuple(texts))
    return found


def said(result: LoopResult, lab: Lab) -> Said:
    """What a check said, with names for the addresses and the user of the laboratory."""
    who = (f"Who acts: {result.who_acts}.",) if result.who_acts else ()
    texts = [result.sentence, *who, *result.notes]
    if result.outcome is Outcome.BOUNCED:  # nothing but the number of its port tells the edge from the relay
        texts = [re.sub(r"(bounced at|whoever runs) 127\.0\.0\.1", r"\1 edge.test", text) for text in texts]
    return Said(result.status.value, result.outcome.value, tuple(_named(text, lab) for text in texts))


def _named(text: str, lab: Lab) -> str:
    text = re.sub(r"monitor-[0-9a-f]{10}", "probe", text)
    for endpoint in (lab.closed, *lab.relay.endpoints.values()):
        text = text.replace(f"127.0.0.1:{endpoint.port}", "relay.test:587")
    text = re.sub(rf"\b{lab.dovecot.imaps.port}\b", "993", text)
    return re.sub(r"\blocalhost\b|\b127\.0\.0\.[24]\b", "mail.test", text).replace("127.0.0.1", "relay.test")


def _normal(text: str) -> str:
    for pattern, name in VARIABLE:
        text = pattern.sub(name, text)
    return text
