"""The SMTP half of the sandbox: submission with TLS, AUTH and scripted replies, on aiosmtpd."""

import asyncio
import base64
import binascii
import functools
import logging
import secrets
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

from aiosmtpd.smtp import MISSING, SMTP, AuthResult, Envelope, LoginPassword, Session, TLSSetupException

from tasks.sandbox.bearer import ERRORS, Tokens

logger = logging.getLogger(__name__)

HOST_NAME = "sandbox.localhost"


@dataclass(frozen=True)
class Script:
    """What the sandbox does instead of its plain duty.

    The replies of a phase are given one by one, in this order, whatever connection asks; after the last one the phase
    is accepted again. `data` is the reply after the final dot. Every recipient's mailbox gets `copies` of an accepted
    message in `deliver_to` (None: the message is thrown away), `delay` seconds after it was accepted; with `bounces`
    a notification that it could not be delivered, instead of the message.
    """

    auth: Sequence[str] = ()
    mail: Sequence[str] = ()
    rcpt: Sequence[str] = ()
    data: Sequence[str] = ()
    delay: float = 0.0
    deliver_to: str | None = "INBOX"
    copies: int = 1
    bounces: bool = False


class SmtpHandler:
    """Answers MAIL, RCPT, DATA and AUTH, by the script first; its methods carry the names that aiosmtpd looks for."""

    def __init__(
        self,
        users: Mapping[str, str],
        script: Script,
        deliver: Callable[[str, bytes], Awaitable[None]],
        tokens: Tokens | None = None,
    ) -> None:
        self.users = users
        self.tokens = tokens
        self.commands: list[str] = []
        self._deliver = deliver
        self.play(script)

    def play(self, script: Script) -> None:
        """Start over with another script."""
        self._replies = {phase: deque(getattr(script, phase)) for phase in ("auth", "mail", "rcpt", "data")}

    def _scripted(self, phase: str) -> str | None:
        replies = self._replies[phase]
        return replies.popleft() if replies else None

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, credentials: object
    ) -> AuthResult:
        if reply := self._scripted("auth"):
            return AuthResult(success=False, handled=False, message=reply)
        if not isinstance(credentials, LoginPassword):
            return AuthResult(success=False, handled=False)
        password = self.users.get(credentials.login.decode())
        accepted = password is not None and secrets.compare_digest(password.encode(), credentials.password)
        # handled=False: the reply, 235 or 535, is left to aiosmtpd.
        return AuthResult(success=accepted, handled=False, auth_data=credentials)

    async def auth_XOAUTH2(self, server: SMTP, said: list[str]) -> AuthResult:  # noqa: N802  # aiosmtpd calls it so
        if reply := self._scripted("auth"):
            return AuthResult(success=False, handled=False, message=reply)
        mechanism, *initial = said
        try:
            shown = base64.b64decode(initial[0], validate=True) if initial else await server.challenge_auth("")
        except binascii.Error:
            return AuthResult(success=False, handled=False, message="501 5.5.2 Can't decode base64")
        if shown is MISSING:  # cancelled, and told so
            return AuthResult(success=False)
        user = self.tokens.owner(mechanism, shown) if self.tokens else None
        if user is None and await server.challenge_auth(ERRORS[mechanism]) is MISSING:
            return AuthResult(success=False)
        return AuthResult(success=user is not None, handled=False, auth_data=user)

    auth_OAUTHBEARER = auth_XOAUTH2  # noqa: N815

    async def handle_MAIL(  # noqa: N802  # aiosmtpd calls it so
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if reply := self._scripted("mail"):
            return reply
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Ok"

    async def handle_RCPT(  # noqa: N802  # aiosmtpd calls it so
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if reply := self._scripted("rcpt"):
            return reply
        if _mailbox(address) not in self.users:
            return f"550 5.1.1 <{address}>: Recipient address rejected: no such mailbox in this sandbox"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd calls it so
        if reply := self._scripted("data"):
            return reply
        queue_id = secrets.token_hex(5).upper()
        for address in envelope.rcpt_tos:
            trace = _trace(session, str(envelope.mail_from), address, queue_id)
            await self._deliver(_mailbox(address), trace + (envelope.original_content or b""))
        return f"250 2.0.0 OK: queued as {queue_id}"

    async def handle_exception(self, error: Exception) -> str:
        # A client that refuses our certificate is what some tests are about, and no news.
        level = logging.DEBUG if isinstance(error, TLSSetupException) else logging.ERROR
        logger.log(level, "SMTP session failed", exc_info=error)
        return f"451 4.3.0 The sandbox failed: {type(error).__name__}"


def _mailbox(address: str) -> str:
    return address.rpartition("@")[0]


def _trace(session: Session, sender: str, recipient: str, queue_id: str) -> bytes:
    """The header fields that a server puts on top of what it accepts."""
    protocol = "ESMTP" + ("S" if session.ssl else "") + ("A" if session.authenticated else "")
    peer = session.peer[0] if session.peer else "unknown"
    return (
        f"Return-Path: <{sender}>\r\n"
        f"Received: from {session.host_name} ([{peer}])\r\n"
        f"\tby {HOST_NAME} (sandbox) with {protocol} id {queue_id}\r\n"
        f"\tfor <{recipient}>; {format_datetime(datetime.now(UTC))}\r\n"
    ).encode()


class _Connection(SMTP):
    """One SMTP connection: records its commands, and is known to its server so that it can be ended."""

    def __init__(self, server: "SmtpServer", tls: ssl.SSLContext | None, implicit: bool) -> None:
        super().__init__(
            server.handler,
            hostname=HOST_NAME,
            ident="ESMTP sandbox",
            enable_SMTPUTF8=True,
            tls_context=None if implicit else tls,
            authenticator=server.handler.authenticate,
            auth_required=server.auth_required,
            auth_exclude_mechanism=() if server.handler.tokens else ERRORS,
            loop=asyncio.get_running_loop(),
        )
        self._server = server
        self._implicit = implicit
        # aiosmtpd knows no TLS but its own STARTTLS. Said to its constructor, this would be a warning.
        self._auth_require_tls = tls is not None and not implicit
        self._smtp_methods = {verb: self._recorded(verb, method) for verb, method in self._smtp_methods.items()}

    def _recorded(
        self, verb: str, method: Callable[[str | None], Awaitable[None]]
    ) -> Callable[[str | None], Awaitable[None]]:
        @functools.wraps(method)
        async def command(argument: str | None) -> None:
            shown = argument.split(" ")[0] if argument and verb == "AUTH" else argument
            self._server.handler.commands.append(f"{verb} {shown}" if shown else verb)
            await method(argument)

        return command

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._server.connections.add(self)
        if self._server.is_closed:  # accepted just before it was
            transport.abort()  # type: ignore[attr-defined]  # typed as a BaseTransport, is a Transport
        if self._implicit and self.session:
            self.session.ssl = transport.get_extra_info("ssl_object")

    def connection_lost(self, error: Exception | None) -> None:
        self._server.connections.discard(self)
        super().connection_lost(error)

    async def abort(self) -> None:
        """Cut the connection and wait for its end."""
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()
        if self._handler_coroutine:
            await asyncio.wait([self._handler_coroutine])


class SmtpServer:
    """Listens with STARTTLS, and with implicit TLS where there is a TLS context."""

    def __init__(self, handler: SmtpHandler, tls: ssl.SSLContext | None, auth_required: bool) -> None:
        self.handler = handler
        self.auth_required = auth_required
        self.connections: set[_Connection] = set()
        self._tls = tls
        self._servers: list[asyncio.Server] = []
        self.is_closed = False

    async def listen(self, host: str, port: int = 0, *, implicit: bool = False) -> int:
        """Listen and return the port."""
        server = await asyncio.get_running_loop().create_server(
            lambda: _Connection(self, self._tls, implicit), host, port, ssl=self._tls if implicit else None
        )
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        self.is_closed = True
        for server in self._servers:
            server.close()
        await asyncio.gather(*(connection.abort() for connection in self.connections))
