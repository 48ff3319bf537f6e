"""Configuration files of any kind: a check, a matrix of loops, or a fleet; and folders of them."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tasks.mail.config.addresses import is_slug, slug
from tasks.mail.config.fleet import SECTIONS, Fleet, fleet_config
from tasks.mail.config.loading.check_file import beside, check_files, check_of, read
from tasks.mail.config.loading.formats import PARSERS
from tasks.mail.config.loop import CheckConfig
from tasks.mail.config.matrix import Matrix, matrix_config
from tasks.mail.config.messages import listed
from tasks.mail.config.plan import Planned
from tasks.mail.model.errors import ConfigError

_SIDES = ("senders", "receivers")

Config = CheckConfig | Matrix | Fleet


def loaded(paths: Iterable[str | Path]) -> Iterator[tuple[str | Path, Config | ConfigError]]:
    """Each file, those in folders included, with what it describes or what is wrong with it."""
    for path in paths:
        try:
            files = files_of(path)
        except ConfigError as error:
            yield path, error
            continue
        for file in files:
            try:
                yield file, load_any(file)
            except ConfigError as error:
                yield file, error


def files_of(path: str | Path) -> Sequence[str | Path]:
    """The file, or the configuration files in the folder at `path`, by their names; not those in folders of its own.

    What is no folder, or one without any, is returned: the one who opens it has the words for it.
    """
    if not os.path.isdir(path):  # unlike a Path it has no trouble with what is no path
        return [path]
    try:
        inside = [one for one in Path(path).iterdir() if one.suffix.lower() in PARSERS and not one.name.startswith(".")]
    except PermissionError:
        raise ConfigError(f"{path}: may not be read by this user: change its permissions") from None
    return sorted(one for one in inside if not one.is_dir()) or [path]


def load_any(path: str | Path) -> Config:
    """What the file at `path` describes; a failure is a ConfigError that begins with the path as given."""
    source, data = read(path)
    name = data.get("name")
    try:
        return _described(path, source, data)
    except ConfigError as error:
        error.check = name if is_slug(name) else None
        raise


def _described(path: str | Path, source: str, data: dict[str, object]) -> Config:
    if data.keys() & {"loops", "defaults"}:
        return _fleet(path, source, data)
    if not data.keys() & {*_SIDES}:
        return check_of(path, source, data)
    data.setdefault("name", slug(Path(path).stem))
    for side in _SIDES:
        if isinstance(sections := data.get(side), dict):
            data[side] = {name: beside(path, section) for name, section in sections.items()}
    matrix = matrix_config(data, source)
    check_files(matrix, source)
    return matrix


def _fleet(path: str | Path, source: str, data: dict[str, object]) -> Fleet:
    def placed(fields: object) -> object:
        if not isinstance(fields, Mapping):
            return fields
        return {name: beside(path, value) if name in SECTIONS else value for name, value in fields.items()}

    if isinstance(loops := data.get("loops"), Mapping):
        data["loops"] = {name: placed(fields) for name, fields in loops.items()}
    fleet = fleet_config(data | {"defaults": placed(data.get("defaults"))}, source)
    check_files(fleet, source)
    return fleet


def planned(config: Config) -> Sequence[Planned]:
    """The checks to run: one, or those of the matrix or the fleet."""
    if isinstance(config, Fleet):
        return config.members
    if isinstance(config, Matrix):
        return [Planned(loop, config.name, *pair) for pair, loop in config.loops().items()]
    return [Planned(config)]


def all_planned(paths: Iterable[str | Path], more: Fleet | None = None) -> list[Planned]:
    """The checks of all files, and `more`. Raises ConfigError if a file is wrong, or checks of a kind share a name."""
    checks: list[Planned] = []
    problems: list[str] = []
    sources: dict[tuple[type, str], str | Path] = {}
    for file, found in [*loaded(paths), *([("loops", more)] if more else [])]:
        if isinstance(found, ConfigError):
            problems.append(str(found))
            continue
        for check in planned(found):
            key = type(check.config), check.config.name
            if key in sources:
                problems.append(f"{file}: has a check named {key[1]}, and so has {sources[key]}: keep one of them")
            sources[key] = file
            checks.append(check)
    if problems:
        raise ConfigError(listed(problems))
    return checks
