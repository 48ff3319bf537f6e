"""Names, sockets and TLS, for both legs: resolved, connected and checked in the same way."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any, TypeVar

from aiohappyeyeballs import AddrInfoType, start_connection

from tasks.mail.model.observed import TlsSession
from tasks.mail.visible import one_line

Found = TypeVar("Found")

STAGGER = 0.25  # seconds before the next address is tried beside the one that has not answered (RFC 8305)


@lru_cache(maxsize=64)
def ssl_context(ca_file: str | None, verify: bool) -> ssl.SSLContext:
    """A client context. Building one costs 40 ms of CPU, so equal ones are shared; `ca_file` replaces the system's CAs.

    Raises OSError when `ca_file` cannot be read.
    """
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def tls_session(tls: ssl.SSLObject | ssl.SSLSocket) -> TlsSession:
    """The facts of an established session."""
    certificate: Mapping[str, Any] = tls.getpeercert() or {}
    not_after = certificate.get("notAfter")
    cipher = tls.cipher()
    return TlsSession(
        protocol=tls.version() or "",
        cipher=cipher[0] if cipher else "",
        issuer=_name(certificate.get("issuer", ())),
        not_after=datetime.fromtimestamp(ssl.cert_time_to_seconds(not_after), UTC)
        if isinstance(not_after, str)
        else None,
    )


def _name(distinguished: Sequence[Sequence[tuple[str, str]]]) -> str:
    """The part of a distinguished name that people know it by."""
    parts = dict(pair for part in distinguished for pair in part)
    names = (parts.get(kind) for kind in ("organizationName", "commonName", "organizationalUnitName"))
    return one_line(next((name for name in names if name), ""))


def describe_tls_error(error: Exception, host: str) -> str:
    """Why a TLS handshake failed, as a sentence fragment."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of {host} is not accepted: {error.verify_message.rstrip('.')}"
    reason = getattr(error, "reason", None) or ""
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"):
        return f"{host} does not speak TLS on this port"
    if reason in ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION"):
        return f"{host} does not offer TLS 1.2 or newer"
    if reason:
        return f"the TLS handshake with {host} failed: {reason.lower().replace('_', ' ')}"
    return f"the connection was lost in the TLS handshake with {host}"


def describe_os_error(error: OSError) -> str:
    """The operating system's own words; asyncio puts addresses in their place."""
    if isinstance(error, socket.gaierror) or not error.errno:
        return error.strerror or str(error)
    return os.strerror(error.errno)


def own_name() -> str:
    """What to call this machine in EHLO. No DNS: socket.getfqdn() may take seconds."""
    name = socket.gethostname()
    return name if re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", name) else "[127.0.0.1]"


async def resolve(host: str, port: int) -> Sequence[AddrInfoType]:
    """The addresses of a host. Raises socket.gaierror. The caller bounds it."""
    try:
        return await in_own_thread(partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM))
    except UnicodeError:  # a label that is empty or too long
        raise socket.gaierror(socket.EAI_NONAME, "Not a host name") from None


async def in_own_thread(call: Callable[[], Found]) -> Found:
    """Await what blocks and cannot be stopped, such as getaddrinfo.

    The event loop's pool has few threads: a handful of names that do not resolve would make every other one wait. And
    as a daemon, unlike a thread of any pool, it keeps nobody from leaving.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[Found] = loop.create_future()

    def end(finish: Callable[[], None]) -> None:
        if not found.done():  # else nobody waits any more
            finish()

    def run() -> None:
        finish: Callable[[], None]
        try:
            finish = partial(found.set_result, call())
        except Exception as error:
            finish = partial(found.set_exception, error)
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(end, finish)

    threading.Thread(target=run, name="look-up", daemon=True).start()
    return await found


async def connect(addresses: Sequence[AddrInfoType]) -> socket.socket:
    """The first connection that any of the addresses accepts (RFC 8305); the other attempts are given up.

    Raises OSError when all have failed. The caller bounds it, and owns the socket, which does not block.
    """
    if not addresses:
        raise OSError("no address")
    sock = await start_connection(addresses, happy_eyeballs_delay=STAGGER, interleave=1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock
