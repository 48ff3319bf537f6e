"""A check that has ended becomes a trace, where the OTEL_ variables ask for one. Elsewhere nothing is even imported."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import copy_context
from datetime import datetime
from functools import cache, partial
from http import HTTPStatus
from importlib.metadata import entry_points, version
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tasks.mail.config.loop import CheckConfig
from tasks.mail.model.errors import describe_os_error
from tasks.mail.model.result import LoopResult
from tasks.mail.model.safe_text import one_line
from tasks.mail.net.threads import in_own_thread
from tasks.tracing.spans import Span, Trace

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Tracer


EXPORT_SECONDS = 3.0  # that a check waits for a collector, when its verdict is recorded
_SERVICE = "mail-loop"
_PROJECT = "mail-loop-check"
SDK = "opentelemetry"  # the logger above all of its own
_EXPORTERS = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}  # by protocol: names of entry points
_CODES = {status.phrase: status.value for status in HTTPStatus}  # of all that a collector may say, what is harmless
_DEFAULT_ENDPOINT = {"http/protobuf": "http://localhost:4318", "grpc": "http://localhost:4317"}

log = logging.getLogger(__name__)


def is_wanted(env: Mapping[str, str]) -> bool:
    """Whether the variables of the OpenTelemetry specification switch traces on: an address, or an exporter."""
    if env.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if exporter := env.get("OTEL_TRACES_EXPORTER", "").strip().lower():
        return exporter != "none"
    return bool(env.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or env.get("OTEL_EXPORTER_OTLP_ENDPOINT"))


async def export_trace(result: LoopResult, config: CheckConfig | None, ended: datetime) -> None:
    """Export the trace of a check that `ended`, if one is wanted, within a few seconds.

    What goes wrong here is one line in the log, and changes no verdict.
    """
    if not is_wanted(os.environ):
        return
    reasons: list[str] = []
    try:
        from tasks.tracing.build import trace_of

        trace = trace_of(result, config, ended)
        work = partial(copy_context().run, export, trace, reasons)  # the current span is in the context
        async with asyncio.timeout(EXPORT_SECONDS):
            trace_id = await in_own_thread(work, "traces")
    except ImportError:
        _say_once("OTEL_ variables ask for traces, but OpenTelemetry is missing: install mail-loop-check[otel].")
    except (TimeoutError, Unexported) as error:
        late = reasons[-1] if reasons else f"no answer within {EXPORT_SECONDS:g} s"
        why = error if isinstance(error, Unexported) else late
        log.warning("The trace of %s was not exported to %s: %s.", result.loop, where_to(), why)
    except Exception as error:  # whatever a library does when it is fed with such variables
        kind = type(error).__name__
        log.warning("The trace of %s was not exported (%s): see the OTEL_ variables.", result.loop, kind)
    else:
        if trace_id:
            log.info("The trace of %s is %s.", result.loop, trace_id)


@cache
def _say_once(text: str) -> None:
    log.warning(text)


class Unexported(Exception):
    """The trace went nowhere. The text says why in a few words, without anything that may be secret."""


def export(trace: Trace, reasons: list[str]) -> str:
    """Export a trace; returns its id, or nothing where it was not sampled. It may take as long as the collector does.

    Where the program was started with a tracer provider, as `opentelemetry-instrument` does, the spans are handed to
    that one; else to one that lives as long as this call. Where there is a current span, such as Prefect's, it is the
    parent. What makes the SDK try again is added to `reasons`. Raises Unexported, and ImportError where OpenTelemetry
    is missing.
    """
    import opentelemetry.trace as api

    provider = api.get_tracer_provider()
    if isinstance(provider, (api.ProxyTracerProvider, api.NoOpTracerProvider)):
        with _overheard(reasons):
            return _on_our_own(trace, reasons)
    return emit(trace, provider.get_tracer(_PROJECT, version(_PROJECT)))


def _on_our_own(trace: Trace, reasons: list[str]) -> str:
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    resource = Resource.create()
    if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):  # the SDK's own, where none is given
        resource = resource.merge(Resource({SERVICE_NAME: _SERVICE, "service.version": version(_PROJECT)}))
    # One request for the whole trace, whose fate is known then. Nothing is left to be done at the exit.
    finished = InMemorySpanExporter()
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(finished))
    trace_id = emit(trace, provider.get_tracer(_PROJECT, version(_PROJECT)))
    spans = finished.get_finished_spans()
    if not spans:
        return ""
    exporter = _exporter()
    try:
        if exporter.export(spans) is not SpanExportResult.SUCCESS:
            raise Unexported(reasons[-1] if reasons else "it cannot be reached, or gives no answer in time")
    finally:
        exporter.shutdown()
    return trace_id


def emit(trace: Trace, tracer: Tracer) -> str:
    """Make the spans; returns the id of their trace, nothing where it is not sampled."""
    from opentelemetry.trace import SpanKind, Status, StatusCode, format_trace_id, set_span_in_context

    began = int(trace.began.timestamp() * 1_000_000) * 1000

    def at(seconds: float) -> int:
        return began + round(seconds * 1_000_000) * 1000

    def add(span: Span, context: Context | None) -> str:
        kind = SpanKind.CLIENT if span.client else SpanKind.INTERNAL
        made = tracer.start_span(span.name, context, kind, dict(span.attributes), start_time=at(span.start))
        for event in span.events:
            made.add_event(event.name, dict(event.attributes), at(event.at))
        if span.failed is not None:
            made.set_status(Status(StatusCode.ERROR, span.failed))
        elif span is trace.root:
            made.set_status(Status(StatusCode.OK))
        for child in span.children:
            add(child, set_span_in_context(made))
        made.end(at(span.end))
        found = made.get_span_context()
        return format_trace_id(found.trace_id) if found.trace_flags.sampled else ""

    return add(trace.root, None)


def _exporter() -> SpanExporter:
    """The OTLP exporter of the protocol that the variables name. Raises Unexported."""
    names = os.environ.get("OTEL_TRACES_EXPORTER", "").split(",")
    if any(names) and not any(name.strip().lower().startswith("otlp") for name in names):
        raise Unexported("it is exported by OTLP alone, which OTEL_TRACES_EXPORTER leaves out: set it to otlp")
    protocol = _protocol()
    if protocol not in _EXPORTERS:
        known = " and ".join(_EXPORTERS)
        raise Unexported(f"of the protocols of OTLP it knows {known}: see OTEL_EXPORTER_OTLP_PROTOCOL")
    name = _EXPORTERS[protocol]
    found = entry_points(group="opentelemetry_traces_exporter", name=name)
    if not found:
        package = f"opentelemetry-exporter-{name.replace('_', '-')}"
        raise Unexported(f"OTEL_EXPORTER_OTLP_PROTOCOL={protocol} needs the package {package}: install it")
    exporter: SpanExporter = next(iter(found)).load()()
    return exporter


def _protocol(env: Mapping[str, str] = os.environ) -> str:
    protocol = env.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or env.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    return (protocol or "http/protobuf").strip()


def where_to(env: Mapping[str, str] = os.environ) -> str:
    """Host and port of the collector, for people: the rest of its address may hold secrets."""
    endpoint = env.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or env.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    try:
        address = urlsplit(endpoint or _DEFAULT_ENDPOINT.get(_protocol(env), ""))
        port = f":{address.port}" if address.port else ""
    except ValueError:
        return "the collector"
    return one_line(f"{address.hostname}{port}") if address.hostname else "the collector"


@contextmanager
def _overheard(reasons: list[str]) -> Iterator[None]:
    """Keep what the SDK says in this thread out of the log: it may repeat headers, and says one thing many times.

    What it says of a failure goes to `reasons`: a status, or what is at the bottom of an error.
    """
    thread = threading.get_ident()

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread != thread or not isinstance(record.args, tuple):
                return
            for fact in record.args:
                if isinstance(fact, BaseException):
                    reasons.append(_cause(fact))
                elif code := fact if isinstance(fact, int) else _CODES.get(str(fact)):
                    reasons.append(f"the answer was HTTP {code}")

    ear, logger = Ear(), logging.getLogger(SDK)
    logger.propagate = False  # for good: with no provider in this program, nothing else is logged there
    logger.addHandler(ear)
    try:
        yield
    finally:
        logger.removeHandler(ear)


def _cause(error: BaseException) -> str:
    """What is at the bottom of an error, in the words of TLS or the operating system, else the name of its type."""
    name = type(error).__name__
    seen: set[int] = set()
    inner: BaseException | None = error
    while inner is not None and id(inner) not in seen:
        seen.add(id(inner))
        if isinstance(inner, ssl.SSLError):
            return f"TLS failed ({getattr(inner, 'verify_message', None) or inner.reason or name})"
        if isinstance(inner, TimeoutError):
            return "no answer in time"
        if isinstance(inner, OSError) and inner.errno:
            return describe_os_error(inner)
        inner = inner.__cause__ or inner.__context__
    return name
