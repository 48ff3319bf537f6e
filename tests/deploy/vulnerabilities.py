"""A source of known vulnerabilities on loopback, as pip-audit asks it: PyPI's by a proxy, or OSV's at `osv_url`."""

from __future__ import annotations

import functools
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import trustme

from tests.support.checks.bounds import THREAD_SECONDS
from tests.support.http_server import Quiet, listening

# Of https://github.com/pypa/advisory-database
OLD_JINJA2 = {
    "id": "PYSEC-2014-8",
    "aliases": ["CVE-2014-1402"],
    "fixed_in": ["2.7.2"],
    "details": "The default configuration for bccache does not properly create temporary files.",
    "summary": None,
    "withdrawn": None,
    "link": "https://osv.dev/vulnerability/PYSEC-2014-8",
}


@dataclass
class Source:
    """What it answers, and what it was asked."""

    ca_file: str
    unknown: set[str] = field(default_factory=set)
    """Packages that it has never heard of."""
    instead: tuple[int, bytes] | None = None
    """Status and body of every answer."""
    silent: bool = False
    asked: set[tuple[str, str]] = field(default_factory=set)
    port: int = 0

    @property
    def env(self) -> dict[str, str]:
        """For a client: the way to it, and whom to trust."""
        return {"HTTPS_PROXY": f"http://127.0.0.1:{self.port}", "NO_PROXY": "", "REQUESTS_CA_BUNDLE": self.ca_file}

    @property
    def osv_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/query"

    def findings(self, name: str, version: str) -> list[dict[str, Any]]:
        return [OLD_JINJA2] if (name, version) == ("jinja2", "2.7.1") else []


@contextmanager
def source(folder: Path) -> Iterator[Source]:
    """One that runs."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    running = Source(str(folder / "authority.pem"))
    done = threading.Event()

    @functools.cache
    def context(host: str) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(host).configure_cert(made)
        return made

    class Answering(Quiet, BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_CONNECT(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.connection = context(self.path.partition(":")[0]).wrap_socket(self.connection, server_side=True)
            self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
            self.close_connection = False

        def do_GET(self) -> None:
            *_, name, version, _ = self.path.split("/")
            self.answer(name, version, {"info": {"name": name}, "vulnerabilities": running.findings(name, version)})

        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name, version = query["package"]["name"], query["version"]
            found = [vulnerability(name, known) for known in running.findings(name, version)]
            self.answer(name, version, {"vulns": found} if found else {})

        def answer(self, name: str, version: str, body: dict[str, Any]) -> None:
            running.asked.add((name, version))
            if running.silent:
                done.wait(THREAD_SECONDS)
            status, content = (404, b"{}") if name in running.unknown else (200, json.dumps(body).encode())
            status, content = running.instead or (status, content)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def finish(self) -> None:
            super().finish()
            self.connection.close()

    with listening(Answering) as running.port:
        try:
            yield running
        finally:
            done.set()


def vulnerability(name: str, known: dict[str, Any]) -> dict[str, Any]:
    """The same as OSV writes it."""
    events = [{"introduced": "0"}, *({"fixed": version} for version in known["fixed_in"])]
    affected = {"package": {"name": name, "ecosystem": "PyPI"}, "ranges": [{"type": "ECOSYSTEM", "events": events}]}
    return {"id": known["id"], "aliases": known["aliases"], "details": known["details"], "affected": [affected]}
