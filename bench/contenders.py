"""Those that are measured side by side: ours in three forms, and three others."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from pathlib import Path
from typing import Any, Protocol

from tests.support.servers.lab import User
from tests.support.servers.processes import Endpoint

ROOT = Path(__file__).resolve().parents[1]
PLUGINS = Path("/usr/lib/nagios/plugins")
PLUGIN_NEEDS = "monitoring-plugins-contrib libmail-imapclient-perl libauthen-sasl-perl"


@dataclass(frozen=True)
class Cost:
    """What one check took. `found`: wall clock, None where only the wire tells. CPU in seconds, memory in bytes."""

    found: float | None
    begun: float
    ended: float
    cpu: float
    memory: int
    resident: int = 0
    files: int = 0
    tasks: int = 0


def python_of(module: str, *arguments: str) -> list[str]:
    """A module of ours, of the checkout that path_of() says."""
    return [sys.executable, "-P", "-W", "ignore", "-m", module, *arguments]


def path_of(tree: Path) -> dict[str, str]:
    """Environment in which Python takes our modules from this checkout, whatever else it has installed."""
    return {"PYTHONPATH": str(tree)}


class Contender(Protocol):
    """Runs one check to its end."""

    def check(self, config: dict[str, Any]) -> Cost: ...


class Warm:
    """A process of bench.runners.worker, asked for one check after the other."""

    def __init__(self, kind: str, environment: Mapping[str, str], held: ExitStack, tree: Path = ROOT) -> None:
        self._process = subprocess.Popen(
            python_of("bench.runners.worker", kind),
            env={**os.environ, **environment, **path_of(tree)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        held.callback(self._end)

    def check(self, config: dict[str, Any]) -> Cost:
        asked, answers = self._process.stdin, self._process.stdout
        if asked is None or answers is None:
            raise RuntimeError("no pipes")
        asked.write(json.dumps(config) + "\n")
        asked.flush()
        if not (line := answers.readline()):
            raise RuntimeError("the worker ended: see its words above")
        return Cost(**json.loads(line))

    def _end(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


@dataclass(frozen=True)
class Once:
    """A program that is started for each check, as cron or a monitoring system does."""

    argv: Callable[[dict[str, Any]], list[str]]
    environment: Mapping[str, str]
    found: Callable[[str], float | None]

    def check(self, config: dict[str, Any]) -> Cost:
        with tempfile.TemporaryDirectory() as folder:
            used = Path(folder) / "used"
            once = Path(__file__).parent / "runners" / "once.py"
            argv = [sys.executable, "-IS", str(once), str(used), *self.argv(config)]
            begun = time.time()
            done = subprocess.run(
                argv, env={**os.environ, **self.environment}, stdin=subprocess.DEVNULL, capture_output=True, text=True
            )
            ended = time.time()
            if done.returncode != 0:
                raise RuntimeError(f"{argv[4]}: exit code {done.returncode}: {done.stdout}{done.stderr}")
            cost = json.loads(used.read_text())
        return Cost(self.found(done.stdout), begun, ended, cost["cpu"], cost["memory"])


def has_plugins() -> bool:
    """Whether check_email_delivery and the Perl modules that its two plugins need are installed."""
    if not (PLUGINS / "check_email_delivery").exists():
        return False
    modules = ["perl", "-MMail::IMAPClient", "-MAuthen::SASL", "-e", "1"]
    return subprocess.run(modules, capture_output=True, check=False).returncode == 0


def check_email_delivery(environment: Mapping[str, str]) -> Once:
    """As Debian's own /etc/nagios-plugins/config/email_delivery.cfg has it: two plugins, five seconds between them."""

    def argv(config: dict[str, Any]) -> list[str]:
        smtp, imap = config["smtp"], config["imap"]
        send = [PLUGINS / "check_smtp_send", "-H", smtp["host"], "-p", smtp["port"], "--mailfrom", smtp["from_addr"]]
        send += ["--mailto", smtp["to_addr"], "-U", smtp["username"], "-P", smtp["password"]]
        send += ["--header", "Subject: Nagios %TOKEN1%", "-w", 15, "-c", 30]
        receive = [PLUGINS / "check_imap_receive", "-H", imap["host"], "-p", imap["port"], "-U", imap["username"]]
        receive += ["-P", imap["password"], "-s", "SUBJECT", "-s", "Nagios %TOKEN1%", "-w", 15, "-c", 30]
        plugins = [shlex.join(str(word) for word in plugin) for plugin in (send, receive)]
        return [str(PLUGINS / "check_email_delivery"), "-p", plugins[0], "-p", plugins[1], "-w", "15,15", "-c", "30,30"]

    return Once(argv, environment, lambda said: None)


def command(folder: Path, environment: Mapping[str, str], tree: Path = ROOT) -> Once:
    """`mail-loop check --direct FILE`, a process each."""

    def argv(config: dict[str, Any]) -> list[str]:
        file = folder / f"{config['name']}.json"
        file.write_text(json.dumps(config))
        return python_of("flows.cli.main", "check", "--direct", "--json", str(file))

    environment = {**environment, **path_of(tree)}
    return Once(argv, environment, lambda said: datetime.fromisoformat(json.loads(said)["detected_at"]).timestamp())


def config_of(user: User, name: str, endpoints: Mapping[str, Endpoint]) -> dict[str, Any]:
    """What each contender is given: the way to the servers, or to proxies before them, in clear so that they count."""
    login = {"username": user.username, "password": user.password, "tls": "none"}
    smtp, imap = itemgetter("smtp", "imap")(endpoints)
    sending = {"host": smtp.host, "port": smtp.port, "from_addr": user.address, "to_addr": user.address}
    return {
        "name": name,
        "smtp": {**login, **sending, "subject_prefix": "[mail-loop]"},
        "imap": {**login, "host": imap.host, "port": imap.port},
        "limits": {"max_wait": 60, "max_per_hour": 3600},
    }
