"""TLS for both legs: contexts, what was agreed, why a handshake failed, and whether a silent server waits for one."""

import asyncio
import ssl
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Protocol, TypeVar

from aiohappyeyeballs import AddrInfoType

from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import describe_os_error
from tasks.mail.model.journey_record import TlsRecord
from tasks.mail.model.safe_text import one_line
from tasks.mail.net.connect import connect

# The reasons of OpenSSL where what comes is no TLS at all.
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"})


def new_context(ca_file: str | None, verify: bool = True) -> ssl.SSLContext:
    """A client context; `ca_file` replaces the system's CAs. Raises OSError when it cannot be read."""
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@lru_cache(maxsize=64)
def ssl_context(ca_file: str | None, verify: bool) -> ssl.SSLContext:
    """The same, shared: building one costs 40 ms of CPU."""
    return new_context(ca_file, verify)


class UnusableFile(Exception):
    """A file of the configuration cannot be used for TLS."""

    def __init__(self, files: str, reason: str, cause: Cause) -> None:
        super().__init__(f"the {files} cannot be used: {reason}")
        self.cause = cause


class _Files(Protocol):
    """What a section of the configuration says of TLS."""

    @property
    def ca_file(self) -> str | None: ...

    @property
    def cert_file(self) -> str | None: ...

    @property
    def key_file(self) -> str | None: ...

    @property
    def verify(self) -> bool: ...


def context_of(section: _Files) -> ssl.SSLContext:
    """The context for a section. Raises UnusableFile.

    One with a certificate of the client is made anew each time, for such certificates are replaced while we run.
    """
    ca_file, verify = section.ca_file, section.verify
    make = ssl_context if section.cert_file is None else ssl_context.__wrapped__
    try:
        context = make(ca_file, verify)
    except OSError as error:
        reason = "it holds no certificates" if isinstance(error, ssl.SSLError) else one_line(describe_os_error(error))
        raise UnusableFile(f"ca_file {ca_file}", reason, Cause.CERTIFICATE) from None
    if section.cert_file is not None:
        _show_certificate(context, section.cert_file, section.key_file)
    return context


def _show_certificate(context: ssl.SSLContext, cert_file: str, key_file: str | None) -> None:
    files = f"cert_file {cert_file}" + (f" with the key_file {key_file}" if key_file else "")
    try:
        # Without a function for it OpenSSL asks for the passphrase of a key at the terminal.
        context.load_cert_chain(cert_file, key_file, password=lambda: "")
    except ssl.SSLError as error:
        mismatch = error.reason == "KEY_VALUES_MISMATCH"
        reason = "the key is not the certificate's" if mismatch else "no certificate, or no key without a passphrase"
        raise UnusableFile(files, reason, Cause.CLIENT_CERTIFICATE) from None
    except OSError as error:
        raise UnusableFile(files, one_line(describe_os_error(error)), Cause.CLIENT_CERTIFICATE) from None


def tls_session(tls: ssl.SSLObject | ssl.SSLSocket) -> TlsRecord:
    """The facts of an established session."""
    certificate: Mapping[str, Any] = tls.getpeercert() or {}
    not_after = certificate.get("notAfter")
    cipher = tls.cipher()
    return TlsRecord(
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


# What a server says to a client that has shown no certificate, or one that it does not take.
_OF_THE_CLIENT = frozenset(
    {"TLSV13_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_BAD_CERTIFICATE", "TLSV1_ALERT_UNKNOWN_CA"}
    | {"SSLV3_ALERT_CERTIFICATE_UNKNOWN", "TLSV1_ALERT_ACCESS_DENIED", "SSLV3_ALERT_NO_CERTIFICATE"}
)


def cause_of_tls_error(error: Exception) -> Cause:
    """Why a TLS handshake failed, by the error of the library."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Cause.CERTIFICATE
    reason = getattr(error, "reason", None)
    if reason in _NO_TLS:
        return Cause.TLS_MODE
    return Cause.CLIENT_CERTIFICATE if reason in _OF_THE_CLIENT else Cause.TLS_HANDSHAKE


def describe_tls_error(error: Exception, host: str) -> str:
    """Why a TLS handshake failed, as a sentence fragment."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of {host} is not accepted: {error.verify_message.rstrip('.')}"
    reason = getattr(error, "reason", None) or ""
    if reason in _NO_TLS:
        return f"{host} does not speak TLS on this port"
    if reason in ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION"):
        return f"{host} does not offer TLS 1.2 or newer"
    if reason in _OF_THE_CLIENT:
        return f"{host} wants a certificate of the client: {reason.lower().replace('_', ' ')}"
    if reason:
        return f"the TLS handshake with {host} failed: {reason.lower().replace('_', ' ')}"
    return f"the connection was lost in the TLS handshake with {host}"


_RECORDS = (b"\x15", b"\x16")  # what TLS begins with: an alert, or the handshake
_PATIENCE = 2.0  # seconds of silence before it is looked into
# Who speaks first there is taken for a sender of spam, by servers that make each client wait.
_BEGIN_IN_CLEAR = frozenset({25, 587, 2525, 143})

_T = TypeVar("_T")


class WaitsForTls(Exception):
    """The server says nothing, and answers a TLS handshake: its port is for TLS from the first byte."""


async def greeted(greeting: Coroutine[Any, Any, _T], port: int, addresses: Sequence[AddrInfoType]) -> _T:
    """What `greeting` returns. Raises WaitsForTls. The caller bounds it.

    It is tried on a connection of its own, so that nothing is disturbed where the server is merely slow.
    """
    waiting = asyncio.ensure_future(greeting)
    trying: asyncio.Task[bool] | None = None
    try:
        await asyncio.wait({waiting}, timeout=_PATIENCE)
        if not waiting.done() and port not in _BEGIN_IN_CLEAR:
            trying = asyncio.create_task(_takes_tls(addresses))
            await asyncio.wait({waiting, trying}, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done() and trying.result():
                raise WaitsForTls
        return await waiting
    finally:
        tasks = [task for task in (waiting, trying) if task is not None and not task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _takes_tls(addresses: Sequence[AddrInfoType]) -> bool:
    """Whether a server answers the beginning of a handshake in TLS."""
    outgoing = ssl.MemoryBIO()
    hello = ssl_context(None, False).wrap_bio(ssl.MemoryBIO(), outgoing)
    with suppress(ssl.SSLWantReadError):
        hello.do_handshake()
    loop = asyncio.get_running_loop()
    try:
        with await connect(addresses) as sock:
            await loop.sock_sendall(sock, outgoing.read())
            return (await loop.sock_recv(sock, 1)) in _RECORDS
    except OSError:
        return False
