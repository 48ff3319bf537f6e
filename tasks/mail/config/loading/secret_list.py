"""Which secret may be handed to which host: the list of a worker, a file, and what a check would need.

A line is NAME@HOST. `,clear` behind it allows an unencrypted connection, `,unverified` one whose certificate is not
verified. What follows a # is a comment.
"""

import fcntl
import ipaddress
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from tasks.mail.config.addresses import host_name
from tasks.mail.config.loop import CheckConfig, SenderSection
from tasks.mail.config.mailbox import MailboxConfig
from tasks.mail.config.oauth import OAuth
from tasks.mail.config.secrets import Secret, login_sections, unresolved
from tasks.mail.config.state_dir import make_private, state_home, write_whole
from tasks.mail.model.errors import ConfigError

LIST_VARIABLE = "MAIL_LOOP_SECRETS_ALLOW"
LIST_FILE = "secrets.allow"
_MAX_OCTETS = 4 * 2**20

CLEAR, UNVERIFIED = "clear", "unverified"
_WEAK = {CLEAR: "over an unencrypted connection", UNVERIFIED: "without verifying its certificate"}

Key = tuple[str, str]  # secret and host, as they are compared
Allowed = Mapping[Key, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Use:
    """A secret, the host that it is for, and what is weak on its way there."""

    secret: str
    host: str
    weak: frozenset[str] = frozenset()

    @property
    def key(self) -> Key:
        return self.secret.casefold(), _host(self.host)

    @property
    def line(self) -> str:
        """The line that allows it."""
        return ",".join([f"{self.secret}@{_host(self.host)}", *sorted(self.weak)])

    @property
    def words(self) -> str:
        return " ".join([self.secret, "to", self.host, " and ".join(_WEAK[one] for one in sorted(self.weak))]).rstrip()


def uses_in(section: SenderSection | MailboxConfig) -> dict[Secret, list[Use]]:
    """What becomes of the secrets that a section names.

    Those of its `oauth` are for the token endpoint and for the section's host: what they get there is good for a login
    here, so that whoever chooses either host may not have the secret.
    """
    here = _Place(section.host, section.tls == "none", not section.verify)
    there = [_endpoint(section.oauth)] if section.oauth is not None else []
    return {
        secret: [place.use(name) for place in ([*there, here] if secret.path[0] == "oauth" else [here])]
        for secret, name in unresolved(section)
    }


class _Place(NamedTuple):
    host: str
    clear: bool
    unverified: bool = False

    def use(self, secret: str) -> Use:
        weak = {CLEAR: self.clear, UNVERIFIED: self.unverified}
        return Use(secret, self.host, frozenset(one for one, is_so in weak.items() if is_so))


def _endpoint(oauth: OAuth) -> _Place:
    return _Place(oauth.endpoint_host, clear=urlsplit(oauth.endpoint).scheme != "https")


def uses_of(checks: Iterable[CheckConfig]) -> list[Use]:
    """The same of all sections of these checks: each secret and host once, with all that is weak anywhere."""
    found: dict[Key, Use] = {}
    for check in checks:
        for section in login_sections(check).values():
            for use in chain.from_iterable(uses_in(section).values()):
                before = found.get(use.key, use)
                found[use.key] = Use(before.secret, before.host, before.weak | use.weak)
    return sorted(found.values(), key=lambda use: use.key)


def allows(allowed: Allowed, use: Use) -> bool:
    """Whether the list allows it."""
    return use.key in allowed and use.weak <= allowed[use.key]


@lru_cache(maxsize=4)  # each section of each loop asks, and a list may be long
def allowed_by(text: str, source: str) -> Allowed:
    """What the text of a list allows; `source` begins the error. Raises ConfigError for a line that is none.

    Several lines of one secret and host allow what each of them does.
    """
    allowed: dict[Key, frozenset[str]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        content = re.sub(r"(^|\s)#.*", "", line).strip()
        if not content:
            continue
        secret, at, rest = content.rpartition("@")
        host, *options = (part.strip() for part in rest.split(","))
        try:
            if not (at and secret.strip()) or "*" in secret or not content.isprintable():
                raise ValueError(content)
            key = secret.strip().casefold(), _host(host)
        except ValueError:
            raise ConfigError(
                f"{source}, line {number}: must be NAME@HOST, such as relay-password@relay.example.org, without "
                "wildcards and without a port: correct it, or put a # before it"
            ) from None
        weak = frozenset(option.lower() for option in options)
        if not weak <= _WEAK.keys():
            raise ConfigError(
                f"{source}, line {number}: after the host may stand ,{CLEAR} and ,{UNVERIFIED}, and nothing else: "
                "correct it, or put a # before it"
            )
        allowed[key] = allowed.get(key, frozenset()) | weak
    return allowed


def _host(host: str) -> str:
    """A host as it is compared: A-labels in lower case, IP addresses in their shortest form. Raises ValueError."""
    address = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return host_name(host).lower()


def list_path() -> Path:
    """Where the list of this process is. Raises ConfigError."""
    if not (given := os.environ.get(LIST_VARIABLE)):
        return state_home() / LIST_FILE
    if not os.path.isabs(given):
        raise ConfigError(f"{LIST_VARIABLE}: must be an absolute path, for a run has a folder of its own")
    return Path(given)


def allowed_at(path: Path) -> Allowed:
    """What the list at `path` allows: nothing where there is none. Raises ConfigError where it is wrong."""
    return allowed_by(_text(path), str(path))


def missing_at(path: Path, uses: Iterable[Use]) -> list[str]:
    """The lines that the list lacks for these uses. Raises ConfigError."""
    allowed = allowed_at(path)
    return [use.line for use in uses if not allows(allowed, use)]


def add_to(path: Path, uses: Iterable[Use]) -> list[str]:
    """Add what the list lacks for these uses, and nothing else; returns the lines. Raises ConfigError.

    It is replaced as a whole: who reads it meanwhile has the old one or the new one.
    """
    make_private(path.parent)
    with _alone_in(path.parent):
        if not (lines := missing_at(path, uses)):
            return []
        if path.is_symlink():
            raise ConfigError(f"{path}: is a link, and is left alone: add there {', '.join(lines)}")
        text = _text(path)
        begun = f"{text}\n" if text and not text.endswith("\n") else text
        write_whole(path, begun + "".join(f"{line}\n" for line in lines))
    return lines


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold a lock on the folder, for others may add at the same time."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _text(path: Path) -> str:
    try:
        # A named pipe would keep us waiting for who writes to it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ConfigError(f"{path}: is no regular file: put the list of secrets and hosts there")
            content = file.read(_MAX_OCTETS + 1)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise ConfigError(f"{path}: the list of secrets and hosts cannot be read ({error.strerror})") from None
    if len(content) > _MAX_OCTETS:
        raise ConfigError(f"{path}: is larger than {_MAX_OCTETS // 2**20} MiB: a line for each secret and host will do")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}, line {line}: is not UTF-8: save it as UTF-8") from None
