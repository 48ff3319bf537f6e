"""A sample of a commit has its share, is drawn again the same, and between them the commits have all."""

from __future__ import annotations

import pytest

from tests.support.sample import LONG_SHARE, long_ones, sampled

CASES = [f"case {number}" for number in range(20)]
COMMITS = [f"{number:012x}" for number in range(40)]


@pytest.mark.parametrize("most", [1, 6, 20, 30])
def test_a_sample_has_as_many_as_it_may_in_their_order(most: int) -> None:
    found = sampled(CASES, most, seed=COMMITS[0])
    assert len(found) == min(most, len(CASES))
    assert found == [case for case in CASES if case in found]


def test_without_a_seed_all_are_run() -> None:
    assert sampled(CASES, 1, seed="") == CASES
    assert long_ones(CASES, seed="") == set(CASES)


def test_it_can_be_drawn_again_and_in_a_few_commits_each_has_its_turn() -> None:
    drawn = [sampled(CASES, 6, seed=commit) for commit in COMMITS]
    assert drawn[0] == sampled(CASES, 6, seed=COMMITS[0])
    assert set().union(*drawn) == set(CASES)


def test_lists_of_the_same_cases_have_samples_of_their_own() -> None:
    assert len({*(tuple(sampled(CASES, 6, of=name, seed=COMMITS[0])) for name in ("a", "b", "c"))}) > 1


def test_of_the_long_ones_a_run_has_its_share_however_often_each_is_named() -> None:
    assert len(long_ones([*CASES, *CASES], seed=COMMITS[0])) == -(-len(CASES) // LONG_SHARE)
