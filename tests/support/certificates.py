"""Server certificates, good and bad, each with the authority that a client is told to trust."""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOSTS = ("localhost", "127.0.0.1")
DAY = timedelta(days=1)


class ServerTls(NamedTuple):
    """`context` for the server, `ca_file` (PEM) for the client."""

    context: ssl.SSLContext
    ca_file: str


def good(folder: Path) -> ServerTls:
    """Valid for localhost and 127.0.0.1."""
    return _issued(folder, *HOSTS)


def old_tls(folder: Path) -> ServerTls:
    """Valid, on a server with nothing newer than TLS 1.1."""
    old = good(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.context.minimum_version = ssl.TLSVersion.TLSv1
        old.context.maximum_version = ssl.TLSVersion.TLSv1_1
    old.context.set_ciphers("ALL:@SECLEVEL=0")
    return old


def wrong_name(folder: Path) -> ServerTls:
    """Valid, for mail.example.org."""
    return _issued(folder, "mail.example.org")


def expired(folder: Path) -> ServerTls:
    """Valid until yesterday."""
    now = datetime.now(UTC)
    return _issued(folder, *HOSTS, not_before=now - 30 * DAY, not_after=now - DAY)


def ending_soon(folder: Path) -> ServerTls:
    """Valid for five more days."""
    return _issued(folder, *HOSTS, not_after=datetime.now(UTC) + 5 * DAY)


def not_yet_valid(folder: Path) -> ServerTls:
    """Valid from tomorrow."""
    now = datetime.now(UTC)
    return _issued(folder, *HOSTS, not_before=now + DAY, not_after=now + 30 * DAY)


def self_signed(folder: Path) -> ServerTls:
    """Signed by itself; the authority in `ca_file` has nothing to do with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + 30 * DAY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "self-signed.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    return ServerTls(context, _authority(folder)[1])


BAD: dict[str, Callable[[Path], ServerTls]] = {
    "wrong name": wrong_name,
    "expired": expired,
    "not yet valid": not_yet_valid,
    "self-signed": self_signed,
}


def _authority(folder: Path) -> tuple[trustme.CA, str]:
    authority = trustme.CA()
    path = folder / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return authority, str(path)


def _issued(
    folder: Path, *names: str, not_before: datetime | None = None, not_after: datetime | None = None
) -> ServerTls:
    authority, ca_file = _authority(folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names, not_before=not_before, not_after=not_after).configure_cert(context)
    return ServerTls(context, ca_file)
