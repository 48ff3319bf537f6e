"""The deployments of prefect.yaml."""

from __future__ import annotations

from typing import Any

import yaml

from flows.equip import ROOT

DEPLOYMENTS: list[dict[str, Any]] = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
