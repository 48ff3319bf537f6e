"""Loops through the laboratory, as an operator would configure them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tasks.mail.config.loop import InboundConfig, LoopConfig, inbound_config, loop_config
from tests.support.servers.lab import Lab, User, quoted
from tests.support.servers.processes import Endpoint

PREFIX = "[mail-loop]"
NAME = "acceptance"
MAX_WAIT = 30.0

Fields = Mapping[str, Any]


def at(endpoint: Endpoint, **fields: Any) -> dict[str, Any]:
    """The fields that lead to this server."""
    return {"host": endpoint.host, "port": endpoint.port} | fields


def fields(
    lab: Lab, user: User, to: str | None = None, smtp: Fields | None = None, imap: Fields | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """SMTP by STARTTLS and IMAP by implicit TLS, with what is to be different."""
    login = {"username": user.username, "password": user.password, "ca_file": str(lab.ca_file)}
    sending = {
        **at(lab.relay.submission),
        **login,
        "from_addr": user.address,
        "to_addr": to or user.address,
        "subject_prefix": PREFIX,
        "retry_delay": 0.1,
        **(smtp or {}),
    }
    return sending, {**at(lab.dovecot.imaps), **login, "retry_delay": 0.3, **(imap or {})}


def loop(
    lab: Lab,
    user: User,
    to: str | None = None,
    *,
    smtp: Fields | None = None,
    imap: Fields | None = None,
    name: str = NAME,
    **limits: float,
) -> LoopConfig:
    """A loop from the user to `to`, by default the user again."""
    sending, finding = fields(lab, user, to, smtp, imap)
    return loop_config({"name": name, "smtp": sending, "imap": finding, "limits": {"max_wait": MAX_WAIT} | limits})


def outbound(lab: Lab, user: User, to: str | None = None, **smtp: Any) -> LoopConfig:
    """A loop that ends when the relay has accepted the message."""
    return loop_config({"name": NAME, "smtp": fields(lab, user, to, smtp)[0]})


def inbound(lab: Lab, user: User, **imap: Any) -> InboundConfig:
    """The receiving half alone, looking once."""
    finding = fields(lab, user, imap={"search_subject": PREFIX, "retries": 0} | imap)[1]
    return inbound_config({"name": NAME, "imap": finding})


def contents(lab: Lab, user: User, folder: str = "INBOX") -> dict[int, str]:
    """The flags of all messages in a folder by UID, read without a trace; but for \\Recent, which ends by itself."""
    with lab.imap(user) as client:
        client.select(quoted(folder), readonly=True)
        rows = client.uid("FETCH", "1:*", "(FLAGS)")[1]
    found = (re.search(rb"UID (\d+) FLAGS \(([^)]*)\)", row) for row in rows if isinstance(row, bytes))
    return {int(match[1]): match[2].replace(rb"\Recent", b"").strip().decode() for match in found if match is not None}
