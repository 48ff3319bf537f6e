"""The units under a real systemd: right, hardened, and a check that outlives a restart of its worker."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.equip import ROOT
from tests.deploy.machine import INSTALLED, Machine
from tests.support.checks.bounds import PROGRAM_SECONDS
from tests.support.servers import IS_ROOT, PROGRAM_PATH, require

UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
SCALE = sorted((ROOT / "deploy" / "scale").glob("*.service"))
# Of 10, where 0 is "safe": what is left is the network, and that files of other services can be seen.
EXPOSURE = {"mail-loop-exporter": 1.2, "mail-loop-server": 1.2, "mail-loop-worker": 1.2}
API = "admin:canary-of-the-api"
HEALTH = ["http://127.0.0.1:4200/api/ready", "http://127.0.0.1:4201/health", "http://127.0.0.1:9797/healthz"]
HEALTHY = """
import sys, time, urllib.request
until = time.monotonic() + 40  # the programs have started, but may not listen yet
while True:
    try:
        sys.exit(urllib.request.urlopen(sys.argv[1], timeout=20).status != 200)
    except OSError:
        if time.monotonic() > until:
            raise
        time.sleep(0.2)
"""
MAIL_PASSWORD = "canary-of-the-mailbox"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine on which the units were installed with the commands of the manual."""
    require(["unshare", "nsenter", "systemctl"], "systemd is needed: make servers")
    if not IS_ROOT:
        pytest.skip("only root can start a systemd of its own")
    folder = tmp_path_factory.mktemp("machine") / "root"
    folder.mkdir()
    manual = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    (installing,) = re.findall(r"```sh\n(cd /opt/mail-loop-check/deploy/systemd\n.*?)```", manual, re.DOTALL)
    with Machine(folder, ROOT) as running:
        running.run("sh", "-euc", installing)
        running.run("sed", "-i", f"s/admin:CHANGE-ME/{API}/", *files("prefect.env", "server.env"))
        running.run("sed", "-i", f"s/CHANGE-ME/{'A' * 43}=/", *files("server.env"))
        running.run("sh", "-c", f"echo SANDBOX_PASSWORD={MAIL_PASSWORD} >>/etc/mail-loop/worker.env")
        running.run("sh", "-c", "echo sandbox-password@localhost >>/etc/mail-loop/secrets.allow")
        yield running


def files(*names: str) -> list[str]:
    return [f"/etc/mail-loop/{name}" for name in names]


def hardening(unit: Path) -> str:
    return unit.read_text(encoding="utf-8").partition("\nUMask=")[2].partition("\n\n[Install]")[0]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_is_as_little_exposed_as_it_was(unit: Path) -> None:
    require(["systemd-analyze"], "systemd is needed: make servers")
    program = shutil.which("systemd-analyze", path=PROGRAM_PATH) or ""
    threshold = f"--threshold={EXPOSURE[unit.stem] * 10:.0f}"
    done = subprocess.run(
        [program, "security", "--offline=true", "--no-pager", threshold, unit],
        capture_output=True,
        text=True,
        check=False,
        timeout=PROGRAM_SECONDS,
    )
    assert done.returncode == 0, done.stdout


def test_all_units_are_hardened_alike() -> None:
    assert len({hardening(unit) for unit in [*UNITS, *SCALE]}) == 1
    assert len(hardening(UNITS[0]).splitlines()) > 20


def test_systemd_finds_no_fault_in_the_units(machine: Machine) -> None:
    units = [f"/etc/systemd/system/{unit.name}" for unit in UNITS]
    assert machine.run("sh", "-c", 'systemd-analyze verify --man=no "$@" 2>&1', "-", *units) == ""


@pytest.mark.long
def test_a_check_runs_under_the_units_and_outlives_a_restart_of_its_worker(machine: Machine) -> None:
    """With the hardening in force, each program as a user of its own, and no password where all can read it."""
    machine.run("systemctl", "start", "mail-loop-server", "mail-loop-worker")  # which waits for the server to answer
    machine.run("systemctl", "start", "mail-loop-exporter")
    machine.run("mkdir", "-p", "/srv/ca")
    mail = ["python", "-m", "tasks.sandbox", "--greylist-first", "--ca-dir", "/srv/ca"]
    environment = [f"MAIL_LOOP_SANDBOX_PASSWORD={MAIL_PASSWORD}", f"PYTHONPATH={INSTALLED}"]
    with machine.started("env", *environment, *mail) as sandbox:
        box = json.dumps(json.loads(sandbox.readline()))
        machine.run("chmod", "-R", "a+rX", "/srv/ca")
        with machine.started("python", f"{INSTALLED}/tests/deploy/one_check.py", box, API) as check:
            assert check.readline() == "running\n"
            machine.run("systemctl", "restart", "mail-loop-worker")
            assert check.readline().startswith("Delivered ")

    for health in HEALTH:
        machine.run("python", "-c", HEALTHY, health)
    owners = machine.run("ps", "-eo", "user:32=,args=").splitlines()
    assert sorted(one.split()[0] for one in owners if f"{INSTALLED}/.venv/bin/" in one) == sorted(EXPOSURE)
    allowed = machine.run("sed", "/^#/d", "/etc/mail-loop/secrets.allow").splitlines()
    assert allowed[:2] == ["mailbox-password@imap.example.net", "relay-password@relay.example.org"]
    shown = machine.run("systemctl", "show", *EXPOSURE)
    shown += machine.run("journalctl", "--no-pager")
    assert "mail-loop" in shown
    assert API not in shown
    assert MAIL_PASSWORD not in shown
