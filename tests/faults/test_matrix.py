"""Every cell of the fault matrix: the verdict is right, in time, and the process is as it was before."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.faults.cells import Cell, Ground, Measured, measure
from tests.faults.matrix import CELLS, CHOSEN
from tests.support.servers import LAB_NEEDS, require

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"


@pytest.mark.parametrize("cell", CHOSEN, ids=lambda cell: cell.name)
async def test_a_fault_is_reported_as_what_it_is_and_leaves_nothing_behind(
    cell: Cell, ground: Ground, measured: list[Measured]
) -> None:
    if cell.needs_lab:
        require(*LAB_NEEDS)
    found = await measure(cell, ground)
    measured.append(found)
    assert (found.wrong, found.left) == ([], [])


def test_each_cell_stands_for_one_fault() -> None:
    names = [cell.name for cell in CELLS]
    assert sorted(names) == sorted(set(names))


def test_the_document_has_every_cell() -> None:
    """docs/reliability.md is to be made anew, from what `make faults` writes, when cells come or go."""
    shown, leg = set(), ""
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            leg = line.lstrip("# ").lower()
        elif row := re.fullmatch(r"\| (.+?) \| .+ \| \d+ \| \d+\.\d+ \| (.+) \|", line):
            shown |= {(leg, row[1], fault) for fault in row[2].split("; ")}
    assert shown == {(cell.leg, cell.stage, cell.fault) for cell in CELLS}
