"""The ground of the matrix, and its table at the end of the run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import table
from tests.faults.cells import Ground, Measured
from tests.faults.matrix import CELLS, CHOSEN
from tests.support.checks.sample import SEED

MEASURED = pytest.StashKey[list[Measured]]()
LINES = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def ground(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """One for all cells: making certificates and starting servers is not what they measure."""
    ground = Ground(tmp_path_factory.mktemp("ground"))
    request.config.stash[LINES] = ground.lines
    yield ground
    ground.close()


@pytest.fixture(scope="session")
def measured(request: pytest.FixtureRequest) -> list[Measured]:
    """All that was measured so far."""
    return request.config.stash.setdefault(MEASURED, [])


def pytest_configure() -> None:
    """No document takes the table of a sample for that of the whole matrix."""
    file = Path(os.environ.get("FAULTS_TABLE", ""))
    if SEED and file.is_file() and table.BEGIN in file.read_text(encoding="utf-8"):
        raise pytest.UsageError(f"The table in {file} is that of the whole matrix: leave out SAMPLE, or TABLE")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Say at the head of the run which cells it has."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if SEED and reporter is not None:
        count = f"{len(CHOSEN)} of the {len(CELLS)} cells of the fault matrix"
        reporter.write_line(f"{count}; the same ones: make faults SAMPLE={SEED}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show the table, and write it down where FAULTS_TABLE says."""
    path = os.environ.get("FAULTS_TABLE")
    found = config.stash.get(MEASURED, [])
    if not path or not found:
        return
    terminalreporter.section("fault matrix")
    terminalreporter.write_line(table.text(found))
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(table.placed(table.markdown(found), file), encoding="utf-8")
    terminalreporter.write_line(f"The same in Markdown: {file}")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Behind all that pytest says itself."""
    for line in config.stash.get(LINES, []):
        print(line)
