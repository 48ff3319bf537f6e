"""What a run tells of earlier probes, as Prefect has it on record."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from prefect import flow
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.server.prefect import free_port
from tasks.credentials import signing_key
from tasks.finish import publish, record_result
from tasks.mail.config.loop import Limits, LoopConfig
from tasks.mail.model.outcome import Outcome, Reported
from tasks.mail.probe.compose import compose
from tasks.mail.search.watch import SearchRequest, watch
from tasks.mail.senders.registry import Attempts, attempt
from tasks.mail.verdict.result import conclude
from tasks.sandbox import Sandbox, Script
from tests.prefect.records import SOCKETS_LEFT_OPEN, USER, Records, imap, smtp
from tests.support.checks.flow_checks import check

pytestmark = pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN)

SHORT = Limits(max_wait=2.0)
OLD = 3.5  # seconds after which a message is older than that, by a clock of whole seconds


async def test_a_late_probe_is_an_event_of_the_run_that_sent_it_and_a_line_of_the_run_that_found_it(
    box: Sandbox, records: Records, name: str
) -> None:
    """Told again, as after a kill, it is still one event."""
    mailbox = imap(box, retention=1.0)
    box.play(Script(delay=4.0))
    _, first = await check(name, smtp(box), mailbox, SHORT)
    assert first.outcome is Outcome.LOST
    while not await box.folder(USER):
        await asyncio.sleep(0.1)
    await asyncio.sleep(OLD)
    box.play(Script())
    _, second = await check(name, smtp(box), mailbox, SHORT)
    (probe,) = second.earlier_probes
    assert (probe.probe_id, probe.flow_run_id, probe.reported) == (first.probe_id, first.flow_run_id, Reported.LOST)
    assert await box.folder(USER) == []

    assert first.flow_run_id is not None
    (event,) = await records.arrivals(first.flow_run_id, 1)
    assert event["resource"]["prefect.resource.id"] == f"mail-loop.loop.{name}"
    assert event["payload"] == probe.model_dump(mode="json")
    by = {r["prefect.resource.id"]: r["prefect.resource.role"] for r in event["related"]}
    assert by[f"prefect.flow-run.{first.flow_run_id}"] == "sender"
    assert by[f"prefect.flow-run.{second.flow_run_id}"] == "flow-run"

    (line,) = [note for note in second.notes if first.token is not None and first.token in note]
    assert " reported lost arrived in INBOX after " in line
    artifacts = await records.artifacts(f"mail-loop-{name}")
    assert sum("reported lost arrived" in artifact["data"] for artifact in artifacts) == 1

    @flow
    async def again() -> bool:
        return await publish(second, None)

    assert await again()
    await records.events(name, 3)
    assert len(await records.arrivals(first.flow_run_id, 1)) == 1


async def test_what_could_not_be_published_is_told_by_the_next_run(
    box: Sandbox, server: str, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
    loop = LoopConfig(name=name, smtp=smtp(box), imap=imap(box, retention=1.0), limits=SHORT)
    assert loop.imap is not None
    late = compose(name, loop.smtp, datetime.now(UTC) - timedelta(minutes=37), key=await signing_key())
    await box.deliver(USER, late.content)
    await asyncio.sleep(OLD)
    probe, attempts = compose(name, loop.smtp), Attempts()
    receipt = await attempt(probe, loop.smtp, attempts)
    result = conclude(
        loop, probe, attempts, receipt, await watch(SearchRequest(probe, receipt, loop.imap, None, 2.0, 2.0))
    )
    assert [told.probe_id for told in result.earlier_probes] == [late.id]
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}):
        await record_result(result, loop)
    _, second = await check(name, loop.smtp, loop.imap, SHORT)
    assert [told.probe_id for told in second.earlier_probes] == [late.id]
    _, third = await check(name, loop.smtp, loop.imap, SHORT)
    assert third.earlier_probes == ()


async def test_a_probe_that_another_key_signed_is_noted_and_is_no_event(
    box: Sandbox, records: Records, name: str
) -> None:
    run, age = str(uuid4()), timedelta(minutes=37)
    forged = compose(name, smtp(box), datetime.now(UTC) - age, run, key=b"k" * 32)
    genuine = compose(name, smtp(box), datetime.now(UTC) - age, run, key=await signing_key())
    for probe in (forged, genuine):
        await box.deliver(USER, probe.content)
    await asyncio.sleep(OLD)
    _, result = await check(name, smtp(box), imap(box, retention=1.0), SHORT)
    assert {told.probe_id: told.signed for told in result.earlier_probes} == {forged.id: False, genuine.id: True}
    events = await records.arrivals(run, 1)
    assert [event["payload"]["probe_id"] for event in events] == [genuine.id]


async def test_the_first_run_makes_the_key_and_all_have_the_same(server: str) -> None:
    first, *others = await asyncio.gather(*(signing_key() for _ in range(3)))
    assert len(first) == 32
    assert set(others) == {first}


async def test_without_an_answer_from_prefect_a_probe_is_not_signed(caplog: pytest.LogCaptureFixture) -> None:
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}):
        assert await signing_key() == b""
    assert "Probes are not signed" in caplog.text
