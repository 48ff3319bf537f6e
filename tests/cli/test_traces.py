"""One trace per check, as a collector receives it from `mail-loop check --direct`; and nothing of it without one."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flows.server.prefect import free_port
from tasks.sandbox import Sandbox, Script
from tests.cli.conftest import PASSWORD, Command, config, written
from tests.support.collector import Collector, collector
from tests.support.command.forks import ROOT
from tests.support.command.run import Ended

SECRET = "canary-of-the-collector"
GREYLISTED = "450 4.2.0 Greylisted, please try again"
STAGES = ("dns", "connect", "ehlo", "tls", "auth", "mail", "rcpt", "data")


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but what a test sets."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)


async def traced(mail_loop: Command, file: Path, there: Collector, **variables: str) -> Ended:
    """Run a check whose trace goes there."""
    return await mail_loop(
        "check", "--direct", "--json", file, **{"OTEL_EXPORTER_OTLP_ENDPOINT": there.url} | variables
    )


def assert_nested(there: Collector) -> None:
    """One trace with one root, in which each span lies within its parent."""
    assert len({span.sent.trace_id for span in there.spans}) == 1
    assert [span.name for span in there.spans if not span.sent.parent_span_id] == ["check office"]
    for span in there.spans:
        assert span.sent.start_time_unix_nano <= span.sent.end_time_unix_nano
        if span.sent.parent_span_id:
            parent = there.parent(span)
            assert parent is not None
            assert parent.sent.start_time_unix_nano <= span.sent.start_time_unix_nano
            assert span.sent.end_time_unix_nano <= parent.sent.end_time_unix_nano


async def test_a_message_delivered_on_the_second_attempt_is_one_trace_with_all_its_steps(
    box: Sandbox, mail_loop: Command, tmp_path: Path
) -> None:
    box.play(Script(rcpt=[GREYLISTED], delay=0.5))
    with collector() as there:
        ended = await traced(mail_loop, written(tmp_path, "office", config(box, smtp__retry_delay=0.2)), there)
    (result,) = ended.results
    assert (ended.code, ended.err) == (0, "")
    assert len(there.requests) == 1
    assert_nested(there)
    # Dates of a mailbox are whole seconds: a message may count as arrived just when it is found.
    assert [line for line in there.tree() if line != "    imap search"] == [
        "check office",
        "  send",
        "    attempt 1",
        "    pause",
        "    attempt 2",
        *(f"      smtp {stage}" for stage in STAGES),
        "  delivery",
        "    hop 1",
        "  search",
        *(f"    imap {stage}" for stage in ("dns", "connect", "tls", "login")),
        "    wait",
    ]
    root = there.named("check office")
    assert (root.status, root.events) == ("ok", ["accepted", "arrived", "detected"])
    assert root.seconds == pytest.approx(result["total_seconds"], abs=0.001)
    assert root.attributes["mail_loop.outcome"] == "delivered"
    assert root.attributes["mail_loop.probe_id"] == result["probe_id"]
    first = there.named("attempt 1")
    assert (first.status, first.attributes["error.type"]) == ("error", "temporary_failure")
    assert first.attributes["mail_loop.smtp.reply_code"] == 450
    assert there.named("attempt 2").status == "unset"
    assert there.named("pause").seconds >= 0.2
    # Durations are whole tenths of a millisecond.
    assert there.named("wait").sent.end_time_unix_nano == pytest.approx(root.sent.events[-1].time_unix_nano, abs=1e6)
    assert there.named("send").attributes["server.port"] == box.smtp_port
    assert there.named("search").attributes["network.protocol.name"] == "imap"
    assert there.named("hop 1").attributes["mail_loop.hop.id"] == result["queue_id"]


async def test_a_lost_message_is_an_error_with_its_sentence_and_the_wait_shows_how_long(
    box: Sandbox, mail_loop: Command, tmp_path: Path
) -> None:
    box.play(Script(deliver_to=None))
    with collector() as there:
        ended = await traced(mail_loop, written(tmp_path, "office", config(box, limits__max_wait=0.5)), there)
    (result,) = ended.results
    assert (ended.code, result["outcome"]) == (2, "lost")
    assert_nested(there)
    root, wait = there.named("check office"), there.named("wait")
    assert (root.status, root.sent.status.message) == ("error", result["sentence"])
    assert (wait.status, wait.attributes["error.type"]) == ("error", "no_recent_message")
    assert root.seconds > 0.5 > there.named("send").seconds
    assert "delivery" not in {span.name for span in there.spans}


async def test_a_refused_message_fails_in_the_stage_that_refused_it(
    box: Sandbox, mail_loop: Command, tmp_path: Path
) -> None:
    box.play(Script(rcpt=["550 5.1.1 No such user"]))
    with collector() as there:
        ended = await traced(mail_loop, written(tmp_path, "office", config(box)), there)
    assert (ended.code, ended.results[0]["outcome"]) == (2, "rejected")
    assert_nested(there)
    assert {span.name for span in there.spans if span.status == "error"} == {
        "check office",
        "send",
        "attempt 1",
        "smtp rcpt",
    }
    assert there.named("smtp rcpt").attributes["mail_loop.smtp.reply_code"] == 550
    assert "search" not in {span.name for span in there.spans}


async def test_each_check_has_a_trace_of_its_own(box: Sandbox, mail_loop: Command, tmp_path: Path) -> None:
    files = [written(tmp_path, name, config(box)) for name in ("one", "two")]
    with collector() as there:
        ended = await mail_loop("check", "--direct", *files, OTEL_EXPORTER_OTLP_ENDPOINT=there.url)
    assert ended.code == 0, ended.err
    roots = {span.name: span.sent.trace_id for span in there.spans if not span.sent.parent_span_id}
    assert set(roots) == {"check one", "check two"}
    assert len(set(roots.values())) == 2


async def test_the_standard_variables_are_honoured(box: Sandbox, mail_loop: Command, tmp_path: Path) -> None:
    variables = {
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{SECRET}",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        "OTEL_SERVICE_NAME": "mail of the office",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
    }
    with collector() as there:
        variables["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] = f"{there.url}/elsewhere"
        ended = await traced(mail_loop, written(tmp_path, "office", config(box)), there, **variables)
    assert ended.code == 0, ended.err
    (request,) = there.requests
    headers = {name.lower(): value for name, value in request.headers.items()}
    assert request.path == "/elsewhere"
    assert (headers["authorization"], headers["content-encoding"]) == (f"Bearer {SECRET}", "gzip")
    about = there.named("check office").resource
    assert about["service.name"] == "mail of the office"
    assert about["deployment.environment.name"] == "test"


async def test_without_a_name_of_the_operators_the_service_is_called_after_the_command(
    box: Sandbox, mail_loop: Command, tmp_path: Path
) -> None:
    with collector() as there:
        await traced(mail_loop, written(tmp_path, "office", config(box, imap=None)), there)
    assert there.named("check office").resource["service.name"] == "mail-loop"


@pytest.mark.parametrize(
    "variables",
    [{"OTEL_TRACES_SAMPLER": "always_off"}, {"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_SDK_DISABLED": "true"}],
    ids=lambda variables: next(iter(variables)),
)
async def test_what_the_variables_switch_off_is_not_sent(
    variables: dict[str, str], box: Sandbox, mail_loop: Command, tmp_path: Path
) -> None:
    with collector() as there:
        ended = await traced(mail_loop, written(tmp_path, "office", config(box, imap=None)), there, **variables)
    assert (ended.code, ended.err) == (0, "")
    assert there.requests == []


@pytest.mark.parametrize(
    ("what", "variables", "reason"),
    [
        ({"status": 401}, {}, "the answer was HTTP 401."),
        ({"status": 503}, {}, "the answer was HTTP 503."),
        ({"hangs": True}, {"OTEL_EXPORTER_OTLP_TIMEOUT": "3600"}, "no answer within 3 s."),
        ({"hangs": True}, {"OTEL_EXPORTER_OTLP_TIMEOUT": "0.2"}, " no answer in time."),
        ({}, {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "needs the package opentelemetry-exporter-otlp-proto-grpc:"),
        ({}, {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, "it knows http/protobuf and grpc: see OTEL_EXPORTER_OTLP_"),
        ({}, {"OTEL_TRACES_EXPORTER": "console"}, "OTEL_TRACES_EXPORTER leaves out: set it to otlp."),
    ],
    ids=["refuses", "is overloaded", "hangs", "hangs longer than its timeout", "grpc", "json", "console"],
)
async def test_a_trace_that_cannot_be_exported_is_one_line_and_changes_nothing(
    what: dict[str, Any],
    variables: dict[str, str],
    reason: str,
    box: Sandbox,
    mail_loop: Command,
    tmp_path: Path,
) -> None:
    """The collector that hangs does so until the command has ended by itself."""
    secrets = {"OTEL_EXPORTER_OTLP_HEADERS": f"{SECRET},authorization={SECRET}"}  # the first has no name
    with collector(**what) as there:
        ended = await traced(mail_loop, written(tmp_path, "office", config(box)), there, **secrets, **variables)
        assert not there.over.is_set()
    assert (ended.code, ended.results[0]["outcome"]) == (0, "delivered")
    (line,) = ended.err.splitlines()
    assert line.startswith(f"The trace of office was not exported to 127.0.0.1:{there.url.rpartition(':')[2]}: ")
    assert reason in line
    assert SECRET not in ended.out + ended.err


async def test_a_header_that_is_wrong_stands_in_no_log(box: Sandbox, mail_loop: Command, tmp_path: Path) -> None:
    """The SDK repeats one that it cannot read. A program that logs everything has our line all the same."""
    logs_everything = {"PYTHONPATH": str(ROOT / "tests" / "support" / "breaking"), "LOG_EVERYTHING": "1"}
    with collector(status=401) as there:
        variables = {"OTEL_EXPORTER_OTLP_HEADERS": SECRET} | logs_everything
        ended = await traced(mail_loop, written(tmp_path, "office", config(box, imap=None)), there, **variables)
    assert " WARNING tasks.tracing.export The trace of office was not exported to " in ended.err
    assert len(there.requests) == 1
    assert SECRET not in ended.out + ended.err


async def test_a_collector_that_is_gone_is_one_line_and_changes_nothing(
    box: Sandbox, mail_loop: Command, tmp_path: Path
) -> None:
    port = free_port()
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}
    ended = await mail_loop("check", "--direct", "--json", written(tmp_path, "office", config(box)), **variables)
    assert (ended.code, ended.results[0]["outcome"]) == (0, "delivered")
    assert ended.err == f"The trace of office was not exported to 127.0.0.1:{port}: Connection refused.\n"


async def test_without_the_extra_one_line_names_the_remedy(box: Sandbox, mail_loop: Command, tmp_path: Path) -> None:
    """Python loads sitecustomize before anything else; this one hides what the extra installs."""
    hidden = "import sys\nsys.modules['opentelemetry.sdk'] = None\n"
    (tmp_path / "sitecustomize.py").write_text(hidden, encoding="utf-8")
    files = [written(tmp_path, name, config(box)) for name in ("one", "two")]
    variables = {"PYTHONPATH": str(tmp_path), "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
    ended = await mail_loop("check", "--direct", "--json", *files, **variables)
    assert ended.code == 0
    assert [result["outcome"] for result in ended.results] == ["delivered"] * 2
    assert ended.err == (
        "OTEL_ variables ask for traces, but OpenTelemetry is missing: install mail-loop-check[otel].\n"
    )


async def test_passwords_are_in_no_span(box: Sandbox, mail_loop: Command, tmp_path: Path) -> None:
    """Even where a server repeats one."""
    box.play(Script(auth=[f"535 5.7.8 not with {PASSWORD}"]))
    with collector() as there:
        ended = await traced(mail_loop, written(tmp_path, "office", config(box)), there)
    assert ended.results[0]["error_type"] == "auth_error"
    assert there.named("smtp auth").status == "error"
    assert PASSWORD not in str([span.sent for span in there.spans])
    assert PASSWORD.encode() not in b"".join(span.sent.SerializeToString() for span in there.spans)


async def test_where_no_variable_asks_for_traces_nothing_of_opentelemetry_is_loaded(
    box: Sandbox, tmp_path: Path
) -> None:
    """After a whole check, in the process that has run it."""
    code = (
        "import sys; from flows.cli.main import main; code = main(sys.argv[1:]);"
        "print(sorted(name for name in sys.modules if name.split('.')[0] in ('opentelemetry', 'requests')));"
        "sys.exit(code)"
    )
    file = written(tmp_path, "office", config(box))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        "check",
        "--direct",
        str(file),
        cwd=ROOT,
        env=os.environ | {"CHECK_PASSWORD": PASSWORD, "XDG_STATE_HOME": str(tmp_path / "state")},
        stdout=subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    verdict, *_, loaded = out.decode().splitlines()
    assert verdict.startswith("office: ok (delivered)")
    assert loaded == "[]"
