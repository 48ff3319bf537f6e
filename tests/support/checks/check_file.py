"""A file that holds one check, as the command reads it."""

from pathlib import Path

from tasks.mail.config.loading.check_file import check_of, read
from tasks.mail.config.loop import CheckConfig


def load(path: str | Path) -> CheckConfig:
    """The check that the file at `path` describes; a failure is a ConfigError that begins with the path as given."""
    return check_of(path, *read(path))
