"""The language in which the table names what servers say.

A phrase is a row of words. `a/b` is either, `a*` any word that begins so, `a?` may be missing, `#` any number,
`..` up to four words of whatever kind. Case and punctuation do not matter.
"""

import re
from typing import NamedTuple

from tasks.mail.model.cause import Cause

MAX_PHRASE_CHARS = 40  # characters of a phrase: what needs more knows one text, and not what servers say
_GAP = r"(?:\W+\w+){0,4}?"

AUTH, LOGIN = frozenset({"auth"}), frozenset({"login"})  # of SMTP, and of IMAP
LOGIN_STAGES = AUTH | LOGIN
BOX = frozenset({"select", "search"})
HELLO = frozenset({"connect", "ehlo"})
BEFORE_DATA = HELLO | {"mail", "rcpt"}
RETURNED = "returned"  # in a bounce: at which stage it was said is not known
MAIL = BEFORE_DATA | {"tls", "data", RETURNED}
ALL = LOGIN_STAGES | BOX | MAIL


class Meaning(NamedTuple):
    """Any of these phrases, said at any of these stages, means this."""

    cause: Cause
    at: frozenset[str]
    phrases: tuple[str, ...]


def compiled(phrases: tuple[str, ...]) -> re.Pattern[str]:
    """What finds any of them."""
    return re.compile("|".join(map(_pattern, phrases)), re.IGNORECASE)


def _pattern(phrase: str) -> str:
    found = ""
    for word in phrase.split():
        if word == "..":
            found += _GAP
            continue
        either = "|".join(_word(one) for one in word.rstrip("?").split("/"))
        before = r"\W+" if found else ""
        found += f"(?:{before}(?:{either}))?" if word.endswith("?") else f"{before}(?:{either})"
    return rf"(?<!\w){found}(?!\w)"


def _word(word: str) -> str:
    return r"\d+" if word == "#" else re.escape(word).replace(r"\*", r"\w*")
