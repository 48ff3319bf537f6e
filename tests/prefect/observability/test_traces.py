"""The trace of a flow run, as a collector receives it, and how it goes together with Prefect's own spans."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span
from prefect.settings import PREFECT_HOME

from flows.inbound import inbound_check
from flows.mail_loop import mail_loop_check
from flows.through_prefect import check_through_prefect
from tasks.mail.config.loop import Limits, LoopConfig
from tasks.mail.model.outcome import Outcome
from tasks.mail.model.result import LoopResult
from tasks.sandbox import Sandbox, Script
from tests.prefect.records import PASSWORD, SOCKETS_LEFT_OPEN, Records, imap, parameters, smtp
from tests.support.checks.bounds import PROGRAM_SECONDS
from tests.support.collector import Collector, collector

pytestmark = pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN)

INSTRUMENTED = Path(__file__).parent / "instrumented"  # holds a sitecustomize
SOON = Limits(max_wait=20.0)
CALLER = SpanContext(0xAB, 0xCD, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def sent_to(there: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", there.url)


async def test_a_flow_run_is_a_trace_of_its_own_where_prefect_emits_no_spans(
    box: Sandbox, server: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.play(Script(rcpt=["450 4.2.0 Greylisted, please try again"]))
    with collector() as there:
        sent_to(there, monkeypatch)
        result = await check_through_prefect(LoopConfig(name=name, smtp=smtp(box), imap=imap(box), limits=SOON))
    assert (result.outcome, result.attempts) == (Outcome.DELIVERED, 2)
    tree = there.tree()
    assert tree[0] == f"check {name}"
    assert {"    attempt 1", "    pause", "    attempt 2", "      smtp data", "    hop 1"} < set(tree)
    root = there.named(f"check {name}")
    assert (root.sent.parent_span_id, root.status) == (b"", "ok")
    assert root.attributes["mail_loop.flow_run_id"] == result.flow_run_id


async def test_an_inbound_check_is_traced_too(
    box: Sandbox, server: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collector() as there:
        sent_to(there, monkeypatch)
        wanted = imap(box, search_subject="[mail-loop test]", retries=0)
        await inbound_check(wanted, name, return_state=True)
    assert there.named(f"check {name}").status == "error"
    assert there.named("search").attributes["server.port"] == box.imaps_port


async def test_a_run_that_was_started_within_a_trace_goes_on_with_it(
    box: Sandbox, server: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prefect hands the context on, with the labels of the run or, as here, in the program."""
    with collector() as there:
        sent_to(there, monkeypatch)
        with use_span(NonRecordingSpan(CALLER)):
            result = await mail_loop_check(name, smtp(box), None, SOON)
    assert isinstance(result, LoopResult)
    root = there.named(f"check {name}").sent
    assert int.from_bytes(root.trace_id) == CALLER.trace_id
    assert int.from_bytes(root.parent_span_id) == CALLER.span_id


async def test_where_prefect_emits_spans_both_are_one_trace_below_the_flow_run(
    box: Sandbox, server: str, name: str, tmp_path: Path
) -> None:
    file = tmp_path / "loop.json"
    file.write_text(json.dumps(parameters(box, name)), encoding="utf-8")
    with collector() as there:
        env = {
            "PYTHONPATH": str(INSTRUMENTED),
            "OTEL_EXPORTER_OTLP_ENDPOINT": there.url,
            "PREFECT_API_URL": server,
            "PREFECT_HOME": str(PREFECT_HOME.value()),
            "SANDBOX_PASSWORD": PASSWORD,
        }
        command = [sys.executable, "-m", "flows.cli.main", "check", "--json", str(file)]
        process = await asyncio.create_subprocess_exec(*command, env=os.environ | env, stdout=asyncio.subprocess.PIPE)
        async with asyncio.timeout(PROGRAM_SECONDS):
            out, _ = await process.communicate()
    result = json.loads(out)
    assert process.returncode == 0
    root = there.named(f"check {name}")
    flow_run = there.parent(root)
    assert flow_run is not None
    assert flow_run.attributes["prefect.run.id"] == result["flow_run_id"]
    assert {span.name for span in there.spans if there.parent(span) == flow_run} == {
        f"check {name}",
        f"send {name} {result['token']}",
        f"search {name} {result['token']}",
    }
    assert len({span.sent.trace_id for span in there.spans}) == 1
    assert there.parent(there.named("send")) == root


async def test_a_collector_that_hangs_keeps_no_run_from_its_record(
    box: Sandbox, records: Records, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hangs until the run is over."""
    with collector(hangs=True) as there:
        sent_to(there, monkeypatch)
        result = await mail_loop_check(name, smtp(box), None, SOON)
        assert not there.over.is_set()
        assert len(there.requests) == 1
    assert isinstance(result, LoopResult)
    run = await records.flow_run(result)
    assert run.state is not None
    assert (run.state.type, run.state.name) == ("COMPLETED", "Delivered")
    assert len(await records.artifacts(f"mail-loop-{name}")) == 1
