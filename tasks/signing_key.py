"""The key that probes are signed with: a Secret block of the Prefect server, made by the first run that needs it."""

import asyncio
import logging
from typing import Any

from prefect.blocks.system import Secret

from tasks.mail.config.section import KEY_BLOCK
from tasks.mail.signing_key import as_key, new_key

SECONDS = 10.0  # for the server to answer: mail is more urgent than a signature

log = logging.getLogger(__name__)


async def signing_key() -> bytes:
    """The key of this server. Empty where it can be neither read nor made: no probe is signed then, and none counts."""
    try:
        async with asyncio.timeout(SECONDS):
            try:
                key = await _read()
            except ValueError:  # there is none
                key = await _make()
    except Exception as error:
        log.warning("Probes are not signed: no answer about the Secret block %s: %s", KEY_BLOCK, type(error).__name__)
        return b""
    if not key:
        log.warning("Probes are not signed: the Secret block %s holds no key: delete it", KEY_BLOCK)
    return key


async def _read() -> bytes:
    block: Secret[Any] = await Secret.aload(KEY_BLOCK)
    return as_key(block.get())


async def _make() -> bytes:
    """Of two runs that make it at once, the first one's stays."""
    try:
        await Secret(value=new_key()).asave(KEY_BLOCK, overwrite=False)
    except ValueError:
        log.debug("Another run has just made the Secret block %s", KEY_BLOCK)
    return await _read()
