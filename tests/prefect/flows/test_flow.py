"""What becomes of a message is in the state, the artifact, the event and the log of its flow run, run by Prefect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.blocks.system import Secret
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_API_URL, PREFECT_RESULTS_PERSIST_BY_DEFAULT, temporary_settings
from pydantic import SecretStr

from flows.inbound import inbound_check
from flows.mail_loop import mail_loop_check
from flows.server.prefect import free_port
from flows.through_prefect import result_of
from tasks.finish import publish
from tasks.mail.config.loop import Limits
from tasks.mail.model.errors import CheckFailed
from tasks.mail.model.outcome import ErrorType, Outcome, Status
from tasks.mail.model.result import LoopResult
from tasks.mail.probe.compose import compose
from tasks.mail.report.formats import escape
from tasks.mail.senders.registry import Attempts
from tasks.sandbox import Sandbox, Script
from tasks.steps import PrefectSteps
from tests.prefect.records import PASSWORD, SOCKETS_LEFT_OPEN, USER, Records, count, imap, places_of, smtp
from tests.support.checks.flow_checks import SOON, check

pytestmark = pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN)

GREYLISTED = "450 4.2.0 Greylisted, please try again"


async def inbound(name: str, imap: object) -> tuple[State[Any], LoopResult]:
    """The same for the inbound check."""
    state: State[Any] = await inbound_check(imap, name, return_state=True)
    return state, await result_of(state)


def header(raw: bytes, field: str) -> str:
    """A header field of a message."""
    from email import message_from_bytes

    return str(message_from_bytes(raw)[field])


async def test_a_delivered_message_ends_in_completed_delivered(box: Sandbox, records: Records, name: str) -> None:
    result = await mail_loop_check(name, smtp(box), imap(box), SOON)
    assert isinstance(result, LoopResult)
    assert (result.status, result.outcome, result.attempts) == (Status.OK, Outcome.DELIVERED, 1)
    run = await records.flow_run(result)
    assert run.state is not None
    assert (run.state.type, run.state.name, run.state.message) == ("COMPLETED", "Delivered", result.sentence)
    assert (count(box, "RCPT"), count(box, "DATA")) == (1, 1)
    assert await box.folder(USER) == []


async def test_runs_are_named_after_loop_and_token(box: Sandbox, records: Records, name: str) -> None:
    _, result = await check(name, smtp(box), imap(box))
    assert (await records.flow_run(result)).name == f"{name} {result.token}"
    assert {run.name for run in await records.task_runs(result)} == {
        f"send {name} {result.token}",
        f"search {name} {result.token}",
    }


async def test_a_greylisted_message_is_sent_again_unchanged(box: Sandbox, name: str) -> None:
    box.play(Script(rcpt=[GREYLISTED]))
    _, result = await check(name, smtp(box), imap(box, delete_after_check=False))
    assert (result.status, result.attempts) == (Status.OK, 2)
    (first,) = result.attempt_errors
    assert (first.attempt, first.error_type, first.smtp_code) == (1, ErrorType.TEMPORARY, 450)
    assert (count(box, "RCPT"), count(box, "DATA")) == (2, 1)
    (message,) = await box.folder(USER)
    assert result.token is not None
    assert header(message.raw, "Subject").endswith(result.token)
    assert header(message.raw, "X-Mail-Loop-Id") == result.probe_id


async def test_the_retry_is_prefects_own(box: Sandbox, records: Records, name: str) -> None:
    box.play(Script(rcpt=[GREYLISTED]))
    _, result = await check(name, smtp(box))
    (sending,) = await records.task_runs(result)
    assert sending.run_count == 2
    assert "Retry 1/2 will start immediately" in await records.log(result)


async def test_a_refused_message_is_rejected_at_once_without_a_traceback(
    box: Sandbox, records: Records, name: str
) -> None:
    box.play(Script(rcpt=["550 5.1.1 No such user"]))
    with pytest.raises(CheckFailed) as caught:
        await mail_loop_check(name, smtp(box), imap(box), SOON)
    result = caught.value.result
    assert (result.outcome, result.error_type, result.attempts) == (Outcome.REJECTED, ErrorType.RECIPIENT, 1)
    assert (count(box, "RCPT"), count(box, "DATA")) == (1, 0)
    run = await records.flow_run(result)
    assert run.state is not None
    assert (run.state.type, run.state.name, run.state.message) == ("FAILED", "Rejected", result.sentence)
    (sending,) = await records.task_runs(result)
    assert sending.state is not None
    assert sending.state.message == "Attempt 1, at rcpt: 550 5.1.1 No such user"
    assert_no_traceback(await records.log(result))


async def test_a_message_deferred_every_time_is_given_up_without_a_traceback(
    box: Sandbox, records: Records, name: str
) -> None:
    box.play(Script(rcpt=[GREYLISTED] * 9))
    state, result = await check(name, smtp(box, retries=1), imap(box))
    assert (state.name, result.outcome, result.attempts) == ("Deferred", Outcome.DEFERRED, 2)
    assert [error.smtp_code for error in result.attempt_errors] == [450, 450]
    assert (count(box, "RCPT"), count(box, "DATA")) == (2, 0)
    log = await records.log(result)
    assert "Retries are exhausted" in log
    assert_no_traceback(log)


async def test_it_is_tried_as_often_as_configured_past_the_delays_that_prefect_takes(box: Sandbox, name: str) -> None:
    """As by `--direct`: see tests/raw/smtp/test_causes.py."""
    box.play(Script(rcpt=["450 4.2.0 later"] * 99))
    _, result = await check(name, smtp(box, retries=60), imap(box))
    assert (result.outcome, result.attempts, count(box, "RCPT")) == (Outcome.DEFERRED, 61, 61)


async def test_a_wrong_password_is_tried_once(box: Sandbox, records: Records, name: str) -> None:
    state, result = await check(name, smtp(box, password=SecretStr("wrong")), imap(box))
    assert (state.name, result.error_type, result.attempts) == ("Rejected", ErrorType.AUTH, 1)
    assert count(box, "AUTH") == 1
    assert_no_traceback(await records.log(result))


async def test_a_message_that_does_not_arrive_is_lost(box: Sandbox, records: Records, name: str) -> None:
    box.play(Script(deliver_to=None))
    state, result = await check(name, smtp(box), imap(box), Limits(max_wait=1.0))
    assert (state.type, state.name, result.status) == ("FAILED", "Lost", Status.ERROR)
    assert state.message == result.sentence
    assert_no_traceback(await records.log(result))


async def test_an_unreadable_mailbox_is_unverified(box: Sandbox, records: Records, name: str) -> None:
    state, result = await check(name, smtp(box), imap(box, password=SecretStr("wrong")))
    assert (state.type, state.name, result.error_type) == ("FAILED", "Unverified", ErrorType.AUTH)
    assert_no_traceback(await records.log(result))


@pytest.mark.parametrize(
    ("script", "limits", "state_name"),
    [
        (Script(delay=0.5), Limits(warn_after=0.1, max_wait=20.0), "Late"),
        (Script(deliver_to="Junk"), SOON, "Junked"),
        (Script(copies=2), SOON, "Duplicated"),
    ],
)
async def test_a_warning_is_returned_and_completed(
    box: Sandbox, name: str, script: Script, limits: Limits, state_name: str
) -> None:
    box.play(script)
    state, result = await check(name, smtp(box), imap(box), limits)
    assert (state.type, state.name, state.message) == ("COMPLETED", state_name, result.sentence)
    assert result.status == Status.WARNING


async def test_without_a_mailbox_acceptance_is_the_end(box: Sandbox, records: Records, name: str) -> None:
    state, result = await check(name, smtp(box), limits=None)
    assert (state.name, result.status) == ("Delivered", Status.OK)
    assert [run.name for run in await records.task_runs(result)] == [f"send {name} {result.token}"]


async def test_the_inbound_check_finds_a_fresh_message_and_deletes_only_its_own(
    box: Sandbox, records: Records, name: str
) -> None:
    await check(name, smtp(box))
    foreign = await box.deliver(USER, b"From: a@localhost\r\nSubject: [mail-loop test] by hand\r\n\r\nhello\r\n")
    state, result = await inbound(name, imap(box, search_subject="[mail-loop test]"))
    assert (state.type, state.name, result.copies) == ("COMPLETED", "Delivered", 2)
    assert state.message == result.sentence
    assert [message.uid for message in await box.folder(USER)] == [foreign]
    assert [run.name for run in await records.task_runs(result)] == [f"look {name}"]


async def test_an_inbound_check_that_finds_nothing_looks_again(box: Sandbox, records: Records, name: str) -> None:
    state, result = await inbound(name, imap(box, search_subject="[nobody]", retries=2))
    assert (state.type, state.name, result.error_type) == ("FAILED", "Lost", ErrorType.NO_MESSAGE)
    (looking,) = await records.task_runs(result)
    assert looking.run_count == result.imap_tries == 3
    (first, _), (last, ended) = result.imap_times
    assert first == 0.0
    assert result.total_seconds == ended >= last > first
    assert_no_traceback(await records.log(result))


async def test_an_inbound_check_with_a_wrong_password_looks_once(box: Sandbox, records: Records, name: str) -> None:
    mailbox = imap(box, search_subject="x", password=SecretStr("wrong"))
    state, result = await inbound(name, mailbox)
    assert (state.name, result.error_type) == ("Unverified", ErrorType.AUTH)
    (looking,) = await records.task_runs(result)
    assert looking.run_count == 1


async def test_a_typo_is_one_sentence_and_nothing_is_sent(box: Sandbox, records: Records, name: str) -> None:
    fields = smtp(box).model_dump() | {"pasword": "x"}
    await assert_misconfigured(box, records, name, fields, reason="smtp.pasword: unknown field; did you mean password?")


async def test_a_subject_that_no_probe_has_is_one_sentence(box: Sandbox, records: Records, name: str) -> None:
    reason = (
        "imap.search_subject: 'other' is not part of smtp.subject_prefix '[mail-loop test]', "
        "so no probe would match it: leave it out"
    )
    await assert_misconfigured(box, records, name, smtp(box), imap(box, search_subject="other"), reason=reason)


async def test_a_secret_that_is_nowhere_names_both_places(box: Sandbox, records: Records, name: str) -> None:
    reason = (
        "smtp.password_secret: there is no Prefect Secret block 'no-such-secret' "
        "and no environment variable NO_SUCH_SECRET: create one of them"
    )
    await assert_misconfigured(box, records, name, smtp(box, password_secret="no-such-secret"), reason=reason)


@pytest.mark.parametrize("bad", ["Not A Slug", "x" * 2000, "{smtp}", "", 7, None, ["a"]])
async def test_a_name_that_is_no_slug_is_one_sentence(box: Sandbox, records: Records, bad: object) -> None:
    state, result = await check(bad, smtp(box))  # type: ignore[arg-type]
    assert state.name == "Misconfigured"
    assert result.sentence.count("name: ") == 1
    assert box.commands == []
    assert_no_traceback(await records.log(result))


async def assert_misconfigured(
    box: Sandbox, records: Records, name: str, smtp: object, imap: object = None, *, reason: str
) -> None:
    state, result = await check(name, smtp, imap)
    assert (state.type, state.name) == ("FAILED", "Misconfigured")
    end = "" if reason.endswith("?") else "."
    assert state.message == f"The configuration is wrong, so nothing was sent: {reason}{end}"
    assert result.exit_code == 3
    assert box.commands == []
    assert await records.task_runs(result) == []
    assert_no_traceback(await records.log(result))


async def test_the_password_is_taken_from_the_secret_block_first(
    box: Sandbox, server: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await Secret(value=PASSWORD).save("block-first")
    monkeypatch.setenv("BLOCK_FIRST", "wrong")
    _, result = await check(name, smtp(box, password_secret="block-first"))
    assert result.status == Status.OK


async def test_the_password_is_taken_from_the_environment_where_there_is_no_block(
    box: Sandbox, server: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FROM_ENVIRONMENT", PASSWORD)
    _, result = await check(name, smtp(box, password_secret="from-environment"))
    assert result.status == Status.OK


async def test_each_run_writes_one_artifact_with_the_verdict_first(box: Sandbox, records: Records, name: str) -> None:
    results = [(await check(name, smtp(box), imap(box)))[1] for _ in range(2)]
    found = {artifact["flow_run_id"]: artifact for artifact in await records.artifacts(f"mail-loop-{name}")}
    assert found.keys() == {result.flow_run_id for result in results}
    for result in results:
        artifact = found[result.flow_run_id]
        assert artifact["type"] == "markdown"
        told = f"**{escape(name)}: ok (delivered)**, {result.sent_at:%Y-%m-%d %H:%M:%S} UTC\n\nMail gets through"
        assert artifact["data"].startswith(told)
        assert artifact["description"] == f"{name}: {result.status} ({result.outcome})"  # no word of a server's


async def test_a_misconfigured_run_has_its_artifact_too(box: Sandbox, records: Records, name: str) -> None:
    _, result = await check(name, {"host": "mail.example"})
    (artifact,) = await records.artifacts(f"mail-loop-{name}")
    assert artifact["data"].startswith(f"**{escape(name)}: error (misconfigured)**\n\n")
    assert artifact["flow_run_id"] == result.flow_run_id


async def test_each_run_sends_an_event_with_status_outcome_and_times(box: Sandbox, records: Records, name: str) -> None:
    _, result = await check(name, smtp(box), imap(box))
    (event,) = await records.events(name, 1)
    assert event["payload"] == result.model_dump(mode="json")
    assert (event["payload"]["status"], event["payload"]["outcome"]) == ("ok", "delivered")
    assert event["payload"]["delivery_seconds"] == result.delivery_seconds
    related = {resource["prefect.resource.role"] for resource in event["related"]}
    assert {"flow-run", "flow"} <= related


async def test_publishing_that_fails_is_logged_and_changes_no_verdict(
    box: Sandbox, server: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The API is gone when the check wants to write its record."""
    _, result = await check(name, smtp(box))
    caplog.clear()
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}):
        await publish(result, None)
    assert f"The artifact of {name} could not be written" in caplog.text


