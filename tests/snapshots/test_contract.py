"""What users have come to rely on stays as it is: sentences, JSON, forms, metrics, events and traces.

Each is compared with a JSON file in this folder. A change that is meant is stored with SNAPSHOTS=write in the
environment, and shows in the diff of the commit: a user may have to be told of it.
"""

from __future__ import annotations

import io
import pickle
import re
from collections import defaultdict
from dataclasses import fields
from datetime import timedelta
from typing import Any, get_args

import yaml
from prefect import Flow, Task
from prefect.utilities.callables import parameter_schema
from pydantic import BaseModel

from flows.cli.check import plain_timeline
from flows.equip import ROOT
from flows.fleet import check_one, fleet_check
from flows.history import loop_history
from flows.inbound import inbound_check
from flows.loop_matrix import loop_matrix
from flows.loop_vantage import loop_vantage
from flows.mail_loop import mail_loop_check
from flows.registry import FLEET_CHECK, LOOP_MATRIX
from tasks.alert_store import CALL, CHECKED, RULES_VARIABLE, STATE_VARIABLE, WATCHED, resource
from tasks.alerting import labels_of
from tasks.alerts.message import body, silent, subject
from tasks.alerts.rules import Alerts
from tasks.alerts.state import Kind, Standing
from tasks.correlation.pattern import Path, pattern
from tasks.correlation.tables import fleet_markdown, fleet_rows, matrix_markdown, summary
from tasks.correlation.vantage import PlaceResult, Together, Watched, compare_places, places_in_short
from tasks.correlation.vantage import places_markdown as vantage_markdown
from tasks.finish import PROBE_ARRIVED, UNPUBLISHED, artifact_key, final_state
from tasks.history.figures import Figures, histories, window
from tasks.history.record import embedded
from tasks.history.report import history_lines, history_markdown
from tasks.mail.checks import of_result, of_results, of_state
from tasks.mail.config.loop import InboundConfig, LoopConfig
from tasks.mail.config.matrix import Matrix
from tasks.mail.model.errors import CheckFailed
from tasks.mail.model.journey_record import JourneyRecord
from tasks.mail.model.result import LoopResult
from tasks.mail.report.report import markdown
from tasks.mail.report.svg.draw import svg
from tasks.mail.report.svg.timeline import timeline_of
from tasks.mail.report.text import attempts, journey_lines, result_line, who_acts
from tasks.metrics.collector import Board
from tasks.metrics.loop import Intervals, Sighting
from tasks.parameters import configuration_of
from tasks.run_context import place_tag
from tasks.steps import find_probe, look_for_recent, send_probe
from tasks.tracing.build import trace_of
from tests.snapshots.cases import CASES, EARLIER
from tests.snapshots.stored import same_as_stored
from tests.support.checks.facts import START

FLOWS: list[Flow[..., Any]] = [
    mail_loop_check,
    inbound_check,
    fleet_check,
    loop_matrix,
    loop_vantage,
    loop_history,
]
TASKS: list[Task[..., Any]] = [send_probe, find_probe, look_for_recent, check_one]
DRAWN = ("delivered", "delivered on attempt 2, greylisted", "deferred")
RESULTS = {case: result for case, (_, result) in CASES.items()}
QUARTER = timedelta(minutes=15)
MANY = [(result, START + number * QUARTER) for number, result in enumerate(RESULTS.values())]


def as_lines(text: str) -> list[str]:
    """Text to be compared line by line; pictures are compared elsewhere."""
    return re.sub(r"(data:image/svg\+xml;base64,)[^)\"]+", r"\1...", text).split("\n")


def test_the_json_of_what_users_read_and_write_has_the_same_schema() -> None:
    read: list[type[BaseModel]] = [LoopConfig, InboundConfig, Matrix, Alerts]
    written: list[type[BaseModel]] = [LoopResult, JourneyRecord]
    schemas: dict[str, Any] = {one.__name__: one.model_json_schema() for one in read}
    schemas |= {one.__name__: one.model_json_schema(mode="serialization") for one in written}
    schemas |= {one.__name__: [field.name for field in fields(one)] for one in (Together, Figures)}
    same_as_stored("schemas", schemas)


def test_the_same_facts_make_the_same_results() -> None:
    shown = {case: result.model_dump(mode="json") | {"exit code": result.exit_code} for case, result in RESULTS.items()}
    same_as_stored("results", shown)


def test_a_result_is_told_in_the_same_words_on_a_terminal_and_in_a_report() -> None:
    shown = {}
    for case, (config, result) in CASES.items():
        limits = config.limits if isinstance(config, LoopConfig) else None
        text = [result_line(result), *who_acts(result), *attempts(result)]
        text += plain_timeline(result, io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), limits)
        text += journey_lines(result.journey) if result.journey else []
        shown[case] = {"text": text, "markdown": as_lines(markdown(result, configuration_of(config), limits))}
    same_as_stored("reports", shown)


def test_the_same_pictures_are_drawn() -> None:
    pictures = {}
    for case in DRAWN:
        config, result = CASES[case]
        assert isinstance(config, LoopConfig)
        pictures[case] = svg(timeline_of(result, config.limits)).replace("><", ">\n<").split("\n")
    same_as_stored("pictures", pictures)


