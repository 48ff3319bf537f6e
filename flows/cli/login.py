"""`mail-loop login`: a person logs in once, and the checks have a refresh token from then on."""

import argparse
import asyncio
import shlex
import socket
import sys
import time
from collections.abc import Callable, Sequence

from flows.cli.arguments import port, positive
from flows.cli.output import has_prefect, say
from tasks.mail.auth.tokens.consent import Invitation
from tasks.mail.auth.tokens.token_answer import Refused
from tasks.mail.config.addresses import endpoint
from tasks.mail.config.loading.files import load_any
from tasks.mail.config.secrets import EnvironmentPasswords, variable
from tasks.mail.logins import Login, Place, Store, distinct, get_token, keep_token, logins_of, try_login
from tasks.mail.model.durations import duration
from tasks.mail.model.errors import ConfigError, TokenFailure, describe_os_error
from tasks.mail.model.safe_text import one_line
from tasks.mail.verdict.token_remedies import by_words

_DESCRIPTION = """\
Gets a refresh token (OAuth 2) for each section of FILE that names one in
oauth.refresh_token_secret: says what to open in a browser, waits, keeps the token as
the Prefect Secret block of that name, and then logs in to each server without sending
anything. Without Prefect the token is printed for a shell, and nothing else on stdout:
  eval "$(mail-loop login FILE)\""""
_ERROR = 2

_Tell = Callable[[str], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A file, and how to log in."""
    parser.description, parser.formatter_class = _DESCRIPTION, argparse.RawDescriptionHelpFormatter
    parser.add_argument("file", metavar="FILE", help="YAML, JSON or TOML")
    parser.add_argument("--section", action="append", default=[], metavar="NAME", help="this one only, such as imap")
    parser.add_argument("--port", type=port, default=0, help="where a browser's answer comes to; else one that is free")
    parser.add_argument("--max-wait", type=positive, default=600.0, metavar="S", help="seconds to wait (%(default)g)")
    parser.add_argument("--direct", action="store_true", help="without Prefect: print the token for a shell")


def run(arguments: argparse.Namespace) -> int:
    """0 if there is a token for each section, and each server has let us in."""
    logins = logins_of(load_any(arguments.file), arguments.file, arguments.section)
    if arguments.direct or not has_prefect():
        return _for_a_shell(logins, arguments)
    from flows.login import with_blocks

    return with_blocks(lambda store: _log_in(logins, store, arguments, say))


class _Shell(EnvironmentPasswords):
    """Refresh tokens for the environment. They are printed when all is done, for they may be replaced until then."""

    def __init__(self) -> None:
        self.tokens: dict[str, str] = {}

    def check(self, name: str, field: str) -> None:
        if not variable(name).isidentifier() or not name.isascii():
            raise ConfigError(f"{field}: {variable(name)} is no name of a variable: use letters, digits and hyphens")

    async def save(self, name: str, value: str) -> str:
        self.tokens[name] = value
        return f"the variable {variable(name)}, which is printed on stdout"

    async def reread(self, name: str) -> str | None:
        return self.tokens.get(name)

    async def keep(self, name: str, before: str, value: str) -> str:
        self.tokens[name] = value
        return ""


def _for_a_shell(logins: Sequence[Login], arguments: argparse.Namespace) -> int:
    store = _Shell()
    try:
        return asyncio.run(_log_in(logins, store, arguments, lambda text: say(text, sys.stderr)))
    finally:  # where it was interrupted, too: a person has logged in for them
        for name, token in store.tokens.items():
            say(f"export {variable(name)}={shlex.quote(token)}")


async def _log_in(logins: Sequence[Login], store: Store, arguments: argparse.Namespace, tell: _Tell) -> int:
    """The exit code."""
    for login in logins:
        store.check(login.name, f"{arguments.file}: {login.places[0].where}.oauth.refresh_token_secret")
    all_well = True
    for login in logins:
        if (token := await _token(login, store, arguments, tell)) is None:
            all_well = False
            continue
        kept = await keep_token(login, store, token)
        tell(f"{login.where}: the refresh token is kept as {kept}")
        for place in distinct(login.places):
            all_well &= await _is_let_in(place, store, token, tell)
    return 0 if all_well else _ERROR


async def _token(login: Login, store: Store, arguments: argparse.Namespace, tell: _Tell) -> str | None:
    """A refresh token; None where there is none, which is told."""
    until = time.monotonic() + arguments.max_wait
    try:
        return await get_token(login, store, until, lambda what: _invite(login, what, tell), arguments.port)
    except TokenFailure as failure:
        tell(one_line(f"{login.where}: {failure}", None))
        in_order = isinstance(failure, Refused) and failure.code != "invalid_grant"  # this is how to get a token
        if in_order and (remedy := by_words(failure.text)) is not None:
            words = remedy.words.format(section=login.places[0].where, user=login.users)
            tell(f"  {one_line(f'{words} ({remedy.who})', None)}")
        return None
    except OSError as error:
        why = one_line(describe_os_error(error))
        raise ConfigError(f"--port {arguments.port}: cannot be listened on at 127.0.0.1: {why}: give another") from None


def _invite(login: Login, what: Invitation, tell: _Tell) -> None:
    within = f"within {duration(what.seconds)}"
    if what.code:
        tell(
            f"{login.where}: open {what.url} in a browser, on any machine, type the code {what.code}, and log in as "
            f"{login.users} ({within})"
        )
        return
    tell(f"{login.where}: open this in a browser on this machine, and log in as {login.users} ({within}):")
    tell(f"  {what.url}")
    tell(f"  for a browser elsewhere, first, there: ssh -L {what.port}:127.0.0.1:{what.port} {socket.gethostname()}")


async def _is_let_in(place: Place, store: Store, token: str, tell: _Tell) -> bool:
    """Whether the server of a section takes a token that is got with this one, which is told."""
    section = place.section
    server = f"{endpoint(section.host, section.port)} as {section.username}"
    if (refused := await try_login(place, store, token)) is None:
        tell(one_line(f"{place.where}: logged in to {server}", None))
        return True
    text, remedy = refused
    tell(one_line(f"{place.where}: no login to {server}: {text}", None))
    tell(f"  {one_line(f'{remedy.words} ({remedy.who})', None)}")
    return False
