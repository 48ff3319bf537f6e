"""A fleet: many checks in one file, each with what the defaults leave to say, and when each is due."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ValidationError

from tasks.mail.config.addresses import SLUG_LENGTH, is_slug, quoted
from tasks.mail.config.loop import CheckConfig, InboundConfig, LoopConfig
from tasks.mail.config.messages import listed, no_slug, sentences, shown_key, unknown_field
from tasks.mail.config.plan import Planned
from tasks.mail.model.durations import span
from tasks.mail.model.errors import ConfigError

SHORTEST = timedelta(minutes=1)
SINCE = datetime(2024, 1, 1, tzinfo=UTC)
_MOST_PLACE = 20  # characters, for they end the names of loops
MOST_LOOPS = 1000
SECTIONS = ("smtp", "imap", "limits", "bounce_mailbox")
FIELDS = (*SECTIONS, "every", "tags", "vantage")
OURS = "mail-loop-fleet"  # what the tags begin with by which deployments are known for ours

TLS = ("tls", "tls_mode")  # two names of one field
SHAPES = {"smtp": "host", "imap": "host", "limits": "max_wait", "bounce_mailbox": "host"}

Fields = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Fleet:
    """The checks of one file, in its order."""

    members: tuple[Planned, ...]


def fleet_config(data: Fields, source: str = "") -> Fleet:
    """A fleet from its fields; sections of a loop may be models already. Raises ConfigError, which names every problem.

    What `defaults` says holds for every loop, section by section and field by field: what a loop says goes before it,
    and null takes it away. Tags add up.
    """
    members, problems = [], [*_problems(data)]
    if not problems:
        defaults, loops = _mapping(data.get("defaults")), _mapping(data["loops"])
        for name, own in loops.items():
            member, wrong = _member(name, defaults, _mapping(own))
            members += member
            problems += wrong
    if problems:
        text = listed([*dict.fromkeys(problems)])  # what is wrong with the defaults is so in every loop, and said once
        raise ConfigError(f"{source}: {text}" if source else text)
    return Fleet(tuple(members))


def _problems(data: Fields) -> Iterator[str]:
    """What is wrong with the file's own form."""
    if {"senders", "receivers"} & data.keys():
        yield "senders and receivers are a matrix: put it into a file of its own, in the same folder"
        return
    yield from _unknown(data, ("defaults", "loops"), "")
    yield from _wrong_fields(data.get("defaults"), "defaults")
    loops = data.get("loops")
    if not isinstance(loops, Mapping) or not loops:
        yield "loops: must be a mapping of your names to loops, each with the fields that the defaults leave open"
        return
    if len(loops) > MOST_LOOPS:
        yield f"loops: {len(loops)} of them are in one file, and {MOST_LOOPS} are the most: split it"
        return
    for name, own in loops.items():
        if not is_slug(name):
            yield f"loops.{shown_key(name)}: {no_slug(str(name))}"
        yield from _wrong_fields(own, f"loops.{shown_key(name)}")


def _wrong_fields(fields: object, where: str) -> Iterator[str]:
    if fields is None:
        return
    if not isinstance(fields, Mapping):
        yield f"{where}: must be a mapping of fields such as smtp"
        return
    yield from _unknown(fields, FIELDS, f"{where}.")
    for section, first in SHAPES.items():
        if not isinstance(fields.get(section) or {}, Mapping | BaseModel):
            yield f"{where}.{section}: must be a mapping of fields such as {first}"
    every, tags = fields.get("every"), fields.get("tags") or []
    length = span(every) if isinstance(every, str) else None
    if every is not None and (length is None or length < SHORTEST):
        yield f"{where}.every: must be a length of time of a minute or more, such as 5m, 2h or 1d, not {quoted(every)}"
    if not isinstance(tags, list) or not all(isinstance(tag, str) and tag.isprintable() and tag for tag in tags):
        yield f"{where}.tags: must be a list of texts, such as [production, germany]"
    elif any(tag.startswith(OURS) for tag in tags):
        yield f"{where}.tags: must not begin with {OURS}, by which our deployments are known: choose another"
    if not _are_places(fields.get("vantage")):
        yield (
            f"{where}.vantage: must be a list of places, each in lower-case letters and digits with single hyphens "
            "between, such as [berlin, dublin]"
        )


