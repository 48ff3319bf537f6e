"""The document about many loops says what its model and its measured tables say, and the measuring counts right."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bench.scale import DOCUMENT
from bench.scale.model import SHAPES, Load, constants, loads, shown
from bench.scale.record import QUEUED, Deployment, Run, requests, unexplained

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def run(state: str, kind: str, **more: Any) -> Run:
    return Run("1", "main-5m-1-of-1", state, kind, "", NOON, NOON, NOON, 50, **more)


def test_the_tables_of_the_document_are_what_the_model_says() -> None:
    """If not: .venv/bin/python -m bench.scale.model --write."""
    text = DOCUMENT.read_text(encoding="utf-8")
    said = {"scale-constants": constants(), "scale-model": shown(loads([100, 300, 1000, 3000, 10_000], 300, 300))}
    for name, content in said.items():
        assert f"<!-- bench: {name} -->\n{content}\n<!-- end -->" in text


def test_twice_the_checks_are_twice_the_load() -> None:
    for shape in SHAPES:
        one, two = (Load(loops, 300, shape, 60) for loops in (1000, 2000))
        for name in ("worker", "server", "database", "requests", "events", "bytes"):
            assert two.rate(name) == pytest.approx(2 * one.rate(name))


def test_the_answer_in_the_document_is_that_of_the_table() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    (answer,) = re.findall(r"\*\*10,000 loops every 5 minutes\*\*.*?\n\n", text, re.DOTALL)
    alone, shards, brief = loads([10_000], 300, 300)
    assert (brief.servers, brief.worker_cores) == (1, 2)
    assert "one process of Prefect's server" in answer
    assert shards.servers == 2
    assert "two processes of the API" in " ".join(answer.split())
    assert f"would take {alone.worker_cores} cores" in " ".join(answer.split())


def test_how_often_a_schedule_is_due_is_reckoned_from_the_schedule_itself() -> None:
    every = Deployment("x", 50, timedelta(minutes=5), NOON + timedelta(seconds=30))
    assert every.due(NOON, NOON + timedelta(minutes=20)) == 4
    assert every.due(NOON, NOON + timedelta(seconds=30)) == 1
    assert every.due(NOON + timedelta(seconds=30), NOON + timedelta(minutes=5)) == 0


def test_what_the_mail_explains_is_no_fault_of_the_engine() -> None:
    mail = [run("Lost", "FAILED"), run("Delivered", "COMPLETED"), run("Junked", "COMPLETED")]
    others = [
        run("Crashed", "CRASHED"),
        run("Cancelled", "CANCELLED"),
        run("Failed", "FAILED"),
        run("Pending", "PENDING"),
    ]
    assert unexplained([*mail, *others], []) == others
    assert unexplained(others, ["1"]) == []


def test_requests_are_counted_by_their_kind() -> None:
    log = [
        '12:00:00.1 - "GET /api/flow_runs/80552958-ea62-4324-9d7c-68548553605f HTTP/1.1" 200',
        '12:00:00.2 | INFO | uvicorn.access - 127.0.0.1:1 - "GET /api/csrf-token?client=80552958 HTTP/1.1" 422',
        "12:00:00.3 | INFO | prefect - something else",
    ]
    assert requests(log) == {"GET /api/flow_runs/{id}": 1, "GET /api/csrf-token": 1}


def test_a_message_that_the_relay_took_is_known_by_its_own_log() -> None:
    line = (
        "Nov 24 12:00:00 relay postfix/cleanup[12]: 4abcXYZ: message-id=<0123456789abcdef0123456789abcdef@inbox.test>"
    )
    (found,) = QUEUED.finditer(line)
    assert found["id"] == "0123456789abcdef0123456789abcdef"
