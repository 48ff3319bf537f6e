"""A login in a browser on this machine: its answer comes to a port of 127.0.0.1 (RFC 8252), with PKCE (RFC 7636)."""

import secrets

from tasks.mail.auth.tokens.consent import Invitation, Request, Show, refused, too_late
from tasks.mail.auth.tokens.loopback import Loopback
from tasks.mail.auth.tokens.token_answer import Grant
from tasks.mail.auth.tokens.token_request import redactor
from tasks.mail.model.redaction.traces import learn

_RANDOM_OCTETS = 48
_MAX_WORDS = 500


async def by_browser(request: Request, show: Show, port: int = 0) -> Grant:
    """The token that a person lets us have. `port`: where the answer comes to, 0 for a free one.

    Raises Refused or Failed, and OSError where the port cannot be had. Nothing listens when it ends.
    """
    from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
    from authlib.oauth2.rfc7636 import create_s256_code_challenge

    oauth, seconds = request.oauth, request.left
    state, verifier = secrets.token_urlsafe(_RANDOM_OCTETS), secrets.token_urlsafe(_RANDOM_OCTETS)
    async with Loopback(state, port) as here:
        more = {"code_challenge": create_s256_code_challenge(verifier), "code_challenge_method": "S256"}
        page = prepare_grant_uri(
            oauth.authorization_endpoint, oauth.client_id, "code", here.uri, list(request.scopes), state, **more
        )
        show(Invitation(str(page), seconds, port=here.port))
        said = await here.answer(request.left)
    if said is None:
        raise too_late(seconds)
    if "error" in said:
        code, words = said["error"], said.get("error_description", "")
        text = redactor(oauth).line(": ".join(part for part in (code, words) if part), _MAX_WORDS)
        raise refused(code, f"no token: the browser brings back {text}")
    learn(said["code"])
    shown = {"code": said["code"], "redirect_uri": here.uri, "code_verifier": verifier}
    return await request.trade("authorization_code", verifier, **shown)