def _are_places(value: object) -> bool:
    if value is None:
        return True
    if not isinstance(value, list) or len(value) != len({*map(str, value)}):
        return False
    return all(is_slug(place) and len(place) <= _MOST_PLACE for place in value)


def _unknown(fields: Fields, known: tuple[str, ...], where: str) -> Iterator[str]:
    yield from (f"{where}{shown_key(name)}: {unknown_field(str(name), known)}" for name in fields if name not in known)


def _member(name: str, defaults: Fields, own: Fields) -> tuple[list[Planned], list[str]]:
    """The check of this name; or what is wrong with it, where that stands in the file."""
    given = {section: value for section in SECTIONS if (value := _merged(section, defaults, own)) is not None}
    if not {"smtp", "imap"} & given.keys():
        return [], [f"loops.{name}: describes no check: give it a section smtp or imap (or both), or the defaults"]
    model: type[CheckConfig] = LoopConfig
    if "smtp" not in given:  # what the defaults say of other halves is not for this one
        model, given = InboundConfig, {key: value for key, value in given.items() if key == "imap" or own.get(key)}

    def shown(path: list[int | str]) -> list[int | str]:
        section, *fields = path or [""]
        mine, theirs = own.get(str(section)), defaults.get(str(section))
        inherited = (
            isinstance(theirs, Mapping)
            and bool(fields)
            and fields[0] in theirs
            and not (isinstance(mine, Mapping) and fields[0] in mine)
        )
        return ["defaults", *path] if inherited else ["loops", name, *path]

    try:
        config = model.model_validate({"name": name, **given})
    except ValidationError as error:
        return [], sentences(error, model, shown)
    every = own.get("every") or defaults.get("every")
    tags = [*_list(defaults, "tags"), *_list(own, "tags")]
    vantage = tuple(_list(own if "vantage" in own else defaults, "vantage"))
    if too_long := [full for place in vantage if len(full := seen_from(name, place)) > SLUG_LENGTH]:
        return [], [f"loops.{name}: would be called {too_long[0]} there, and {SLUG_LENGTH} characters are the most"]
    return [Planned(config, every=str(every) if every else None, tags=tuple(dict.fromkeys(tags)), vantage=vantage)], []


def seen_from(loop: str, place: str) -> str:
    """What a loop is called as it is checked from one of several places: all its records are under this name."""
    return f"{loop}-from-{place}"


def _merged(section: str, defaults: Fields, own: Fields) -> object:
    """The section as it holds for a loop; None where it has none."""
    if section not in own:
        return defaults.get(section)
    theirs, mine = defaults.get(section), own[section]
    if not isinstance(theirs, Mapping) or not isinstance(mine, Mapping):
        return mine
    said = {*mine, *(TLS if {*TLS} & mine.keys() else ())}
    taken_away = {field for field, value in mine.items() if value is None and field in theirs}
    kept = {field: value for field, value in theirs.items() if field not in said}
    return kept | {field: value for field, value in mine.items() if field not in taken_away}


def _list(fields: Fields, name: str) -> list[str]:
    value = fields.get(name)
    return value if isinstance(value, list) else []


def _mapping(value: object) -> Fields:
    return value if isinstance(value, Mapping) else {}


# -- when a loop is due: hundreds of them are spread over the interval


def anchor(name: str, every: timedelta) -> datetime:
    """The moment that a loop's schedule is reckoned from: the same for the same name, whatever others there are."""
    digest = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return SINCE + timedelta(seconds=digest % int(every.total_seconds()))


def nth(number: int, of: int, every: timedelta) -> datetime:
    """The same for one of so many shards (the first is 0), which are at equal distances."""
    return SINCE + timedelta(seconds=int(every.total_seconds()) * number // of)


def shard(name: str, of: int) -> int:
    """Which of so many shards a loop belongs to, whatever others there are; with one more shard, few loops move."""
    return max(range(of), key=lambda number: hashlib.sha256(f"{name} {number}".encode()).digest())
