"""A login on whatever machine has a browser: a code is shown here and typed there (RFC 8628)."""

import time
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from tasks.mail.auth.tokens.consent import Invitation, Request, Show, pause, refused, too_late
from tasks.mail.auth.tokens.endpoint import ask
from tasks.mail.auth.tokens.token_answer import Failed, Grant, Refused, as_seconds, fields
from tasks.mail.auth.tokens.token_request import authenticated, redactor

_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_ASK_SECONDS = 30.0
_INTERVAL = 5.0  # seconds between two questions where the answer does not say, and what slow_down adds
_LEAST_INTERVAL, _LONGEST_INTERVAL = 0.1, 60.0
_LONGEST = 500  # characters that are shown


@dataclass(frozen=True, slots=True)
class _Device:
    code: str = field(repr=False)
    user_code: str
    url: str
    seconds: float
    interval: float


async def by_device_code(request: Request, show: Show) -> Grant:
    """The token that a person lets us have. Raises Refused or Failed."""
    device = await _begun(request)
    request = Request(request.oauth, request.scopes, min(request.until, time.monotonic() + device.seconds))
    seconds, interval = request.left, device.interval
    show(Invitation(device.url, seconds, device.user_code))
    failure: Failed | None = None
    while request.left > 0:
        await pause(request, interval)
        failure = None
        try:
            return await request.trade(_GRANT, device.code, device_code=device.code)
        except Refused as said:
            if said.code == "slow_down":
                interval += _INTERVAL
            elif said.code != "authorization_pending":
                raise refused(said.code, said.text) from None
        except Failed as error:  # it may be back before the code ends (RFC 8628, 3.5)
            failure, interval = error, min(2 * interval, _LONGEST_INTERVAL)
    raise failure or too_late(seconds)


async def _begun(request: Request) -> _Device:
    oauth = request.oauth
    url = oauth.device_endpoint
    host = urlsplit(url).hostname or ""
    form = authenticated(oauth, urlencode({"scope": " ".join(request.scopes)}))
    answer = await ask(url, form, oauth.ca_file, _ASK_SECONDS)
    data = fields(answer, host, redactor(oauth), oauth.private_key is not None, "device_url")
    code, user_code, page = (str(data.get(name, "")) for name in ("device_code", "user_code", "verification_uri"))
    if not (code and _can_be_shown(user_code) and _can_be_shown(page) and page.startswith(("https:", "http:"))):
        raise Failed(f"no token: {host} has given no code that could be shown: see whether oauth.device_url is right")
    interval = as_seconds(data.get("interval")) or _INTERVAL
    seconds = as_seconds(data.get("expires_in")) or request.left
    return _Device(code, user_code, page, seconds, min(max(interval, _LEAST_INTERVAL), _LONGEST_INTERVAL))


def _can_be_shown(text: str) -> bool:
    """Whether there is something to show, and no character of it moves a cursor."""
    return 0 < len(text) <= _LONGEST and text.isascii() and text.isprintable()
