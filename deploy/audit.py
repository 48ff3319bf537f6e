"""Asks a source of known vulnerabilities, by pip-audit, about each package that operators install (deploy/runtime.txt).

Exit codes: 0 every package was answered for, and none has a known vulnerability; 1 one has; 2 not every package was
answered for.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

RUNTIME = Path(__file__).with_name("runtime.txt")
TIMEOUT = 600.0  # seconds for all packages; pip-audit itself waits 15 s for each answer
VULNERABLE, UNANSWERED = 1, 2


class Package(NamedTuple):
    """One version of one package."""

    name: str
    version: str


def pinned(text: str) -> list[Package]:
    """The packages of a lock, those for other versions of Python or other systems too; raises ValueError."""
    found = []
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if not (stated := re.sub(r"(^|\s)(#.*|--hash=\S+)", "", line).strip()):
            continue
        try:
            requirement = Requirement(stated)
            (pin,) = (pin.version for pin in requirement.specifier if pin.operator == "==")
            found.append(Package(canonicalize_name(requirement.name), str(Version(pin))))
        except ValueError:
            raise ValueError(f"not a package with its one version: {stated}") from None
    return found


def ask(packages: list[Package], arguments: list[str]) -> list[dict[str, Any]]:
    """What pip-audit has to say of each; nothing is answered from a cache. Raises ValueError."""
    with TemporaryDirectory() as folder:
        asked = Path(folder, "asked.txt")
        asked.write_text("".join(f"{name}=={version}\n" for name, version in packages), encoding="utf-8")
        command = [sys.executable, "-m", "pip_audit", "--requirement", str(asked), "--no-deps", "--disable-pip"]
        options = ["--format", "json", "--progress-spinner", "off", "--cache-dir", folder]
        try:
            ended = subprocess.run(
                [*command, *options, *arguments], capture_output=True, text=True, timeout=TIMEOUT, check=False
            )
        except subprocess.TimeoutExpired:
            raise ValueError(f"no answer within {TIMEOUT:.0f} s") from None
    try:
        answers: list[dict[str, Any]] = json.loads(ended.stdout)["dependencies"]
    except (ValueError, TypeError, KeyError):
        *_, said = ["nothing", *ended.stderr.strip().splitlines()]
        raise ValueError(f"pip-audit ended with {ended.returncode}, its last words: {said.strip()}") from None
    return answers


def judge(packages: list[Package], answers: list[dict[str, Any]]) -> int:
    """Print each finding and each package that was not answered for; return the exit code."""
    reasons: dict[str, str | None] = {
        canonicalize_name(answer["name"]): answer.get("skip_reason") for answer in answers
    }
    known = {
        Package(canonicalize_name(answer["name"]), answer["version"]): answer["vulns"]
        for answer in answers
        if "vulns" in answer
    }
    found = [(package, finding) for package in packages for finding in known.get(package, ())]
    for package, finding in found:
        names = ", ".join([finding["id"], *finding["aliases"]])
        fixed = ", ".join(finding["fix_versions"]) or "no version"
        print(f"{package.name} {package.version}: {names}; fixed in {fixed}")
    unanswered = [package for package in packages if package not in known]
    for package in unanswered:
        print(f"{package.name} {package.version}: no answer: {reasons.get(package.name) or 'left out'}")
    print(
        f"audit: {len(packages)} packages, {len(packages) - len(unanswered)} answered for, "
        f"{len(found)} known vulnerabilities"
    )
    if found:
        return VULNERABLE
    return UNANSWERED if unanswered else 0


def main() -> int:
    """Ask about the lock; what this program does not know as an argument goes to pip-audit as it stands."""
    parser = argparse.ArgumentParser(description="Ask about known vulnerabilities.", allow_abbrev=False)
    parser.add_argument("--lock", type=Path, default=RUNTIME, help="another file of packages and their versions")
    given, arguments = parser.parse_known_args()
    try:
        packages = pinned(given.lock.read_text(encoding="utf-8"))
        if not packages:
            raise ValueError("names no package: make lock")
    except (OSError, ValueError) as error:
        print(f"audit: nothing was asked: {given.lock}: {error}", file=sys.stderr)
        return UNANSWERED
    try:
        return judge(packages, ask(packages, arguments))
    except ValueError as error:
        print(f"audit: nothing is known: {error}", file=sys.stderr)
        return UNANSWERED


if __name__ == "__main__":
    sys.exit(main())
