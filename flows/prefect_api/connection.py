"""The Prefect API that a command talks to, and how it does so."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import copy_context
from threading import Thread
from typing import Any, TypeVar

import httpx
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, get_current_settings, temporary_settings

from flows.prefect_api.probe import api_error, probe_api
from flows.server.login import login_for
from flows.server.prefect import ServerError

_SLICE_SECONDS = 0.5  # after so long, at the latest, an interrupt is seen

_T = TypeVar("_T")


@contextmanager
def api(where_none: str) -> Iterator[str]:
    """The configured API, once it has answered; yields its URL. Raises ServerError, with `where_none` if there is none.

    Also for what a request within has failed of and nobody has dealt with.
    """
    if not (url := configured_url()):
        raise ServerError(where_none)
    with own_login():
        if wrong := asyncio.run(probe_api()):
            raise wrong
        try:
            yield url
        except httpx.HTTPError as error:
            raise api_error(error) from None


def configured_url() -> str | None:
    """The URL of the API that the environment or the active profile of Prefect names; None where neither does."""
    return get_current_settings().api.url or None


def at(url: str, login: str | None) -> AbstractContextManager[object]:
    """Within it, Prefect's clients talk to the API at `url`, with `login` where there is one."""
    return temporary_settings({PREFECT_API_URL: url} | ({PREFECT_API_AUTH_STRING: login} if login else {}))


def own_login() -> AbstractContextManager[object]:
    """Within it, they have the login of the configured server, where that is one of ours and none is configured."""
    login = found_login()
    return temporary_settings({PREFECT_API_AUTH_STRING: login}) if login else nullcontext()


def found_login() -> str | None:
    """That login, if there is one to be found."""
    configured = get_current_settings().api
    return login_for(configured.url) if configured.url and not configured.auth_string else None


def in_a_thread(work: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
    """Run asyncio beside the main thread, which stays free to be interrupted.

    In the main thread Prefect takes SIGTERM for itself, and would go on for a minute.
    """
    context = copy_context()  # the settings of this run are in it
    ended: Future[_T] = Future()

    def run() -> None:
        try:
            ended.set_result(asyncio.run(work()))
        except BaseException as error:
            ended.set_exception(error)

    Thread(target=context.run, args=(run,), daemon=True).start()
    try:
        # In slices: Python handles a signal here alone, and one that another thread was given ends no wait of this one.
        while not ended.done():
            wait({ended}, timeout=_SLICE_SECONDS)
    except KeyboardInterrupt:
        logging.disable()  # the process ends: what threads of Prefect say of that concerns nobody
        raise
    return ended.result()
