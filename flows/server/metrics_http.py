"""The HTTP server of the exporter: /metrics, and /healthz for who keeps it running."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from socketserver import TCPServer, ThreadingMixIn
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from tasks.mail.model.errors import ConfigError, describe_os_error

CLIENT_SECONDS = 30.0  # that a client may keep a connection waiting
TEXT = ("Content-Type", "text/plain; charset=utf-8")

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Without asking the DNS for the name of this machine, as the standard library's does."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away or fell silent is no news."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = CLIENT_SECONDS

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # its name in the standard library
        """Nobody wants a line for each scrape."""


def application(registry: CollectorRegistry, healthy: Callable[[], bool]) -> App:
    """/metrics in the format that the client asks for, /healthz with 200 or 503, and 404 for all else."""
    metrics: App = make_wsgi_app(registry)

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            return metrics(environ, start)
        status, text = "404 Not Found", "see /metrics and /healthz\n"
        if path == "/healthz":
            status, text = "200 OK", "ok: Prefect was read\n"
            if not healthy():
                status, text = "503 Service Unavailable", "Prefect cannot be read, or has not been yet\n"
        start(status, [TEXT])  # the server adds to the list
        return [] if environ.get("REQUEST_METHOD") == "HEAD" else [text.encode()]

    return answer


@contextmanager
def listening(address: str, port: int, app: App) -> Iterator[str]:
    """Serve `app` in threads of its own; yields where. Raises ConfigError where that cannot be."""
    server: type[WSGIServer] = _Server6 if ":" in address else _Server
    try:
        http = make_server(address, port, app, server, _Handler)
    except (OSError, UnicodeError) as error:
        why = describe_os_error(error) if isinstance(error, OSError) else "not a host name"
        raise ConfigError(
            f"cannot listen on {address}, port {port} ({why}): choose another --port or --address"
        ) from None
    thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        host = f"[{address}]" if ":" in address else address
        yield f"http://{host}:{http.server_port}"
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
