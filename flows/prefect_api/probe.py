"""What keeps a command from the Prefect API that is configured, in one sentence."""

import asyncio
import http
import re
import ssl
from typing import Any

import httpx
import prefect
from prefect.client.base import ServerType
from prefect.client.orchestration import PrefectClient, get_client
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_KEY,
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    temporary_settings,
)

from flows.server.prefect import ServerError

_REQUEST_SECONDS = 10.0
_VERSION = re.compile(r"(\d+)\.(\d+)(\.|$)")
_LOGIN, _WRONG_PATH = (401, 403), (404, 405)
_BUSY = (429, 502, 503, 504)
START_IT = "start it, or correct PREFECT_API_URL"
_EXAMPLE_URL = "http://127.0.0.1:4200/api"


class ApiError(ServerError):
    """The Prefect API cannot be used.

    `starting`: nothing listens there, as before a server has started. `final`: a person has to change something first.
    """

    def __init__(self, text: str, *, starting: bool = False, final: bool = False) -> None:
        super().__init__(text)
        self.starting = starting
        self.final = final


async def probe_api() -> ApiError | None:
    """Ask the configured API once, within _REQUEST_SECONDS: does it answer, let us in, and is it new enough?"""
    url = PREFECT_API_URL.value() or ""
    try:
        version = await _version()
    except Exception as error:
        status = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else None
        if (status in _WRONG_PATH or isinstance(error, _NoVersion)) and await _is_prefect(f"{url.rstrip('/')}/api"):
            with_api = f"{without_login(url).rstrip('/')}/api"
            return ApiError(f"{_the(url)} is reached with /api: set PREFECT_API_URL={with_api}", final=True)
        return api_error(error)
    needed, there = _VERSION.match(prefect.__version__), _VERSION.match(version)
    if there and needed and (int(there[1]), int(there[2])) < (int(needed[1]), int(needed[2])):
        wanted = f"{needed[1]}.{needed[2]}"
        text = f"{_the(url)} is Prefect {version}, and {wanted} or newer is needed: upgrade the server"
        return ApiError(text, final=True)
    return None


def without_login(url: str) -> str:
    """A URL without the login that may be in it."""
    try:
        return str(httpx.URL(url).copy_with(userinfo=b""))
    except httpx.InvalidURL:
        return repr(url[:80])


def api_error(error: Exception) -> ApiError:
    """What one request has failed of, in one sentence."""
    url = PREFECT_API_URL.value() or ""
    at, the, causes = without_login(url), _the(url), _causes(error)
    match error:
        case ApiError():
            return error
        case httpx.HTTPStatusError():
            status = error.response.status_code
            return ApiError(_status(the, status), final=status in _LOGIN)
        case _NoVersion():
            text = f"what answers at {at} is no Prefect API: correct PREFECT_API_URL, such as {_EXAMPLE_URL}"
        case httpx.UnsupportedProtocol() | httpx.InvalidURL():
            text = f"PREFECT_API_URL must be a URL such as {_EXAMPLE_URL}, not {at}"
        case TimeoutError() | httpx.TimeoutException():
            silence = f"has not answered for {_REQUEST_SECONDS:.0f} s"
            return ApiError(f"{the} {silence}: see its log, or correct PREFECT_API_URL")
        case _ if (tls := next((one for one in causes if isinstance(one, ssl.SSLError)), None)) is not None:
            text = _tls(the, tls)
        case OSError() if error.filename:  # made before anything is asked
            text = f"PREFECT_API_SSL_CERT_FILE: cannot read {error.filename} ({error.strerror}): check the path"
        case _:
            refused = any(isinstance(one, ConnectionRefusedError) for one in causes)
            return ApiError(f"{the} does not answer ({type(error).__name__}): {START_IT}", starting=refused)
    return ApiError(text, final=True)


class _NoVersion(Exception):
    """The answer is not a version of Prefect."""


async def _version() -> str:
    """The server's version; that of Prefect Cloud, which has none, is empty."""
    settings: dict[str, Any] = {"timeout": _REQUEST_SECONDS, "event_hooks": {"response": [_refuse_at_once]}}
    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
        async with get_client(httpx_settings=settings) as client, asyncio.timeout(_REQUEST_SECONDS):
            if client.server_type is ServerType.CLOUD:
                await client.request("GET", "/health")
                return ""
            answer = await client.request("GET", "/admin/version")
    try:
        version = answer.json()
    except ValueError:
        raise _NoVersion from None
    if not isinstance(version, str) or len(version) > len("10.10.10.dev10+10.g0123456789.dirty"):
        raise _NoVersion
    return version


def impatient_client() -> PrefectClient:
    """Prefect's client, which asks again as its settings say, but does not wait for minutes as a server may say."""
    return get_client(httpx_settings={"event_hooks": {"response": [_refuse_long_waits]}})


async def _refuse_long_waits(response: httpx.Response) -> None:
    wait = response.headers.get("Retry-After", "0")
    if response.status_code in _BUSY and not (wait.isascii() and wait.isdigit() and int(wait[:9]) <= _REQUEST_SECONDS):
        await _refuse_at_once(response)


async def _refuse_at_once(response: httpx.Response) -> None:
    """Prefect's client would wait for as long as the header Retry-After says, and only then report."""
    if response.status_code >= http.HTTPStatus.BAD_REQUEST:
        raise httpx.HTTPStatusError("", request=response.request, response=response)


async def _is_prefect(url: str) -> bool:
    with temporary_settings({PREFECT_API_URL: url}):
        try:
            return _VERSION.match(await _version()) is not None
        except httpx.HTTPStatusError as error:
            return error.response.status_code == http.HTTPStatus.UNAUTHORIZED
        except Exception:
            return False


def _the(url: str) -> str:
    return f"the Prefect server at {without_login(url)}"


def _status(the: str, status: int) -> str:
    if status in _LOGIN:
        if PREFECT_API_AUTH_STRING.value():
            return f"{the} refuses the login in PREFECT_API_AUTH_STRING ({status}): correct it"
        if PREFECT_API_KEY.value():
            return f"{the} refuses the key in PREFECT_API_KEY ({status}): correct it"
        return f"{the} wants a login ({status}): set PREFECT_API_AUTH_STRING to its user:password"
    try:
        phrase = http.HTTPStatus(status).phrase
    except ValueError:
        phrase = "unknown"
    if status in _BUSY:
        return f"{the} takes no requests for now ({status} {phrase}): try again later, or see its log"
    if status == http.HTTPStatus.NOT_FOUND:
        return f"{the} has no such API (404 {phrase}): correct PREFECT_API_URL, such as {_EXAMPLE_URL}"
    return f"{the} refuses a request ({status} {phrase}): see its log"


def _tls(the: str, error: ssl.SSLError) -> str:
    if not isinstance(error, ssl.SSLCertVerificationError):
        if error.reason == "WRONG_VERSION_NUMBER":
            return f"{the} does not speak TLS on this port: http:// in PREFECT_API_URL, or another port"
        return f"no TLS connection to {the} ({error.reason or type(error).__name__}): see its log"
    why = error.verify_message.rstrip(".")
    if "issuer" in why or "self" in why:
        return (
            f"{the} has a certificate that is not trusted here ({why}): set PREFECT_API_SSL_CERT_FILE to its CA's file"
        )
    return f"{the} has a certificate that is not valid ({why}): renew it, or correct PREFECT_API_URL"


def _causes(error: BaseException) -> list[BaseException]:
    """The error and what led to it."""
    found: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in found:
        found.append(cause)
        cause = cause.__cause__ or cause.__context__
    return found
