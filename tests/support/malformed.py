"""What may be wrong with a configuration, and the sentence that its owner reads: one table for every way in.

These values go through files of all three formats, through the parameters of the flow and through the form of a
deployment. What else may be wrong with a file is in tests/support/malformed_files.py.
"""

from __future__ import annotations

import copy
import datetime
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml

from tests.support.mail.sentences import (
    ADDRESS,
    BACKOFF,
    BLANK,
    BOOL,
    CONTROL,
    DURATION,
    EHLO,
    EMPTY,
    HOST,
    JITTER,
    MINUTES,
    NAME,
    NONE,
    ONE,
    PAUSE,
    PORT,
    RETRIES,
    SEVERITY,
    TEXT,
    TLS,
)

SECRET = "hunter2-never-shown"
SUFFIXES = (".yaml", ".json", ".toml")

Data = dict[str, Any]


class Absent:
    """In place of a value: the field is left out."""

    def __repr__(self) -> str:
        return "absent"


ABSENT = Absent()


@dataclass(frozen=True)
class Value:
    """One field with a wrong value; `said` begins with the field to correct, by default this one."""

    path: str
    value: object
    said: str

    @property
    def id(self) -> str:
        return f"{self.path}: {_short(self.value)}"

    def applied(self, data: Data) -> Data:
        """`data` with this fault."""
        data = copy.deepcopy(data)
        *sections, field = self.path.split(".")
        inside = data
        for section in sections:
            inside = inside[section]
        if isinstance(self.value, Absent):
            del inside[field]
        elif field == "*":
            inside |= dict(self.value)  # type: ignore[call-overload]
        else:
            inside[field] = self.value
        return data


def good(port: int, **login: object) -> Data:
    """A configuration with nothing wrong, whose mail would go to this port and be looked for there."""
    server = {"host": "127.0.0.1", "port": port, "username": "monitor", **(login or {"password": SECRET})}
    return {
        "name": "malformed",
        "smtp": {
            **server,
            "tls": "none",
            "from_addr": "monitor@sandbox.test",
            "to_addr": "monitor@sandbox.test",
            "subject_prefix": "[malformed]",
            "timeout": 5,
            "retries": 0,
        },
        "imap": {**server, "tls": "none", "timeout": 5},
        "limits": {"max_wait": 5},
    }


def text_of(data: Data, suffix: str) -> str | None:
    """The file that holds `data`; None where the format cannot say it."""
    writers: dict[str, Callable[[Data], str]] = {".json": _json_file, ".yaml": yaml.safe_dump, ".toml": _toml_file}
    try:
        return writers[suffix](data)
    except (TypeError, yaml.representer.RepresenterError):
        return None


def _short(value: object) -> str:
    text = "a huge number" if isinstance(value, int) and abs(value) > 10**20 else repr(value)
    return (text if len(text) <= 40 else f"{text[:37]}...").encode("ascii", "backslashreplace").decode()


def _json_file(data: Data) -> str:
    return json.dumps(data)


def _toml_file(data: Data) -> str:
    return "".join(f"{_toml(name)} = {_toml(value)}\n" for name, value in data.items())


def _toml(value: object) -> str:
    if isinstance(value, str):
        if any("\ud800" <= char <= "\udfff" for char in value):
            raise TypeError(value)
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)  # inf and nan are TOML's own words
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_toml(name)} = {_toml(inner)}' for name, inner in value.items())}}}"
    raise TypeError(value)


# -- values -------------------------------------------------------------------------------------------------------

SMTP_FIELDS = (
    "host, tls, port, username, password, password_secret, oauth, from_addr, to_addr, subject_prefix, timeout, "
    "retries, retry_delay, retry_backoff, retry_jitter, ca_file, verify, cert_file, key_file, ehlo_name, verp"
)
UNKNOWN = f"unknown field; known are {SMTP_FIELDS}"
SECTION = "must be a mapping of fields such as"
SURROGATE = "holds half a surrogate pair (\\ud800 to \\udfff), which is no character: remove it"
LINE_END = "must not contain line breaks or NUL"
MANY = {f"f{number:02}": 1 for number in range(30)}


def _each(path: str, text: str, *given: object) -> list[Value]:
    return [Value(path, value, f"{path}: {text}") for value in given]


