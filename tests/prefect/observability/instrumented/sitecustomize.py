"""What Python loads before anything else, where PYTHONPATH names this folder: a tracer provider for the whole program.

It is what `opentelemetry-instrument` does. Prefect then emits spans of its own.
"""

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import set_tracer_provider

_provider = TracerProvider()
_provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
set_tracer_provider(_provider)
