"""Tokens as a scripted server knows them: those that an endpoint has given out."""

from __future__ import annotations

from tests.support.oauth.server import TokenServer


class Given(set[str]):
    """All tokens of the endpoint but the first ones, `refused` of them."""

    def __init__(self, tokens: TokenServer, refused: int = 0) -> None:
        super().__init__({"none yet"})  # what is in it comes later: it must not be taken for an empty one
        self._tokens = tokens
        self._refused = refused

    def __contains__(self, token: object) -> bool:
        return token in [*self._tokens.issuer.issued][self._refused :]
