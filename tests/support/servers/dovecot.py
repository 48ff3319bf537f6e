"""Dovecot: the mailboxes, and the passwords of the relay."""

from __future__ import annotations

import base64
import os
import re
import secrets
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from tests.support.servers import IS_ROOT
from tests.support.servers.accounts import account
from tests.support.servers.processes import HOST, Endpoint, Ports, Server, greets, refuses, render, run, until

EXPIRED_HOST = "127.0.0.2"
WRONG_NAME_HOST = "127.0.0.3"
EXPIRING_HOST = "127.0.0.4"


class Dovecot(Server):
    """IMAP in clear with STARTTLS (`imap`) and with implicit TLS (`imaps`), LMTP and SASL on sockets, Sieve.

    It listens on four addresses: the same ports of EXPIRED_HOST and WRONG_NAME_HOST have bad certificates, those of
    EXPIRING_HOST one that will be.
    """

    def __init__(
        self, home: Path, ports: Ports, certificates: Path, by_token: Callable[[Path], Path] | None = None
    ) -> None:
        """`by_token` writes how tokens are looked at into a file of this folder; with it, one can log in in any way."""
        self.imap = Endpoint(HOST, ports.take())
        self.imaps = Endpoint(HOST, ports.take())
        self.expired_imap = Endpoint(EXPIRED_HOST, self.imap.port)
        self.expired_imaps = Endpoint(EXPIRED_HOST, self.imaps.port)
        self.wrong_name_imap = Endpoint(WRONG_NAME_HOST, self.imap.port)
        self.wrong_name_imaps = Endpoint(WRONG_NAME_HOST, self.imaps.port)
        self.expiring_imaps = Endpoint(EXPIRING_HOST, self.imaps.port)
        self.outbox = Endpoint(HOST, ports.take())  # where Sieve hands in what it sends: the edge listens there
        self.lmtp = home / "run" / "lmtp"
        self.sasl = home / "run" / "auth-postfix"
        self.quota_policy = f"check_policy_service unix:{home}/run/quota"
        self.mail = home / "mail"
        # Any account that is not root does for the mail; this one every Linux has.
        self.owner = account("nobody")
        self._config = home / "dovecot.conf"
        self._users = home / "users"
        for folder in (home / "run", home / "state", self.mail, self._users):
            folder.mkdir()
        self.owner.own(self.mail)
        render(
            "dovecot.conf",
            self._config,
            home=home,
            certificates=certificates,
            mail=self.mail,
            uid=self.owner.uid,
            gid=self.owner.gid,
            imap=self.imap.port,
            imaps=self.imaps.port,
            outbox=self.outbox.port,
        )
        if not IS_ROOT:
            extra = render("dovecot-rootless.conf", home / "rootless", user=self.owner.user, group=self.owner.group)
            with self._config.open("a") as file:
                file.write(extra.read_text())
        if by_token is not None:
            by_token(home / "oauth2")
            more = render("dovecot-logins.conf", home / "logins", home=home, certificates=certificates)
            with self._config.open("a") as file:
                file.write(more.read_text())
        # Compiled here, since the owner of the mailboxes may not write in this folder.
        run(["sievec", "-c", self._config, render("situations.sieve", home / "situations.sieve")])
        super().__init__(home, ["dovecot", "-F", "-c", self._config], addresses=[self.imap, self.imaps])

    def stop(self) -> None:
        """End the server, and the sessions too, which would go on until their clients leave."""
        group = self._child.pid if self._child else None
        super().stop()
        if group is not None:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)

    def add_user(self, username: str, password: str, settings: Mapping[str, str] | None = None) -> None:
        """Make an account, at once and without a reload; `settings` hold for it alone."""
        # Base64 lets a password hold anything, the file's own colon included.
        encoded = base64.b64encode(password.encode()).decode()
        extra = " ".join(f"userdb_{name}={value}" for name, value in (settings or {}).items())
        (self._users / username).write_text(f"{username}:{{PLAIN.b64}}{encoded}::::::{extra}\n")

    def close_imap(self) -> None:
        """Let IMAP be down, and end its sessions; mail is delivered and passwords are checked as before."""
        run(["doveadm", "-c", self._config, "service", "stop", "imap-login"])
        run(["sh", "-c", 'doveadm -c "$1" kick "*" || true', "sh", self._config])
        until(lambda: refuses(self.imap) or None, lambda: "IMAP still listens")

    def open_imap(self) -> None:
        """Let IMAP be up again."""
        run(["doveadm", "-c", self._config, "reload"])
        until(lambda: greets(self.imap), lambda: "IMAP does not come back")

    def auth_failures(self, username: str) -> int:
        """How often this user's password was wrong, over SMTP and IMAP together."""
        return len(re.findall(rf"\({re.escape(username)},.*Password mismatch", self._logged_by_now()))

    def logins(self, username: str) -> int:
        """How often this user has logged in over IMAP."""
        return len(re.findall(rf"imap-login: Info: Login: user=<{re.escape(username)}>", self._logged_by_now()))

    def methods(self, username: str) -> list[str]:
        """By which mechanism each time."""
        return re.findall(
            rf"imap-login: Info: Login: user=<{re.escape(username)}>, method=([^,]+)", self._logged_by_now()
        )

    def _logged_by_now(self) -> str:
        # What is logged reaches the file in order: behind a refusal of our own, all that came before is there.
        marker = f"marker-{secrets.token_hex(8)}"
        if self.running:
            run(["sh", "-c", 'doveadm -c "$1" auth test "$2" wrong || true', "sh", self._config, marker])
            until(lambda: marker in self.log() or None, lambda: f"Dovecot does not log:\n{self.log()[-4000:]}")
        return self.log()
