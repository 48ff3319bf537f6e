"""The acceptance plan through Prefect: the same promises, kept by its engine and its retries."""

from __future__ import annotations

from typing import Any

import pytest
from prefect.client.schemas.objects import State

from flows.mail_loop import mail_loop_check
from flows.through_prefect import result_of
from tasks.mail.config.loop import LoopConfig
from tasks.mail.model.outcome import ErrorType, Outcome, Status
from tasks.mail.model.result import LoopResult
from tests.prefect.conftest import home as home
from tests.prefect.conftest import server as server
from tests.prefect.records import SOCKETS_LEFT_OPEN
from tests.support.servers.lab import Lab, User
from tests.support.servers.loops import at, loop

pytestmark = [pytest.mark.usefixtures("server"), pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN)]


async def check(config: LoopConfig) -> tuple[State[Any], LoopResult]:
    state: State[Any] = await mail_loop_check(config.name, config.smtp, config.imap, config.limits, return_state=True)
    return state, await result_of(state)


async def test_a_mail_goes_round(lab: Lab, user: User) -> None:
    state, result = await check(loop(lab, user))
    assert (state.name, result.status, result.attempts) == ("Delivered", Status.OK, 1)
    assert result.queue_id is not None
    assert lab.relay.queued(result.queue_id)
    assert len(lab.relay.sessions(user.username)) == 1
    assert lab.mailbox(user) == []


async def test_greylisting_at_the_relay_is_outwaited(lab: Lab, user: User) -> None:
    state, result = await check(loop(lab, user, smtp=at(lab.relay.grey, retry_delay=1.2)))
    assert (state.name, result.status) == ("Delivered", Status.OK)
    assert result.attempts in (2, 3)
    assert result.token is not None
    first = result.attempt_errors[0]
    assert (first.attempt, first.error_type, first.smtp_code) == (1, ErrorType.TEMPORARY, 450)
    sessions = lab.relay.sessions(user.username)
    assert sum(session.commands("rcpt") for session in sessions) == result.attempts
    assert sum(session.commands("data") for session in sessions) == 1


async def test_a_wrong_password_is_tried_once(lab: Lab, user: User) -> None:
    state, result = await check(loop(lab, user, smtp={"password": "not the password"}))
    assert (state.name, result.outcome, result.error_type) == ("Rejected", Outcome.REJECTED, ErrorType.AUTH)
    [session] = lab.relay.sessions(user.username)
    assert (session.commands("auth"), session.accepted("auth")) == (1, 0)
    assert lab.dovecot.auth_failures(user.username) == 1
