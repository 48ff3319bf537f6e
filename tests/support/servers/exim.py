"""Exim, unpacked from Debian's package and not installed: it and Postfix exclude each other."""

from __future__ import annotations

import os
import re
from pathlib import Path

from tests.support.servers.accounts import account
from tests.support.servers.processes import HOST, Endpoint, Ports, Server, render

UNPACKED = Path("/usr/local/lib/exim4-unpacked")  # see .ci/servers
NEEDS = ([str(UNPACKED / "usr/sbin/exim4")], "Exim is needed, unpacked: make servers")
_LIBRARIES = UNPACKED / "usr/lib" / f"{os.uname().machine}-linux-gnu"


class Exim(Server):
    """A relay that lets in whoever shows a certificate for the name that is given (EXTERNAL); it keeps all mail."""

    def __init__(self, home: Path, ports: Ports, certificates: Path) -> None:
        self.submission = Endpoint(HOST, ports.take())
        owner = account("nobody")
        (home / "spool").mkdir()
        owner.own(home / "spool")
        owner.own(home)
        config = render(
            "exim.conf",
            home / "exim.conf",
            home=home,
            port=self.submission.port,
            certificates=certificates,
            user=owner.uid,
            group=owner.gid,
        )
        # It asks for an account of its own before it reads its configuration.
        for file, text in (
            ("passwd", f"Debian-exim:x:{owner.uid}:{owner.gid}::{home}:/bin/sh\n"),
            ("group", f"Debian-exim:x:{owner.gid}:\n"),
        ):
            (home / file).write_text(Path("/etc", file).read_text() + text)
        environment = {
            "LD_LIBRARY_PATH": str(_LIBRARIES),
            "LD_PRELOAD": str(_LIBRARIES / "libnss_wrapper.so"),
            "NSS_WRAPPER_PASSWD": str(home / "passwd"),
            "NSS_WRAPPER_GROUP": str(home / "group"),
        }
        argv = [str(UNPACKED / "usr/sbin/exim4"), "-C", str(config), "-bdf"]
        super().__init__(home, argv, [self.submission], environment)

    def log(self) -> str:
        """What it has logged."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.home.glob("*log")))

    def logins(self) -> list[tuple[str, str]]:
        """The names that were let in with a message, and by which authenticator."""
        return [(name, by) for by, name in re.findall(r" A=([^:\s]+):(\S+)", self.log())]
