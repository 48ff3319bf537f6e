"""The sample of a commit leaves no kind of action out, can be drawn again, and is another one for another commit.

That of the long tests, and of products of cases, has its share, and between them the commits have all.
"""

from __future__ import annotations

import pytest

from tests.faults.matrix import CELLS
from tests.faults.sample import MIN_CELLS, action, sample
from tests.support.checks.sample import LONG_SHARE, long_ones, sampled

COMMITS = ["8ed46a6", "ee662ce", "95d45a6"]
CASES = [f"case {number}" for number in range(20)]
MANY = [f"{number:012x}" for number in range(40)]


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


@pytest.mark.parametrize("most", [1, 6, 20, 30])
def test_a_sample_has_as_many_as_it_may_in_their_order(most: int) -> None:
    found = sampled(CASES, most, seed=MANY[0])
    assert len(found) == min(most, len(CASES))
    assert found == [case for case in CASES if case in found]


def test_without_a_seed_all_are_run() -> None:
    assert sampled(CASES, 1, seed="") == CASES
    assert long_ones(CASES, seed="") == set(CASES)


def test_it_can_be_drawn_again_and_in_a_few_commits_each_has_its_turn() -> None:
    drawn = [sampled(CASES, 6, seed=commit) for commit in MANY]
    assert drawn[0] == sampled(CASES, 6, seed=MANY[0])
    assert set().union(*drawn) == set(CASES)


def test_lists_of_the_same_cases_have_samples_of_their_own() -> None:
    assert len({*(tuple(sampled(CASES, 6, of=name, seed=MANY[0])) for name in ("a", "b", "c"))}) > 1


def test_of_the_long_ones_a_run_has_its_share_however_often_each_is_named() -> None:
    assert len(long_ones([*CASES, *CASES], seed=MANY[0])) == -(-len(CASES) // LONG_SHARE)
