"""What a token server knows and checks: clients, accounts, tokens, and families of refresh tokens."""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey, RSAKey

_CLIENT_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LONGEST_ASSERTION = 3600  # seconds, as at Google
ALGORITHMS = ["RS256", "PS256", "ES256"]


class Refusal(Exception):
    """An error (RFC 6749, 5.2)."""

    def __init__(self, code: str, words: str, status: int = 400) -> None:
        super().__init__(code)
        self.code = code
        self.words = words
        self.status = status


@dataclass
class Client:
    """Who asks: with a secret, with a certificate, or with nothing but a refresh token. `user`: whose mail it reads."""

    user: str
    secret: str = ""
    certificate: x509.Certificate | None = None


@dataclass
class Account:
    """A service account, which may act for these users."""

    certificate: x509.Certificate
    users: frozenset[str]


@dataclass
class Issued:
    """A token that was given out, and until when it is good."""

    user: str
    scope: str
    ends: float


@dataclass
class Family:
    """A refresh token and those that came in its place. `client`: whose it is."""

    client: str
    user: str
    newest: str
    spent: set[str] = field(default_factory=set)
    revoked: bool = False


@dataclass
class Issuer:
    """It issues tokens that last `lifetime` seconds and says `stated` of them (what that is, if it is left out).

    `rotates`: each use of a refresh token brings another one; a second use revokes all of its family.
    """

    name: str
    audience: str
    clients: dict[str, Client] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    scopes: frozenset[str] = frozenset({"mail"})
    lifetime: float = 3600.0
    stated: object = None
    refresh_lifetime: object = None
    rotates: bool = False
    as_jwt: bool = False
    clock_ahead: float = 0.0  # seconds by which its clock is wrong
    padding: int = 0  # octets that tokens are longer by
    prefix: str = ""  # of access tokens and refresh tokens
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    issued: dict[str, Issued] = field(default_factory=dict)
    families: list[Family] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    seen: set[str] = field(default_factory=set)

    # -- what it is told ----------------------------------------------------------------------------------------------

    def refresh_token(self, client: str, user: str) -> str:
        """A new refresh token, as after a login in a browser."""
        family = Family(client, user, self._new_refresh_token())
        self.families.append(family)
        return family.newest

    def _new_refresh_token(self) -> str:
        return self.prefix + secrets.token_urlsafe(40)

    def expire(self) -> None:
        """End all access tokens now, whatever was said of them."""
        with self.lock:
            self.issued.clear()
            self.key = secrets.token_bytes(32)

    def write_key(self, folder: Path) -> None:
        """For Dovecot's local validation: local_validation_key_dict = fs:posix:prefix=FOLDER/."""
        path = folder / "default" / "HS256" / "default"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(base64.b64encode(self.key).decode())

    # -- what it answers ----------------------------------------------------------------------------------------------

    def grant(self, form: Mapping[str, str], headers: Mapping[str, str]) -> dict[str, object]:
        """The answer to a request for a token. Raises Refusal."""
        with self.lock:
            match form.get("grant_type"):
                case "client_credentials":
                    client = self.client(form, headers, must_show=True)
                    return self._answer(self.clients[client].user, self.scope(form.get("scope", "")))
                case "refresh_token":
                    return self._refreshed(form, headers)
                case grant if grant == _JWT_BEARER:
                    return self._on_behalf(form)
            raise Refusal("unsupported_grant_type", "no such grant")

    def for_a_person(self, client: str, scope: str, offline: bool) -> dict[str, object]:
        """The answer to a client that its user lets in; `offline`: with a refresh token."""
        with self.lock:
            user = self.clients[client].user
            more: dict[str, object] = {"refresh_token": self.refresh_token(client, user)} if offline else {}
            return self._answer(user, scope) | more

    def introspect(self, token: str) -> dict[str, object]:
        """RFC 7662."""
        with self.lock:
            found = self.issued.get(token)
            if found is None or found.ends <= time.monotonic():
                return {"active": False}
            left = int(found.ends - time.monotonic())
            return {
                "active": True,
                "username": found.user,
                "scope": found.scope,
                "token_type": "Bearer",
                "exp": int(time.time()) + left,
            }

    def client(self, form: Mapping[str, str], headers: Mapping[str, str], must_show: bool = False) -> str:
        """Who asks. Raises Refusal."""
        name, shown = form.get("client_id", ""), form.get("client_secret", "")
        if headers.get("authorization", "").startswith("Basic "):
            name, _, shown = base64.b64decode(headers["authorization"][6:]).decode().partition(":")
        client = self.clients.get(name)
        if client is None:
            raise Refusal("unauthorized_client", f"application {name} is not known here")
        if client.certificate is not None:
            if form.get("client_assertion_type") != _CLIENT_ASSERTION:
                raise Refusal("invalid_client", "client_assertion is missing", 401)
            self._assertion(form.get("client_assertion", ""), client.certificate, "invalid_client", name, name)
        elif shown != client.secret or (must_show and not shown):
            raise Refusal("invalid_client", "the client secret is wrong", 401)
        return name

    def _assertion(
        self, assertion: str, certificate: x509.Certificate, code: str, issuer: str, subject: str | None
    ) -> Mapping[str, Any]:
        """The claims of a JWT whose signature, times and audience are right, and that was not there before."""
        try:
            token = jwt.decode(assertion, public_key(certificate), algorithms=ALGORITHMS)
        except (JoseError, ValueError) as error:
            raise _not_good(code, type(error).__name__) from None
        claims, now = token.claims, time.time() + self.clock_ahead
        thumbprint = token.header.get("x5t#S256")
        wrong = {
            "audience": claims.get("aud") != self.audience,
            "issuer": claims.get("iss") != issuer,
            "subject": subject is not None and claims.get("sub") != subject,
            "jti": not claims.get("jti") or claims["jti"] in self.seen,
            "time": not (max(claims["iat"], claims.get("nbf", 0)) <= now < claims["exp"]),
            "lifetime": claims["exp"] - claims["iat"] > _LONGEST_ASSERTION,
            "thumbprint": thumbprint is not None and thumbprint != thumbprint_of(certificate),
        }
        if faults := [what for what, is_so in wrong.items() if is_so]:
            raise _not_good(code, ", ".join(faults))
        self.seen.add(claims["jti"])
        return claims

    def _refreshed(self, form: Mapping[str, str], headers: Mapping[str, str]) -> dict[str, object]:
        client, used = self.client(form, headers), form.get("refresh_token", "")
        family = next((one for one in self.families if used == one.newest or used in one.spent), None)
        if family is not None and used in family.spent:
            family.revoked = True
        if family is None or family.revoked or family.client != client:
            raise Refusal("invalid_grant", "the refresh token is expired or revoked")
        answer = self._answer(family.user, self.scope(form.get("scope", "")))
        if self.rotates:
            family.spent.add(used)
            family.newest = self._new_refresh_token()
            answer["refresh_token"] = family.newest
        if self.refresh_lifetime is not None:
            answer["refresh_token_expires_in"] = self.refresh_lifetime
        return answer

    def _on_behalf(self, form: Mapping[str, str]) -> dict[str, object]:
        assertion = form.get("assertion", "")
        issuer = unverified(assertion).get("iss", "")
        account = self.accounts.get(issuer)
        if account is None:
            raise Refusal("invalid_grant", "Invalid grant: account not found")
        claims = self._assertion(assertion, account.certificate, "invalid_grant", issuer, None)
        if (user := claims.get("sub")) not in account.users:
            raise Refusal("unauthorized_client", "Client is unauthorized to retrieve access tokens using this method")
        return self._answer(str(user), self.scope(claims.get("scope", "")))

    def scope(self, asked: str) -> str:
        """What is asked for, where it is all known here. Raises Refusal."""
        if not asked or not {*asked.split()} <= self.scopes:
            raise Refusal("invalid_scope", f"the scope {asked} is not valid")
        return asked

    def _answer(self, user: str, scope: str) -> dict[str, object]:
        now = time.time() + self.clock_ahead
        token = self.prefix + secrets.token_urlsafe(24 + self.padding)
        if self.as_jwt:
            claims = {"iss": self.name, "sub": user, "scope": scope, "iat": int(now), "exp": int(now + self.lifetime)}
            padding = {"pad": "x" * self.padding} if self.padding else {}
            token = jwt.encode({"alg": "HS256"}, {**claims, "jti": token[:16], **padding}, OctKey.import_key(self.key))
        self.issued[token] = Issued(user, scope, time.monotonic() + self.lifetime)
        stated = self.lifetime if self.stated is None else self.stated
        return {"access_token": token, "token_type": "Bearer", "expires_in": stated, "scope": scope}


def _not_good(code: str, what: str) -> Refusal:
    return Refusal(code, f"the assertion is not good: {what}", 401 if code == "invalid_client" else 400)


def public_key(certificate: x509.Certificate) -> RSAKey | ECKey:
    """That of a certificate."""
    pem = certificate.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return (RSAKey if isinstance(certificate.public_key(), rsa.RSAPublicKey) else ECKey).import_key(pem)


def thumbprint_of(certificate: x509.Certificate) -> str:
    """RFC 7515, 4.1.8."""
    return base64.urlsafe_b64encode(certificate.fingerprint(hashes.SHA256())).rstrip(b"=").decode()


def unverified(token: str) -> dict[str, Any]:
    """The claims of a JWT, whoever signed it."""
    try:
        part = token.split(".")[1]
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, IndexError):
        return {}
    return found if isinstance(found, dict) else {}