def test_many_results_are_told_in_the_same_words_together() -> None:
    named = [result.model_copy(update={"loop": f"loop-{number}"}) for number, result in enumerate(RESULTS.values())]
    cells = {(f"relay-{number % 4}", f"box-{number // 4}"): one for number, one in enumerate(named)}
    shown = pattern([Path(*cell, result) for cell, result in cells.items()])
    seen = {"berlin": [PlaceResult(START, RESULTS["lost"]), PlaceResult(START + QUARTER, RESULTS["lost"])]}
    seen["dublin"] = [PlaceResult(START + QUARTER / 2, RESULTS["delivered"])]
    watched = Watched("office", ("berlin", "dublin", "oslo"), QUARTER, timedelta(seconds=300))
    places = [compare_places(watched, seen, START + QUARTER)]
    period = window("1d", START + 40 * QUARTER)
    history = histories(of_results(MANY), period)
    told = {
        "fleet": fleet_markdown(fleet_rows(named)),
        "matrix": matrix_markdown(cells, shown, {cell: artifact_key(one.loop) for cell, one in cells.items()}),
        "matrix in short": " ".join(summary([*cells.values()])),
        "vantage": vantage_markdown(places, START + QUARTER),
        "vantage in short": places_in_short(places),
        "history": history_markdown(history, period),
        "history as text": "\n".join(history_lines(history, period)),
    }
    same_as_stored("together", {name: as_lines(text) for name, text in told.items()})


def test_flows_and_tasks_have_the_same_names_forms_and_options() -> None:
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    options = ("flow_run_name", "retries", "retry_delay_seconds", "persist_result", "timeout_seconds", "log_prints")
    shown = {
        "flows": {
            flow.name: {name: getattr(flow, name) for name in options}
            | {"entrypoint": entrypoint(flow), "validates": flow.should_validate_parameters}
            | {"parameters": parameter_schema(flow).model_dump()}
            for flow in FLOWS
        },
        "tasks": {
            task.name: {name: getattr(task, name) for name in ("task_run_name", *options[1:])}
            | {
                "cache_policy": type(task.cache_policy).__name__,
                "retries_depend": task.retry_condition_fn is not None,
            }
            for task in TASKS
        },
        "prefect.yaml": {f"{one['entrypoint']} {one['name']}": one.get("tags") for one in deployments},
    }
    same_as_stored("flows", shown)


def entrypoint(flow: Flow[..., Any]) -> str:
    return f"{flow.fn.__module__.replace('.', '/')}.py:{flow.fn.__name__}"


def test_metrics_have_the_same_names_types_labels_and_help() -> None:
    now = START + len(MANY) * QUARTER
    board = Board(lambda: now, timedelta(days=1), 100, "1.2.3")
    board.scheduled(Intervals({"office": QUARTER}))
    known: list[Sighting] = [Sighting(at, of_result(result, at), result) for result, at in MANY]
    board.read([*known[1:], Sighting(now, of_state("office", now, "CRASHED", "Crashed", None))], known[:1], 0, 0.5)
    shown = {}
    for family in board.registry.collect():
        if family.name.startswith("mail_loop_"):
            samples: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
            for sample in family.samples:
                for label, value in sample.labels.items():
                    samples[sample.name][label].add(value)
                samples[sample.name].update()
            labels = {name: {label: sorted(of) for label, of in one.items()} for name, one in samples.items()}
            shown[family.name] = {"type": family.type, "help": family.documentation, "samples": labels}
    same_as_stored("metrics", shown)


def test_events_states_and_artifacts_have_the_same_names_and_labels() -> None:
    states = {case: final_state(result) for case, result in RESULTS.items()}
    shown = {
        "events": [CHECKED, WATCHED, PROBE_ARRIVED, *(CALL.format(kind=kind) for kind in get_args(Kind))],
        "resource and labels": {case: resource(one.loop) | labels_of(one) for case, one in RESULTS.items()},
        "payload": sorted(RESULTS["delivered"].model_dump(mode="json")),
        "payload of an arrival": EARLIER.model_dump(mode="json"),
        "states": {case: [state.type, state.name, state.message] for case, state in states.items()},
        "artifacts": [
            artifact_key(name)
            for name in ("office", LOOP_MATRIX.report_name("office"), FLEET_CHECK.report_name("sites"))
        ],
        "record in an artifact": embedded(RESULTS["deferred"]),
        "variables": [RULES_VARIABLE, STATE_VARIABLE],
        "tag of a place": place_tag("berlin"),
        "file": UNPUBLISHED,
    }
    same_as_stored("events", shown)


def test_what_a_version_before_has_pickled_is_still_read() -> None:
    """A failed run's error carries its result; where results are kept it is named by the module that it was in."""
    error = CheckFailed(RESULTS["deferred"])
    old = pickle.dumps(error, protocol=0).replace(b"ctasks.mail.model.errors\n", b"ctasks.mail.model.failed\n")
    assert b"tasks.mail.model.failed" in old
    read = pickle.loads(old)  # made just now
    assert type(read) is CheckFailed
    assert read.result == error.result


def test_somebody_is_called_in_the_same_words() -> None:
    standing = Standing(called=True, bad=2, checks=2, since=START, outcome="lost")
    calls: dict[str, Any] = {"silent, by the server": silent("45m")}
    for kind in get_args(Kind):
        for case in ("lost", "junked", "delivered"):
            said = body(kind, RESULTS[case], standing, START + QUARTER, START - QUARTER, "http://127.0.0.1/run")
            calls[f"{kind}, {case}"] = [subject(kind, "office", RESULTS[case].outcome), *said.split("\n")]
    same_as_stored("calls", calls)


def test_spans_have_the_same_names_and_attributes() -> None:
    shown = {}
    for case in (*DRAWN, "bounced", "unverified, login", "inbound, delivered", "delivered, with a token"):
        config, result = CASES[case]
        shown[case] = {
            span.name: {"attributes": sorted(span.attributes), "client": span.client}
            | {"events": {event.name: sorted(event.attributes) for event in span.events}}
            for span in trace_of(result, config, START + QUARTER).root.walk()
        }
    same_as_stored("spans", shown)
