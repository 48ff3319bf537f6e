"""deploy/worker: the environment that it gives to Prefect's worker, and so to the runs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from flows.cli.serve import WORKER_SETTINGS
from tests.support.checks.bounds import PROGRAM_SECONDS

NAME = "PREFECT_CLIENT_MAX_RETRIES"
WORKER = Path(__file__).resolve().parents[2] / "deploy" / "worker"


@pytest.mark.parametrize(("given", "found"), [({}, WORKER_SETTINGS[NAME]), ({NAME: "5"}, "5")])
def test_prefect_asks_again_a_few_times_only_unless_told_otherwise(
    given: dict[str, str], found: str, tmp_path: Path
) -> None:
    """As often as the worker of `mail-loop serve`."""
    stand_in = tmp_path / "prefect"
    stand_in.write_text('#!/bin/sh\necho "$PREFECT_CLIENT_MAX_RETRIES"\n', encoding="utf-8")
    stand_in.chmod(0o700)
    env = {name: value for name, value in os.environ.items() if name != NAME}
    env |= {"PATH": f"{tmp_path}:{os.environ['PATH']}"} | given
    run = subprocess.run([WORKER], env=env, capture_output=True, text=True, check=True, timeout=PROGRAM_SECONDS)
    assert run.stdout == f"{found}\n"
