"""Private keys that sign for a client: with their certificate (PEM), or of a Google service account (JSON)."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tasks.mail.config.oauth import OAuth

if TYPE_CHECKING:
    from joserfc.jwk import ECKey, RSAKey

_PRIVATE = re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?-----END \1-----", re.DOTALL)
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


@dataclass(frozen=True)
class SigningKey:
    """A key, the algorithm of its signatures (RFC 7518), and what else a signature's header says of it."""

    key: "RSAKey | ECKey" = field(repr=False)
    algorithm: str
    header: Mapping[str, str]


@dataclass(frozen=True)
class ServiceAccount:
    """Who signs, and with what."""

    email: str
    signing: SigningKey


def unusable(oauth: OAuth) -> str:
    """What is wrong with the key of a section, which is in place, with its field; empty where nothing is."""
    for name, read in (("private_key", certified_key), ("service_account", service_account)):
        try:
            if text := oauth.value(name):
                read(text)
        except ValueError as error:
            return f"{name}: {error}"
    return ""


@lru_cache(maxsize=64)  # many loops have one, and to read it takes a while
def certified_key(pem: str) -> SigningKey:
    """The key in a PEM text, known by the thumbprints of its certificate (RFC 7515, 4.1.7), where that is in it, too.

    Raises ValueError, whose text says what is wrong.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    signing = _signing_key(pem)
    try:
        found = [x509.load_pem_x509_certificate(one.encode("ascii")) for one in _CERTIFICATE.findall(pem)]
    except ValueError:
        raise ValueError("holds a certificate that cannot be read") from None
    public = signing.key.public_key
    own = next((one for one in found if one.public_key() == public), None)
    if found and own is None:
        raise ValueError("holds a certificate that is not the key's: put the two that belong together into it")
    if own is None:
        return signing
    thumbprints = {"x5t": hashes.SHA1(), "x5t#S256": hashes.SHA256()}  # noqa: S303  # what Entra knows certificates by
    header = {
        name: base64.urlsafe_b64encode(own.fingerprint(kind)).rstrip(b"=").decode()
        for name, kind in thumbprints.items()
    }
    return SigningKey(signing.key, signing.algorithm, header)


@lru_cache(maxsize=64)
def service_account(text: str) -> ServiceAccount:
    """Raises ValueError, whose text says what is wrong."""
    try:
        data = json.loads(text)
        email, pem = data["client_email"], data["private_key"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ValueError("is no key of a service account (JSON)") from None
    signing = _signing_key(str(pem))
    kid = data.get("private_key_id")
    return ServiceAccount(str(email), SigningKey(signing.key, signing.algorithm, {"kid": kid} if kid else {}))


def _signing_key(pem: str) -> SigningKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from joserfc.jwk import ECKey, RSAKey

    match = _PRIVATE.search(pem)
    text = match[0] if match else ""
    key: Any = None
    if text:
        try:
            key = load_pem_private_key(text.encode("ascii"), None)
        except UnsupportedAlgorithm:  # a curve of long ago
            key = None
        except (ValueError, TypeError):  # TypeError: there is a passphrase
            raise ValueError("holds a private key that cannot be read: it must be PEM, with no passphrase") from None
    if isinstance(key, RSAPrivateKey):
        return SigningKey(RSAKey.import_key(text), "RS256", {})
    if isinstance(key, EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return SigningKey(ECKey.import_key(text), _CURVES[key.curve.name], {})
    raise ValueError("holds no RSA key, nor one of the curves P-256, P-384 and P-521")