async def test_no_task_run_is_cached_even_where_results_are_kept(box: Sandbox, server: str, name: str) -> None:
    """A probe that Prefect believes it has sent already would be a false ok."""
    relay = smtp(box)
    probe = compose(name, relay)

    @flow
    async def twice() -> None:
        for _ in range(2):
            await PrefectSteps().send(probe, relay, Attempts())

    with temporary_settings({PREFECT_RESULTS_PERSIST_BY_DEFAULT: True}):
        await twice()
    assert count(box, "DATA") == 2


async def test_a_password_is_written_nowhere(
    box: Sandbox, records: Records, home: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However it is given, after successes and failures: in no column of the database and in no file, nor in base64."""
    await Secret(value=PASSWORD).save("canary-block")
    monkeypatch.setenv("CANARY_VARIABLE", PASSWORD)
    ways: list[tuple[object, object]] = [
        (smtp(box, password_secret="canary-block"), imap(box, password_secret="canary-block")),
        (smtp(box, password_secret="canary-variable"), imap(box, password_secret="canary-variable")),
        (smtp(box), imap(box)),
        (smtp(box).model_dump() | {"password": PASSWORD}, imap(box).model_dump() | {"password": PASSWORD}),
    ]
    results = []
    with temporary_settings({PREFECT_RESULTS_PERSIST_BY_DEFAULT: True}):
        for script in (Script(), Script(auth=["535 5.7.8 No"])):
            for relay, mailbox in ways:
                box.play(script)
                results.append((await check(name, relay, mailbox))[1])
    assert [result.outcome for result in results] == [Outcome.DELIVERED] * 4 + [Outcome.REJECTED] * 4
    await records.events(name, len(results))
    for result in results:
        await records.task_runs(result)
    assert places_of(PASSWORD, home) == []


async def test_a_password_under_a_wrong_name_is_not_recorded_either(
    box: Sandbox, records: Records, home: Path, name: str
) -> None:
    fields = smtp(box).model_dump() | {"passwort": PASSWORD}
    state, result = await check(name, fields)
    assert state.name == "Misconfigured"
    parameters = (await records.flow_run(result)).parameters
    assert parameters["smtp"]["host"] == box.host
    assert parameters["smtp"]["passwort"] == "********"
    assert places_of(PASSWORD, home) == []


def assert_no_traceback(log: str) -> None:
    for sign in ("Traceback", "NoneType", "Finished in state Failed('Failed"):
        assert sign not in log, log
