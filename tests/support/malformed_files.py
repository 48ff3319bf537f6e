"""What may be wrong with a file, and the sentence that its owner reads: contents that are no configuration, and paths
that lead to no file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks.mail.config.addresses import quoted, slug
from tests.support.malformed import SECRET, SECTION, SUFFIXES, SURROGATE, VALUES, good, text_of

FIFTY_MEGABYTES = 50 * 10**6


@dataclass(frozen=True)
class Content:
    """A file that holds something else: `make` takes the text of a good one and its suffix."""

    id: str
    make: Callable[[str, str], str | bytes]
    said: Mapping[str, str]


@dataclass(frozen=True)
class Place:
    """A path that leads to no file to read; `make` prepares it in a folder."""

    id: str
    make: Callable[[Path], str]
    said: str


@dataclass(frozen=True)
class Written:
    """One malformed file, and the whole message that belongs to it."""

    id: str
    path: str
    message: str


def write_all(folder: Path, port: int) -> Iterator[Written]:
    """Every malformed file, in every format that can express it."""
    base = good(port)
    for number, value in enumerate(VALUES):
        for suffix in SUFFIXES:
            if (text := text_of(value.applied(base), suffix)) is not None:
                yield _file(folder, f"{number}: {value.id}", f"{number} {value.path}", suffix, text, value.said)
    for content in CONTENTS:
        for suffix, said in content.said.items():
            text = text_of(base, suffix)
            assert text is not None
            yield _file(folder, content.id, content.id, suffix, content.make(text, suffix), said)
    for place in PLACES:
        here = folder / slug(place.id)
        here.mkdir()
        path = place.make(here)
        yield Written(place.id, path, f"{path if path.isprintable() else quoted(path)}: {place.said}")


def _file(folder: Path, case: str, name: str, suffix: str, content: str | bytes, said: str) -> Written:
    path = folder / f"{slug(name)[:60]}{suffix}"
    assert not path.exists(), path
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return Written(f"{case}{suffix}", str(path), f"{path}: {said}")


# -- contents -----------------------------------------------------------------------------------------------------

NOTHING = "is empty: give a section smtp or imap (or both)"
ROOT = "must hold fields at the top level, such as smtp and imap, not a list or one value"
NO_CHECK = (
    "describes no check: give a section smtp or imap (or both), or the fields of one of them "
    "with from_addr or search_subject"
)
LARGE = "is larger than 64 KiB: a configuration is a few lines"
DEEP = "is nested too deeply to be a configuration: two levels are enough"
UTF8 = "is not UTF-8 at line {}: save it as UTF-8"
NUL = "holds a NUL at line {}: save it as UTF-8"
INDENTATION = "check the indentation (blanks, no tabs), and put texts with special characters in quotes"
IF_TEXT = "put the value in quotes if it is text"
SENSELESS = "has a value at line 1, column {} that makes no sense, such as a date in month 13: " + IF_TEXT
TAG = f"has a tag (!) at line 1, column {{}} that no configuration needs: {IF_TEXT}"
COMMAS = "check the commas, brackets and double quotes there"
FIELDS = "write a field = value on each line, texts in quotes"
TOO_MANY = "holds more than 10000 values once its aliases are followed: write few values out"
ITSELF = "has an anchor at line 1 that holds itself: write its values out"
TWICE = "has a field or section twice, again at line 2, column 6: keep one of them"
LONG = "holds a number that is too long for any field: check its digits"

BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGES = "a: &a {x0: 1}\n" + "".join(
    f"{new}: &{new} {{<<: [*{old}, *{old}], y{new}: 1}}\n"
    for old, new in zip("abcdefghijklmnopqrs", "bcdefghijklmnopqrst", strict=True)
)
FLAT = "[" * 30_000


def _all(said: str) -> dict[str, str]:
    return dict.fromkeys(SUFFIXES, said)


def _literal(name: str, content: str | bytes, suffix: str, said: str) -> Content:
    return Content(name, lambda text, _: content, {suffix: said})


def _yaml(name: str, content: str, said: str) -> Content:
    return _literal(f"YAML, {name}", content, ".yaml", said)


def _of_json(name: str, content: str, said: str) -> Content:
    return _literal(f"JSON, {name}", content, ".json", said)


def _of_toml(name: str, content: str, said: str) -> Content:
    return _literal(f"TOML, {name}", content, ".toml", said)


def _bad_yaml(name: str, content: str, place: str) -> Content:
    return _yaml(name, content, f"is not valid YAML at {place}: {INDENTATION}")


def _bad_json(name: str, content: str, place: str, reason: str) -> Content:
    return _of_json(name, content, f"is not valid JSON at {place} ({reason}): {COMMAS}")


def _bad_toml(name: str, content: str, place: str, reason: str) -> Content:
    return _of_toml(name, content, f"is not valid TOML at {place} ({reason}): {FIELDS}")


def _latin1(text: str, suffix: str) -> bytes:
    """A good file, with one letter of a Western European editor in its third line at most."""
    return text.replace("[malformed]", "[B\xfcro]").encode("latin-1")


CONTENTS: list[Content] = [
    Content("empty", lambda text, _: b"", _all(NOTHING)),
    Content("only blank lines", lambda text, _: b"\r\n \n\n", _all(NOTHING)),
    Content("only a byte order mark", lambda text, _: b"\xef\xbb\xbf", _all(NOTHING)),
    Content("fifty megabytes", lambda text, _: b" " * FIFTY_MEGABYTES, {".yaml": LARGE}),
    Content("a good one behind 64 KiB of blanks", lambda text, _: "\n" * 65536 + text, _all(LARGE)),
    Content("UTF-16 with its mark", lambda text, _: text.encode("utf-16"), _all(UTF8.format(1))),
    Content("UTF-16 without", lambda text, _: text.encode("utf-16-le"), _all(NUL.format(1))),
    Content("UTF-32", lambda text, _: text.encode("utf-32-be"), _all(NUL.format(1))),
    Content("Latin-1", _latin1, {".yaml": UTF8.format(17), ".toml": UTF8.format(2)}),
    Content("zeros", lambda text, _: bytes(1000), _all(NUL.format(1))),
    Content("random octets", lambda text, _: bytes(range(255, 0, -1)), _all(UTF8.format(1))),
    Content("a NUL at the end", lambda text, _: f"{text}\n\n\0", {".json": NUL.format(3)}),
    Content("cut off within a letter", lambda text, _: "\n# é".encode()[:-1], _all(UTF8.format(2))),
    # YAML
    _yaml("a comment and no document", "# nothing\n---\n...\n", NOTHING),
    _yaml("null", "~\n", NOTHING),
    _yaml("a list", "- smtp\n- imap\n", ROOT),
    _yaml("a text", "smtp\n", ROOT),
    _yaml("a number", "5\n", ROOT),
    _yaml("a set", "!!set {smtp, imap}\n", ROOT),
    _yaml("no check", "host: a.example\n", NO_CHECK),
    _yaml("a misspelt section", "smpt: {host: a.example}\n", f"{NO_CHECK}; did you mean smtp?"),
    _yaml("a section of nothing", "smtp:\nimap:\n", f"smtp: {SECTION} host"),
    _yaml("half surrogate for a field", '"\\ud800": 1\n', NO_CHECK),
    _yaml("a number for a field", "imap: 5\n1: 2\n", f"imap: {SECTION} host; 1: unknown field; known are name, imap"),
    _bad_yaml("a list for a field", "? [a, b]\n: 1\n", "line 1, column 3"),
    _bad_yaml("a tab", "smtp:\n\thost: a\n", "line 2, column 1"),
    _bad_yaml("an open bracket", "smtp: [", "line 1, column 8"),
    _bad_yaml("an open quote", f"p: '{SECRET}\n", "line 2, column 1"),
    _bad_yaml("a colon in a value", f"p: {SECRET}: x\n", "line 1, column 23"),
    _bad_yaml("a percent sign", f"p: x\nq: %{SECRET}\n", "line 2, column 4"),
    _yaml(
        "an asterisk",
        f"p: *{SECRET}\n",
        f"has an alias (*) at line 1, column 4 of an anchor that is not there: {IF_TEXT}",
    ),
    _yaml("an exclamation mark", f"p: !{SECRET}\n", TAG.format(4)),
    _yaml("a Python object", "a: !!python/object/apply:os.system [exit 1]\n", TAG.format(4)),
    _yaml("a Python name", "a: !!python/name:os.system\n", TAG.format(4)),
    _yaml("an unknown prefix", "a: !x!y z\n", TAG.format(4)),
    _yaml("month 13", "name: 2024-13-45\n", SENSELESS.format(7)),
    _yaml("no boolean", "a: !!bool maybe\n", SENSELESS.format(4)),
    _yaml("no time", "a: !!timestamp noon\n", SENSELESS.format(4)),
    _yaml("no number", "a: !!int ''\n", SENSELESS.format(4)),
    _yaml("no decimal", "a: !!float five\n", SENSELESS.format(4)),
    _yaml("an endless number", "a: 1" + ":59" * 400 + ".5\n", SENSELESS.format(4)),
    _yaml("a long number", "a: " + "1" * 5000 + "\n", SENSELESS.format(4)),
    _yaml("a control character", "a: b\nc: \x1b[2J\n", "holds a control character at line 2: remove it"),
    _yaml(
        "no such character",
        'a: "\\UFFFFFFFF"\n',
        r"is not valid YAML: check its escapes (such as \u00e9) and its lines that begin with %",
    ),
    _bad_yaml("a wrong directive", "%YAML 9.9\n---\na: 1\n", "line 1, column 1"),
    _yaml(
        "two documents",
        "a: 1\n---\nb: 2\n",
        "holds a second document at line 2, column 1: keep one, and no line of --- before another",
    ),
    _yaml(
        "a field twice",
        "smtp:\n  host: a\n  host: b\n",
        "has the field 'host' twice, again at line 3: keep one of them",
    ),
    _yaml("a section twice", "smtp: {}\nsmtp: {}\n", "has the field 'smtp' twice, again at line 2: keep one of them"),
    _yaml("a bomb of aliases", BOMB, TOO_MANY),
    _yaml("a bomb of merges", MERGES, TOO_MANY),
    _yaml("an anchor in itself", "smtp: &a\n  host: *a\n", ITSELF),
    _yaml("a merge with itself", "smtp: &a\n  <<: *a\n", ITSELF),
    _bad_yaml("a merge with a number", "smtp:\n  <<: 5\n", "line 2, column 7"),
    _yaml("brackets all the way down", FLAT, DEEP),
    _yaml("many values", "a: [" + "x," * 30_000 + "]\n", TOO_MANY),
    # JSON
    _of_json("an empty object", "{}", NOTHING),
    _of_json("null", "null", NOTHING),
    _of_json("a list", '[{"smtp": {}}]', ROOT),
    _of_json("a text", '"smtp"', ROOT),
    _of_json(
        "sections of the wrong kind",
        '{"smtp": [], "imap": {}, "name": "a"}',
        f"smtp: {SECTION} host; imap.host: is required: host name or IP address of the IMAP server; "
        "imap.username: is required: name to log in with",
    ),
    _bad_json("not closed", '{"smtp": {', "line 1, column 11", "expecting property name enclosed in double quotes"),
    _bad_json("a comma too many", '{"a": 1,}', "line 1, column 9", "expecting property name enclosed in double quotes"),
    _bad_json("a comma too many in a list", '{"a": [1,\n  2,\n ]}', "line 3, column 2", "expecting value"),
    _bad_json("a comma too few", '{"a": 1\n"b": 2}', "line 2, column 1", "expecting ',' delimiter"),
    _bad_json(
        "single quotes", f"{{'p': '{SECRET}'}}", "line 1, column 2", "expecting property name enclosed in double quotes"
    ),
    _bad_json("a value without quotes", f'{{"p": {SECRET}}}', "line 1, column 7", "expecting value"),
    _bad_json("an open quote", f'{{"p": "{SECRET}', "line 1, column 7", "unterminated string"),
    _bad_json("a line break in a text", f'{{"p": "{SECRET}\n"}}', "line 1, column 27", "invalid control character"),
    _bad_json("a comment", "// mine\n{}", "line 1, column 1", "expecting value"),
    _bad_json("two documents", "{}{}", "line 1, column 3", "extra data"),
    _of_json("a field twice", '{"smtp": {"host": "a", "host": "b"}}', "has the field 'host' twice: keep one of them"),
    _of_json("a long number", '{"a": ' + "1" * 5000 + "}", LONG),
    _of_json("brackets all the way down", '{"a": ' + FLAT, DEEP),
    _of_json("half a surrogate for a section", '{"smtp": {}, "\\ud800": 1}', SURROGATE),
    # TOML
    _of_toml("a comment", "# nothing", NOTHING),
    _of_toml("a list of sections", "[[smtp]]\nhost = 'a.example'\n", f"smtp: {SECTION} host"),
    _bad_toml("a value without quotes", f"p = {SECRET}\n", "line 1, column 5", "invalid value"),
    _bad_toml("an open quote", f'p = "{SECRET}\n', "line 1, column 25", "illegal character '\\n'"),
    _bad_toml("an unknown escape", f'p = "{SECRET}\\q"\n', "line 1, column 27", "unescaped '\\' in a string"),
    _bad_toml("a section not closed", "[smtp\n", "line 1, column 6", "expected ']' at the end of a table declaration"),
    _bad_toml("a table not closed", "smtp = {host = 'a'", "its end", "unclosed inline table"),
    _bad_toml("YAML", "smtp:\n  host: a\n", "line 1, column 5", "expected '=' after a key in a key/value pair"),
    _of_toml("a field twice", "a = 1\na = 2\n", TWICE),
    _of_toml("a section twice", "[smtp]\n[smtp]\n", TWICE),
    _of_toml("a section over a value", "smtp = 1\n[smtp]\n", TWICE),
    _bad_toml(
        "month 13", "a = 2024-13-45\n", "line 1, column 9", "expected newline or end of document after a statement"
    ),
    _of_toml("a long number", "a = " + "1" * 5000, LONG),
    _of_toml("brackets all the way down", "a = " + FLAT, DEEP),
    _of_toml("dots all the way down", "a" + ".a" * 30_000 + " = 1\n", DEEP),
]

# -- places -------------------------------------------------------------------------------------------------------


def _in(folder: Path, name: str, content: str = "smtp: {}\n") -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def _directory(folder: Path) -> str:
    (folder / "a.yaml").mkdir()
    return str(folder / "a.yaml")


def _pipe(folder: Path) -> str:
    os.mkfifo(folder / "a.yaml")
    return str(folder / "a.yaml")


def _link(folder: Path, target: str | Path) -> str:
    (folder / "a.yaml").symlink_to(target)
    return str(folder / "a.yaml")


def _unreadable(folder: Path) -> str:
    path = _in(folder, "a.yaml")
    path.chmod(0)
    return str(path)


def _shut(folder: Path) -> str:
    (folder / "shut").mkdir()
    path = _in(folder / "shut", "a.yaml")
    (folder / "shut").chmod(0)
    return str(path)


KIND = "must be a file named .yaml, .yml, .json or .toml"
DEVICE = "is no regular file: name one"
DENIED = "may not be read by this user: change its permissions"
PLACES: list[Place] = [
    Place("a missing file", lambda folder: str(folder / "a.yaml"), "does not exist: check the path"),
    Place("a missing folder", lambda folder: str(folder / "b" / "a.yaml"), "does not exist: check the path"),
    Place(
        "a file for a folder",
        lambda folder: f"{_in(folder, 'b')}/a.yaml",
        "cannot be read (Not a directory): check the path",
    ),
    Place("a folder", str, "is a directory: name a file in it"),
    Place("a folder named like a file", _directory, "is a directory: name a file in it"),
    Place("a pipe", _pipe, DEVICE),
    Place("a device", lambda folder: "/dev/zero", KIND),
    Place("a link to a device", lambda folder: _link(folder, "/dev/zero"), DEVICE),
    Place("a link to a terminal", lambda folder: _link(folder, "/dev/tty"), DEVICE),
    Place(
        "a dangling link",
        lambda folder: _link(folder, folder / "none"),
        "is a link to a file that does not exist: make it anew",
    ),
    Place(
        "a link to itself",
        lambda folder: _link(folder, "a.yaml"),
        "cannot be read (Too many levels of symbolic links): check the path",
    ),
    Place("a file of someone else", _unreadable, DENIED),
    Place("a folder of someone else", _shut, DENIED),
    Place("another kind of file", lambda folder: str(_in(folder, "a.ini")), KIND),
    Place("a backup", lambda folder: str(_in(folder, "a.yaml~")), KIND),
    Place("no kind of file", lambda folder: str(_in(folder, "a")), KIND),
    Place(
        "a name that is too long",
        lambda folder: str(folder / ("a" * 300 + ".yaml")),
        "cannot be read (File name too long): check the path",
    ),
    Place("a name with a line break", lambda folder: f"{folder.name}/a\nok.yaml", "does not exist: check the path"),
    Place("a name with escapes", lambda folder: f"{folder.name}/\x1b[2J\u202e.yaml", "does not exist: check the path"),
    Place("a name that is not UTF-8", lambda folder: f"{folder.name}/\udcff.yaml", "does not exist: check the path"),
]
