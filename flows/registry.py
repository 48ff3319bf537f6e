"""The one list of our flows. Reading it loads none of them, nor Prefect: `FlowEntry.load` does."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from prefect import Flow


# What a run does: it checks one loop or the receiving half of one, or many loops, or says what other runs have found.
FlowKind = Literal["check", "group", "report"]


@dataclass(frozen=True, slots=True)
class FlowEntry:
    """A flow. `report_prefix` stands before the name of the run, or of its deployment, in the key of its report."""

    name: str
    entrypoint: str
    kind: FlowKind
    report_prefix: str = ""

    def report_name(self, name: str) -> str:
        """What its report is called beside those of loops, which have the names of the loops."""
        return f"{self.report_prefix}-{name}" if self.report_prefix else name

    def load(self) -> Flow[..., Any]:
        """The flow itself."""
        path, _, function = self.entrypoint.partition(":")
        flow: Flow[..., Any] = getattr(import_module(path.removesuffix(".py").replace("/", ".")), function)
        return flow


LOOP_CHECK = FlowEntry("mail-loop-check", "flows/mail_loop.py:mail_loop_check", "check")
INBOUND_CHECK = FlowEntry("inbound-check", "flows/inbound.py:inbound_check", "check")
FLEET_CHECK = FlowEntry("fleet-check", "flows/fleet.py:fleet_check", "group", "fleet")
LOOP_MATRIX = FlowEntry("loop-matrix", "flows/loop_matrix.py:loop_matrix", "group", "matrix")
LOOP_VANTAGE = FlowEntry("loop-vantage", "flows/loop_vantage.py:loop_vantage", "report", "vantage")
LOOP_HISTORY = FlowEntry("loop-history", "flows/history.py:loop_history", "report", "history")

FLOWS = {
    entry.name: entry for entry in (LOOP_CHECK, INBOUND_CHECK, FLEET_CHECK, LOOP_MATRIX, LOOP_VANTAGE, LOOP_HISTORY)
}
CHECK_FLOWS = [entry for entry in FLOWS.values() if entry.kind != "report"]
