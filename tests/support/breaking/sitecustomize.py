"""What Python loads before anything else, where PYTHONPATH names this folder: an environment that breaks.

Sending a login fails, with all of it in the exception's text, to the ports in BREAKS_AT_PORTS. With LOG_EVERYTHING the
root logger writes every record to stderr, as a program does that calls a check without Prefect.
"""

import logging
import os
from asyncio import selector_events, sslproto
from typing import Any

PORTS = {int(port) for port in os.environ.get("BREAKS_AT_PORTS", "").split(",") if port}
LOGINS = (b"AUTH", b"LOGIN", b"auth", b"login")


def _break(kind: Any) -> None:
    write = kind.write

    def broken(self: Any, data: bytes) -> None:
        peer = self.get_extra_info("peername") or ("", 0)
        # Over TLS the transport below carries noise, in which a login is met once in a blue moon.
        plain = isinstance(self, sslproto._SSLProtocolTransport) or bytes(data).isascii()
        if peer[1] in PORTS and plain and any(verb in bytes(data) for verb in LOGINS):
            raise RuntimeError(f"cannot send {bytes(data)!r}")
        write(self, data)

    kind.write = broken


if PORTS:
    _break(selector_events._SelectorSocketTransport)  # type: ignore[attr-defined]
    _break(sslproto._SSLProtocolTransport)
if "LOG_EVERYTHING" in os.environ:
    logging.basicConfig(level=logging.DEBUG, format="%(asctime)s %(levelname)s %(name)s %(message)s")
