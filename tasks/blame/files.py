"""Configuration files of any kind: a check, or a matrix of loops."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tasks.blame.ends import Planned
from tasks.blame.matrix import Matrix, matrix_config
from tasks.mail.addresses import slug
from tasks.mail.config import InboundConfig, LoopConfig
from tasks.mail.errors import ConfigError
from tasks.mail.files import beside, ca_problem, check_of, read

SIDES = ("senders", "receivers")


def load_any(path: str | Path) -> LoopConfig | InboundConfig | Matrix:
    """What the file at `path` describes; a failure is a ConfigError that begins with the path as given."""
    source, data = read(path)
    if not data.keys() & {*SIDES}:
        return check_of(path, source, data)
    data.setdefault("name", slug(Path(path).stem))
    for side in SIDES:
        if isinstance(sections := data.get(side), dict):
            data[side] = {name: beside(path, section) for name, section in sections.items()}
    matrix = matrix_config(data, source)
    check_ca_files(matrix, source)
    return matrix


def planned(config: LoopConfig | InboundConfig | Matrix) -> Sequence[Planned]:
    """The checks to run: one, or those of the matrix."""
    if isinstance(config, Matrix):
        return [Planned(loop, config.name, *pair) for pair, loop in config.loops().items()]
    return [Planned(config)]


def check_ca_files(matrix: Matrix, source: str = "") -> None:
    """Raise ConfigError unless every `ca_file` of the matrix can be read and holds certificates."""
    problems = [
        f"{where}.ca_file: {text}"
        for where, section in matrix.sections().items()
        if section.ca_file and (text := ca_problem(section.ca_file))
    ]
    if problems:
        raise ConfigError(f"{source}: {'; '.join(problems)}" if source else "; ".join(problems))
