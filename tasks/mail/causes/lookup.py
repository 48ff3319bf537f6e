"""From what a server said to its cause.

By the stage and the words (phrases.toml, which also explains their language), then by the enhanced code, then by the
code; what says least counts last.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tasks.mail.causes import codes
from tasks.mail.model.cause import Cause

RETURNED = "returned"  # the stage of what is said in a bounce
_GAP = r"(?:\W+\w+){0,4}?"


class _Meaning(NamedTuple):
    """Any of these phrases, said at any of these stages, means this."""

    cause: Cause
    at: frozenset[str]
    phrases: list[str]
    pattern: re.Pattern[str]


def compiled(phrases: Iterable[str]) -> re.Pattern[str]:
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


def _meanings(rows: Iterable[dict[str, Any]], stages: Mapping[str, list[str]]) -> tuple[_Meaning, ...]:
    """The rows of the table. Raises ValueError or KeyError for a cause or a stage that there is not."""
    return tuple(
        _Meaning(
            Cause(row["cause"]),
            frozenset(stages[row["at"]] if isinstance(row["at"], str) else row["at"]),
            row["phrases"],
            compiled(row["phrases"]),
        )
        for row in rows
    )


_TABLE = tomllib.loads(Path(__file__).with_name("phrases.toml").read_text(encoding="utf-8"))
SPECIAL, VAGUE, TOKEN = (_meanings(_TABLE[name], _TABLE["stages"]) for name in ("special", "vague", "token"))
_LOGINS = frozenset(_TABLE["stages"]["logins"])

_CODE = re.compile(r"\s*(?:SMTP;\s*)?([245]\d\d)(?=[\s-]|$)[\s-]?", re.IGNORECASE)
_ENHANCED_CODE = re.compile(r"^\W{0,3}([245]\.\d{1,3}\.\d{1,3})(?![\d.])|\(#([245]\.\d{1,3}\.\d{1,3})\)")
_BEHIND = frozenset({Cause.UNREACHABLE, Cause.DROPPED})
_MAX_READ = 1000  # characters of a text: what it is about stands at its beginning
_APOSTROPHE = re.compile("['\u2019]")
# What differs from host to host and from ticket to ticket: it says nothing, and may look like words that do.
_NOISE = re.compile(
    r"""https?:\s?//\S* | <[^<>]*> | \[[^][]*\] | \S+@\S+ | \b\d{1,3}(?:\.\d{1,3}){3}\b | [0-9a-f:]*::[0-9a-f:]*
      | \#?\b[245]\.\d{1,3}\.\d{1,3}\b | \b(?:[a-z0-9_-]+\.)+[a-z]{2,}\b | \b(?:[A-Z0-9-]+\.)+[A-Z]{2,}(?![.\w])""",
    re.VERBOSE,
)


def of_reply(stage: str, text: str) -> Cause | None:
    """Why a relay refused at this stage with this reply, its code in front; or another server, in a bounce."""
    match = _CODE.match(text)
    code = match[1] if match else ""
    found = _ENHANCED_CODE.search(text[match.end() :] if match else text)
    enhanced = (found[1] or found[2]) if found else ""
    is_login = stage in _LOGINS
    by_enhanced = codes.ENHANCED_LOGIN if is_login else codes.ENHANCED
    by_code = codes.CODES_LOGIN if is_login else codes.CODES
    said = f"{code} {enhanced} {_words(text)}"  # some are known by both
    return (
        _by_words(SPECIAL, stage, said)
        or _by_enhanced(by_enhanced, enhanced, stage)
        or by_code.get(code)
        or _by_words(VAGUE, stage, said)
    )


def of_mailbox(stage: str, response: str | None, text: str) -> Cause | None:
    """Why a mailbox server refused at this stage: by the words, unless its response code (RFC 5530) is the last one."""
    said = _words(text)
    by_response = codes.RESPONSES_LOGIN if stage in _LOGINS else codes.RESPONSES
    final = by_response.get(response or "") if response in codes.FINAL_RESPONSES else None
    return (
        (final if final is not Cause.WRONG_PASSWORD else None)
        or _by_words(SPECIAL, stage, said)
        or by_response.get(response or "")
        or _by_words(VAGUE, stage, said)
    )


def of_token(stage: str, text: str, cause: Cause | None, final: bool) -> Cause | None:
    """What the `cause` of a refused login is where it was a token that was shown, not a password.

    `final`: the refusal is the server's last word, even where it does not say why.
    """
    if _by_words(TOKEN, stage, _words(text)) or cause in codes.SAID_OF_A_PASSWORD or (final and cause is None):
        return Cause.TOKEN_REJECTED
    return cause


def is_put_off(response: str | None, text: str) -> bool:
    """Whether a login at a mailbox server was put off, not refused."""
    if response in codes.FINAL_RESPONSES:
        return False
    return response in codes.PUT_OFF_RESPONSES or of_mailbox("login", response, text) in codes.PUT_OFF


def _words(text: str) -> str:
    """The words of a reply, without what differs from server to server."""
    match = _CODE.match(text)
    rest = text[match.end() : _MAX_READ] if match else text[:_MAX_READ]
    return " ".join(_NOISE.sub(" ", _APOSTROPHE.sub("", rest)).split())


def _by_words(rows: Iterable[_Meaning], stage: str, said: str) -> Cause | None:
    return next((row.cause for row in rows if stage in row.at and row.pattern.search(said)), None)


def _by_enhanced(table: Mapping[str, Cause], enhanced: str, stage: str) -> Cause | None:
    found = table.get(enhanced) or table.get(enhanced.partition(".")[2])
    # A server that answers can be reached: what it has trouble with lies behind it.
    return Cause.SERVER_TROUBLE if found in _BEHIND and stage != RETURNED else found
