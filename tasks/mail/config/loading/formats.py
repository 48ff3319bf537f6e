"""The text of a configuration file as values, from YAML, JSON or TOML.

A failure is a ConfigError in words of our own. Those of a parser may quote a piece of the file, such as a password
that begins with * or !.
"""

import json
import re
import tomllib
from collections.abc import Callable

import yaml

from tasks.mail.config.addresses import quoted
from tasks.mail.model.errors import ConfigError

_MOST_NODES = 10_000

_NAME = re.compile(r"[a-z_]{1,30}")
_TOML_REASON = re.compile(r"(.*) \(at (?:(line \d+, column \d+)|end of document)\)", re.DOTALL)
# tomllib takes time and memory quadratic in the parts of a dotted key.
_DOTTED = re.compile(r"^(?!\s*#)(?:[^.\n]*\.){128}", re.MULTILINE)


def values(text: str, suffix: str, source: str) -> object:
    """What `text` holds, by the suffix of its file; None where it holds nothing. `source` begins the error text."""
    if not text.strip():
        return None
    try:
        return PARSERS[suffix](text, source)
    except RecursionError:
        raise _too_deep(source) from None


def _too_deep(source: str) -> ConfigError:
    return ConfigError(f"{source}: is nested too deeply to be a configuration: two levels are enough")


def _toml(text: str, source: str) -> object:
    if _DOTTED.search(text):
        raise _too_deep(source)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        parts = _TOML_REASON.fullmatch(str(error))
        reason, place = (parts[1], parts[2] or "its end") if parts else (str(error), "some line")
        if reason.startswith(("Cannot", "Duplicate")):
            raise ConfigError(f"{source}: has a field or section twice, again at {place}: keep one of them") from None
        reason = f"{reason[:1].lower()}{reason[1:]}"
        raise ConfigError(
            f"{source}: is not valid TOML at {place} ({reason}): write a field = value on each line, texts in quotes"
        ) from None
    except ValueError:
        raise _too_long(source) from None


def _too_long(source: str) -> ConfigError:
    return ConfigError(f"{source}: holds a number that is too long for any field: check its digits")


def _json_error(error: json.JSONDecodeError) -> tuple[str, int, int]:
    """What is wrong in which line and column, the same under every Python: 3.13 points to a comma too many."""
    if error.msg.startswith("Illegal trailing comma"):
        close = len(error.doc) - len(error.doc[error.pos + 1 :].lstrip(" \t\r\n"))
        wanted = "Expecting property name enclosed in double quotes" if error.doc[close] == "}" else "Expecting value"
        error = json.JSONDecodeError(wanted, error.doc, close)
    reason = f"{error.msg[:1].lower()}{error.msg[1:]}".removesuffix(" at").removesuffix(" starting")
    return reason, error.lineno, error.colno


def _json(text: str, source: str) -> object:
    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        result: dict[str, object] = {}
        for key, value in pairs:
            if key in result:
                raise ConfigError(f"{source}: has {_field(key)} twice: keep one of them")
            result[key] = value
        return result

    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        reason, line, column = _json_error(error)
        raise ConfigError(
            f"{source}: is not valid JSON at line {line}, column {column} ({reason}): "
            "check the commas, brackets and double quotes there"
        ) from None
    except ValueError:
        raise _too_long(source) from None


def _field(name: str) -> str:
    """A field that may be one of ours; what else a file holds, which a run may have named, is not repeated."""
    return f"the field {quoted(name)}" if _NAME.fullmatch(name) else "a field"


class _Loader(yaml.SafeLoader):
    """One whose every complaint about a value has a place."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> object:
        try:
            return super().construct_object(node, deep)
        except (yaml.YAMLError, RecursionError):
            raise
        except Exception:  # ValueError for 2024-13-45, but KeyError for !!bool maybe, and more of that kind
            raise _ValueError(problem_mark=node.start_mark) from None


class _ValueError(yaml.MarkedYAMLError):
    """A value that is not what its form or its tag says."""


def _yaml(text: str, source: str) -> object:
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        if _nodes(node, source, {}) > _MOST_NODES:
            raise ConfigError(
                f"{source}: holds more than {_MOST_NODES} values once its aliases are followed: write few values out"
            )
        return loader.construct_document(node)
    except (ConfigError, RecursionError):
        raise
    except yaml.MarkedYAMLError as error:
        raise ConfigError(f"{source}: {_yaml_problem(error)}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"{source}: holds a control character at line {line}: remove it") from None
    except Exception:  # the scanner lets through what int() and chr() say of a directive or an escape
        raise ConfigError(
            rf"{source}: is not valid YAML: check its escapes (such as \u00e9) and its lines that begin with %"
        ) from None
    finally:
        if loader is not None:
            loader.dispose()


def _yaml_problem(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    quotes = "put the value in quotes if it is text"
    if isinstance(error, _ValueError):
        return f"has a value{place} that makes no sense, such as a date in month 13: {quotes}"
    problem = error.problem or ""
    if "document" in (error.context or "") and "single" in (error.context or ""):
        return f"holds a second document{place}: keep one, and no line of --- before another"
    if problem.startswith(("could not determine a constructor", "found undefined tag")):
        return f"has a tag (!){place} that no configuration needs: {quotes}"
    if problem.startswith("found undefined alias"):
        return f"has an alias (*){place} of an anchor that is not there: {quotes}"
    remedy = "check the indentation (blanks, no tabs), and put texts with special characters in quotes"
    return f"is not valid YAML{place}: {remedy}"


def _nodes(node: yaml.Node, source: str, known: dict[int, int | None]) -> int:
    """How many values `node` stands for with its aliases followed; refuses loops and fields given twice."""
    if id(node) in known:
        count = known[id(node)]
        if count is None:
            line = node.start_mark.line + 1
            raise ConfigError(f"{source}: has an anchor at line {line} that holds itself: write its values out")
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
                    raise ConfigError(
                        f"{source}: has {_field(key.value)} twice, again at line {line}: keep one of them"
                    )
                seen.add((key.tag, key.value))
            count += _nodes(key, source, known) + _nodes(value, source, known)
    known[id(node)] = count
    return count


PARSERS: dict[str, Callable[[str, str], object]] = {".yaml": _yaml, ".yml": _yaml, ".json": _json, ".toml": _toml}
