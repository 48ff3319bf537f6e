"""A token server on loopback: it issues tokens for what it can verify, and does wrong what a test tells it to."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.checks.bounds import THREAD_SECONDS
from tests.support.http_server import Quiet
from tests.support.oauth.issuing import Issuer, Refusal
from tests.support.oauth.persons import AUTHORIZE, DEVICE, Persons

TOKEN, INTROSPECT = "/token", "/introspect"


@dataclass(frozen=True)
class Reply:
    """An answer instead of the right one: a JSON object or octets, after `delay` seconds.

    `drop`: the connection is closed instead. `drip`: seconds between two octets of the body.
    """

    status: int = 200
    body: Mapping[str, Any] | bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drop: bool = False
    drip: float = 0.0


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    path: str
    headers: Mapping[str, str]
    body: str
    at: float

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body, keep_blank_values=True).items()}


class TokenServer:
    """What it knows is `issuer`: clients, accounts, lifetimes; `persons` are those who log in.

    `script`: replies to the next requests for a token.
    """

    def __init__(self, port: int, tls: bool) -> None:
        self.port = port
        self.base = f"{'https' if tls else 'http'}://localhost:{port}"
        self.url = self.base + TOKEN
        self.introspection_url = f"http://127.0.0.1:{port}{INTROSPECT}"
        self.issuer = Issuer(self.base, self.url)
        self.persons = Persons(self.issuer, self.base)
        self.script: deque[Reply] = deque()
        self.always: Reply | None = None  # what is answered to each request for a token
        self.delay = 0.0  # seconds before the right answer
        self.asked: list[Asked] = []
        self.ca_file: str | None = None  # for clients, where it has a certificate of a test's own
        self.stopping = threading.Event()

    def count(self, path: str = TOKEN) -> int:
        """How often it was asked."""
        return sum(urlsplit(one.path).path == path for one in self.asked)

    @property
    def last(self) -> Asked:
        """The last request for a token."""
        return [one for one in self.asked if one.path == TOKEN][-1]

    def answer(self, asked: Asked) -> Reply:
        """What it says to a request."""
        path = urlsplit(asked.path).path
        if path == INTROSPECT:
            return Reply(body=self.issuer.introspect(_token_in(asked)))
        if path not in (TOKEN, DEVICE, AUTHORIZE):
            return Reply(404, {"error": "not_found"})
        if path == TOKEN and self.script:
            return self.script.popleft()
        if path == TOKEN and self.always is not None:
            return self.always
        self.stopping.wait(self.delay)
        try:
            if path == AUTHORIZE:
                return Reply(302, headers={"Location": self.persons.authorize(asked.path)})
            if path == DEVICE:
                return Reply(body=self.persons.device(asked.form, asked.headers))
            granted = self.persons.grant(asked.form, asked.headers)
            return Reply(body=granted or self.issuer.grant(asked.form, asked.headers))
        except Refusal as refusal:
            return Reply(refusal.status, {"error": refusal.code, "error_description": refusal.words})


def _token_in(asked: Asked) -> str:
    """The token that Dovecot asks about: in a form, in the query, or as its own authorization."""
    bearer = asked.headers.get("authorization", "").removeprefix("Bearer ")
    query = parse_qs(urlsplit(asked.path).query).get("token", [bearer])[0]
    return asked.form.get("token", query)


class _Handler(Quiet, BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    token_server: TokenServer

    def do_POST(self) -> None:  # its name in the standard library
        length = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(length).decode("utf-8", "replace")
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.path, headers, body, time.monotonic())
        self.token_server.asked.append(asked)
        reply = self.token_server.answer(asked)
        self.token_server.stopping.wait(reply.delay)
        if reply.drop:
            self.close_connection = True
            return
        self._send(reply)

    do_GET = do_POST  # noqa: N815  # its name in the standard library

    def _send(self, reply: Reply) -> None:
        kind, octets = "text/html; charset=utf-8", reply.body
        if not isinstance(octets, bytes):
            kind, octets = "application/json; charset=utf-8", json.dumps(octets).encode()
        try:
            self.send_response_only(reply.status)
            self.send_header("Date", formatdate(time.time() + self.token_server.issuer.clock_ahead, usegmt=True))
            for name, value in {"Content-Type": kind, "Content-Length": str(len(octets)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if not reply.drip:
                self.wfile.write(octets)
            for octet in octets if reply.drip else b"":
                self.wfile.write(bytes([octet]))
                self.wfile.flush()
                if self.token_server.stopping.wait(reply.drip):
                    return
        except OSError:  # who asked has gone
            self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    context: ssl.SSLContext | None = None

    def get_request(self) -> tuple[Any, Any]:
        sock, address = super().get_request()
        if self.context is not None:  # the handshake is the handler's, in its thread
            sock = self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return sock, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that does not trust us, or has gone, is no error of ours."""


@contextmanager
def token_server(
    context: ssl.SSLContext | None = None, port: int = 0, kind: type[TokenServer] = TokenServer
) -> Iterator[TokenServer]:
    """A token server until the end of the block, over TLS where there is a context for it."""
    handler = type("Handler", (_Handler,), {})
    with _Server(("127.0.0.1", port), handler) as http:
        http.context = context
        server = kind(http.server_port, context is not None)
        handler.token_server = server  # type: ignore[attr-defined]
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.stopping.set()
            http.shutdown()
            thread.join(THREAD_SECONDS)
            assert not thread.is_alive()
