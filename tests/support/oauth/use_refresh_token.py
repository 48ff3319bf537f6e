"""A process that asks for tokens with a kept refresh token: FILE URL TIMES [SECONDS]. It prints what came.

After so many seconds it waits no longer, and ends.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from pathlib import Path

from pydantic import SecretStr

from tasks.mail.auth.tokens.access import access_token
from tasks.mail.auth.tokens.rotation import kept_by
from tasks.mail.config.oauth import SenderOAuth
from tasks.mail.model.errors import TokenFailure
from tests.support.oauth.keeper import NAME, FileKeeper


async def run(file: Path, url: str, times: int) -> None:
    """As checks do that come one after another, each with what it read at its beginning."""
    keeper = FileKeeper(file)
    token = None
    for _ in range(times):
        value = SecretStr(await keeper.reread(NAME) or "")
        oauth = SenderOAuth(client_id="app", token_url=url, scope="mail", refresh_token_secret=NAME).model_copy(
            update={"refresh_token": value}
        )
        kept_by(oauth, keeper)
        try:
            token = await access_token(oauth, "monitor", refused=token)
            print("token", *token.notes)
        except TokenFailure as failure:
            print(failure)


if __name__ == "__main__":
    asking = run(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
    with suppress(TimeoutError):
        asyncio.run(asyncio.wait_for(asking, float(sys.argv[4]) if sys.argv[4:] else None))
