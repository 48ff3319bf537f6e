"""From a result to its trace: what is told stands where it was measured, whatever clocks and servers say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tasks.mail.config.loop import CheckConfig, ImapConfig, InboundConfig, Limits, LoopConfig, SmtpConfig
from tasks.mail.model.journey_record import HopRecord, JourneyRecord, TlsRecord
from tasks.mail.model.outcome import ErrorType, Outcome, Placement, Reported, Status
from tasks.mail.model.result import AttemptRecord, BounceRecord, EarlierProbe, LoopResult
from tasks.mail.model.safe_text import MAX_LINE_CHARS
from tasks.mail.report.svg.timeline import timeline_of
from tasks.tracing.build import MAX_ATTEMPT_SPANS, MAX_HOP_SPANS, trace_of
from tasks.tracing.export import emit, is_wanted, where_to
from tasks.tracing.spans import MAX_NAME_CHARS, MAX_TEXTS, Span, attributes_of

stable = settings(derandomize=True, database=None, deadline=None, max_examples=200)

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LOOP = LoopConfig(
    name="office",
    smtp=SmtpConfig(
        host="relay.test", from_addr="probe@example.org", to_addr="inbox@example.net", subject_prefix="[mail-loop]"
    ),
    imap=ImapConfig(host="imap.test", username="inbox", password_secret="mailbox"),
    limits=Limits(max_wait=300),
)
INBOUND = InboundConfig(
    name="office",
    imap=ImapConfig(host="imap.test", username="inbox", password_secret="mailbox", search_subject="[mail-loop]"),
)
SMTP = {"dns": 0.001, "connect": 0.01, "ehlo": 0.002, "tls": 0.02, "rcpt": 0.007, "data": 0.06}
IMAP = {"dns": 0.001, "connect": 0.01, "tls": 0.02, "login": 0.03, "select": 0.5, "search": 7.0}
LATER = "450 4.2.0 later"


def result(**facts: object) -> LoopResult:
    """A delivered one, but for these facts."""
    plain: dict[str, object] = {
        "loop": "office",
        "status": Status.OK,
        "outcome": Outcome.DELIVERED,
        "sentence": "Mail gets through.",
        "attempts": 1,
        "attempt_times": ((0.0, 0.11),),
        "sent_at": AT,
        "accepted_at": AT + timedelta(seconds=0.1),
        "detected_at": AT + timedelta(seconds=2.4),
        "send_seconds": 0.1,
        "delivery_seconds": 2.2,
        "total_seconds": 2.4,
        "smtp_stages": SMTP,
        "imap_stages": IMAP,
    }
    return LoopResult.model_validate(plain | facts)


def refused(attempt: int, code: int = 450, text: str = LATER, stage: str = "rcpt") -> AttemptRecord:
    kind = ErrorType.TEMPORARY if code < 500 else ErrorType.RECIPIENT
    return AttemptRecord(attempt=attempt, error_type=kind, smtp_code=code, error_msg=text, stage=stage)


NOT_SENT: dict[str, object] = {
    "status": Status.ERROR,
    "accepted_at": None,
    "detected_at": None,
    "send_seconds": None,
    "delivery_seconds": None,
    "total_seconds": None,
    "imap_stages": {},
    "leg": "smtp",
}
GREYLISTED: dict[str, object] = {
    "attempts": 2,
    "attempt_times": ((0.0, 0.03), (1.03, 1.14)),
    "attempt_errors": (refused(1),),
    "send_seconds": 1.13,
    "total_seconds": 3.53,
}
HOPS = JourneyRecord(
    hops=(
        HopRecord(by="relay.test", delay_seconds=0.0),
        HopRecord(by="mx.test", delay_seconds=1.5, skew_seconds=-40.0, slow=True),
        HopRecord(by="store.test", delay_seconds=0.5),
    )
)
LOST: dict[str, object] = {
    "status": Status.ERROR,
    "outcome": Outcome.LOST,
    "error_type": ErrorType.NO_MESSAGE,
    "error_msg": "not found within 300 s",
    "leg": "imap",
    "stage": "search",
    "detected_at": None,
    "delivery_seconds": None,
    "total_seconds": 300.1,
    "imap_tries": 1,
    "imap_times": ((0.1, 300.1),),
}
UNREADABLE: dict[str, object] = LOST | {
    "outcome": Outcome.UNVERIFIED,
    "error_type": ErrorType.AUTH,
    "error_msg": "NO LOGIN failed",
    "stage": "login",
    "imap_stages": {"dns": 0.001, "connect": 0.01, "tls": 0.02, "login": 0.03},
    "total_seconds": 30.2,
    "imap_tries": 3,
    "imap_times": ((0.1, 30.1), (30.1, 30.2)),
}
REJECTED: dict[str, object] = NOT_SENT | {
    "outcome": Outcome.REJECTED,
    "error_type": ErrorType.RECIPIENT,
    "attempt_errors": (refused(1, 550, "550 5.1.1 No such user"),),
    "smtp_stages": {"dns": 0.001, "connect": 0.01, "rcpt": 0.007},
}


def root(found: LoopResult, config: CheckConfig | None = LOOP, lasted: float = 300.1) -> Span:
    """The trace of a check that ended so many seconds after it had begun."""
    return trace_of(found, config, AT + timedelta(seconds=lasted)).root


def named(span: Span, name: str) -> Span:
    (found,) = (one for one in span.walk() if one.name == name)
    return found


def lines(span: Span, depth: int = 0) -> Iterator[str]:
    """The tree as text: an exclamation mark behind what failed."""
    yield "  " * depth + span.name + (" !" if span.failed is not None else "")
    for child in span.children:
        yield from lines(child, depth + 1)


def test_a_check_is_its_two_legs_with_the_way_of_the_message_between_them() -> None:
    assert list(lines(root(result(**GREYLISTED, journey=HOPS)))) == [
        "check office",
        "  send",
        "    attempt 1 !",
        "    pause",
        "    attempt 2",
        *(f"      smtp {stage}" for stage in SMTP),
        "  delivery",
        "    hop 1",
        "    hop 2",
        "    hop 3",
        "  search",
        *(f"    imap {stage}" for stage in ("dns", "connect", "tls", "login")),
        "    wait",
        "    imap search",
    ]


def test_the_trace_begins_with_the_first_attempt_and_ends_with_the_detection() -> None:
    trace = trace_of(result(), LOOP, AT + timedelta(seconds=99))
    assert (trace.began, trace.root.start, trace.root.end) == (AT, 0.0, 2.4)
    assert [(event.name, round(event.at, 4)) for event in trace.root.events] == [
        ("accepted", 0.1),
        ("arrived", 2.3),
        ("detected", 2.4),
    ]


def test_hops_are_laid_by_their_corrected_delays_and_not_by_the_clocks_of_others() -> None:
    tree = root(result(**GREYLISTED, journey=HOPS))
    spans = [named(tree, f"hop {number}") for number in (1, 2, 3)]
    assert [(round(hop.start, 4), round(hop.end, 4)) for hop in spans] == [(1.13, 1.13), (1.13, 2.63), (2.63, 3.13)]
    assert spans[1].attributes == {
        "mail_loop.hop.by": "mx.test",
        "mail_loop.hop.delay_seconds": 1.5,
        "mail_loop.hop.skew_seconds": -40.0,
        "mail_loop.hop.slow": True,
    }


def test_a_lost_message_was_waited_for_to_the_end_of_the_check() -> None:
    tree = root(result(**LOST), lasted=300.7)
    wait = named(tree, "wait")
    assert (tree.end, wait.end) == (300.1, 300.1)
    assert wait.failed == "not found within 300 s"
    assert wait.attributes == {"error.type": "no_recent_message"}
    assert tree.failed == "Mail gets through."


@pytest.mark.parametrize("lasted", [86400.0, -86400.0])
def test_a_clock_that_was_set_leaves_what_was_measured(lasted: float) -> None:
    assert root(result(**LOST), lasted=lasted).end == pytest.approx(300.1)


def test_the_tries_that_came_to_nothing_are_one_span_with_their_pauses() -> None:
    tries = named(root(result(**UNREADABLE)), "tries 1 to 2 and pauses")
    assert (tries.start, tries.end) == (0.1, 30.1)
    assert named(root(result(**UNREADABLE)), "search").attributes["mail_loop.imap.tries"] == 3


def test_a_mailbox_that_cannot_be_read_fails_in_its_stage_and_says_nothing_of_the_sending() -> None:
    tree = root(result(**UNREADABLE), lasted=0.3)
    assert [line.strip() for line in lines(tree) if line.endswith("!")] == [
        "check office !",
        "search !",
        "imap login !",
    ]


def test_a_refusal_fails_in_its_attempt_and_its_stage() -> None:
    tree = root(result(**REJECTED))
    assert list(lines(tree)) == [
        "check office !",
        "  send !",
        "    attempt 1 !",
        "      smtp dns",
        "      smtp connect",
        "      smtp rcpt !",
    ]
    assert named(tree, "smtp rcpt").attributes == {
        "error.type": "recipient_refused",
        "mail_loop.stage": "rcpt",
        "mail_loop.smtp.reply_code": 550,
        "mail_loop.error_msg": "550 5.1.1 No such user",
    }


def test_a_warning_is_no_error_but_is_told() -> None:
    tree = root(result(**LOST | {"status": Status.WARNING}))
    assert not any(line.endswith("!") for line in lines(tree))
    assert tree.attributes["mail_loop.status"] == "warning"


def test_a_bounce_is_an_event_with_what_it_says() -> None:
    bounce = BounceRecord(action="failed", status="5.1.1", diagnostic="550 no\nsuch user", reporting_mta="mx.test")
    facts = {"status": Status.ERROR, "outcome": Outcome.BOUNCED, "delivery_seconds": None, "bounce": bounce}
    *_, event = root(result(**facts)).events
    assert (event.name, event.at) == ("bounced", 2.4)
    assert event.attributes["mail_loop.bounce.status"] == "5.1.1"
    assert event.attributes["mail_loop.bounce.diagnostic"] == r"550 no\nsuch user"


def test_both_dialogues_name_their_server() -> None:
    tree = root(result())
    dialogues = [
        (span.name, span.attributes["server.address"], span.attributes["server.port"])
        for span in tree.walk()
        if span.client
    ]
    assert dialogues == [("send", "relay.test", 587), ("search", "imap.test", 993)]


def test_an_inbound_check_is_one_search_without_a_wait() -> None:
    facts = {"sent_at": None, "accepted_at": None, "send_seconds": None, "delivery_seconds": None}
    found = result(**facts, attempts=0, attempt_times=(), smtp_stages={})
    trace = trace_of(found, INBOUND, AT)
    assert list(lines(trace.root)) == [
        "check office",
        "  search",
        *(f"    imap {stage}" for stage in ("dns", "connect", "tls", "login", "search")),
    ]
    assert trace.began == AT - timedelta(seconds=2.4)


def test_what_never_began_is_a_root_alone() -> None:
    found = LoopResult(loop="office", status=Status.ERROR, outcome=Outcome.MISCONFIGURED, sentence="It is wrong.")
    trace = trace_of(found, None, AT)
    assert (trace.began, trace.root.end, trace.root.children) == (AT, 0.0, ())
    assert trace.root.failed == "It is wrong."


def test_the_document_names_every_attribute() -> None:
    bounce = BounceRecord(
        action="failed", status="5.1.1", diagnostic="no", reporting_mta="mx.test", remote_mta="x.test"
    )
    tls = TlsRecord(protocol="TLSv1.3", cipher="TLS_AES_256_GCM_SHA384")
    words = {
        "who_acts": "you",
        "cause": "greylisted",
        "token": "4f1c9a",
        "probe_id": "4f1c9a",
        "flow_run_id": "1",
        "notes": ("said",),
    }
    facts = {"folder": "INBOX", "placement": Placement.EXPECTED, "copies": 1, "queue_id": "1", "tls": {"smtp": tls}}
    reply = {"response_code": 250, "response_message": "2.0.0 Ok", "enhanced_code": "2.0.0"}
    named = HopRecord(from_="x", by="x", with_="x", id="x", tls="x")
    hop = replace(named, at=AT, delay_seconds=1.0, margin_seconds=1.0, skew_seconds=1.0, slow=True)
    earlier = EarlierProbe(
        probe_id="1", token="1", arrived_at=AT, reported=Reported.LOST, folder="INBOX", uidvalidity=1, uid=1
    )
    found = [
        result(**GREYLISTED, **words, **facts, **reply, journey=JourneyRecord(hops=(hop,)), earlier_probes=(earlier,)),
        result(**UNREADABLE),
        result(outcome=Outcome.BOUNCED, bounce=bounce),
    ]
    spans = [span for one in found for span in root(one).walk()]
    used = {name for span in spans for name in span.attributes}
    used |= {name for span in spans for event in span.events for name in event.attributes}
    sums = {f"mail_loop.imap.{stage}_seconds" for stage in IMAP}
    text = (Path(__file__).resolve().parents[3] / "docs" / "traces.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`((?:mail_loop|error|server|network|tls)\.[a-z_.]+)`", text))
    assert used - sums == documented
    assert sums < used


@pytest.mark.parametrize(
    "found",
    [
        result(journey=HOPS),
        result(**GREYLISTED),
        result(**REJECTED),
        result(**LOST),
        result(**UNREADABLE),
    ],
    ids=["delivered", "greylisted", "rejected", "lost", "unreadable"],
)
def test_the_trace_and_the_picture_of_a_run_say_the_same(found: LoopResult) -> None:
    drawn = {(round(bar.start, 3), round(bar.end, 3)) for bar in timeline_of(found, LOOP.limits).bars}
    spans = {(round(span.start, 3), round(span.end, 3)) for span in root(found).walk()}
    assert drawn
    assert drawn <= spans


# What a result may hold when clocks, servers and strangers have had their say in it.
seconds = st.floats(-10, 400) | st.sampled_from([0.0, 1e12, -1e12, float("inf"), float("-inf"), float("nan")])
texts = st.text(max_size=400)
stages = st.dictionaries(st.sampled_from(["dns", "connect", "tls", "login", "rcpt", "search", "odd\nname"]), seconds)
hops = st.builds(
    HopRecord,
    by=texts,
    from_=texts,
    id=texts,
    delay_seconds=st.none() | seconds,
    at=st.none() | st.just(AT),
    slow=st.booleans(),
)
moments = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC))
results = st.builds(
    LoopResult,
    loop=texts,
    status=st.sampled_from(Status),
    outcome=st.sampled_from(Outcome),
    sentence=texts,
    leg=st.sampled_from([None, "smtp", "imap"]),
    stage=st.sampled_from([None, "dns", "login", "search"]),
    error_type=st.none() | st.sampled_from(ErrorType),
    error_msg=st.none() | texts,
    attempts=st.integers(0, 5),
    attempt_errors=st.lists(st.builds(refused, st.integers(1, 5), text=texts, stage=texts), max_size=3).map(tuple),
    attempt_times=st.lists(st.tuples(seconds, seconds), max_size=5).map(tuple),
    response_code=st.none() | st.integers(),
    response_message=st.none() | texts,
    sent_at=st.none() | moments,
    accepted_at=st.none() | moments,
    send_seconds=st.none() | seconds,
    delivery_seconds=st.none() | seconds,
    total_seconds=st.none() | seconds,
    smtp_stages=stages,
    imap_stages=stages,
    folder=st.none() | texts,
    placement=st.none() | st.sampled_from(Placement),
    journey=st.none() | st.builds(JourneyRecord, hops=st.lists(hops, max_size=4).map(tuple)),
    notes=st.lists(texts, max_size=12).map(tuple),
)


@stable
@given(results, st.sampled_from([LOOP, INBOUND, None]), moments)
def test_whatever_a_result_says_its_spans_lie_within_each_other_and_their_texts_are_bounded(
    found: LoopResult, config: CheckConfig | None, ended: datetime
) -> None:
    tree = trace_of(found, config, ended).root
    for span in tree.walk():
        assert 0 <= span.start <= span.end < float("inf")
        assert all(span.start <= child.start and child.end <= span.end for child in span.children)
        assert all(span.start <= event.at <= span.end for event in span.events)
        assert len(span.name) <= MAX_NAME_CHARS
        assert span.name.isprintable()
        texts = [
            text for value in span.attributes.values() for text in (value if isinstance(value, tuple) else (value,))
        ]
        shown = [text for text in [*texts, span.failed or ""] if isinstance(text, str)]
        assert all(len(text) <= MAX_LINE_CHARS and text.isprintable() for text in shown)


@settings(stable, max_examples=50)
@given(results, moments)
def test_whatever_a_result_says_otlp_can_carry_it(found: LoopResult, ended: datetime) -> None:
    finished = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(finished))
    trace = trace_of(found, LOOP, ended)
    assert emit(trace, provider.get_tracer("test"))
    (carried,) = encode_spans(finished.get_finished_spans()).resource_spans
    spans = {span.span_id: span for span in carried.scope_spans[0].spans}
    assert len(spans) == len([*trace.root.walk()])
    for span in spans.values():
        assert span.start_time_unix_nano <= span.end_time_unix_nano
        if parent := spans.get(span.parent_span_id):
            assert parent.start_time_unix_nano <= span.start_time_unix_nano
            assert span.end_time_unix_nano <= parent.end_time_unix_nano


def test_a_trace_has_a_bounded_number_of_spans_and_texts() -> None:
    many = 1000
    journey = JourneyRecord(hops=tuple(HopRecord(by=f"{number}.test", delay_seconds=0.001) for number in range(many)))
    times = tuple((number + 0.0, number + 0.5) for number in range(many))
    found = result(journey=journey, attempts=many, attempt_times=times, notes=("said",) * many, send_seconds=999.5)
    tree = root(found)
    assert len(named(tree, "delivery").children) == MAX_HOP_SPANS
    assert len([span for span in tree.walk() if span.name.startswith("attempt")]) == MAX_ATTEMPT_SPANS
    assert tree.attributes["mail_loop.notes"] == ("said",) * MAX_TEXTS


def test_what_is_not_known_or_cannot_be_carried_is_no_attribute() -> None:
    facts = {"none": None, "empty": "", "nothing": (), "endless": float("inf"), "undefined": float("nan"), "big": 2**63}
    assert attributes_of(facts | {"zero": 0, "no": False}) == {"zero": 0, "no": False}


def test_attempts_whose_times_are_not_known_are_one() -> None:
    tree = root(result(attempt_times=()))
    attempt = named(tree, "attempt 1")
    assert attempt.end == pytest.approx(sum(SMTP.values()))
    assert all(left.end == right.start for left, right in pairwise(attempt.children))


ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@pytest.mark.parametrize(
    ("variables", "on"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "mail"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://127.0.0.1:4318/v1/metrics"}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, False),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": ""}, True),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "true"}, False),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "false"}, True),
    ],
    ids=str,
)
def test_the_standard_variables_switch_traces_on_and_off(variables: dict[str, str], on: bool) -> None:
    assert is_wanted(variables) is on


@pytest.mark.parametrize(
    ("endpoint", "shown"),
    [
        ("", "localhost:4318"),
        ("http://user:s3cret@collector.test:4318/s3cret?key=s3cret", "collector.test:4318"),
        ("https://collector.test", "collector.test"),
        ("http://collector.test:s3cret", "the collector"),
        ("http://[s3cret", "the collector"),
        ("s3cret", "the collector"),
    ],
)
def test_of_the_address_of_a_collector_host_and_port_are_told(endpoint: str, shown: str) -> None:
    assert where_to({"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}) == shown
