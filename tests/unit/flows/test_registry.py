"""The list of flows says of each what it is, and is read without loading one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from flows.registry import FLOWS, FlowEntry
from tests.support.house import ROOT


@pytest.mark.parametrize("entry", FLOWS.values(), ids=lambda entry: entry.name)
def test_a_flow_has_the_name_and_the_place_that_the_list_says(entry: FlowEntry) -> None:
    flow = entry.load()
    path, _, function = entry.entrypoint.partition(":")
    assert (flow.name, flow.fn.__name__) == (entry.name, function)
    assert flow.fn.__code__.co_filename == str(ROOT / path)


def test_each_flow_of_the_project_is_on_the_list() -> None:
    """A flow is what Prefect finds in the modules at the top of flows/."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "flows").glob("*.py")}
    found = [name for name, text in texts.items() if "\n@flow" in text or "\n@check_flow" in text]
    assert {entry.entrypoint.partition(":")[0] for entry in FLOWS.values()} == {f"flows/{name}" for name in found}


def test_reading_the_list_does_not_load_prefect() -> None:
    code = "import sys, flows.registry; sys.exit('prefect' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
