"""What all measurements are made on: the tests' private Postfix and Dovecot, with proxies before and behind them."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from bench.ground.landing import Landings
from bench.ground.wire import Wire
from tests.support.servers.lab import Lab
from tests.support.servers.processes import Endpoint, run


@dataclass(frozen=True)
class Stage:
    """The mail system, what counts before it, what tells when mail has landed, and the environment of the checks."""

    lab: Lab
    wire: Wire
    landings: Landings
    environment: dict[str, str]

    @property
    def servers(self) -> dict[str, Endpoint]:
        """The servers themselves, where nothing is counted."""
        return {"imap": self.lab.dovecot.imap, "smtp": self.lab.relay.submission}

    def another_wire(self) -> Wire:
        """Proxies that count for one contender only."""
        return Wire(self.lab.dovecot.imap, self.lab.relay.submission)


@contextmanager
def stage() -> Iterator[Stage]:
    """A private one, gone afterwards; the checks keep their state in its folder too."""
    with Lab() as lab, Wire(lab.dovecot.imap, lab.relay.submission) as wire:
        state = lab.home / "state"
        state.mkdir(mode=0o700)
        yield Stage(lab, wire, Landings(lab.dovecot.lmtp, wire), {"XDG_STATE_HOME": str(state)})


def versions() -> str:
    """What was measured with, in a sentence."""
    names = ["dovecot-core", "postfix", "monitoring-plugins-contrib"]
    argv = ["dpkg-query", "--show", "--showformat", "${Package} ${Version}, ", *names]
    debian = subprocess.run(argv, capture_output=True, text=True, check=False).stdout.rstrip(", ")
    ours = f"Python {platform.python_version()}, Prefect {version('prefect')}"
    return f"{ours}; {debian}; Linux {platform.release().split('-')[0]}"


def machine() -> str:
    """The class of this machine, not its name."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores ({model}), {memory:.0f} GB of memory"


def dovecot_version() -> str:
    """Of the server that bounds the detection."""
    return run(["dovecot", "--version"]).split()[0]
