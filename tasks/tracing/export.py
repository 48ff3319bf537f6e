"""A check that has ended becomes a trace, where the OTEL_ variables ask for one. Elsewhere nothing is even imported."""

import asyncio
import logging
import os
from collections.abc import Mapping
from contextvars import copy_context
from datetime import datetime
from functools import cache, partial

from tasks.mail.config.loop import CheckConfig
from tasks.mail.model.result import LoopResult
from tasks.mail.net.threads import in_own_thread

EXPORT_SECONDS = 3.0  # that a check waits for a collector, when its verdict is recorded

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
    try:
        await _export(result, config, ended)
    except Exception as error:  # whatever a library does when it is fed with such variables
        log.warning(
            "The trace of %s was not exported (%s): see the OTEL_ variables.", result.loop, type(error).__name__
        )


async def _export(result: LoopResult, config: CheckConfig | None, ended: datetime) -> None:
    from tasks.tracing.build import trace_of
    from tasks.tracing.otlp import Unexported, export, where_to

    trace = trace_of(result, config, ended)
    reasons: list[str] = []
    try:
        work = partial(copy_context().run, export, trace, reasons)  # the current span is in the context
        async with asyncio.timeout(EXPORT_SECONDS):
            trace_id = await in_own_thread(work, "traces")
    except ImportError:
        _say_once("OTEL_ variables ask for traces, but OpenTelemetry is missing: install mail-loop-check[otel].")
        return
    except TimeoutError:
        why = reasons[-1] if reasons else f"no answer within {EXPORT_SECONDS:g} s"
    except Unexported as error:
        why = str(error)
    else:
        if trace_id:
            log.info("The trace of %s is %s.", result.loop, trace_id)
        return
    log.warning("The trace of %s was not exported to %s: %s.", result.loop, where_to(), why)


@cache
def _say_once(text: str) -> None:
    log.warning(text)
