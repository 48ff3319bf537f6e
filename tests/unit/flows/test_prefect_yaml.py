"""What is wrong with prefect.yaml is told before Prefect is given it, by deployment and field."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.cli.output import program
from flows.deploy.prefect_yaml import all_checks, deployed_checks
from flows.equip import DEPLOYMENTS
from tasks.mail.model.errors import ConfigError
from tasks.parameters import CLEAR as CLEAR_OF

CLEAR = CLEAR_OF.format(what="password", field="password_secret")
SECRET = "hunter2-never-shown"


def changed(tmp_path: Path, *at: str, **values: Any) -> Path:
    """The prefect.yaml of the project, with these fields in a section of its first deployment; None removes one."""
    content = yaml.safe_load(DEPLOYMENTS.read_text(encoding="utf-8"))
    section = content["deployments"][0]
    for name in at:
        section = section[name]
    section |= values
    for name in [name for name, value in values.items() if value is None]:
        del section[name]
    path = tmp_path / "prefect.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def test_the_projects_own_is_right_and_names_each_check() -> None:
    assert [check.name for check in deployed_checks(DEPLOYMENTS)] == ["production", "staging", "inbound"]


def test_a_matrix_and_a_fleet_are_read_and_its_files_as_far_as_they_are_here(tmp_path: Path) -> None:
    """Beside prefect.yaml, where the worker has them; a file that is elsewhere is not for us to miss."""
    smtp = {"host": "a.test", "from_addr": "a@a.test", "subject_prefix": "[x]"}
    box: dict[str, Any] = {"host": "m.test", "username": "u", "password_secret": "s"}
    matrix = {"name": "m", "senders": {"a": smtp}, "receivers": {"b": box | {"address": "b@b.test"}}}
    loop: dict[str, Any] = {"smtp": smtp | {"to_addr": "b@b.test"}, "imap": box}
    (tmp_path / "more.yaml").write_text(yaml.safe_dump({"loops": {"of-a-file": loop}}), encoding="utf-8")
    fleet = {"name": "f", "loops": {"of-a-fleet": loop}, "files": ["more.yaml", "gone.yaml"]}
    deployments = [
        {"entrypoint": "flows/loop_matrix.py:loop_matrix", "name": "m", "parameters": matrix},
        {"entrypoint": "flows/fleet.py:fleet_check", "name": "f", "parameters": fleet},
    ]
    path = tmp_path / "prefect.yaml"
    path.write_text(yaml.safe_dump({"deployments": deployments}), encoding="utf-8")
    assert [check.name for check in deployed_checks(path)] == ["m-a-b", "of-a-fleet"]
    assert [check.name for check in all_checks(path)] == ["m-a-b", "of-a-fleet", "of-a-file"]
    loop["imap"] = box | {"password_secret": None, "password": SECRET}
    path.write_text(yaml.safe_dump({"deployments": deployments}), encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"^prefect.yaml: fleet-check/f: imap\.password: {CLEAR}$"):
        deployed_checks(path)


@pytest.mark.parametrize(
    ("at", "values", "said"),
    [
        (["parameters", "smtp"], {"hots": "x"}, r"smtp\.hots: unknown field; "),
        (["parameters", "smtp"], {"port": "587"}, r"smtp\.port: must be "),
        (["parameters", "imap"], {"username": None}, r"imap\.username: is required"),
        (["parameters", "limits"], {"warn_after": 900}, r"limits\.warn_after: must not exceed max_wait"),
        (["parameters", "smtp"], {"password_secret": None, "password": SECRET}, rf"smtp\.password: {CLEAR}$"),
        ([], {"parameters": None}, r"parameters: must have the fields of a check$"),
        ([], {"parameters": [SECRET]}, r"parameters: must have the fields of a check$"),
    ],
)
def test_a_mistake_is_told_by_deployment_and_field(
    tmp_path: Path, at: list[str], values: dict[str, Any], said: str
) -> None:
    path = changed(tmp_path, *at, **values)
    with pytest.raises(ConfigError, match=f"^prefect.yaml: mail-loop-check/production: {said}") as caught:
        deployed_checks(path)
    assert SECRET not in str(caught.value)


def test_what_prefect_fills_in_is_left_to_prefect(tmp_path: Path) -> None:
    path = changed(tmp_path, "parameters", "smtp", host="{{ prefect.variables.relay }}")
    assert [check.name for check in deployed_checks(path)] == ["staging", "inbound"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "deployments: must be a list"),
        (b"name: x\n", "deployments: must be a list"),
        (b"deployments: {a: b}\n", "deployments: must be a list"),
        (f"deployments:\n- {{password: *{SECRET}\n".encode(), "is not valid YAML at line 2, column 14: check "),
        (b"name: \xff\n", "is not valid YAML: check "),
        (None, r"cannot be read \(No such file or directory\): check the path"),
    ],
)
def test_a_file_that_is_none_of_deployments_is_refused(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "prefect.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=f"^prefect.yaml: {said}") as caught:
        deployed_checks(path)
    assert SECRET not in str(caught.value)


def test_a_file_may_be_as_long_as_prefect_lets_it_be(tmp_path: Path) -> None:
    content = yaml.safe_load(DEPLOYMENTS.read_text(encoding="utf-8"))
    content["deployments"] *= 500
    path = tmp_path / "prefect.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    assert len(deployed_checks(path)) == 1500


@pytest.mark.parametrize(
    ("called", "on_path", "shown"),
    [
        ("a b/mail-loop", False, "'a b/mail-loop'"),
        ("a b/mail-loop", True, "mail-loop"),
        ("elsewhere/cli.py", False, "mail-loop"),
    ],
)
def test_a_user_is_told_a_command_that_his_shell_finds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, called: str, on_path: bool, shown: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a b").mkdir()
    Path("a b/mail-loop").touch(mode=0o755)
    monkeypatch.setattr(sys, "argv", [called])
    monkeypatch.setenv("PATH", os.fspath(tmp_path / "a b") if on_path else "")
    assert program() == shown
