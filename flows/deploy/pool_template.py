"""The template of the work pool, and whether one is open: pure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TEMPLATE = Path(__file__).resolve().parents[2] / "deploy" / "pool.json"
# By each of them a run would have the worker's secrets, or a list of secrets and hosts of its own.
CLOSED = ("env", "command", "working_dir")


def is_open(template: dict[str, Any]) -> bool:
    """Whether a run may set one of CLOSED: by a variable, or by a value that is made of variables.

    An `env` in the job configuration is enough: Prefect adds to it that of the run, whatever the variables are.
    """
    offered = (template.get("variables") or {}).get("properties") or {}
    configured = template.get("job_configuration") or {}
    made_of_variables = any("{{" in json.dumps(configured.get(name)) for name in CLOSED)
    return "env" in configured or made_of_variables or not offered.keys().isdisjoint(CLOSED)
