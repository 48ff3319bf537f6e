# ruff: noqa: RUF001  # letters of many languages
"""What notices say in words, in many languages: the tables of words.toml, and the forms of lines that hold a reason.

Given up, or still tried: words that a mail server says of a message, not those of a reason ("user unknown"), which
people write as well. Those tell only which line of a notice holds the reason.
"""

import re
import tomllib
from pathlib import Path

_TABLES = tomllib.loads(Path(__file__).with_name("words.toml").read_text(encoding="utf-8"))


def _any(*tables: str) -> re.Pattern[str]:
    return re.compile("|".join(phrase for table in tables for phrase in _TABLES[table]), re.IGNORECASE)


SAYS_GIVEN_UP, TITLE_GIVEN_UP = _any("given_up"), _any("given_up", "title_given_up")
SAYS_TRYING, TITLE_TRYING = _any("still_trying"), _any("still_trying", "title_still_trying")
REJECTS, UNREAD = _any("rejects"), _any("unread")
COMES, FRAME, KNOWN = _any("before_reason"), _any("frame"), _any("reason")

# A line that begins so says the reason.
LABEL = re.compile(
    r"^\W{0,20}(?:[\w/'-]{1,30} ){0,4}"
    r"(?:reasons?|because|cause|explanation|said|responded|diagnosis|error|problem|response|grund|fehler(?:meldung)?"
    r"|raison|erreur|motivo|causa|причина|ошибка|理由|原因)"
    r"(?: (?:of the failure|for the problem|given|was|is|message|text|details|reported))*[ \t]*[:：][ \t]*(\S.*)$",
    re.IGNORECASE,
)
BECAUSE = re.compile(r"\b(?:because|due to) (?!of the following)(.{8,})", re.IGNORECASE)
ADDRESS = re.compile(
    r"(?:rfc822;|mailto:)?[\"'<(\[]{0,2}[\w.+=/%!&*~#$^{}|-]{1,80}@[\w.-]{1,250}[\"'>)\]]{0,3}", re.ASCII
)
GREETING = re.compile(r"^(?:.{0,60}[,:!،，、：]|.{0,12}|.{0,60}@.{0,60})$")
SENTENCE_END = re.compile(r"(?<=[.!?]) |(?<=[。！？])")
