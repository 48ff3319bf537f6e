"""Configuration files: YAML, JSON or TOML, holding a loop, one half of it, or NyxMon's flat check.data."""

from __future__ import annotations

import json
import ssl
import stat
import tomllib
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

import yaml

from tasks.mail.addresses import quoted, slug
from tasks.mail.config import ImapConfig, InboundConfig, LoopConfig, SmtpConfig, validated
from tasks.mail.errors import ConfigError

LARGEST = 1024 * 1024
MOST_NODES = 10_000


def load(path: str | Path) -> LoopConfig | InboundConfig:
    """The check that the file at `path` describes; a failure is a ConfigError that begins with the path as given."""
    source = str(path) or "."
    data = _mapping(source)
    folder = Path(path).absolute().parent
    inside = ""
    if not {"smtp", "imap"} & data.keys():
        inside = "smtp" if "from_addr" in data else "imap" if "search_subject" in data else ""
        if not inside:
            near = [name for key in data for name in get_close_matches(str(key), ("smtp", "imap"), 1)]
            raise ConfigError(
                f"{source}: describes no check: give a section smtp or imap (or both), or the fields of one of them "
                "with from_addr or search_subject" + (f"; did you mean {near[0]}?" if near else "")
            )
        name = {"name": data.pop("name")} if "name" in data else {}
        data = {**name, inside: data}
    data.setdefault("name", slug(Path(path).stem))
    for section in ("smtp", "imap"):
        fields = data.get(section)
        if isinstance(fields, dict) and isinstance(ca_file := fields.get("ca_file"), str) and ca_file:
            data[section] = {**fields, "ca_file": str(folder / ca_file)}

    config: LoopConfig | InboundConfig
    if "smtp" in data:
        config = validated(LoopConfig, data, source, inside)
    else:
        config = validated(InboundConfig, data, source, inside)
    check_ca_files(config, source, inside)
    return config


def check_ca_files(config: LoopConfig | InboundConfig, source: str = "", inside: str = "") -> None:
    """Raise ConfigError unless every `ca_file` can be read and holds certificates."""
    sections: dict[str, SmtpConfig | ImapConfig | None] = {"imap": config.imap}
    if isinstance(config, LoopConfig):
        sections = {"smtp": config.smtp, **sections}
    problems = []
    for name, section in sections.items():
        if section and section.ca_file and (text := _ca_problem(section.ca_file)):
            problems.append(f"ca_file: {text}" if name == inside else f"{name}.ca_file: {text}")
    if problems:
        raise ConfigError(f"{source}: {'; '.join(problems)}" if source else "; ".join(problems))


def _ca_problem(ca_file: str) -> str:
    try:
        if not stat.S_ISREG(Path(ca_file).stat().st_mode):  # opening a named pipe would wait for ever
            return f"must be a PEM file, and {quoted(ca_file)} is no regular file"
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(ca_file)
    except ssl.SSLError:
        return f"must be a PEM file with at least one certificate, and {quoted(ca_file)} is not"
    except OSError as error:
        return f"cannot read {quoted(ca_file)}: {error.strerror}"
    return ""


def _mapping(source: str) -> dict[str, object]:
    """The file's top level."""
    path = Path(source)
    text = _text(path, source)
    parsers: dict[str, Callable[[str, str], object]] = {
        ".yaml": _yaml,
        ".yml": _yaml,
        ".json": _json,
        ".toml": _toml,
    }
    try:
        data = parsers[path.suffix.lower()](text, source) if text.strip() else None
    except RecursionError:
        raise ConfigError(f"{source}: is nested too deeply to be a configuration") from None
    if data is None or data == {}:
        raise ConfigError(f"{source}: is empty: give a section smtp or imap (or both)")
    if not isinstance(data, dict):
        raise ConfigError(
            f"{source}: must hold fields at the top level, such as smtp and imap, not a list or one value"
        )
    return data


def _text(path: Path, source: str) -> str:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise ConfigError(f"{source}: is a directory: name a file in it")
        if path.suffix.lower() not in (".yaml", ".yml", ".json", ".toml"):
            raise ConfigError(f"{source}: must be a file named .yaml, .yml, .json or .toml")
        if not stat.S_ISREG(mode):  # a device or a named pipe may never end
            raise ConfigError(f"{source}: is no regular file: name one")
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise ConfigError(f"{source}: does not exist: check the path") from None
    except PermissionError:
        raise ConfigError(f"{source}: may not be read by this user: change its permissions") from None
    except OSError as error:
        raise ConfigError(f"{source}: cannot be read: {error.strerror}") from None
    except ValueError:  # a NUL in the path
        raise ConfigError(f"{quoted(source)}: is no path of a file") from None
    if len(content) > LARGEST:
        raise ConfigError(f"{source}: is larger than 1 MiB: a configuration is a few lines")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{source}: is not UTF-8 at line {line}: save it as UTF-8") from None


def _toml(text: str, source: str) -> object:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: is not valid TOML: {error}") from None
    except ValueError:
        raise ConfigError(f"{source}: is not valid TOML: it holds a number that is too long") from None


def _json(text: str, source: str) -> object:
    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        result: dict[str, object] = {}
        for key, value in pairs:
            if key in result:
                raise ConfigError(f"{source}: has the field {quoted(key)} twice: keep one of them")
            result[key] = value
        return result

    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"{source}: is not valid JSON at line {error.lineno}, column {error.colno}: {error.msg}"
        ) from None
    except ValueError:
        raise ConfigError(f"{source}: is not valid JSON: it holds a number that is too long") from None


def _yaml(text: str, source: str) -> object:
    try:
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            if _nodes(node, source, {}) > MOST_NODES:
                raise ConfigError(f"{source}: holds more than {MOST_NODES} values once its aliases are followed")
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        # PyYAML's own words may quote a piece of the file, such as a password that begins with * or !.
        mark = error.problem_mark or error.context_mark
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        remedy = "check the indentation (blanks, no tabs), and put texts with special characters in quotes"
        raise ConfigError(f"{source}: is not valid YAML{place}: {remedy}") from None
    except yaml.YAMLError:
        raise ConfigError(f"{source}: is not valid YAML: it holds a control character") from None
    except ValueError:
        raise ConfigError(
            f"{source}: holds a date or number that does not exist: put it in quotes if it is text"
        ) from None


def _nodes(node: yaml.Node, source: str, known: dict[int, int | None]) -> int:
    """How many values `node` stands for with its aliases followed; refuses loops and fields given twice."""
    if id(node) in known:
        count = known[id(node)]
        if count is None:
            raise ConfigError(f"{source}: has an anchor at line {node.start_mark.line + 1} that holds itself")
        return count
    known[id(node)] = None
    count = 1
    if isinstance(node, yaml.SequenceNode):
        count += sum(_nodes(item, source, known) for item in node.value)
    elif isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    line = key.start_mark.line + 1
                    raise ConfigError(f"{source}: has the field {quoted(key.value)} twice, again at line {line}")
                seen.add((key.tag, key.value))
            count += _nodes(key, source, known) + _nodes(value, source, known)
    known[id(node)] = count
    return count
