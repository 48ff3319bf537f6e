"""A check that has ended becomes a trace, where the OTEL_ variables ask for one. Elsewhere nothing is even imported."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import copy_context
from datetime import datetime
from functools import cache
from threading import Thread

from tasks.mail.config.loop import CheckConfig
from tasks.mail.model.result import LoopResult

SECONDS = 3.0  # that a check waits for a collector, its verdict told and recorded

log = logging.getLogger(__name__)


def wanted(env: Mapping[str, str]) -> bool:
    """Whether the variables of the OpenTelemetry specification switch traces on: an address, or an exporter."""
    if env.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if exporter := env.get("OTEL_TRACES_EXPORTER", "").strip().lower():
        return exporter != "none"
    return bool(env.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or env.get("OTEL_EXPORTER_OTLP_ENDPOINT"))


async def traced(result: LoopResult, config: CheckConfig | None, ended: datetime) -> None:
    """Export the trace of a check that `ended`, if one is wanted, within a few seconds.

    What goes wrong here is one line in the log, and changes no verdict.
    """
    if not wanted(os.environ):
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
        trace_id = await _in_a_thread(lambda: export(trace, reasons))
    except ImportError:
        _say_once("OTEL_ variables ask for traces, but OpenTelemetry is missing: install mail-loop-check[otel].")
        return
    except TimeoutError:
        why = reasons[-1] if reasons else f"no answer within {SECONDS:g} s"
    except Unexported as error:
        why = str(error)
    else:
        if trace_id:
            log.info("The trace of %s is %s.", result.loop, trace_id)
        return
    log.warning("The trace of %s was not exported to %s: %s.", result.loop, where_to(), why)


async def _in_a_thread(work: Callable[[], str]) -> str:
    """What `work` returns or raises. After SECONDS it is left to itself, with TimeoutError: it cannot be stopped.

    Its thread keeps neither the loop nor the process from ending, as those of asyncio.to_thread would.
    """
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    results: list[str] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            results.append(work())
        except Exception as error:
            errors.append(error)
        with suppress(RuntimeError):  # the loop is over
            loop.call_soon_threadsafe(over.set)

    Thread(target=copy_context().run, args=(run,), daemon=True, name="traces").start()
    async with asyncio.timeout(SECONDS):
        await over.wait()
    if errors:
        raise errors[0]
    return results[0]


@cache
def _say_once(text: str) -> None:
    log.warning(text)