VALUES: list[Value] = [
    *_each("smtp.host", TEXT, 5, True, datetime.date(2026, 1, 2)),
    *_each("smtp.host", NONE, None),
    *_each("smtp.host", ONE, ["a.example"], {"a": "b"}),
    *_each("smtp.host", EMPTY, ""),
    *_each("smtp.host", CONTROL, "mail.example\n", "a\0b", "a\x7fb", "a\u2028b"),
    *(
        Value("smtp.host", host, f"smtp.host: {HOST}{host!r}")
        for host in (
            "smtp://a.example",
            "a.example:25",
            "a.example.",
            "a_b.example",
            "127.0.0.256",
            "[::1]",
            "[2001:db8::1]",
            "mail example",
            "-a.example",
            " ",
            "☃.de",
            "a" * 64,
        )
    ),
    Value("smtp.host", "x" * 5000, f"smtp.host: {HOST}'{'x' * 96}..."),
    Value("smtp.host", ABSENT, "smtp.host: is required: host name or IP address of the SMTP server"),
    *_each("smtp.port", PORT, 0, -1, 65536, 25.0, 25.5, 587.0, "25", True, None, [25], math.nan, 10**400, 10**4000),
    *_each("smtp.tls", TLS, "ssl", "STARTTLS", "", None, False, 5, ["none"]),
    *_each("smtp.username", TEXT, 5),
    *_each("smtp.username", EMPTY, ""),
    *_each("smtp.username", CONTROL, "a\r\nRSET", "a\0b", "\ud800"),
    Value("smtp.username", ABSENT, "smtp.username: is required where password is set: the name to log in with"),
    *_each("smtp.password", TEXT, 12345, True),
    *_each("smtp.password", ONE, [SECRET], {SECRET: SECRET}),
    *_each("smtp.password", EMPTY, "", "\n"),
    *_each(
        "smtp.password",
        LINE_END,
        *(f"{SECRET}\n{SECRET}", f"{SECRET}\r{SECRET}", f"\0{SECRET}", f"{SECRET}\0", f"{SECRET}\ud800"),
    ),
    *_each("smtp.password_secret", EMPTY, ""),
    *_each("smtp.password_secret", CONTROL, "a\nb"),
    Value(
        "smtp.password_secret",
        "relay-password",
        "smtp.password: must not be set together with password_secret: keep one of them",
    ),
    Value(
        "imap.password",
        ABSENT,
        "imap.username: needs a password: set password_secret, or oauth for a token, or password for local use",
    ),
    *(
        Value("smtp.from_addr", address, f"smtp.from_addr: {ADDRESS}{address!r}")
        for address in (
            *("nobody", "b.example", "Ann <a@b.example>", "<a@b.example>", "a@b.example,c@d.example", "a@@b.example"),
            *(
                "a@b@c.example",
                "a@",
                "@b.example",
                "a@b.example ",
                "a@foo_bar.example",
                "a@192.0.2.1",
                "a..b@c.example",
            ),
            "a" * 65 + "@b.example",
        )
    ),
    *_each("smtp.from_addr", CONTROL, "a@b.example\r\nBcc: c@d.example"),
    *_each("smtp.to_addr", NONE, None),
    *_each("smtp.to_addr", ONE, ["a@b.example", "c@d.example"]),
    Value("smtp.to_addr", "", f"smtp.to_addr: {EMPTY}"),
    Value("smtp.to_addr", "nobody", f"smtp.to_addr: {ADDRESS}'nobody'"),
    Value(
        "smtp.from_addr", ABSENT, "smtp.from_addr: is required: sender address of the probes, such as probe@example.org"
    ),
    Value(
        "smtp.to_addr", ABSENT, "smtp.to_addr: is required: recipient address of the probes, such as inbox@example.net"
    ),
    Value(
        "smtp.subject_prefix",
        ABSENT,
        "smtp.subject_prefix: is required: text that the subject of each probe begins with, such as [mail-loop]",
    ),
    Value("smtp.to_addr", "a@" + "b" * 300, f"smtp.to_addr: {ADDRESS}'a@{'b' * 94}..."),
    *_each("smtp.subject_prefix", TEXT, 2026, True, datetime.date(2026, 1, 2)),
    *_each("smtp.subject_prefix", EMPTY, ""),
    *_each("smtp.subject_prefix", BLANK, " a", "a ", " "),
    *_each(
        "smtp.subject_prefix",
        CONTROL,
        *("a\nBcc: c@d.example", "a\r\nBcc: b", "\x1b[31m", "a\x7f", "a\x85b", "a\u2028b", "a\ud800"),
    ),
    *_each("smtp.subject_prefix", "must be at most 100 characters long", "a" * 101),
    *_each("smtp.timeout", DURATION, 0, -1, -1.5, 604801, "5", "5s", True, None, math.inf, math.nan, 1e300, 10**400),
    *_each("smtp.retries", RETRIES, -1, 1001, 1.5, "2", None, True, 10**400),
    *_each("smtp.retry_delay", PAUSE, -0.1, "5s", math.inf, math.nan),
    *_each("smtp.retry_backoff", BACKOFF, 0.5, 101, "2", math.inf),
    *_each("smtp.retry_jitter", JITTER, -0.1, 1.1),
    *_each("smtp.verify", BOOL, "yes", "true", 0, 1, None),
    *_each("smtp.ca_file", TEXT, 5),
    *_each("smtp.ca_file", EMPTY, ""),
    *_each("smtp.ca_file", CONTROL, "a\0b"),
    *_each("smtp.ca_file", "cannot read '/none/ca.pem' (No such file or directory): check the path", "/none/ca.pem"),
    *_each("smtp.ca_file", "must be a PEM file, and '/dev/zero' is no regular file", "/dev/zero"),
    *_each(
        "smtp.ca_file", "must be a PEM file with at least one certificate, and '/etc/hostname' is not", "/etc/hostname"
    ),
    *(
        Value("smtp.ehlo_name", name, f"smtp.ehlo_name: {EHLO}{name!r}")
        for name in ("192.0.2.1", "[2001:db8::1]", "a b")
    ),
    *_each("smtp.ehlo_name", CONTROL, "a\r\nMAIL"),
    Value("smtp.verp", "yes", f"smtp.verp: {BOOL}"),
    Value("smtp.hots", "a.example", "smtp.hots: unknown field; did you mean host?"),
    Value("smtp.zzz", 1, f"smtp.zzz: {UNKNOWN}"),
    Value("smtp.", 1, f"smtp.'': {UNKNOWN}"),
    Value("smtp.a b\x1b", 1, f"smtp.'a b\\x1b': {UNKNOWN}"),
    Value("smtp." + "k" * 5000, 1, f"smtp.'{'k' * 96}...: {UNKNOWN}"),
    Value("smtp.*", MANY, "; ".join(f"smtp.{name}: {UNKNOWN}" for name in sorted(MANY)[:10]) + "; and 20 more"),
    Value("smtp.*", {"\ud800": 1}, f"smtp: {SURROGATE}"),
    Value("smtp.tls", "\ud800", f"smtp.tls: {SURROGATE}"),
    *_each("smtp", f"{SECTION} host", "a.example", 5, [], ["host"], True),
    *_each("imap", f"{SECTION} host", "a.example", 5, [], False),
    *_each("limits", f"{SECTION} warn_after", "5 minutes", 300, [300]),
    *_each("imap.port", PORT, "143", 0),
    *(Value("imap.host", host, f"imap.host: {HOST}{host!r}") for host in ("a_b",)),
    Value("imap.host", ABSENT, "imap.host: is required: host name or IP address of the IMAP server"),
    *_each("imap.tls", TLS, "ssl"),
    *_each("imap.username", NONE, None),
    *_each("imap.username", CONTROL, "a\nb"),
    Value("imap.username", ABSENT, "imap.username: is required: name to log in with"),
    *_each("imap.timeout", DURATION, 0),
    *_each("imap.retries", RETRIES, -1),
    *_each("imap.retry_delay", PAUSE, -1),
    *_each("imap.verify", BOOL, None),
    Value(
        "imap.tls_mode", "implicit", "imap: tls and tls_mode are two names of one field and differ: keep one of them"
    ),
    *_each("imap.folder", EMPTY, ""),
    *_each("imap.folder", CONTROL, "a\r\nb"),
    *_each("imap.folder", ONE, ["INBOX"]),
    *_each("imap.junk_folder", EMPTY, ""),
    *_each("imap.max_age_minutes", MINUTES, 0, -5, 525601, "30", math.nan, 1e300),
    *_each("imap.delete_after_check", BOOL, "no", "true", 1),
    *_each("imap.no_recent_message_severity", SEVERITY, "error"),
    *_each("imap.misplaced_severity", SEVERITY, ""),
    *_each("imap.search_subject", EMPTY, ""),
    *_each("imap.search_subject", BLANK, "office "),
    Value("imap.serach_subject", "x", "imap.serach_subject: unknown field; did you mean search_subject?"),
    *_each("imap.junked_severity", SEVERITY, "error", "none", "", None),
    Value(
        "imap.search_subject",
        "other",
        "imap.search_subject: 'other' is not part of smtp.subject_prefix '[malformed]', so no probe would match it: "
        "leave it out",
    ),
    *_each("limits.max_wait", DURATION, 0, -1, "5 min", None, math.inf),
    *_each("limits.warn_after", DURATION, 0),
    Value("limits.warn_after", 6, "limits.warn_after: must not exceed max_wait (5 s), but is 6 s"),
    Value("limits.warnafter", 4, "limits.warnafter: unknown field; did you mean warn_after?"),
    *(
        Value("name", name, f"name: {NAME}; did you mean {near}?")
        for name, near in (
            ("My Loop", "my-loop"),
            ("Büro_2 ", "buro-2"),
            ("a--b", "a-b"),
            ("office\n", "office"),
            ("a" * 64, "a" * 63),
        )
    ),
    *(Value("name", name, f"name: {NAME}") for name in ("", "日本", 5, True, ["a"], {"a": 1})),
    Value("name", "\ud800", f"name: {SURROGATE}"),
]
