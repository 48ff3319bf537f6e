"""One login to an IMAP server: connected, encrypted and authenticated as configured, then asked command by command."""

import asyncio
import math
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress

from aiohappyeyeballs import AddrInfoType

from tasks.mail.auth.credentials import credentials_of, drop_token, token_for
from tasks.mail.auth.exchange import ExchangeError
from tasks.mail.auth.tokens.access import Token
from tasks.mail.config.mailbox import ProbeMailbox
from tasks.mail.config.secrets import redactor
from tasks.mail.mailboxes.failures import (
    Refusal,
    login_refused,
    never,
    no_answer,
    out_of_exchange,
    refused,
    without_token,
)
from tasks.mail.mailboxes.imap import responses
from tasks.mail.mailboxes.imap.connection import Answer, ImapConnection
from tasks.mail.mailboxes.imap.framing import Reply
from tasks.mail.mailboxes.imap.login import knows_mechanisms, login_command
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import MailboxFailure, TokenFailure, describe_os_error
from tasks.mail.model.journey_record import TlsRecord
from tasks.mail.model.outcome import ErrorType
from tasks.mail.net.connect import cause_of_os_error, connect, resolve
from tasks.mail.net.stages import Stages
from tasks.mail.net.tls import UnusableFile, WaitsForTls, context_of, greeted, tls_session

_LOGOUT_SECONDS = 1.0


