"""The loops that the server knows: those that have a deployment of their own, and those within a fleet or a matrix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from prefect.client.schemas.responses import DeploymentResponse

from tasks.mail.config.fleet import fleet_config
from tasks.mail.config.loading.files import loaded, planned
from tasks.mail.config.loop import InboundConfig, LoopConfig
from tasks.mail.config.matrix import matrix_config
from tasks.mail.model.errors import ConfigError

SINGLE = ("mail-loop-check", "inbound-check")
FLEET, MATRIX = "fleet-check", "loop-matrix"
MOST_DEPLOYMENTS = 10_000
PAGE = 200


async def known_loops(client: PrefectClient) -> dict[str, Mapping[str, Any]]:
    """The loops that the server has deployments of, with what their parameters say of them.

    The files of a fleet are on the machine of its worker: the loops in them are known where that is this one.
    """
    single: dict[str, Mapping[str, Any]] = {}
    inside: dict[str, Mapping[str, Any]] = {}
    for name in (*SINGLE, FLEET, MATRIX):
        for offset in range(0, MOST_DEPLOYMENTS, PAGE):
            flows = FlowFilter(name=FlowFilterName(any_=[name]))
            page = await client.read_deployments(flow_filter=flows, limit=PAGE, offset=offset)
            for one in page:
                if name in SINGLE:
                    single |= {str(one.parameters["name"]): one.parameters} if "name" in one.parameters else {}
                else:
                    inside |= _inside(name, one)
            if len(page) < PAGE:
                break
    return inside | single


def _inside(flow: str, deployment: DeploymentResponse) -> dict[str, Mapping[str, Any]]:
    """The loops of a fleet or a matrix; of one that is wrong none, for nothing of it is checked either."""
    given = deployment.parameters
    try:
        configs = [*(_of_fleet(given) if flow == FLEET else _of_matrix(given))]
    except ConfigError:
        return {}
    return {config.name: config.model_dump(mode="json", exclude_unset=True) for config in configs}


def _of_fleet(given: Mapping[str, Any]) -> Iterator[LoopConfig | InboundConfig]:
    if isinstance(loops := given.get("loops"), Mapping) and loops:
        yield from (one.config for one in planned(fleet_config({"loops": loops})))
    files = given.get("files")
    paths = [file for file in files if isinstance(file, str)] if isinstance(files, list) else []
    for _, found in loaded(paths):
        if not isinstance(found, ConfigError):
            yield from (one.config for one in planned(found))


def _of_matrix(given: Mapping[str, Any]) -> Iterator[LoopConfig | InboundConfig]:
    fields = {name: value for name, value in given.items() if value is not None}
    yield from matrix_config(fields).loops().values()
