"""SCRAM (RFC 5802, 7677): the server never sees the password, and proves that it knows it."""

import hashlib
import hmac
import re
import secrets
import stringprep
import unicodedata
from base64 import b64decode, b64encode

from tasks.mail.auth.exchange import Exchange, ExchangeError
from tasks.mail.model.cause import Cause

_LEAST_ITERATIONS = 4096  # of both RFCs: fewer would let whoever listens try passwords faster
# The other checks of this process wait for them: less than a tenth of a second.
_MOST_ITERATIONS = 200_000
_NO_BINDING = "n,,"  # no channel binding, and no other identity to act as
_SERVER_FIRST = re.compile(r"r=([\x21-\x2b\x2d-\x7e]+),s=([A-Za-z0-9+/=]+),i=([1-9]\d{0,9})(?:,.*)?", re.DOTALL)
# What a server may say instead of its signature (RFC 5802, 7).
_SERVER_ERRORS = dict.fromkeys(("invalid-proof", "unknown-user"), Cause.WRONG_PASSWORD)


def scram(hash_name: str, username: str, password: str, nonce: str | None = None) -> Exchange:
    """`hash_name` is one of hashlib; `nonce` is for the examples of the RFCs."""
    name = f"SCRAM-{hash_name.upper().replace('SHA', 'SHA-')}"
    nonce = nonce or secrets.token_urlsafe(24)
    client_first = f"n={saslname(saslprep(username))},r={nonce}"
    signatures: list[bytes] = []

    def mac(key: bytes, text: bytes) -> bytes:
        return hmac.digest(key, text, hash_name)

    def prove(challenge: str) -> bytes:
        server_first = b64decode(challenge, validate=True).decode()
        if not (said := _SERVER_FIRST.fullmatch(server_first)):
            raise ValueError
        both, salt, iterations = said[1], b64decode(said[2], validate=True), int(said[3])
        if not both.startswith(nonce) or both == nonce:
            raise ExchangeError(f"the nonce of the server does not continue ours, as {name} asks")
        if not _LEAST_ITERATIONS <= iterations <= _MOST_ITERATIONS:
            limits = f"{_LEAST_ITERATIONS} to {_MOST_ITERATIONS}"
            raise ExchangeError(f"the server asks for {iterations} iterations of {name}, and not for {limits}")
        salted = hashlib.pbkdf2_hmac(hash_name, saslprep(password).encode(), salt, iterations)
        without_proof = f"c={b64encode(_NO_BINDING.encode()).decode()},r={both}"
        whole = f"{client_first},{server_first},{without_proof}".encode()
        key = mac(salted, b"Client Key")
        signature = mac(hashlib.new(hash_name, key).digest(), whole)
        proof = b64encode(bytes(a ^ b for a, b in zip(key, signature, strict=True))).decode()
        signatures.append(mac(mac(salted, b"Server Key"), whole))
        return b64encode(f"{without_proof},p={proof}".encode())

    def verify(challenge: str) -> bytes:
        kind, _, value = b64decode(challenge, validate=True).decode().partition(",")[0].partition("=")
        if kind == "e":
            raise ExchangeError(f"the server ended {name}: {value}", _SERVER_ERRORS.get(value, Cause.LOGIN_UNAVAILABLE))
        if kind != "v":
            raise ValueError
        if not hmac.compare_digest(b64decode(value, validate=True), signatures[-1]):
            raise ExchangeError(f"the server cannot prove that it knows the password: its {name} signature is wrong")
        return b""

    return Exchange(name, b64encode(f"{_NO_BINDING}{client_first}".encode()), (prove, verify))


def saslname(name: str) -> str:
    """A name between commas (RFC 5801, 4)."""
    return name.replace("=", "=3D").replace(",", "=2C")


def saslprep(text: str) -> str:
    """The SASLprep profile (RFC 4013); a text that it prohibits stays as it is, for servers may not keep to it."""
    mapped = "".join(
        " " if stringprep.in_table_c12(char) else char for char in text if not stringprep.in_table_b1(char)
    )
    prepared = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    return text if any(map(_prohibited, prepared)) or not _one_direction(prepared) else prepared


_PROHIBITED = (
    stringprep.in_table_a1,  # not assigned in Unicode 3.2
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def _prohibited(char: str) -> bool:
    return any(there(char) for there in _PROHIBITED)


def _one_direction(text: str) -> bool:
    """RFC 3454, 6: what has a letter that is written from right to left begins and ends with one, and has no others."""
    if not any(map(stringprep.in_table_d1, text)):
        return True
    both_ends = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
    return both_ends and not any(map(stringprep.in_table_d2, text))
