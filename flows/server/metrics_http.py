"""The HTTP server of the exporter: /metrics, and /healthz for who keeps it running."""

import socket
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from socketserver import TCPServer, ThreadingMixIn
from threading import Thread
from typing import Any
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from tasks.mail.config.addresses import endpoint
from tasks.mail.model.errors import ConfigError, describe_os_error

_CLIENT_SECONDS = 30.0  # that a client may keep a connection waiting
_TEXT = ("Content-Type", "text/plain; charset=utf-8")

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
    timeout = _CLIENT_SECONDS

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
        start(status, [_TEXT])  # the server adds to the list
        return [] if environ.get("REQUEST_METHOD") == "HEAD" else [text.encode()]

    return answer


def for_hosts(app: App, hosts: Collection[str]) -> App:
    """`app`, and 400 for who asks another host: a web page whose name was made to lead here.

    Such a page has a name, so every IP address is taken; a request without Host is no browser's.
    """
    names = {name.lower().rstrip(".") for name in hosts}

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if _is_among(names, environ.get("HTTP_HOST", "localhost")):
            return app(environ, start)
        start("400 Bad Request", [_TEXT])
        return [] if environ.get("REQUEST_METHOD") == "HEAD" else [b"this is no host name of the exporter\n"]

    return answer


def _is_among(names: Collection[str], header: str) -> bool:
    """Whether a Host header has one of these names, or an IP address."""
    try:
        host = "" if "@" in header else (urlsplit(f"//{header}").hostname or "").rstrip(".")
        return host in names or ip_address(host) is not None
    except ValueError:  # no header of that kind, or a name
        return False


@contextmanager
def listening(address: str, port: int, app: App, trusted: Collection[str] = ()) -> Iterator[str]:
    """Serve `app` in threads of its own; yields where. Raises ConfigError where that cannot be.

    On loopback it answers to its own names and those that are `trusted`; elsewhere to any, until some are: whoever
    reaches it there may read it, and it does not know by which names that is done.
    """
    server: type[WSGIServer] = _Server6 if ":" in address else _Server
    try:
        http = make_server(address, port, app, server, _Handler)
    except (OSError, UnicodeError) as error:
        why = describe_os_error(error) if isinstance(error, OSError) else "not a host name"
        raise ConfigError(
            f"cannot listen on {address}, port {port} ({why}): choose another --port or --address"
        ) from None
    if trusted or ip_address(str(http.server_address[0])).is_loopback:
        http.set_app(for_hosts(app, {address, "localhost", *trusted}))
    thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield f"http://{endpoint(address, http.server_port)}"
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
