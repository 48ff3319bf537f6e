"""TLS for both legs: contexts, what was agreed, and why a handshake failed."""

import ssl
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from tasks.mail.model.cause import Cause
from tasks.mail.model.journey_record import TlsRecord
from tasks.mail.model.safe_text import one_line

# The reasons of OpenSSL where what comes is no TLS at all.
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"})


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
