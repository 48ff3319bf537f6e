"""What is sent to a token endpoint, by grant: client credentials and refresh token (RFC 6749), JWT bearer (RFC 7523).

Authlib makes it. Its client for httpx is not used: it reads answers of any size, and asks for another library by now.
"""

import time
from typing import Any
from urllib.parse import parse_qs

from pydantic import SecretStr

from tasks.mail.auth.tokens.keys import certified_key, service_account
from tasks.mail.auth.tokens.token_answer import Refused
from tasks.mail.config.oauth import OAuth
from tasks.mail.config.section import without_line_end
from tasks.mail.model.redaction.redactor import Redactor
from tasks.mail.model.redaction.traces import key_material, learn

# An assertion is valid from so many seconds before now until so many after: clocks are off by minutes, and Microsoft
# wants no more than ten minutes in all.
_LEEWAY = 300
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def form(oauth: OAuth, username: str, refresh_token: str = "") -> str:
    """The body of the request for a token. Raises Refused where a key cannot be used."""
    from authlib.oauth2.rfc6749.parameters import prepare_token_request  # a check with a password has no use for it

    if oauth.grant == "jwt_bearer":  # Google has the scope in the assertion, and the client is who signs it
        return str(prepare_token_request(_JWT_BEARER, assertion=_assertion(oauth, username)))
    more = {"refresh_token": refresh_token} if oauth.grant == "refresh_token" else {}
    return authenticated(oauth, str(prepare_token_request(oauth.grant, scope=list(oauth.scopes), **more)))


def authenticated(oauth: OAuth, body: str) -> str:
    """The body with what shows who the client is. Raises Refused where a key cannot be used.

    A secret is in the body, which all servers take that these tokens are for; in the header (RFC 6749, 2.3.1) they
    differ about how it is encoded.
    """
    from authlib.common.urls import add_params_to_qs
    from authlib.oauth2.auth import ClientAuth

    secret, method = _client_authentication(oauth)
    if oauth.private_key is not None:  # Authlib leaves it out beside an assertion, Microsoft asks for it
        body = str(add_params_to_qs(body, [("client_id", oauth.client_id)]))
    shown = str(ClientAuth(oauth.client_id, secret, method).prepare("POST", oauth.endpoint, {}, body)[2])
    for assertion in parse_qs(shown).get("client_assertion", ()):
        learn(assertion)
    return shown


def _client_authentication(oauth: OAuth) -> tuple[Any, Any]:
    """What a client shows, and how. With a certificate it is private_key_jwt (RFC 7523, 2.2) as Microsoft has it."""
    if oauth.private_key is None:
        return value_of(oauth.client_secret), "client_secret_post" if oauth.client_secret else "none"
    from authlib.oauth2.rfc7523 import PrivateKeyJWT

    try:
        signing = certified_key(value_of(oauth.private_key))
    except ValueError as error:
        raise Refused(f"no token: oauth.private_key {error}", "") from None
    algorithm, header = signing.algorithm, dict(signing.header)
    if oauth.provider == "microsoft365":
        algorithm = algorithm.replace("RS", "PS")
        header.pop("x5t", None)
    return signing.key, PrivateKeyJWT(oauth.endpoint, _times(), header, algorithm)


def _assertion(oauth: OAuth, username: str) -> str:
    """A service account's word that it acts for a user (RFC 7523, 2.1).

    It is for the endpoint that is asked, whatever the key says: nobody else can use it.
    """
    from authlib.oauth2.rfc7523 import JWTBearerGrant

    try:
        account = service_account(value_of(oauth.service_account))
    except ValueError as error:
        raise Refused(f"no token: oauth.service_account {error}", "") from None
    signing = account.signing
    claims = {**_times(), "scope": " ".join(oauth.scopes)}
    header = {"alg": signing.algorithm, **signing.header}
    assertion = JWTBearerGrant.sign(signing.key, account.email, oauth.endpoint, username, claims=claims, header=header)
    learn(str(assertion))
    return str(assertion)


def _times() -> dict[str, Any]:
    now = int(time.time())
    return {"iat": now - _LEEWAY, "nbf": now - _LEEWAY, "exp": now + _LEEWAY}


def redactor(oauth: OAuth, refresh_token: str = "") -> Redactor:
    """One that hides what is sent, and what it is made of: an endpoint may repeat it. Assertions are learned."""
    secrets = [value_of(one) for one in (oauth.client_secret, oauth.refresh_token)] + [refresh_token]
    keys = [part for one in (oauth.private_key, oauth.service_account) for part in key_material(value_of(one))]
    shown = [*oauth.scopes, oauth.client_id or "", oauth.endpoint_host]
    return Redactor((("", secret) for secret in (*secrets, *keys)), shown)


def value_of(secret: SecretStr | None) -> str:
    """A secret as it is sent; empty where there is none."""
    return without_line_end(secret.get_secret_value()) if secret is not None else ""
