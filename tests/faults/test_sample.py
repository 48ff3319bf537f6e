"""The sample of a commit leaves no kind of action out, can be drawn again, and is another one for another commit."""

from __future__ import annotations

import pytest

from tests.faults.matrix import CELLS
from tests.faults.sample import MIN_CELLS, action, sample

COMMITS = ["8ed46a6", "ee662ce", "95d45a6"]


@pytest.mark.parametrize("seed", COMMITS)
def test_each_action_in_each_stage_of_each_leg_is_in_the_sample(seed: str) -> None:
    found = sample(CELLS, seed)
    assert len(found) >= MIN_CELLS
    assert {(cell.leg, cell.stage, action(cell)) for cell in found} == {
        (cell.leg, cell.stage, action(cell)) for cell in CELLS
    }


def test_where_there_are_few_kinds_the_sample_is_filled_up_to_the_least_number() -> None:
    silent = [cell for cell in CELLS if action(cell) in ("is silent", "refuses")]
    assert len(sample(silent, COMMITS[0])) == MIN_CELLS
    few = [cell for cell in CELLS if cell.stage == "FETCH"]
    assert sample(few, COMMITS[0]) == few


def test_a_sample_can_be_drawn_again_and_that_of_another_commit_is_another_one() -> None:
    drawn = [[cell.name for cell in sample(CELLS, seed)] for seed in (*COMMITS, COMMITS[0])]
    assert drawn[0] == drawn[-1]
    assert drawn[0] != drawn[1] != drawn[2]
    assert set().union(*drawn[:2]) > set(drawn[0])
