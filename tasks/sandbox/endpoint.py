"""The token endpoint of the sandbox, over HTTP."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

from tasks.sandbox.bearer import Tokens

PATH = "/token"
_LONGEST = 65536  # octets of a request


class _Handler(BaseHTTPRequestHandler):
    timeout = 5.0
    tokens: Tokens

    def do_POST(self) -> None:  # its name in the standard library
        length = min(int(self.headers.get("Content-Length") or 0), _LONGEST)
        form = dict(parse_qsl(self.rfile.read(length).decode(errors="replace")))
        status, said = self.tokens.answer(form) if self.path == PATH else (404, {"error": "not_found"})
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name in the standard library
        """Nothing: who runs the sandbox reads what it prints."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has gone, or is no client of HTTP, is no error of ours."""


@contextmanager
def endpoint(tokens: Tokens, host: str, port: int = 0) -> Iterator[int]:
    """Hand out tokens until the end of the block; yields the port."""
    handler = type("Handler", (_Handler,), {"tokens": tokens})
    with _Server((host, port), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="tokens")
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
