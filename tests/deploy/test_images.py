"""The Dockerfile and the Compose file, as far as they can be checked where no Docker engine runs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from flows.cli.main import parser
from flows.equip import POOL, ROOT
from tests.support.checks.bounds import PROGRAM_SECONDS
from tests.support.servers import PROGRAM_PATH, require

DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
IGNORED = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
SERVICES: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}


def copied() -> list[str]:
    """What the image takes from the context."""
    lines = re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)
    return [source for line in lines for source in line.split()[:-1]]


def pinned(path: str) -> dict[str, str]:
    """The packages of a lock and their versions."""
    return dict(re.findall(r"^([\w.\[\]-]+)==(\S+)", (DEPLOY / path).read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("source", copied())
def test_what_the_image_takes_is_there_and_not_ignored(source: str) -> None:
    assert (ROOT / source).exists()
    assert f"!{source}" in IGNORED


def test_nothing_else_gets_into_the_context() -> None:
    assert {line[1:] for line in IGNORED if line.startswith("!")} == set(copied())
    assert "*" in IGNORED


def test_the_image_runs_nothing_as_root() -> None:
    *_, stage = DOCKERFILE.split("\nFROM ")
    *_, user = re.findall(r"^USER (\S+)$", stage, re.MULTILINE)
    assert user.isdigit()
    assert user != "0"
    assert not re.search(r"^RUN", stage.partition("\nUSER ")[2], re.MULTILINE)


def test_the_image_holds_what_runs_and_nothing_of_development() -> None:
    """In the versions that are tested. If not: make lock."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(one for name in extras.keys() - {"dev", "sandbox"} for one in extras[name])]
    image = pinned("runtime.txt")
    assert {Requirement(one).name.lower() for one in wanted} <= {name.partition("[")[0].lower() for name in image}
    assert image.items() <= pinned("constraints.txt").items()
    assert not {"pytest", "mypy", "ruff", "playwright", "aiosmtpd", "pymap"} & image.keys()


def test_compose_accepts_its_file() -> None:
    require(["docker-compose"], "docker-compose is needed: make servers")
    config = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    del config["name"]  # younger than Debian's version
    program = shutil.which("docker-compose", path=PROGRAM_PATH) or ""
    done = subprocess.run(
        [program, "--project-directory", DEPLOY, "--file", "-", "config", "--quiet"],
        input=json.dumps(config),
        capture_output=True,
        text=True,
        check=False,
        timeout=PROGRAM_SECONDS,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_can_write_to_little_and_gain_nothing(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "setup"])
def test_a_service_that_stays_says_whether_it_is_well(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
    assert SERVICES[name]["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_stands_in_the_environment(name: str) -> None:
    given = SERVICES[name].get("environment", {})
    assert not [one for one in given if fnmatch(one, "*PASSWORD") or fnmatch(one, "*KEY") or fnmatch(one, "*AUTH*")]


@pytest.mark.parametrize("name", OURS)
def test_the_command_of_a_service_exists(name: str) -> None:
    program, *arguments = OURS[name]["command"]
    if program == "mail-loop":
        parser().parse_args(arguments)
    else:
        assert program == "prefect" or (ROOT / Path(program).relative_to("/app")).is_file()


def test_the_worker_serves_the_pool_of_the_deployments() -> None:
    assert f"--pool {POOL} " in (DEPLOY / "worker").read_text(encoding="utf-8")


def test_secrets_become_variables_of_the_command_alone(tmp_path: Path) -> None:
    """Also one with blanks, quotes and dollars in it; the end of its last line is no part of it."""
    (tmp_path / "A_PASSWORD").write_text("a 'b' \"c\" $d `e`\\n\n", encoding="utf-8")
    script = (DEPLOY / "with-secrets").read_text(encoding="utf-8").replace("/run/secrets", str(tmp_path))
    done = subprocess.run(
        ["sh", "-c", script, "with-secrets", "printenv", "A_PASSWORD"],
        capture_output=True,
        text=True,
        check=True,
        timeout=PROGRAM_SECONDS,
    )
    assert done.stdout == "a 'b' \"c\" $d `e`\\n\n"
