"""The cells of the fault matrix, and those of them that this run has: a sample where FAULTS_SAMPLE is its seed."""

from __future__ import annotations

import os

from tests.faults.cells import Cell
from tests.faults.imap import cells as imap_cells
from tests.faults.sample import sample
from tests.faults.smtp import cells as smtp_cells

CELLS: list[Cell] = [*smtp_cells.cells(), *imap_cells.cells()]
SEED = os.environ.get("FAULTS_SAMPLE", "")
CHOSEN = sample(CELLS, SEED) if SEED else CELLS
