"""A person lets an application use mail, once: what the person is asked, and how it ends without a token."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tasks.mail.auth.tokens.endpoint import ask
from tasks.mail.auth.tokens.token_answer import Failed, Grant, Refused, granted
from tasks.mail.auth.tokens.token_request import authenticated, redactor
from tasks.mail.config.oauth import OAuth
from tasks.mail.model.durations import duration
from tasks.mail.model.outcome import ErrorType
from tasks.mail.model.redaction.traces import learn

_REQUEST_SECONDS = 30.0
# What an endpoint says of a person (RFC 6749, 4.1.2.1; RFC 8628, 3.5; the second is Microsoft's), in our words.
_IN_WORDS = {
    "access_denied": "the login was refused in the browser",
    "authorization_declined": "the login was refused in the browser",
    "expired_token": "nobody has logged in while the code was good",
}


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a person has to open, within `seconds`. `code` is typed there; else the answer comes to `port`, here."""

    url: str
    seconds: float
    code: str = ""
    port: int = 0


Show = Callable[[Invitation], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for, and until when: in seconds of the monotonic clock."""

    oauth: OAuth
    scopes: Sequence[str]
    until: float

    @property
    def left(self) -> float:
        """Seconds until then."""
        return max(0.0, self.until - time.monotonic())

    async def trade(self, grant_type: str, secret: str, **shown: str) -> Grant:
        """The token for what is shown; `secret` is of it what nobody else may see. Raises Refused or Failed."""
        from authlib.oauth2.rfc6749.parameters import prepare_token_request

        oauth = self.oauth
        learn(secret)
        form = authenticated(oauth, str(prepare_token_request(grant_type, **shown)))
        answer = await ask(oauth.endpoint, form, oauth.ca_file, _REQUEST_SECONDS)
        grant = granted(answer, oauth.endpoint_host, redactor(oauth, secret), oauth.private_key is not None)
        learn(grant.access_token)
        learn(grant.refresh_token or "")
        return grant


def refused(code: str, text: str) -> Refused:
    """A refusal with the reason in our words, where it is about the person."""
    return Refused(f"{_IN_WORDS[code]}: {text}" if code in _IN_WORDS else text, code)


def too_late(seconds: float) -> Failed:
    """Nobody has come."""
    return Failed(f"no token: nobody has logged in within {duration(seconds)}", ErrorType.TIMEOUT)


async def pause(request: Request, seconds: float) -> None:
    """Wait, but not for longer than there is time."""
    await asyncio.sleep(min(seconds, request.left))
