"""prefect.yaml: the checks that it deploys, and what all deployments have in common. Mistakes are shown by field."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from flows.registry import FLEET_CHECK, FLOWS, INBOUND_CHECK, LOOP_CHECK, LOOP_MATRIX
from tasks.mail.config.fleet import fleet_config
from tasks.mail.config.loading.files import loaded, planned
from tasks.mail.config.loop import CheckConfig, inbound_config, loop_config
from tasks.mail.config.matrix import matrix_config
from tasks.mail.model.errors import ConfigError
from tasks.parameters import clear_passwords

DeploymentFields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Template:
    """The fields that all deployments have in common, and the entrypoints by the name of the flow."""

    common: DeploymentFields
    entrypoints: Mapping[str, str]


def read_template(path: Path) -> Template:
    """Read it from prefect.yaml. Raises ConfigError. `{{ $MAIL_LOOP_HOME }}` stays as it is: the worker fills it in."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        shared = data["definitions"]
        pool, one = shared["pool"], dict(shared["one_at_a_time"])
        common = {
            "work_pool_name": pool["name"],
            "work_queue_name": pool.get("work_queue_name"),
            "job_variables": pool.get("job_variables") or {},
            "pull_steps": data["pull"],
            "concurrency_limit": one.pop("limit"),
            "concurrency_options": one,
            "enforce_parameter_schema": True,
        }
        own = {LOOP_CHECK.name: shared["loop"]["entrypoint"], INBOUND_CHECK.name: shared["inbound"]["entrypoint"]}
        return Template(common, {name: entry.entrypoint for name, entry in FLOWS.items()} | own)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}): deploy from a checkout") from None
    except (yaml.YAMLError, KeyError, TypeError, AttributeError):
        raise ConfigError(
            f"{path}: must have pull and definitions with pool, one_at_a_time, loop and inbound, as it came: "
            "`mail-loop deploy` takes from there what deployments have in common"
        ) from None


def _fleet_loops(parameters: dict[str, Any]) -> Sequence[CheckConfig]:
    loops = parameters.get("loops")
    return [member.config for member in fleet_config({"loops": loops}).members] if loops else []


_CHECKS_IN: Mapping[str, Callable[[dict[str, Any]], Sequence[CheckConfig]]] = {
    LOOP_CHECK.entrypoint: lambda parameters: [loop_config(parameters)],
    INBOUND_CHECK.entrypoint: lambda parameters: [inbound_config(parameters)],
    LOOP_MATRIX.entrypoint: lambda parameters: [*matrix_config(parameters).loops().values()],
    FLEET_CHECK.entrypoint: _fleet_loops,
}


def deployed_checks(path: Path) -> list[CheckConfig]:
    """The checks that prefect.yaml deploys, but for those that Prefect has yet to fill in. Raises ConfigError."""
    return [check for one in _deployments(path) for check in _checks(path.name, one)]


def all_checks(path: Path) -> list[CheckConfig]:
    """The same, with those in the files of its fleets, as far as they can be read here: the worker has them."""
    checks = deployed_checks(path)
    for one in _deployments(path):
        files = (one.get("parameters") or {}).get("files") if one["entrypoint"] == FLEET_CHECK.entrypoint else None
        if isinstance(files, list):
            read = [found for _, found in loaded(path.parent / file for file in files if isinstance(file, str))]
            checks += [two.config for found in read if not isinstance(found, ConfigError) for two in planned(found)]
    return checks


def _deployments(path: Path) -> Iterator[Mapping[str, Any]]:
    """Those of checks. The file is read as Prefect reads it: as large as it may be, and with aliases."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path.name}: cannot be read ({error.strerror}): check the path") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)  # what the parser says beside it may quote a password
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(
            f"{path.name}: is not valid YAML{place}: check the indentation, and put texts in quotes"
        ) from None
    deployments = content.get("deployments") if isinstance(content, dict) else None
    if not isinstance(deployments, list):
        raise ConfigError(f"{path.name}: deployments: must be a list")
    return (one for one in deployments if isinstance(one, dict) and one.get("entrypoint") in _CHECKS_IN)


def _checks(source: str, deployment: Mapping[str, Any]) -> Sequence[CheckConfig]:
    parameters = deployment.get("parameters")
    where = f"{source}: {str(deployment['entrypoint']).partition(':')[2].replace('_', '-')}/{deployment.get('name')}"
    if not isinstance(parameters, dict):
        raise ConfigError(f"{where}: parameters: must have the fields of a check")
    if "{{" in json.dumps(parameters, default=str):  # a variable or a block of Prefect's
        return []
    try:
        checks = _CHECKS_IN[deployment["entrypoint"]](parameters)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    if clear := [sentence for check in checks for sentence in clear_passwords(check)]:
        raise ConfigError(f"{where}: {clear[0]}")
    return checks
