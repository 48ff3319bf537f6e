"""Which templates of a work pool let a run have a say in its process."""

from __future__ import annotations

import json
from typing import Any

import pytest
from prefect.workers.process import ProcessWorker

from flows.equip import TEMPLATE, is_open


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (json.loads(TEMPLATE.read_text(encoding="utf-8")), False),
        (ProcessWorker.get_default_base_job_template(), True),
        ({}, True),  # the first worker makes it Prefect's own
        ({"job_configuration": {"env": {}}}, True),  # Prefect adds that of the run to it
        ({"variables": {"properties": {"env": {"type": "object", "default": {"A": "b"}}}}}, True),
        ({"variables": {"properties": {"command": {}}}}, True),
        ({"job_configuration": {"command": "run {{ what }}"}, "variables": {"properties": {"what": {}}}}, True),
        ({"job_configuration": {"working_dir": "{{ name }}"}, "variables": {"properties": {"name": {}}}}, True),
        ({"job_configuration": {"command": "run", "working_dir": "/srv", "name": "{{ name }}"}}, False),
        ({"job_configuration": {"stream_output": "{{ stream_output }}"}, "variables": {}}, False),
    ],
)
def test_a_pool_is_open_where_env_command_or_working_dir_come_from_a_run(
    template: dict[str, Any], expected: bool
) -> None:
    assert is_open(template) is expected
