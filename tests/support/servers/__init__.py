"""Private real servers for tests: Postfix, Dovecot and Postgrey on loopback."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from functools import cache

import pytest

# Debian keeps servers where an ordinary user's PATH does not look.
PROGRAM_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
IS_ROOT = os.geteuid() == 0
LAB_NEEDS = (
    ["postfix", "dovecot", "sievec", "postgrey", *([] if IS_ROOT else ["fakeroot"])],
    "Postfix, Dovecot and Postgrey are needed: make servers",
)
SITUATIONS_NEED = (
    [*LAB_NEEDS[0], "opendkim", "opendmarc", "policyd-spf", "faketime"],
    "Postfix, Dovecot, Postgrey, OpenDKIM, OpenDMARC, policyd-spf and faketime are needed: make servers",
)
WHOLE_SUITE_NEEDS = (*SITUATIONS_NEED[0], "chromium", "prometheus", "promtool", "systemctl", "docker-compose")
REMEDY = "make servers"  # how to have what is missing


@cache
def missing_of(*programs: str) -> list[str]:
    """Those of the programs that are not installed."""
    return [program for program in programs if shutil.which(program, path=PROGRAM_PATH) is None]


def require(programs: Sequence[str], remedy: str) -> None:
    """Skip the test where a program is missing, and say the remedy; with REQUIRE_SERVERS=1 fail instead."""
    missing = missing_of(*programs)
    if not missing:
        return
    reason = f"{remedy} (missing: {', '.join(missing)})"
    if os.environ.get("REQUIRE_SERVERS") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
