"""What is stored, and how it is compared: a difference is told by the keys that lead to it."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent


def same_as_stored(name: str, now: Any) -> None:
    """Compare with what is stored under the name, or, with SNAPSHOTS=write, store it."""
    now = json.loads(json.dumps(now))
    file = FOLDER / f"{name}.json"
    if os.environ.get("SNAPSHOTS") == "write":
        file.write_text(json.dumps(now, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    assert file.exists(), f"{file.name} is missing: SNAPSHOTS=write stores it"
    stored = json.loads(file.read_text(encoding="utf-8"))
    if told := list(differences(stored, now)):
        pytest.fail("\n".join([f"{file.name}: - stored, + now", *told]), pytrace=False)


def differences(stored: Any, now: Any, path: str = "") -> Iterator[str]:
    """The lines that differ, below the keys that they are under."""
    if isinstance(stored, dict) and isinstance(now, dict):
        for key in sorted({*stored, *now}):
            if key not in now or key not in stored:
                yield f"{path} > {key}: {'+ is new' if key in now else '- is gone'}"
            else:
                yield from differences(stored[key], now[key], f"{path} > {key}")
    elif stored != now:
        yield f"{path}:"
        changes = difflib.ndiff(_lines(stored), _lines(now))
        yield from (f"    {line}" for line in changes if line[0] in "+-")


def _lines(value: Any) -> list[str]:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).splitlines()
