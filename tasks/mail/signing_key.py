"""The key that probes are signed with without Prefect: a file of the state folder, made by the first check."""

import logging
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path

from tasks.mail.config.state_dir import make_private, state_home
from tasks.mail.model.errors import describe_os_error

FILE = "signing-key"
_HEX = re.compile(r"[0-9a-f]{64}")

log = logging.getLogger(__name__)


def new_key() -> str:
    """32 random octets, in hex."""
    return secrets.token_hex(32)


def as_key(text: object) -> bytes:
    """The octets behind the text of a key; empty where it is none."""
    return bytes.fromhex(text) if isinstance(text, str) and _HEX.fullmatch(text) else b""


def key_in_state() -> bytes:
    """The key of this user. Empty where it can be neither read nor made: no probe is signed then, and none counts."""
    path = state_home() / FILE
    try:
        make_private(path.parent)
        try:
            key = _read(path)
        except FileNotFoundError:
            _make(path)
            key = _read(path)
    except OSError as error:
        log.warning("Probes are not signed: %s: %s", path, describe_os_error(error))
        return b""
    if not key:
        log.warning("Probes are not signed: %s holds no key: delete it, and the next check makes one", path)
    return key


def _read(path: Path) -> bytes:
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
        return as_key(file.read(100).decode("ascii", "replace").strip())


def _make(path: Path) -> None:
    """Make the file whole or not at all; of two checks that make it at once, the first one's stays."""
    own = path.with_suffix(f".{os.getpid()}.{secrets.token_hex(4)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(own, flags, 0o600), "w", encoding="ascii") as file:
            file.write(f"{new_key()}\n")
        with suppress(FileExistsError):
            os.link(own, path)
    finally:
        own.unlink(missing_ok=True)
