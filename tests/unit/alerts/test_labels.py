"""An event of a check has the label of its cause, and no such label where there is none."""

from __future__ import annotations

from tasks.alerting import labels_of
from tasks.mail.model.cause import Cause
from tasks.mail.model.outcome import Outcome, Status
from tasks.mail.model.result import LoopResult

RESULT = LoopResult(loop="office", status=Status.ERROR, outcome=Outcome.REJECTED, sentence="no", cause=Cause.HELO)


def test_an_event_has_the_label_of_a_cause_only_where_there_is_one() -> None:
    assert labels_of(RESULT)["mail-loop.cause"] == "helo"
    assert "mail-loop.cause" not in labels_of(RESULT.model_copy(update={"cause": None}))