class Session:
    """One connection to the server of `config`. Every step is bounded, timed, and fails with a MailboxFailure.

    `until`, in monotonic seconds, bounds all of them together: many slow answers, each in time, may take for ever.
    """

    def __init__(self, config: ProbeMailbox, until: float = math.inf) -> None:
        self.config = config
        self.until = until
        self.tls: TlsRecord | None = None
        self.capabilities: frozenset[str] = frozenset()
        self._token: Token | None = None  # that it has shown last
        self.connection = self._new_connection()
        self.connection.redact = redactor(config)  # from the greeting on: an earlier login may be quoted in it
        self._stages = Stages("imap", config.timeout)
        self.stages = self._stages.seconds

    async def open(self) -> None:
        """Connect and log in. The MailboxFailure of an attempt that ends early has its stage times."""
        try:
            try:
                await self._enter()
            except MailboxFailure as failure:
                if self._token is None or failure.cause is not Cause.TOKEN_REJECTED:
                    raise
                self._begin_anew()
                await self._enter()
        except BaseException as error:
            self.abort()
            if isinstance(error, MailboxFailure):
                error.stages = dict(self.stages)
            raise

    async def ask(self, stage: str, verb: str, *arguments: bytes, about: str = "", permanent: bool = False) -> Reply:
        """One command that has to end in OK. `about`: what is asked for, in a failure's words.

        `permanent`: a refusal that says nothing else about itself would be met again.
        """
        reply = await self._reply_to(stage, verb, *arguments)
        if reply.status != "OK":
            raise refused(stage, about or verb, self._refusal(reply), permanent=permanent)
        return reply

    async def idle(self, seconds: float) -> bool:
        """IDLE for at most `seconds`; False when the server refuses it."""
        with self._translated("search", "answer to IDLE"):
            async with asyncio.timeout(self._left()):
                reply = await self.connection.idle(seconds, self.config.timeout)
        return reply.status == "OK"

    async def close(self) -> None:
        """Log out if that is quick, and drop the connection in any case, even while being cancelled."""
        connection = self.connection
        try:
            if connection.alive and not connection.busy:
                with suppress(MailboxFailure, TimeoutError):
                    async with asyncio.timeout(_LOGOUT_SECONDS):
                        await connection.ask("LOGOUT")
        finally:
            self.abort()
        if connection.transport is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOGOUT_SECONDS):
                    await connection.closed.wait()

    def abort(self) -> None:
        """Drop the connection now, and a token that is over by the server's word: no other session shows it again."""
        self.connection.die(ErrorType.CONNECTION, "the connection is closed")
        if self._token is not None and self.connection.failure().cause is Cause.TOKEN_REJECTED:
            drop_token(self.config, self._token)

    def _new_connection(self) -> ImapConnection:
        return ImapConnection(self.config.host, tls_first=self.config.tls == "implicit")

    def _begin_anew(self) -> None:
        """With a connection of its own for another token: many a server ends the one that it refused a login on."""
        self.abort()
        before, self.connection = self.connection, self._new_connection()
        self.connection.redact, self.connection.counted = before.redact, before.counted
        self.capabilities = frozenset()

    async def _enter(self) -> None:
        if self.config.oauth is not None:
            async with self._step("token", "token"):
                self._token = await token_for(self.config, refused=self._token)
        greeting = await self._connect()
        reply = None if greeting == "PREAUTH" else await self._login()
        if reply is None or not self._take_capabilities(reply):
            await self._ask_capabilities("login")

    async def _connect(self) -> str:
        """Connect, with TLS as configured; returns the status of the greeting, OK or PREAUTH."""
        config, connection = self.config, self.connection
        context = self._ssl_context() if config.tls != "none" else None
        async with self._step("dns", f"address of {config.host}"):
            addresses = await resolve(config.host, config.port)
        async with self._step("connect", f"connection to {config.host} port {config.port}"):
            sock = await connect(addresses)
            try:
                await asyncio.get_running_loop().create_connection(lambda: connection, sock=sock)
            except BaseException:
                sock.close()
                raise
        if context and config.tls == "implicit":
            await self._start_tls(context)
        async with self._step("connect", "greeting"):
            greeting = await self._greeting(addresses)
        if greeting.status == "BYE":
            refusal, cause = self._refusal(greeting), Cause.SERVER_TROUBLE
            raise refused("connect", "the connection", refusal, ErrorType.CONNECTION, cause=cause)
        if context and config.tls == "starttls":
            if greeting.status == "PREAUTH":
                text = f"{config.host} greets with PREAUTH, which leaves no room for STARTTLS"
                raise never(ErrorType.TLS, "tls", text, Cause.TLS_MODE)
            await self._ask_capabilities("tls")
            if "STARTTLS" not in self.capabilities:
                text = f"{config.host} does not offer STARTTLS on port {config.port}"
                raise never(ErrorType.TLS, "tls", text, Cause.TLS_MODE)
            reply = await self._reply_to("tls", "STARTTLS")
            if reply.status != "OK":
                raise refused("tls", "STARTTLS", self._refusal(reply), ErrorType.TLS, cause=Cause.SERVER_TROUBLE)
            await self._start_tls(context)
            self.capabilities = frozenset()  # what was said in clear may be another's word
        else:
            self._take_capabilities(greeting)
        return greeting.status

    async def _greeting(self, addresses: Sequence[AddrInfoType]) -> Reply:
        if self.config.tls == "implicit":
            return await self.connection.greeting()
        try:
            return await greeted(self.connection.greeting(), self.config.port, addresses)
        except WaitsForTls:
            text = f"{self.config.host} waits for TLS from the first byte on port {self.config.port}"
            raise never(ErrorType.TLS, "connect", text, Cause.TLS_MODE) from None

    def _ssl_context(self) -> ssl.SSLContext:
        try:
            return context_of(self.config)
        except UnusableFile as error:
            raise never(ErrorType.TLS, "tls", str(error), error.cause) from None

    async def _start_tls(self, context: ssl.SSLContext) -> None:
        async with self._step("tls", "end of the TLS handshake"):
            self.tls = tls_session(await self.connection.start_tls(context, self.config.timeout))

    async def _ask_capabilities(self, stage: str) -> None:
        """What the server offers now; what it said before TLS or the login counts no longer."""
        self.capabilities = frozenset()
        self._take_capabilities(await self.ask(stage, "CAPABILITY"))

    def _take_capabilities(self, reply: Reply) -> bool:
        """Take what the server offers from a greeting or an answer, where it says so unasked (RFC 3501, 7.2.1)."""
        if listed := responses.capabilities(reply.responses, reply.text):
            self.capabilities = listed
        return bool(listed)

    async def _login(self) -> Reply:
        """One mechanism, one attempt: each failure may count towards a lock-out."""
        credentials = credentials_of(self.config, self._token, in_clear=self.tls is None)
        if not knows_mechanisms(self.capabilities):
            await self._ask_capabilities("login")
        command = login_command(self.capabilities, credentials)
        reply = await self._reply_to("login", command.verb, *command.arguments, answer=command.answer)
        try:
            command.check(reply.status == "OK")
        except ExchangeError as error:
            raise out_of_exchange(error) from None
        if reply.status != "OK":
            raise login_refused(self.config.username, self._refusal(reply), by_token=self._token is not None)
        return reply

    async def _reply_to(self, stage: str, verb: str, *arguments: bytes, answer: Answer | None = None) -> Reply:
        async with self._step(stage, f"answer to {verb}"):
            return await self.connection.ask(verb, *arguments, answer=answer)

    def _refusal(self, reply: Reply) -> Refusal:
        name, _, words = responses.response_code(reply.text)
        shown, redact = self.connection.words(reply.text) or reply.status, self.connection.redact
        known = name and redact.text(name)
        return Refusal(name, words.decode("utf-8", "replace"), shown, known, reply.status == "BAD")

    @asynccontextmanager
    async def _step(self, stage: str, awaited: str) -> AsyncIterator[None]:
        """A part of a stage that ends in time with what is `awaited`, or with a MailboxFailure."""
        with self._translated(stage, awaited):
            async with asyncio.timeout(self._left()), self._stages(stage):
                yield

    def _left(self) -> float | None:
        """Seconds until all has to be over."""
        return None if math.isinf(self.until) else max(0.0, self.until - time.monotonic())

    @contextmanager
    def _translated(self, stage: str, awaited: str) -> Iterator[None]:
        self.connection.stage = stage
        try:
            yield
        except TokenFailure as error:
            raise without_token(error) from None
        except TimeoutError:
            time_given = "in the time that was left" if self._left() == 0.0 else f"within {self.config.timeout:g} s"
            is_connected = self.connection.transport is not None
            raise no_answer(stage, f"no {awaited} {time_given}", is_connected) from None
        except OSError as error:
            text = f"no {awaited}: {describe_os_error(error)}"
            raise MailboxFailure(ErrorType.CONNECTION, stage, text, cause=cause_of_os_error(error)) from None
