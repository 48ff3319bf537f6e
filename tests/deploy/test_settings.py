"""Prefect reads each setting that our files give it: it ignores a name that it does not know, without a word."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.settings import Settings
from prefect.settings.legacy import _get_settings_fields

from flows.equip import ROOT
from flows.server.prefect import RETENTION

DEPLOY = ROOT / "deploy"
VARIABLE = re.compile(r"^#?(PREFECT_[A-Z_]+)=(.*)$", re.MULTILINE)
FILES = sorted(DEPLOY.rglob("*.env"))
UNITS = sorted([*DEPLOY.rglob("*.service"), *DEPLOY.rglob("*.conf")])
KNOWN = {*_get_settings_fields(Settings)}
# Of Prefect's Redis package, which has settings of its own; and one that Prefect reads apart from its settings.
OTHERS = {"PREFECT_REDIS_MESSAGING_URL", "PREFECT_REDIS_WORKER_CLEANUP_QUEUE_URL"}
OTHERS |= {"PREFECT_SERVER_ENCRYPTION_KEY"}


def given(path: Path) -> dict[str, str]:
    """The variables of a file, those that are commented out as well."""
    return dict(VARIABLE.findall(path.read_text(encoding="utf-8")))


def known(names: Any) -> set[str]:
    return {name for name in names if name.startswith("PREFECT_")} - KNOWN - OTHERS


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_file_of_variables_names_settings_that_there_are_with_values_that_they_take(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = given(path)
    assert known(variables) == set()
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    Settings()  # raises where a value is none


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_names_settings_that_there_are(path: Path) -> None:
    lines = re.findall(r"^Environment=(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert known(one.partition("=")[0] for line in lines for one in line.split()) == set()


def test_compose_and_serve_name_settings_that_there_are() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]
    assert known(name for one in services.values() for name in one.get("environment", {})) == set()
    assert known(RETENTION) == set()


def test_every_server_of_ours_keeps_a_bounded_history(monkeypatch: pytest.MonkeyPatch) -> None:
    server = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]["server"]
    for variables in (
        given(DEPLOY / "systemd" / "server.env"),
        given(DEPLOY / "scale" / "server.env"),
        RETENTION,
        server["environment"],
    ):
        with monkeypatch.context() as patch:
            for name, value in variables.items():
                if "VACUUM" in name or "RETENTION" in name:
                    patch.setenv(name, value)
            vacuum = Settings().server.services.db_vacuum
        assert vacuum.enabled_vacuum_types == {"events", "flow_runs", "orphans"}
        assert 1 <= vacuum.retention_period.days <= 90
