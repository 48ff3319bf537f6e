"""Tokens (OAuth 2) as they are shown to the servers of the sandbox: XOAUTH2, which is Google's, and OAUTHBEARER."""

import re
import secrets
from collections.abc import Mapping

SCOPE = "mail"
SECONDS = 3600  # that a token is said to last
# What a client says, and what it is told of a token that is not good: it answers that, and only then it is refused.
_SAID = {
    "XOAUTH2": re.compile(rb"user=(?P<user>[^\x01]*)\x01auth=Bearer (?P<token>[^\x01]+)\x01\x01"),
    "OAUTHBEARER": re.compile(rb"n,a=(?P<user>[^,]*),\x01(?:[^\x01]+\x01)*?auth=Bearer (?P<token>[^\x01]+)\x01\x01"),
}
ERRORS: Mapping[str, bytes] = {
    "XOAUTH2": b'{"status":"401","schemes":"bearer","scope":"mail"}',
    "OAUTHBEARER": b'{"status":"invalid_token"}',
}


class Tokens:
    """Those that were given out: who knows the password of a user, as the secret of an application, gets one."""

    def __init__(self, users: Mapping[str, str]) -> None:
        self._users = users
        self._owners: dict[str, str] = {}

    def answer(self, form: Mapping[str, str]) -> tuple[int, dict[str, object]]:
        """Status and body of the answer to a request with client credentials (RFC 6749, 4.4)."""
        if form.get("grant_type") != "client_credentials":
            return 400, {"error": "unsupported_grant_type"}
        user, shown = form.get("client_id", ""), form.get("client_secret", "")
        if user not in self._users or not secrets.compare_digest(self._users[user].encode(), shown.encode()):
            return 401, {"error": "invalid_client", "error_description": "no such application, or another secret"}
        if form.get("scope") != SCOPE:
            return 400, {"error": "invalid_scope", "error_description": f"the scope of this sandbox is {SCOPE}"}
        token = secrets.token_urlsafe(24)
        self._owners[token] = user
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": SECONDS, "scope": SCOPE}

    def owner(self, mechanism: str, said: bytes) -> str | None:
        """The user that a client is, by what it says first; None where it shows no token of that user."""
        found = _SAID[mechanism].fullmatch(said)
        user = self._owners.get(found["token"].decode(errors="replace")) if found else None
        return user if found and user and found["user"] == user.encode() else None
