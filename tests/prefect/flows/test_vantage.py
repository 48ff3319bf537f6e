"""Checks from several places: each at its own, and what they show together."""

from __future__ import annotations

from typing import Any

import pytest
from prefect import tags
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, StateType
from prefect.events import Event

from flows.fleet import fleet_check
from flows.loop_vantage import loop_vantage
from flows.mail_loop import mail_loop_check
from tasks.alert_store import CHECKED, resource
from tasks.mail.model.result import LoopResult
from tasks.run_context import VANTAGE, place_tag
from tasks.sandbox import Sandbox
from tests.prefect.records import PASSWORD, SOCKETS_LEFT_OPEN, USER, Records

pytestmark = pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN)

OUTCOMES = {
    "delivered": {"status": "ok"},
    "lost": {"status": "error", "error_type": "no_recent_message"},
}


def sections(box: Sandbox) -> dict[str, Any]:
    login = {"host": box.host, "ca_file": box.ca_file, "username": USER, "password_secret": "sandbox-password"}
    address = f"{USER}@sandbox.test"
    ends = {"from_addr": address, "to_addr": address, "subject_prefix": "[x]"}
    return {
        "smtp": {**login, "port": box.smtp_port, **ends},
        "imap": {**login, "port": box.imaps_port},
        "limits": {"max_wait": 10},
    }


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_PASSWORD", PASSWORD)


@pytest.mark.parametrize("here", [None, "dublin"])
async def test_a_worker_elsewhere_sends_nothing_and_says_so(
    server: str, box: Sandbox, name: str, here: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its finding would be told of the other place."""
    monkeypatch.delenv(VANTAGE, raising=False)
    if here:
        monkeypatch.setenv(VANTAGE, here)
    with tags(place_tag("berlin")):
        alone: State[Any] = await mail_loop_check(name, **sections(box), return_state=True)
        many: State[Any] = await fleet_check(name, loops={name: sections(box)}, return_state=True)
    where = "is at dublin" if here else "does not say where it is"
    for state in (alone, many):
        assert (state.type, state.name) == (StateType.FAILED, "Misconfigured")
        assert f"this check is one from berlin, and the worker that took it {where}" in str(state.message)
    assert box.commands == []


async def test_a_worker_at_the_place_checks(
    server: str, box: Sandbox, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VANTAGE, "berlin")
    with tags(place_tag("berlin")):
        state: State[Any] = await mail_loop_check(name, **sections(box), return_state=True)
    assert state.name == "Delivered"


async def test_the_flow_says_from_where_alone_a_loop_fails_and_shows_all(
    server: str, records: Records, name: str
) -> None:
    name = name[:40].strip("-")
    told = [("berlin", "lost"), ("dublin", "delivered"), ("berlin", "lost")]
    async with get_client() as client:
        for place, outcome in told:  # the server dates them as they come
            fields = {"loop": f"{name}-from-{place}", "outcome": outcome, "sentence": "x", **OUTCOMES[outcome]}
            result = LoopResult.model_validate(fields).model_dump(mode="json")
            event = Event(event=CHECKED, resource=resource(f"{name}-from-{place}"), payload=result)
            await client.request("POST", "/events", json=[event.model_dump(mode="json")])
    await records.events(f"{name}-from-berlin", 2)
    await records.events(f"{name}-from-dublin", 1)
    one = {"places": ["berlin", "dublin", "oslo"], "every": 300, "longest": 60}
    state: State[Any] = await loop_vantage(name, {name: one}, return_state=True)
    said = f"{name}: fails only from berlin (lost), while it gets through from dublin; oslo is silent"
    assert (state.name, state.message) == ("Differs", said)
    (shown,) = await records.artifacts(f"mail-loop-vantage-{name}")
    assert f"(/v2/artifacts/key/mail-loop-{name}-from-berlin)" in shown["data"]
