"""prefect.yaml, read before Prefect is given it: a mistake is told in a sentence that names the field."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from tasks.mail.config.loop import InboundConfig, LoopConfig, inbound_config, loop_config
from tasks.mail.model.errors import ConfigError
from tasks.parameters import passwords_of, refuse_clear_passwords

Check = LoopConfig | InboundConfig
FLOWS: Mapping[str, Callable[[dict[str, Any]], Check]] = {
    "flows/mail_loop.py:mail_loop_check": loop_config,
    "flows/inbound.py:inbound_check": inbound_config,
}


def deployed_checks(path: Path) -> list[Check]:
    """The checks that prefect.yaml deploys, but for those that Prefect has yet to fill in. Raises ConfigError."""
    content = _content(path)
    deployments = content.get("deployments") if isinstance(content, dict) else None
    if not isinstance(deployments, list):
        raise ConfigError(f"{path.name}: deployments: must be a list")
    found = [_check(path.name, one) for one in deployments if isinstance(one, dict) and one.get("entrypoint") in FLOWS]
    return [check for check in found if check is not None]


def _content(path: Path) -> object:
    """As Prefect reads it: as large as it may be, and with aliases."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path.name}: cannot be read ({error.strerror}): check the path") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)  # what the parser says beside it may quote a password
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(
            f"{path.name}: is not valid YAML{place}: check the indentation, and put texts in quotes"
        ) from None


def _check(source: str, deployment: Mapping[str, Any]) -> Check | None:
    parameters = deployment.get("parameters")
    where = f"{source}: {str(deployment['entrypoint']).partition(':')[2].replace('_', '-')}/{deployment.get('name')}"
    if not isinstance(parameters, dict):
        raise ConfigError(f"{where}: parameters: must have the fields of a check")
    if "{{" in json.dumps(parameters, default=str):  # a variable or a block of Prefect's
        return None
    try:
        check = FLOWS[deployment["entrypoint"]](parameters)
        refuse_clear_passwords(passwords_of(check))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    return check
