"""Where the project keeps what has to outlive a process, and how its files there are opened."""

import errno
import os
import tempfile
from pathlib import Path

VARIABLE = "XDG_STATE_HOME"
KEPT = "locks, the times of sending and the signing key"


def state_home() -> Path:
    """The folder of this user (XDG Base Directory: state)."""
    base = os.environ.get(VARIABLE) or _home() / ".local" / "state"
    return Path(base) / "mail-loop"


def _home() -> Path:
    """Of this user; where neither HOME nor the system knows any, a folder that will be reported as the wrong one."""
    try:
        return Path.home()
    except RuntimeError:
        return Path("/")


def make_private(folder: Path) -> None:
    """Make a folder that only this user may look into: a Prefect database holds the key to its Secret blocks."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def open_state_file(path: str | Path, flags: int) -> int:
    """What open() takes as its opener: private, and never what a symbolic link leads to: it may be anybody's file.

    Raises an OSError that says so where one lies there.
    """
    try:
        return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(0, "it is a symbolic link, which is not followed: remove it", str(path)) from None
        raise


def write_whole(path: Path, text: str) -> None:
    """Write all of it or nothing, for this user alone, and through no link that lies there."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # mode 0600
    try:
        with open(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def unwritable(error: OSError, home: Path | None = None) -> str:
    """What failed, in one sentence: of our folders the folder, what it is for, and how to have another.

    `home` is the folder that --home names.
    """
    from tasks.mail.model.errors import describe_os_error  # not above: `--help` loads nothing heavy

    why = describe_os_error(error)
    if not isinstance(error.filename, str | os.PathLike):
        return why
    path = Path(os.path.abspath(error.filename))
    if not error.errno:  # open_state_file() has said already what to do
        return f"{path}: {why}"
    state, prefect = state_home().absolute(), Path(os.environ.get("PREFECT_HOME") or _home() / ".prefect")
    if home is not None and _concerns(path, home.absolute()):
        other = f"choose another with --home, or set {VARIABLE}" if state in home.parents else "choose another"
        return f"the folder {home}, for the state of this command, cannot be written ({path}: {why}): {other}"
    if _concerns(path, state):
        return f"the folder {state}, for {KEPT}, cannot be written ({path}: {why}): set {VARIABLE} to one that can"
    if _concerns(path, prefect.absolute()):
        return f"the folder {prefect}, for Prefect's own files, cannot be written ({path}: {why}): set PREFECT_HOME"
    return f"{path}: {why}"


def _concerns(path: Path, folder: Path) -> bool:
    """Whether the path is the folder, in it, or on the way to it."""
    return path == folder or folder in path.parents or path in folder.parents
