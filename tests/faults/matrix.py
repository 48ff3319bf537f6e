"""The cells of the fault matrix, and those of them that this run has: a sample where there is a seed."""

from __future__ import annotations

from tests.faults.cells import Cell
from tests.faults.imap import cells as imap_cells
from tests.faults.sample import sample
from tests.faults.smtp import cells as smtp_cells
from tests.support.checks.sample import SEED

CELLS: list[Cell] = [*smtp_cells.cells(), *imap_cells.cells()]
CHOSEN = sample(CELLS, SEED) if SEED else CELLS
