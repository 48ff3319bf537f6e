"""Passwords by name: a Prefect Secret block, else an environment variable; each for the hosts that may have it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from prefect.blocks.system import Secret

from tasks.mail.config.fields import without_line_end
from tasks.mail.config.loading.environment import Section, from_environment, missing, variable, with_password
from tasks.mail.config.loading.secret_list import allowed_at, list_path
from tasks.mail.config.loop import ImapConfig, LoopConfig
from tasks.mail.config.secret_hosts import Use, allows, use_of
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import ConfigError

BLOCK_SECONDS = 10.0  # Prefect's own client would try for minutes

# Set by our own command line alone, in the process that runs the check: nothing that a run is given can set it.
_of_the_user: ContextVar[bool] = ContextVar("of_the_user", default=False)

log = logging.getLogger(__name__)


class _Asked:
    """What was asked for within one run. `silent`: a question has had no answer, so no other is put."""

    def __init__(self) -> None:
        self.answers: dict[str, asyncio.Future[tuple[str | None, str]]] = {}
        self.silent = ""


_asked: ContextVar[_Asked | None] = ContextVar("asked", default=None)


async def resolve(loop: LoopConfig) -> LoopConfig:
    """The loop with all its passwords in place. Raises ConfigError where one is nowhere to be found."""
    with each_once():
        smtp = await resolve_section(loop.smtp, "smtp")
        imap = await resolve_imap(loop.imap) if loop.imap else None
        bounces = await resolve_section(loop.bounce_mailbox, "bounce_mailbox") if loop.bounce_mailbox else None
    return loop.model_copy(update={"smtp": smtp, "imap": imap, "bounce_mailbox": bounces})


async def resolve_imap(imap: ImapConfig) -> ImapConfig:
    """The same for a mailbox alone."""
    return await resolve_section(imap, "imap")


async def resolve_section(section: Section, field: str) -> Section:
    """One section with its password in place; `field` is what it is called in the error.

    Raises ConfigError where it is nowhere to be found, or not for this host. What is not on the list is not looked for:
    whether there is such a secret concerns nobody.
    """
    if (secret := section.password_secret) is None:
        return section
    if (use := use_of(section)) is not None and not _of_the_user.get():
        _need_allowed(use, field)
    block, why = await _from_block(secret)
    password = block or from_environment(secret)
    if password is None:
        raise missing(field, f"{why} and no environment variable {variable(secret)}")
    return with_password(section, field, password)


async def secret_value(secret: str, field: str) -> str:
    """The value of a secret that `field` names, for a command. Raises ConfigError where it is nowhere to be found."""
    block, why = await _from_block(secret)
    if (value := block or from_environment(secret)) is None:
        raise ConfigError(f"{field}: there is {why} and no environment variable {variable(secret)}: create one of them")
    return value


@contextmanager
def of_the_user() -> Iterator[None]:
    """Within it a check is one of who typed the command: the secrets are his own, and no list is asked."""
    token = _of_the_user.set(True)
    try:
        yield
    finally:
        _of_the_user.reset(token)


@contextmanager
def each_once() -> Iterator[None]:
    """Within it, Prefect is asked for each Secret block once, for hundreds of loops share one, and not at all once it
    was silent.
    """
    if _asked.get() is not None:
        yield
        return
    token = _asked.set(_Asked())
    try:
        yield
    finally:
        _asked.reset(token)


def _need_allowed(use: Use, field: str) -> None:
    path = list_path()
    if not allows(allowed_at(path), use):
        raise ConfigError(
            f"{field}.password_secret: this worker may not hand {use.told}: "
            f"add the line {use.line} to {path} on its machine, if it should",
            Cause.SECRET_NOT_ALLOWED,
        )


async def _from_block(secret: str) -> tuple[str | None, str]:
    """The value of the Secret block, or None and why there is none."""
    if (asked := _asked.get()) is None:
        return await _ask(secret, _Asked())
    if secret not in asked.answers:
        asked.answers[secret] = asyncio.ensure_future(_ask(secret, asked))
    return await asyncio.shield(asked.answers[secret])


async def _ask(secret: str, asked: _Asked) -> tuple[str | None, str]:
    if asked.silent:
        return None, f"no answer from Prefect about the Secret block {secret!r} ({asked.silent})"
    try:
        async with asyncio.timeout(BLOCK_SECONDS):
            block: Secret[Any] = await Secret.aload(secret)
    except ValueError:
        return None, f"no Prefect Secret block {secret!r}"
    except Exception as error:
        asked.silent = type(error).__name__
        # The block may well be there; the environment may have the password all the same.
        log.warning("Prefect could not be asked for the Secret block %r: %s", secret, asked.silent)
        return None, f"no answer from Prefect about the Secret block {secret!r} ({asked.silent})"
    value = block.get()
    if isinstance(value, str) and without_line_end(value):
        return value, ""
    return None, f"no text in the Prefect Secret block {secret!r}"
