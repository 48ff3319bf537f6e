"""What Prefect's Secret blocks hold: passwords, for the hosts that may have them, and the key that signs probes.

Where there is no block for a password, an environment variable may hold it.
"""

import asyncio
import json
import logging
import re
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from contextvars import copy_context
from typing import Any, TypeVar

from prefect.blocks.system import Secret

from tasks.mail.config.loading.secret_list import Use, allowed_at, allows, list_path, uses_in
from tasks.mail.config.secrets import (
    LoginSection,
    from_environment,
    missing,
    unresolved,
    unwritable,
    variable,
    with_secret,
)
from tasks.mail.config.section import KEY_BLOCK, without_line_end
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import ConfigError
from tasks.mail.signing_key import as_key, new_key
from tasks.run_context import caller

BLOCK_SECONDS = 10.0  # Prefect's own client would try for minutes, and mail is more urgent than a signature

_BLOCK_NAME = re.compile(r"[a-z0-9-]+")  # Prefect's rule

_T = TypeVar("_T")

log = logging.getLogger(__name__)


class SecretBlocks:
    """The secrets of one run. See tasks.mail.engine.Passwords.

    Each block is asked for once, for hundreds of loops share one; none is, once a question has had no answer.
    """

    def __init__(self) -> None:
        self._context = copy_context()  # of where Prefect is: what is kept is kept in other threads
        self._answers: dict[str, asyncio.Future[tuple[object, str]]] = {}
        self._unanswered = ""

    async def resolve(self, section: LoginSection, field: str) -> LoginSection:
        """One section with its secrets in place; `field` is what it is called in the error.

        Raises ConfigError where it is nowhere to be found, or not for this host. What is not on the list is not looked
        for: whether there is such a secret concerns nobody.
        """
        for secret, uses in uses_in(section).items():
            self._check(uses, f"{field}.{secret.where}")
        for secret, name in unresolved(section):
            block, why = await self.value(name, in_json=not secret.is_one_line)
            value = block or from_environment(name)
            if value is None:
                raise missing(f"{field}.{secret.where}", f"{why} and no environment variable {variable(name)}")
            section = with_secret(section, field, secret, value)
        return section

    def _check(self, uses: Sequence[Use], field: str) -> None:
        """Raise ConfigError unless this worker may hand a secret to all these hosts."""
        if caller.get() is not None:  # a check on the command line is the user's own
            return
        allowed = allowed_at(list_path())
        if refused := [use for use in uses if not allows(allowed, use)]:
            lines = [use.line for use in refused]
            raise ConfigError(
                f"{field}: this worker may not hand {' and '.join(use.words for use in refused)}: "
                f"add the line{'s' if lines[1:] else ''} {' and '.join(lines)} to {list_path()} on its machine, "
                "if it should",
                Cause.SECRET_NOT_ALLOWED,
            )

    async def value(self, secret: str, *, in_json: bool = False) -> tuple[str | None, str]:
        """The value of a Secret block, or None and why there is none. Prefect's UI may have made an object of JSON."""
        if secret not in self._answers:
            self._answers[secret] = asyncio.ensure_future(self._ask(secret))
        found, why = await asyncio.shield(self._answers[secret])
        if in_json and isinstance(found, dict):
            return json.dumps(found), ""
        if isinstance(found, str) and without_line_end(found):
            return found, ""
        return None, why or f"no text in the Prefect Secret block {secret!r}"

    async def _ask(self, secret: str) -> tuple[object, str]:
        if self._unanswered:
            return None, f"no answer from Prefect about the Secret block {secret!r} ({self._unanswered})"
        try:
            async with asyncio.timeout(BLOCK_SECONDS):
                block: Secret[Any] = await Secret.aload(secret)
        except ValueError:
            return None, f"no Prefect Secret block {secret!r}"
        except Exception as error:
            self._unanswered = type(error).__name__
            # The block may well be there; the environment may have the password all the same.
            log.warning("Prefect could not be asked for the Secret block %r: %s", secret, self._unanswered)
            return None, f"no answer from Prefect about the Secret block {secret!r} ({self._unanswered})"
        return block.get(), ""

    async def reread(self, name: str) -> str | None:
        """See Keeper in tasks.mail.auth.tokens.rotation. It is asked for anew each time, without the notes of a run."""
        asked = SecretBlocks()
        block, why = await self._here(asked.value(name))
        value = block or from_environment(name)
        if value is None and asked._unanswered:
            raise ConnectionError(why)
        return value

    async def keep(self, name: str, before: str, value: str) -> str:
        """See Keeper in tasks.mail.auth.tokens.rotation: the block that it came from has the new value."""
        try:
            async with asyncio.timeout(BLOCK_SECONDS):
                await self._here(_overwrite(name, before, value))
        except ValueError:
            return unwritable(name)
        except Exception as error:
            return f"no answer from Prefect about the Secret block {name!r}: {type(error).__name__}"
        return ""

    def check(self, name: str, field: str) -> None:
        """See Store in tasks.mail.logins."""
        if not _BLOCK_NAME.fullmatch(name):
            raise ConfigError(
                f"{field}: {name} is no name of a Secret block: use lower-case letters, digits and hyphens"
            )

    async def save(self, name: str, value: str) -> str:
        """See Store in tasks.mail.logins: the block of this name is made, or overwritten."""
        try:
            async with asyncio.timeout(BLOCK_SECONDS):
                await Secret(value=value).asave(name, overwrite=True)
        except Exception as error:
            raise ConfigError(
                f"the Prefect Secret block {name!r} could not be written: {type(error).__name__}"
            ) from None
        return f"the Prefect Secret block {name}"

    async def _here(self, call: Coroutine[Any, Any, _T]) -> _T:
        """Await it in the context of the run, with its settings."""
        return await asyncio.get_running_loop().create_task(call, context=self._context.copy())


async def _overwrite(name: str, before: str, value: str) -> None:
    """Only what was `before`. Raises ValueError where there is no block of this name."""
    block: Secret[Any] = await Secret.aload(name)
    if without_line_end(str(block.get())) != before:
        log.info("The Secret block %r has a new value by now, which stays", name)
        return
    await Secret(value=value).asave(name, overwrite=True)


async def secret_value(secret: str, field: str) -> str:
    """The value of a secret that `field` names, for a command. Raises ConfigError where it is nowhere to be found."""
    block, why = await SecretBlocks().value(secret)
    if (value := block or from_environment(secret)) is None:
        raise ConfigError(f"{field}: there is {why} and no environment variable {variable(secret)}: create one of them")
    return value


async def signing_key() -> bytes:
    """The key of this server, which the first run that needs one has made.

    Empty where it can be neither read nor made: no probe is signed then, and none counts.
    """
    try:
        async with asyncio.timeout(BLOCK_SECONDS):
            try:
                key = await _read_key()
            except ValueError:  # there is none
                with suppress(ValueError):  # but by now: of two runs that make it at once, the first one's stays
                    await Secret(value=new_key()).asave(KEY_BLOCK, overwrite=False)
                key = await _read_key()
    except Exception as error:
        log.warning("Probes are not signed: no answer about the Secret block %s: %s", KEY_BLOCK, type(error).__name__)
        return b""
    if not key:
        log.warning("Probes are not signed: the Secret block %s holds no key: delete it", KEY_BLOCK)
    return key


async def _read_key() -> bytes:
    block: Secret[Any] = await Secret.aload(KEY_BLOCK)
    return as_key(block.get())
