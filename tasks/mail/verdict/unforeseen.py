"""A check that ends in an error that nobody foresaw."""

from __future__ import annotations

import logging

from tasks.mail.config.loop import CheckConfig
from tasks.mail.config.secrets import redactor_of
from tasks.mail.model.result import LoopResult
from tasks.mail.verdict.result import broken

log = logging.getLogger(__name__)


def unforeseen(check: CheckConfig, error: Exception, flow_run_id: str | None = None) -> LoopResult:
    """Its result, and its traceback in the log, without the passwords that are in place in `check`."""
    redact = redactor_of(check)
    log.error("The check of %s failed.\n%s", check.name, redact.told(error))
    return broken(check.name, error, redact, flow_run_id)
