"""What is wrong with a configuration, as sentences with a remedy.

Pydantic's own text is not used: it may carry the input, and with it a password.
"""

import difflib
import re
from collections.abc import Callable, Sequence
from typing import get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from tasks.mail.config.addresses import SLUG_LENGTH, quoted, slug

OWN = "mail_loop"
KEY = "[key]"  # what pydantic adds to a path where the key of a mapping is wrong
_MAX_LISTED = 10  # a file with more problems than this is of another kind

_SECONDS = "must be a number of seconds {}, without quotes"
_RULES = {
    "port": "must be a whole number from 1 to 65535, without quotes",
    "retries": "must be a whole number from 0 to 1000, without quotes",
    "retry_delay": _SECONDS.format("from 0 to 604800"),
    "timeout": _SECONDS.format("above 0, at most 604800"),
    "cert_warn_days": "must be a whole number of days from 0 to 3650, without quotes",
    "token_warn_days": "must be a whole number of days from 0 to 3650, without quotes",
    "warn_after": _SECONDS.format("above 0, at most 604800"),
    "max_wait": _SECONDS.format("above 0, at most 604800"),
    "max_age_minutes": "must be a number of minutes above 0, at most 525600, without quotes",
    "retry_backoff": "must be a number from 1 to 100, without quotes",
    "retry_jitter": "must be a number from 0 to 1, without quotes",
    "senders": "must be a mapping of your names to sections smtp",
    "receivers": "must be a mapping of your names to sections imap, each with its address",
    "checks": "must be a whole number from 1 to 100, without quotes",
    "recovered_after": "must be a whole number from 1 to 100, without quotes",
    "block": "must be the type and the name of a block, such as slack-webhook/operators",
    "channels": "must name at least one",
    "loops": "must name at least one",
    "rules": "must be a mapping of your names to rules",
    "without": "must be a mapping of names of senders to lists of names of receivers",
}


def problem(text: str, at: str = "") -> PydanticCustomError:
    """A problem found by a validator of ours; `at` names the field to show it at, where that is another one."""
    return PydanticCustomError(OWN, "{text}", {"text": text, "at": at})


def explain(error: ValidationError, model: type[BaseModel], source: str = "", inside: str = "") -> str:
    """The problems of one input in one text. `inside` is a section that the input is without, being flat."""

    def shown(path: list[int | str]) -> list[int | str]:
        return path[1:] if inside and path[:1] == [inside] else path

    text = listed(sentences(error, model, shown))
    return f"{source}: {text}" if source else text


def sentences(
    error: ValidationError, model: type[BaseModel], shown: Callable[[list[int | str]], list[int | str]]
) -> list[str]:
    """Each problem of one input; `shown` makes the path in the input the one that its owner knows."""
    found = []
    # Without those that are consequences of problems that are listed themselves.
    for detail in (d for d in error.errors(include_url=False) if d["type"] != "default_factory_not_called"):
        path = [*detail["loc"]]
        if at := detail.get("ctx", {}).get("at"):
            path[-1:] = at.split(".")
        text = _sentence(detail, model, path)
        where = ".".join(shown_key(part) for part in shown(path) if part != KEY)
        found.append(f"{where}: {text}" if where else text)
    return found


def listed(found: Sequence[str]) -> str:
    """Problems as one text, and no more of them than a person reads."""
    more = len(found) - _MAX_LISTED
    return "; ".join([*found[:_MAX_LISTED], *([f"and {more} more"] if more > 0 else [])])


def _sentence(detail: ErrorDetails, model: type[BaseModel], path: list[int | str]) -> str:
    kind = detail["type"]
    if kind == OWN:
        return str(detail["ctx"]["text"])
    if kind == "string_unicode":  # the text may be the name of a field, and the path that of its section or empty
        return "holds half a surrogate pair (\\ud800 to \\udfff), which is no character: remove it"
    field = str(path[-1])
    if kind == "missing":
        description = _owner(model, path).model_fields[field].description or "a value"
        return f"is required: {description[0].lower()}{description[1:]}"
    if kind in ("extra_forbidden", "invalid_key"):
        known = [name for name, info in _owner(model, path).model_fields.items() if not info.exclude]
        return unknown_field(field, known)
    if kind == "model_type":
        first = next(iter(_owner(model, [*path, ""]).model_fields))
        return f"must be a mapping of fields such as {first}"
    if field in ("name", KEY):
        return no_slug(detail["input"] if isinstance(detail["input"], str) else "")
    if kind == "literal_error":
        return "must be one of " + ", ".join(re.findall("'([^']*)'", detail["ctx"]["expected"]))
    if kind == "string_type":
        if detail["input"] is None:
            return "must be text, and is empty"
        if isinstance(detail["input"], list | dict):
            return "must be one text, not a list or a mapping"
        return "must be text: put it in quotes"
    if kind == "list_type":
        return "must be a list of texts, such as [own, outside]"
    if kind == "bool_type":
        return "must be true or false, without quotes"
    return _RULES.get(field, "has a value that is not allowed")


def unknown_field(name: str, known: Sequence[str]) -> str:
    """What is said of a field that is none of those that are known."""
    near = difflib.get_close_matches(name, known, n=1)
    return "unknown field; " + (f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}")


def no_slug(given: str) -> str:
    """What is said of a name that is no slug."""
    near = slug(given)[:SLUG_LENGTH].strip("-")
    return f"must be lower-case letters and digits with single hyphens between, at most {SLUG_LENGTH} characters" + (
        f"; did you mean {near}?" if near else ""
    )


def shown_key(key: object) -> str:
    """The key of a mapping as a message shows it."""
    return key if isinstance(key, str) and re.fullmatch(r"[\w-]{1,40}", key) else quoted(key)


def _owner(model: type[BaseModel], path: list[int | str]) -> type[BaseModel]:
    """The model that has, or should have, the last field of `path`."""
    parts = iter(path[:-1])
    for part in parts:
        annotation = model.model_fields[str(part)].annotation
        inside = (annotation, *get_args(annotation))
        model = next(one for one in inside if isinstance(one, type) and issubclass(one, BaseModel))
        if get_origin(annotation) is dict:
            next(parts, None)  # the name that it stands under
    return model
