"""Keys as providers hand them out: a private key with its certificate (PEM), and that of a service account (JSON)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID


class Certified(NamedTuple):
    """`pem` holds key and certificate, as private_key wants it; the server knows the certificate."""

    pem: str
    certificate: x509.Certificate


@cache
def certified(name: str = "monitor", curve: bool = False) -> Certified:
    """Another name is another key."""
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    key = ec.generate_private_key(ec.SECP256R1()) if curve else rsa.generate_private_key(65537, 2048)
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    return Certified(_pem(key) + certificate.public_bytes(serialization.Encoding.PEM).decode(), certificate)


def _pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def service_account(email: str = "monitor@project.iam.gserviceaccount.com") -> str:
    """The JSON text of its key, with the fields that Google writes into it. Its public key: certified(email)."""
    pem, _, _ = certified(email).pem.partition("-----BEGIN CERTIFICATE-----")
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "project",
            "private_key_id": "0123456789abcdef0123456789abcdef01234567",
            "private_key": pem,
            "client_email": email,
            "client_id": "100000000000000000000",
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": "https://oauth2.googleapis.com/token",
            "universe_domain": "googleapis.com",
        }
    )


def key_lines(pem: str) -> list[str]:
    """Lines of a private key."""
    return pem.partition("-----END PRIVATE")[0].splitlines()[1:]
