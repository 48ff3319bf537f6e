"""All services on loopback: a proxy that ends TLS itself, for those at fixed addresses."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl

import trustme

from tests.support.chats.readers import (
    Reader,
    Refused,
    Seen,
    anything,
    discord,
    mattermost,
    plain,
    slack,
    teams,
    telegram,
)
from tests.support.http_server import Quiet, listening

READERS: Mapping[str, Reader] = {
    "api.telegram.org": telegram,
    "hooks.slack.com": slack,
    "discord.com": discord,
    "events.pagerduty.com": plain,
    "api.opsgenie.com": anything,
    "api.twilio.com": anything,
    "teams.test": teams,
}
HERE: Mapping[str, Reader] = {"/hooks": mattermost, "/webhook": anything, "/json": anything, "/": plain}
ANSWER = {"hooks.slack.com": b"ok"}


class Receiver:
    """`took` has what each path was sent and did not refuse, `refused` what it refused."""

    def __init__(self, folder: Path) -> None:
        self._open = ExitStack()
        self.took: list[tuple[str, Seen]] = []
        self.refused: list[tuple[str, str]] = []
        authority = trustme.CA()
        self.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(*READERS).configure_cert(self.tls)
        self.ca_file = folder / "services.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))

    def __enter__(self) -> Self:
        receiver = self

        class Taking(Quiet, BaseHTTPRequestHandler):
            service = ""

            def do_CONNECT(self) -> None:  # the library calls it so
                self.service = self.path.partition(":")[0]
                if self.service not in READERS:
                    self.send_error(502)
                    return
                self.send_response(200)
                self.end_headers()
                self.connection = receiver.tls.wrap_socket(self.connection, server_side=True)
                self.rfile = self.connection.makefile("rb")
                self.wfile = self.connection.makefile("wb", 0)
                self.handle_one_request()
                self.connection.close()

            def do_POST(self) -> None:  # the library calls it so
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                typed = self.headers.get("Content-Type", "").partition(";")[0]
                call: dict[str, Any] = (
                    dict(parse_qsl(raw.decode())) if typed == "application/x-www-form-urlencoded" else json.loads(raw)
                )
                call |= {"markdown": True} if self.headers.get("X-Markdown") else {}
                self.send_response(receiver.take(self.service, self.path, call))
                answer = ANSWER.get(self.service, b'{"ok": true, "requestId": "1"}')
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        self._port = self._open.enter_context(listening(Taking))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def here(self) -> str:
        """Its address, without a scheme."""
        return f"127.0.0.1:{self._port}"

    def take(self, service: str, path: str, call: Mapping[str, Any]) -> int:
        """Read a call as the service does; returns the status of the answer."""
        reader = READERS.get(service) or next(one for begin, one in HERE.items() if path.startswith(begin))
        # Of some the path says nothing: what is in the call does.
        where = f"{service}{path} {call.get('routing_key', '')}{call.get('topic', '')}"
        try:
            self.took.append((where, reader(call)))
        except Refused as error:
            self.refused.append((where, str(error)))
            return 400
        return 200

    def of(self, mark: str) -> list[Seen]:
        """What came to the addresses that have this in them."""
        return [seen for where, seen in self.took if mark in where]
