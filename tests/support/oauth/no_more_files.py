"""A process that asks for a token while it can open no file, and once more when it can: URL. It prints what came."""

from __future__ import annotations

import asyncio
import resource
import sys

from tasks.mail.auth.tokens.access import access_token
from tasks.mail.config.oauth import SenderOAuth
from tasks.mail.model.errors import TokenFailure
from tests.support.oauth.sections import SECRET


async def run(url: str) -> None:
    """An event loop, such as that of a thread, is made of files."""
    oauth = SenderOAuth.model_validate({"client_id": "app", "token_url": url, "scope": "mail", "client_secret": SECRET})
    few, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    for files in (3, few):
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
        try:
            await asyncio.wait_for(access_token(oauth, "monitor"), 10)
            print("token")
        except TokenFailure as failure:
            print(failure)
        except TimeoutError:
            print("nothing")


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1]))
