"""What servers say when they refuse, a reply a line, with the cause that must come out."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
STAGES = {"banner": "connect"}

URL = re.compile(r"https?://\S+")
ADDRESS = re.compile(r"[\w.+-]+@[\w.-]+")
BRACKETED = re.compile(r"\[[^][]*\]")
IP = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")
HOST = re.compile(r"\b(?:[a-z0-9-]+\.)+[a-z]{2,}\b")
TICKET = re.compile(r"\b(?=\w*\d)(?=\w*[a-z])\w{5,}\b")


@dataclass(frozen=True)
class Said:
    """One reply: of a relay, or with `put_off` of a mailbox server at the login."""

    stage: str
    reply: str
    cause: str | None
    name: str = ""
    login: bool = True
    who: str = "."
    code: str | None = None
    put_off: bool | None = None

    @property
    def text(self) -> str:
        """As a failure tells it: code and text of all lines in one."""
        lines = self.reply.split("\r\n")
        return lines[0] if len(lines) == 1 else " ".join([lines[0][:3], *(line[4:] for line in lines)])

    @property
    def where(self) -> str:
        """The stage, by our name."""
        return STAGES.get(self.stage, self.stage)


def others(text: str) -> str:
    """The same reply by another server: other links, addresses, hosts, numbers in brackets and tickets."""
    for pattern, instead in (
        (URL, "https://help.quota.example/blocked/spam?full=1"),
        (ADDRESS, "policy@mailbox.example"),
        (BRACKETED, "[ZZ99.relay.example]"),
        (IP, "203.0.113.77"),
        (HOST, "virus-list.sender.example"),
        (TICKET, "q9z8y7"),
    ):
        text = pattern.sub(instead, text)
    return text


def load(name: str) -> list[Said]:
    """The replies of a file; its first line tells what it holds."""
    lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
    found: list[dict[str, Any]] = [json.loads(line) for line in lines[1:]]
    return [Said(**one) for one in found]


GIVEN = load("replies.jsonl")
MORE = load("more_replies.jsonl")
