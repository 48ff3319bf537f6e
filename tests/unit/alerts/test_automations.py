"""Rules as automations of Prefect: what starts the clock of silence, what stops it, and when nobody is called."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from prefect.automations import AutomationCore, EventTrigger, SendNotification
from prefect.server.utilities.user_templates import (
    TemplateRenderError,
    render_user_template_sync,
    validate_user_template,
)

from flows.alerts.automations import automations
from tasks.alert_store import EVERY_SPAN, RULE, watched
from tasks.alerts.message import UNSCHEDULED
from tasks.alerts.rules import TRIAL, UNWATCHED, Rule, spans
from tasks.mail.model.durations import span

SILENT = Rule.model_validate({"when": "silent", "within": "45m", "channels": ["pager"]})


def on_silence(rule: Rule = SILENT) -> list[tuple[AutomationCore, EventTrigger, SendNotification]]:
    found = []
    for one in automations("quiet", rule, "pager", uuid4(), "plain")[1:]:
        (action,) = one.actions
        assert isinstance(one.trigger, EventTrigger)
        assert isinstance(action, SendNotification)
        found.append((one, one.trigger, action))
    return found


def test_a_silent_rule_has_an_automation_for_each_span_that_a_loop_may_be_silent_for() -> None:
    assert [trigger.within for _, trigger, _ in on_silence()] == [span(one) for one in spans("45m")]
    assert len({one.name for one, _, _ in on_silence()}) == len(spans("45m"))


def test_the_clock_of_a_span_starts_with_what_says_so_and_any_sign_of_life_stops_it() -> None:
    """A check of its own says nothing: it may be one by hand."""
    for wanted, (_, trigger, _) in zip(spans("45m"), on_silence(), strict=True):
        assert trigger.after == {watched(wanted)}
        assert trigger.expect == {EVERY_SPAN}
        assert trigger.model_dump()["match"] == {"prefect.resource.id": "mail-loop.loop.*", RULE: "quiet"}
    assert watched(UNWATCHED) not in {event for _, trigger, _ in on_silence() for event in trigger.after}


def deployment(*active: bool, paused: bool = False) -> dict[str, Any]:
    return {"paused": paused, "schedules": [{"active": one} for one in active]}


@pytest.mark.parametrize(
    ("given", "calls"),
    [
        (deployment(True), True),
        (deployment(False, True), True),
        (deployment(False), False),
        (deployment(), False),
        (deployment(True, paused=True), False),
        (None, False),  # it has been deleted
    ],
)
def test_nobody_is_called_for_a_loop_whose_schedule_has_been_switched_off_since(
    given: dict[str, Any] | None, calls: bool
) -> None:
    event = {"payload": {"loop": "office", "sentence": "It was so."}, "occurred": "2026-11-24 09:00:00"}
    for _, _, action in on_silence():
        validate_user_template(action.body)
        if calls:
            text = render_user_template_sync(action.body, {"event": event, "deployment": given})
            assert text.startswith("No good check of office has come within ")
        else:
            with pytest.raises(TemplateRenderError, match=UNSCHEDULED):
                render_user_template_sync(action.body, {"event": event, "deployment": given})


def test_the_loop_of_the_trial_has_no_schedule_and_is_called_for() -> None:
    event = {"payload": {"loop": TRIAL, "sentence": "It was so."}, "occurred": "2026-11-24 09:00:00"}
    _, _, action = on_silence(SILENT.model_copy(update={"loops": (TRIAL,)}))[0]
    assert TRIAL in render_user_template_sync(action.body, {"event": event})
