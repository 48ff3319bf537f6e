"""The cause of a result comes back as it was written down, and one that is not known is read as none."""

from __future__ import annotations

import pytest

from tasks.mail.model.cause import Cause
from tasks.mail.model.outcome import Outcome, Status
from tasks.mail.model.result import LoopResult

RESULT = LoopResult(loop="office", status=Status.ERROR, outcome=Outcome.REJECTED, sentence="no", cause=Cause.HELO)


@pytest.mark.parametrize("change", [{}, {"cause": None}, {"cause": "of_a_later_version"}, {"cause": 7}])
def test_a_record_without_a_cause_or_with_one_that_is_not_known_is_read_as_without(change: dict[str, object]) -> None:
    record = RESULT.model_dump(mode="json")
    del record["cause"]
    assert LoopResult.model_validate(record | change).cause is None


def test_a_cause_comes_back_as_it_was_written_down() -> None:
    assert LoopResult.model_validate_json(RESULT.model_dump_json()) == RESULT
