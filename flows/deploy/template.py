"""What all our deployments have in common, as prefect.yaml says: pool, pull steps, job variables, one run at a time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from flows.registry import FLEET_CHECK, INBOUND_CHECK, LOOP_CHECK, LOOP_VANTAGE
from tasks.mail.model.errors import ConfigError

DeploymentFields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Template:
    """`entrypoints` are by the name of the flow."""

    pool: str
    queue: str | None
    job_variables: DeploymentFields
    pull_steps: list[DeploymentFields]
    limit: int
    options: DeploymentFields
    entrypoints: dict[str, str]


def read_template(path: Path) -> Template:
    """Read it from prefect.yaml. Raises ConfigError. `{{ $MAIL_LOOP_HOME }}` stays as it is: the worker fills it in."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        shared = data["definitions"]
        pool, one = shared["pool"], dict(shared["one_at_a_time"])
        return Template(
            pool=pool["name"],
            queue=pool.get("work_queue_name"),
            job_variables=pool.get("job_variables") or {},
            pull_steps=data["pull"],
            limit=one.pop("limit"),
            options=one,
            entrypoints={
                LOOP_CHECK.name: shared["loop"]["entrypoint"],
                INBOUND_CHECK.name: shared["inbound"]["entrypoint"],
                FLEET_CHECK.name: FLEET_CHECK.entrypoint,
                LOOP_VANTAGE.name: LOOP_VANTAGE.entrypoint,
            },
        )
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}): deploy from a checkout") from None
    except (yaml.YAMLError, KeyError, TypeError, AttributeError):
        raise ConfigError(
            f"{path}: must have pull and definitions with pool, one_at_a_time, loop and inbound, as it came: "
            "`mail-loop deploy` takes from there what deployments have in common"
        ) from None
