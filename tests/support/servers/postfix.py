"""Postfix: a private instance, and what its log says about a test."""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.servers import IS_ROOT
from tests.support.servers.accounts import account
from tests.support.servers.processes import HOST, Endpoint, Server, render, run, until

LINE = re.compile(r"^.{15} \S+ postfix/(?P<service>[\w-]+)/smtpd\[(?P<pid>\d+)\]: (?P<text>.*)$")
COUNT = re.compile(r"\b(?P<command>[a-z]+)=(?:(?P<accepted>\d+)/)?(?P<total>\d+)\b")


@dataclass
class Session:
    """One connection to Postfix, as its log tells it."""

    service: str
    lines: list[str] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        return self.lines[-1].startswith("disconnect from ")

    def commands(self, name: str) -> int:
        """How often the client gave this command (`ehlo starttls auth mail rcpt data quit`), refused ones included."""
        return self._counts(name)[1]

    def accepted(self, name: str) -> int:
        """How often this command was answered with a yes."""
        return self._counts(name)[0]

    @property
    def refusals(self) -> list[str]:
        """The log lines of refused commands."""
        return [line for line in self.lines if "reject: " in line]

    def _counts(self, name: str) -> tuple[int, int]:
        for found in COUNT.finditer(self.lines[-1] if self.ended else ""):
            if found["command"] == name:
                return int(found["accepted"] or found["total"]), int(found["total"])
        return 0, 0


class Postfix(Server):
    """One instance. `services` names its ports, each with the settings that hold for that port alone.

    `master`: a template with more lines for its master.cf.
    """

    def __init__(
        self,
        home: Path,
        hostname: str,
        template: str,
        maps: Sequence[str],
        services: Mapping[str, Mapping[str, str]],
        ports: Iterator[int],
        master: str | None = None,
        **values: object,
    ) -> None:
        self.endpoints = {name: Endpoint(HOST, next(ports)) for name in services}
        self._config = home / "config"
        for folder in (home / "spool", home / "data", self._config):
            folder.mkdir()
        account("postfix").own(home / "data")
        common = render("postfix.cf", home / "common", home=home, hostname=hostname).read_text()
        own = render(template, home / "own", home=home, **values).read_text()
        for name in maps:
            render(name, home / name, home=home, **values)
        programs = render("services.cf", home / "services").read_text()
        if master is not None:
            programs += render(master, home / "own-services", home=home, **values).read_text()
        for name, settings in services.items():
            programs += f"{HOST}:{self.endpoints[name].port} inet n - n - - smtpd -o syslog_name=postfix/{name}\n"
            programs += "".join(f"  -o {{ {setting} = {value} }}\n" for setting, value in settings.items())
        for path, text in ((self._config / "main.cf", common + "\n" + own), (self._config / "master.cf", programs)):
            path.write_text(text)
            # Postfix waits up to 2 s on a file that was just written.
            os.utime(path, (time.time() - 60, time.time() - 60))
        argv = ["postfix", "-c", str(self._config), "start-fg"]
        super().__init__(home, argv if IS_ROOT else ["fakeroot", *argv], list(self.endpoints.values()))

    def log(self) -> str:
        """All that has been logged, complete up to this moment."""
        if self.running:
            # Whatever a reply was given for has been handed to the log service before; behind our own line it is there.
            marker = f"marker {secrets.token_hex(8)}"
            run(["postlog", "-c", self._config, marker])
            until(lambda: marker in super(Postfix, self).log() or None, lambda: "Postfix does not log")
        return super().log()

    def mark(self) -> int:
        """A place in the log, for `since`."""
        return len(self.log())

    def lines(self, *needles: str, since: int = 0) -> list[str]:
        """The log lines that hold all of these strings."""
        return [line for line in self.log()[since:].splitlines() if all(needle in line for needle in needles)]

    def queued(self, queue_id: str) -> bool:
        """Whether the log shows that a client handed in a message with this queue identifier."""
        return bool(self.lines(f": {queue_id}: client="))

    def sessions(self, *needles: str, since: int = 0) -> list[Session]:
        """The connections whose log holds all of these strings, such as a username, once they have ended."""
        end = time.monotonic() + 5
        while True:
            found = [
                session for session in self._sessions(since) if all(n in "\n".join(session.lines) for n in needles)
            ]
            # The end of a connection is logged after the reply to QUIT, so the client may be here first.
            if all(session.ended for session in found) or time.monotonic() > end:
                return found
            time.sleep(0.01)

    def _sessions(self, since: int) -> list[Session]:
        sessions: list[Session] = []
        current: dict[str, Session] = {}
        for line in self.log()[since:].splitlines():
            found = LINE.match(line)
            if found is None:
                continue
            if found["text"].startswith("connect from "):
                # One process serves one connection at a time, so its number tells connections apart.
                current[found["pid"]] = Session(found["service"])
                sessions.append(current[found["pid"]])
            if found["pid"] in current:
                current[found["pid"]].lines.append(found["text"])
                if current[found["pid"]].ended:
                    del current[found["pid"]]
        return sessions

    def _main_pid(self) -> int | None:
        # Our child is a shell, or fakeroot, that waits for the master.
        try:
            return int((self.home / "spool" / "pid" / "master.pid").read_text())
        except (OSError, ValueError):
            return None
