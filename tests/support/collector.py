"""A collector of traces: takes OTLP over HTTP as a real one does, parses it, and keeps the spans.

`python -m tests.support.collector` draws each trace as it comes, at http://127.0.0.1:4318, until it is interrupted.
"""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from threading import Event
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Sent

from tasks.mail.model.safe_text import one_line
from tests.support.checks.bounds import PROGRAM_SECONDS
from tests.support.http_server import Quiet, listening

STATUS = {0: "unset", 1: "ok", 2: "error"}
COLUMNS = 40  # of a drawing
TELLING = ("mail_loop.outcome", "mail_loop.hop.by", "server.address")  # what a drawing says of a span


@dataclass(frozen=True)
class Received:
    """One span as it arrived; times in nanoseconds since 1970."""

    sent: Sent
    resource: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.sent.name

    @property
    def attributes(self) -> dict[str, Any]:
        return _attributes(self.sent.attributes)

    @property
    def status(self) -> str:
        return STATUS[self.sent.status.code]

    @property
    def events(self) -> list[str]:
        return [event.name for event in self.sent.events]

    @property
    def seconds(self) -> float:
        return (self.sent.end_time_unix_nano - self.sent.start_time_unix_nano) / 1e9


@dataclass
class Request:
    """What came with one request beside the spans."""

    path: str
    headers: Mapping[str, str]
    size: int


@dataclass
class Collector:
    """`status` is the answer; with `hangs` there is none until the collector ends."""

    url: str = ""
    status: int = 200
    hangs: bool = False
    requests: list[Request] = field(default_factory=list)
    spans: list[Received] = field(default_factory=list)
    over: Event = field(default_factory=Event)

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> None:
        self.requests.append(Request(path, dict(headers), len(body)))
        plain = gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body
        for resource in ExportTraceServiceRequest.FromString(plain).resource_spans:
            about = _attributes(resource.resource.attributes)
            self.spans += [Received(span, about) for scope in resource.scope_spans for span in scope.spans]

    def named(self, name: str) -> Received:
        """The one span of this name."""
        (span,) = (span for span in self.spans if span.name == name)
        return span

    def parent(self, span: Received) -> Received | None:
        """The span that it is a part of, None if that did not come here."""
        return next((other for other in self.spans if other.sent.span_id == span.sent.parent_span_id), None)

    def tree(self) -> list[str]:
        """The spans as lines, each indented below its parent, in the order of time."""
        return ["  " * depth + span.name for depth, span in self.walk()]

    def walk(self) -> Iterator[tuple[int, Received]]:
        """The spans with their depth, each behind its parent, in the order of time."""
        for root in self.spans:
            if not self.parent(root):
                yield from self._below(root, 0)

    def _below(self, span: Received, depth: int) -> Iterator[tuple[int, Received]]:
        yield depth, span
        inside = [other for other in self.spans if other.sent.parent_span_id == span.sent.span_id]
        for child in sorted(inside, key=lambda other: (other.sent.start_time_unix_nano, other.sent.end_time_unix_nano)):
            yield from self._below(child, depth + 1)


@contextmanager
def collector(port: int = 0, **what: Any) -> Iterator[Collector]:
    """A collector on loopback, until the end of the block."""
    found = Collector(**what)

    class Taking(Quiet, BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            found.take(self.path, dict(self.headers), self.rfile.read(int(self.headers["Content-Length"])))
            if found.hangs:
                found.over.wait(PROGRAM_SECONDS)
                self.close_connection = True
                return
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(found.status)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    with listening(Taking, port) as at:
        found.url = f"http://127.0.0.1:{at}"
        try:
            yield found
        finally:
            found.over.set()


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    return getattr(value, kind) if kind else None


def drawing(there: Collector) -> Iterator[str]:
    """The spans to scale, a line each: name, bar, length, and why it failed or who it is about."""
    began = min(span.sent.start_time_unix_nano for span in there.spans)
    whole = max(span.sent.end_time_unix_nano for span in there.spans) - began or 1
    for depth, span in there.walk():
        left, right = (
            round(COLUMNS * (moment - began) / whole)
            for moment in (span.sent.start_time_unix_nano, span.sent.end_time_unix_nano)
        )
        bar = " " * min(left, COLUMNS - 1) + "=" * max(1, right - left)
        known = (span.attributes.get(name) for name in TELLING)
        about = one_line(span.sent.status.message or next((value for value in known if value), ""), COLUMNS)
        yield f"{'  ' * depth + span.name:<20}|{bar:<{COLUMNS}}|{span.seconds * 1000:>7.0f} ms  {about}".rstrip()


if __name__ == "__main__":
    with collector(port=4318) as watched, suppress(KeyboardInterrupt):
        print(f"OTEL_EXPORTER_OTLP_ENDPOINT={watched.url}", flush=True)
        while True:
            time.sleep(0.2)
            if watched.spans:
                print("", *drawing(watched), sep="\n", flush=True)
                watched.spans = []
