"""`make audit`: 0 only when every package was answered for, 1 with a known vulnerability, else 2."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flows.equip import ROOT
from tests.deploy.vulnerabilities import Source, source

RUNTIME = (ROOT / "deploy" / "runtime.txt").read_text(encoding="utf-8")
LOCK = """\
# what uv writes
anyio==4.16.0 \\
    --hash=sha256:59bb03251907983d1603d27c3087ddb1e93299ea2163adcdba37899a4fb12ffb \\
    --hash=sha256:c66ae634e0b8228396b801741beb3294326d4b6102f7bba4041c0dfb58c29026
async-timeout==5.0.1 ; python_full_version < '3.11.3' \\
    --hash=sha256:39e3809566ff85354557ec2398b55e096c8364bacac9405a7a1fa429e77fe76c
PyYAML==6.0.4
"""
PLANTED = LOCK + "jinja2==2.7.1\n"

Audit = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def known(tmp_path: Path) -> Iterator[Source]:
    with source(tmp_path) as running:
        yield running


@pytest.fixture
def audit(tmp_path: Path, known: Source) -> Audit:
    """Run `make audit` about a lock, or about that of the project."""
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', encoding="utf-8")
    (venv / "bin" / "python").chmod(0o755)
    (venv / ".ready").touch()

    # The tests may have been started by make, which tells each make below it.
    alone = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}

    def run(lock: str | None, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        given = list(arguments)
        if lock is not None:
            (tmp_path / "lock.txt").write_text(lock, encoding="utf-8")
            given += ["--lock", str(tmp_path / "lock.txt")]
        return subprocess.run(
            ["make", "audit", f"VENV={venv}", f"ARGS={' '.join(given)}"],
            cwd=ROOT,
            env={**alone, **known.env, **env},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


def test_all_that_operators_install_is_asked_about(audit: Audit, known: Source) -> None:
    ended = audit(None)
    assert ended.returncode == 0, ended.stderr
    asked = {f"{name}=={version}" for name, version in known.asked}
    assert asked == {line.split()[0] for line in RUNTIME.splitlines() if line[0].isalnum()}
    assert ended.stdout == f"audit: {len(asked)} packages, {len(asked)} answered for, 0 known vulnerabilities\n"


def test_what_another_python_would_install_is_asked_about_too(audit: Audit, known: Source) -> None:
    assert audit(LOCK).returncode == 0
    assert known.asked == {("anyio", "4.16.0"), ("async-timeout", "5.0.1"), ("pyyaml", "6.0.4")}


@pytest.mark.parametrize("service", ["pypi", "osv"])
def test_an_old_version_is_found(audit: Audit, known: Source, service: str) -> None:
    ended = audit(PLANTED, "--vulnerability-service", service, "--osv-url", known.osv_url)
    assert ended.returncode == 1, ended.stderr
    assert ended.stdout == (
        "jinja2 2.7.1: PYSEC-2014-8, CVE-2014-1402; fixed in 2.7.2\n"
        "audit: 4 packages, 4 answered for, 1 known vulnerabilities\n"
    )


def test_a_package_that_the_source_does_not_know_is_not_answered_for(audit: Audit, known: Source) -> None:
    """pip-audit alone ends with 0 there."""
    known.unknown = {"pyyaml"}
    ended = audit(LOCK)
    assert ended.returncode == 2
    assert "pyyaml 6.0.4: no answer: " in ended.stdout
    assert ended.stdout.endswith("audit: 3 packages, 2 answered for, 0 known vulnerabilities\n")


def test_a_vulnerability_is_told_though_another_package_was_not_answered_for(audit: Audit, known: Source) -> None:
    known.unknown = {"pyyaml"}
    ended = audit(PLANTED)
    assert ended.returncode == 1
    assert ended.stdout.endswith("audit: 4 packages, 3 answered for, 1 known vulnerabilities\n")


@pytest.mark.parametrize(
    "instead", [(503, b"{}"), (500, b""), (403, b"no"), (200, b"<html>Log in to the guest network</html>")]
)
def test_a_source_that_answers_something_else_leaves_all_unknown(
    audit: Audit, known: Source, instead: tuple[int, bytes]
) -> None:
    known.instead = instead
    ended = audit(LOCK)
    assert ended.returncode == 2
    assert ended.stderr.startswith("audit: nothing is known: pip-audit ended with 1, its last words: ")
    assert "Traceback" not in ended.stderr


def test_a_source_that_cannot_be_reached_leaves_all_unknown(audit: Audit) -> None:
    ended = audit(LOCK, HTTPS_PROXY="http://127.0.0.1:1")
    assert ended.returncode == 2
    assert ended.stderr.startswith("audit: nothing is known: ")


def test_a_source_that_falls_silent_leaves_all_unknown(audit: Audit, known: Source) -> None:
    known.silent = True
    ended = audit(LOCK, "--timeout", "1")
    assert ended.returncode == 2
    assert ended.stderr.startswith("audit: nothing is known: ")


def test_what_was_answered_once_is_asked_again(audit: Audit, known: Source) -> None:
    """An answer from pip's cache would say that nothing is wrong while nobody answers."""
    assert audit(LOCK).returncode == 0
    known.instead = (503, b"{}")
    assert audit(LOCK).returncode == 2


def test_where_pip_audit_asks_nobody_nothing_is_known(audit: Audit, known: Source) -> None:
    ended = audit(LOCK, "--dry-run")
    assert ended.returncode == 2
    assert not known.asked


@pytest.mark.parametrize(
    ("lock", "said"),
    [
        ("", "names no package: make lock"),
        ("# nothing\n\n", "names no package: make lock"),
        ("anyio\n", "not a package with its one version: anyio"),
        ("anyio>=4\n", "not a package with its one version: anyio>=4"),
        ("anyio==4.*\n", "not a package with its one version: anyio==4.*"),
        ("-r other.txt\n", "not a package with its one version: -r other.txt"),
        ("-e .\n", "not a package with its one version: -e ."),
        ("anyio @ https://example.org/anyio.whl\n", "not a package with its one version: anyio @ https://example.org"),
        ("<<<<<<< HEAD\nanyio==4.16.0\n", "not a package with its one version: <<<<<<< HEAD"),
    ],
)
def test_a_lock_that_names_no_versions_is_not_taken_for_a_clean_one(
    audit: Audit, known: Source, lock: str, said: str
) -> None:
    ended = audit(lock)
    assert ended.returncode == 2
    assert ended.stderr.startswith("audit: nothing was asked: ")
    assert said in ended.stderr
    assert not known.asked


def test_a_lock_that_is_not_there_is_said(audit: Audit, tmp_path: Path) -> None:
    ended = audit(None, "--lock", str(tmp_path / "none.txt"))
    assert ended.returncode == 2
    assert "none.txt" in ended.stderr
