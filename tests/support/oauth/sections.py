"""Sections `oauth` for a token server, which is told of the client."""

from __future__ import annotations

from typing import Any

from tasks.mail.config.oauth import OAuth, SenderOAuth
from tests.support.oauth.issuing import Account, Client
from tests.support.oauth.keys import Certified, certified, service_account
from tests.support.oauth.server import TokenServer

USER = "monitor@example.org"
SECRET = "Geheim~nis.der-Anwendung_0815"


def section(server: TokenServer, **fields: Any) -> OAuth:
    """The section, for whatever grant its fields make."""
    return SenderOAuth(**{"client_id": "app", "token_url": server.url, "scope": "mail", **fields})


def by_secret(server: TokenServer, **fields: Any) -> OAuth:
    """Client credentials, with a secret that the server knows."""
    server.issuer.clients["app"] = Client(USER, SECRET)
    return section(server, **{"client_secret": SECRET, **fields})


def by_certificate(server: TokenServer, shown: Certified | None = None, **fields: Any) -> OAuth:
    """Client credentials, with a certificate that the server knows; `shown` is another one."""
    server.issuer.clients["app"] = Client(USER, certificate=certified().certificate)
    return section(server, private_key=(shown or certified()).pem, **fields)


def by_refresh_token(server: TokenServer, **fields: Any) -> OAuth:
    """A refresh token, as after a login in a browser; the client has no secret."""
    server.issuer.clients["app"] = Client(USER)
    if "refresh_token" not in fields:
        fields["refresh_token"] = server.issuer.refresh_token("app", USER)
    return section(server, **fields)


def by_service_account(server: TokenServer, *users: str, **fields: Any) -> OAuth:
    """Google's way, for these users."""
    email = "monitor@project.iam.gserviceaccount.com"
    server.issuer.accounts[email] = Account(certified(email).certificate, frozenset(users or [USER]))
    google = {"provider": "google", "client_id": None, "service_account": service_account(email)}
    return section(server, **google, **fields)
