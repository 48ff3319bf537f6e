"""One request to a token endpoint, over HTTP: bounded in time and size, and of it nothing in a log."""

import asyncio
import logging
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from functools import lru_cache
from typing import TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from tasks.mail.auth.tokens.thread import THREAD, in_thread
from tasks.mail.auth.tokens.token_answer import Answer, Failed
from tasks.mail.model.errors import MailLoopError, describe_os_error
from tasks.mail.model.outcome import ErrorType
from tasks.mail.model.safe_text import one_line
from tasks.mail.net.tls import describe_tls_error, new_context

_Error = TypeVar("_Error", bound=OSError)

MOST_OCTETS = 64 * 1024  # of an answer; a token of 3 KB is a long one
_LOGGERS = ("httpx", *(f"httpcore.{name}" for name in ("connection", "http11", "proxy", "socks")))


def _elsewhere(record: logging.LogRecord) -> bool:
    """Whether a record is not of a request of ours: the header of an answer may repeat what was sent."""
    return threading.current_thread().name != THREAD


async def post(url: str, body: str, ca_file: str | None, timeout: float) -> Answer:
    """What the endpoint answers to a form. Raises Failed. It runs in a thread of the name THREAD.

    A proxy of the environment is used as by other programs: it gets to see the name of the endpoint, no more. To this
    machine itself, where there may be no TLS, the way is direct.
    """
    import httpx  # a check that logs in with a password has no use for it

    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_elsewhere)  # the same one is added once
    parts = urlsplit(url)
    host = parts.hostname or ""
    headers = {
        "Accept": "application/json",
        "Accept-Encoding": "identity",  # what is packed has no size that could be bounded
        "Content-Type": "application/x-www-form-urlencoded",
        "User-Agent": "mail-loop-check",
    }
    way = host if parts.scheme == "http" or _proxy(host) is None else f"{host} over the proxy of the environment"
    try:
        client = httpx.AsyncClient(
            verify=_context(ca_file), trust_env=parts.scheme == "https", timeout=timeout, follow_redirects=False
        )
    except (ImportError, ValueError):  # SOCKS without the package for it, or another protocol
        raise Failed(f"no token: no connection to {way}: a proxy of this kind cannot be used") from None
    try:
        async with (
            asyncio.timeout(timeout),
            client,
            client.stream("POST", url, content=body.encode("ascii"), headers=headers) as response,
        ):
            octets = b""
            async for chunk in response.aiter_raw():
                octets += chunk
                if len(octets) > MOST_OCTETS:
                    raise Failed(f"no token from {host}: its answer is longer than {MOST_OCTETS} octets")
            return Answer(response.status_code, {key.lower(): one for key, one in response.headers.items()}, octets)
    except (TimeoutError, httpx.TimeoutException):
        raise Failed(f"no token from {way}: no answer within {timeout:g} s", ErrorType.TIMEOUT) from None
    except httpx.ProxyError as error:
        raise Failed(f"no token: no connection to {way}: {one_line(str(error), 100)}") from None
    except (OSError, httpx.HTTPError, httpx.InvalidURL) as error:
        raise _failed(error, way) from None


def _proxy(host: str) -> str | None:
    """That of the environment."""
    if proxy_bypass(host):
        return None
    proxies = getproxies()
    return proxies.get("https") or proxies.get("all")


async def ask(url: str, body: str, ca_file: str | None, timeout: float) -> Answer:
    """post(), in a thread of that name, for who is in another one."""
    outcome: Future[Answer] = Future()
    outcome.set_running_or_notify_cancel()  # who waits for it may be cancelled; it may not

    def end(found: Answer | BaseException) -> None:
        if isinstance(found, Answer):
            outcome.set_result(found)
        else:
            outcome.set_exception(found.alone() if isinstance(found, MailLoopError) else found)

    in_thread(lambda: post(url, body, ca_file, timeout), end)
    return await asyncio.wrap_future(outcome)


@lru_cache(maxsize=64)
def _context(ca_file: str | None) -> ssl.SSLContext:
    """One for these requests alone: httpx has a context offer HTTP (ALPN), which a mail server may refuse."""
    try:
        return new_context(ca_file)
    except OSError as error:
        text = f"no token: the oauth.ca_file {ca_file} cannot be used: {one_line(describe_os_error(error))}"
        raise Failed(text, ErrorType.TLS) from None


def _failed(error: BaseException, host: str) -> Failed:
    """The failure of a connection, in the words of what lies behind the error of the library."""
    behind = list(_behind(error))
    if refused := _first(behind, ssl.SSLError):
        return Failed(f"no token: {describe_tls_error(refused, host)}", ErrorType.TLS)
    if unknown := _first(behind, socket.gaierror):
        return Failed(f"no token: the name {host} is not found: {one_line(describe_os_error(unknown))}")
    if lost := _first(behind, OSError):
        return Failed(f"no token: no connection to {host}: {one_line(describe_os_error(lost))}")
    return Failed(f"no token: the connection to {host} was lost, or speaks no HTTP ({type(error).__name__})")


def _first(errors: Iterable[BaseException], kind: type[_Error]) -> _Error | None:
    return next((one for one in errors if isinstance(one, kind) and one.errno), None)


def _behind(error: BaseException) -> Iterator[BaseException]:
    """An error, and all those that led to it."""
    waiting, seen = [error], set()
    while waiting:
        if id(one := waiting.pop(0)) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [more for more in (one.__cause__, one.__context__) if more is not None]
        waiting += one.exceptions if isinstance(one, BaseExceptionGroup) else ()
