"""The file of a worker that says which secret it may hand to which host."""

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.mail.config.secret_hosts import Allowed, Use, allowed_by, allows
from tasks.mail.config.state_dir import make_private, state_home
from tasks.mail.model.errors import ConfigError

VARIABLE = "MAIL_LOOP_SECRETS_ALLOW"
FILE = "secrets.allow"
LARGEST = 4 * 2**20


def list_path() -> Path:
    """Where the list of this process is. Raises ConfigError."""
    if not (given := os.environ.get(VARIABLE)):
        return state_home() / FILE
    if not os.path.isabs(given):
        raise ConfigError(f"{VARIABLE}: must be an absolute path, for a run has a folder of its own")
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
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # with mode 0600
        try:
            with open(descriptor, "w", encoding="utf-8", newline="") as file:
                file.write(begun + "".join(f"{line}\n" for line in lines))
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
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
            content = file.read(LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise ConfigError(f"{path}: the list of secrets and hosts cannot be read ({error.strerror})") from None
    if len(content) > LARGEST:
        raise ConfigError(f"{path}: is larger than {LARGEST // 2**20} MiB: a line for each secret and host will do")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}, line {line}: is not UTF-8: save it as UTF-8") from None
