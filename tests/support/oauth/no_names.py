"""A process that asks for a token where no name is ever found: SECONDS for the resolver. It prints what came."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from typing import Any

from tasks.mail.auth.tokens.access import access_token
from tasks.mail.config.oauth import SenderOAuth
from tasks.mail.model.errors import TokenFailure
from tests.support.oauth.sections import SECRET


def _getaddrinfo(*_: Any, **__: Any) -> list[Any]:
    time.sleep(float(sys.argv[1]))
    return []


async def run() -> None:
    """As a check that has little time."""
    url = "https://login.example.org/token"
    oauth = SenderOAuth.model_validate({"client_id": "app", "token_url": url, "scope": "mail", "client_secret": SECRET})
    try:
        await access_token(oauth, "monitor", timeout=2.0)
    except TokenFailure as failure:
        print(failure)


if __name__ == "__main__":
    socket.getaddrinfo = _getaddrinfo
    asyncio.run(run())
