"""Persons who log in at the token server: they type a device code (RFC 8628) or come with a browser."""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.support.oauth.issuing import Issuer, Refusal

DEVICE, AUTHORIZE = "/devicecode", "/authorize"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


@dataclass
class Begun:
    """A login that has begun. `browser`: where the answer goes, and the challenge that goes with it."""

    client: str
    scope: str
    ends: float
    redirect_uri: str = ""
    challenge: str = ""


@dataclass
class Persons:
    """`come`: whether the person has done what is asked. `says`: an error in place of yes.

    `offline`: a refresh token goes with the yes. `first`: how the next questions are answered in any case.
    """

    issuer: Issuer
    base: str
    come: threading.Event = field(default_factory=threading.Event)
    says: str = ""
    offline: bool = True
    interval: object = 0.1
    lifetime: float = 900.0
    first: deque[str] = field(default_factory=deque)
    begun: dict[str, Begun] = field(default_factory=dict)  # by device code, or code
    user_codes: list[str] = field(default_factory=list)

    def device(self, form: Mapping[str, str], headers: Mapping[str, str]) -> dict[str, Any]:
        """RFC 8628, 3.2."""
        client = self.issuer.client(form, headers)
        code = secrets.token_urlsafe(40)
        self.user_codes.append("".join(secrets.choice("BCDFGHJK") for _ in range(8)))
        self.begun[code] = Begun(client, self.issuer.scope(form.get("scope", "")), time.monotonic() + self.lifetime)
        return {
            "device_code": code,
            "user_code": self.user_codes[-1],
            "verification_uri": f"{self.base}/device",
            "expires_in": self.lifetime,
            "interval": self.interval,
        }

    def authorize(self, target: str) -> str:
        """Where a browser is sent that comes with this address: the person says yes or no at once."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
        uri = asked["redirect_uri"]
        assert urlsplit(uri).hostname == "127.0.0.1", uri
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
        assert len(asked["state"]) >= 43
        assert asked["client_id"] in self.issuer.clients
        if self.says:
            return f"{uri}?{urlencode({'error': self.says, 'error_description': 'No.', 'state': asked['state']})}"
        code, scope = secrets.token_urlsafe(24), self.issuer.scope(asked["scope"])
        ends = time.monotonic() + self.lifetime
        self.begun[code] = Begun(asked["client_id"], scope, ends, uri, asked["code_challenge"])
        return f"{uri}?{urlencode({'code': code, 'state': asked['state']})}"

    def grant(self, form: Mapping[str, str], headers: Mapping[str, str]) -> dict[str, object] | None:
        """The answer to who asks for the token of a login; None where it is another grant. Raises Refusal."""
        grant = form.get("grant_type")
        if grant not in (DEVICE_GRANT, "authorization_code"):
            return None
        client = self.issuer.client(form, headers)
        if self.first:
            raise Refusal(self.first.popleft(), "not now")
        code = form.get("device_code" if grant == DEVICE_GRANT else "code", "")
        begun = self.begun.get(code)
        if begun is None or begun.client != client:
            raise Refusal("invalid_grant", "there is no such code")
        if begun.ends <= time.monotonic():
            raise Refusal("expired_token", "the code has expired")
        if grant == DEVICE_GRANT:
            if not self.come.is_set():
                raise Refusal("authorization_pending", "nobody has typed the code")
            if self.says:
                raise Refusal(self.says, "the person has said no")
        else:
            shown = _challenge(form.get("code_verifier", "")), form.get("redirect_uri")
            if shown != (begun.challenge, begun.redirect_uri):
                raise Refusal("invalid_grant", "the verifier is wrong")
        del self.begun[code]
        return self.issuer.for_a_person(client, begun.scope, self.offline)


def _challenge(verifier: str) -> str:
    """RFC 7636, 4.2."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
