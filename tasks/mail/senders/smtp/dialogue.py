"""The SMTP leg: one dialogue with the relay, timed by stage."""

import asyncio
import logging
import ssl
from types import MappingProxyType

from aiosmtplib import SMTPAuthenticationError, SMTPException

from tasks.mail.auth.credentials import credentials_of, token_for
from tasks.mail.auth.exchange import ExchangeError
from tasks.mail.auth.sasl import choose, not_offered
from tasks.mail.auth.tokens.access import Token
from tasks.mail.config.loop import SenderSection
from tasks.mail.config.secrets import redactor
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import SendFailure, TokenFailure, enhanced_code
from tasks.mail.model.facts import Receipt
from tasks.mail.model.journey_record import TlsRecord
from tasks.mail.model.moment import Moment
from tasks.mail.model.outcome import ErrorType
from tasks.mail.model.safe_text import one_line, unlinked
from tasks.mail.net.connect import connect, own_name, resolve
from tasks.mail.net.stages import Stages
from tasks.mail.net.tls import UnusableFile, context_of, greeted
from tasks.mail.probe.compose import Probe
from tasks.mail.senders.smtp.connection import SmtpConnection
from tasks.mail.senders.smtp.replies import NotOffered, failure, queue_id, refuses_token

_QUIT_SECONDS = 2.0  # the message is accepted by then: not worth waiting for

log = logging.getLogger(__name__)


class SmtpSender:
    """A Sender: one dialogue with the relay."""

    def __init__(self, smtp: SenderSection) -> None:
        self._smtp = smtp
        self._stages = Stages("smtp", smtp.timeout)
        self._redact = redactor(smtp)  # whatever the relay repeats
        self._tls: TlsRecord | None = None
        self._client = self._new_client()

    def _new_client(self) -> SmtpConnection:
        smtp = self._smtp
        # Each stage has its own bound; without a longer one here, asyncio's for a handshake would be 60 s.
        return SmtpConnection(smtp.host, smtp.ehlo_name or own_name(), timeout=2 * smtp.timeout)

    async def send(self, probe: Probe, started: Moment) -> Receipt:
        """Hand the probe to the relay in one SMTP dialogue.

        A connection that dies or falls silent after the body went out is not a failure but a receipt that is not
        `certain`: the message may have been accepted.
        """
        try:
            return self._receipt(probe, started, await self._run(probe))
        except SendFailure:
            raise
        except Exception as error:
            found = self._failed(error)
            # Only a 4yz or 5yz reply says for certain that a body was not accepted.
            if self._client.body_may_be_out and (found.code is None or found.code < 400):
                return self._receipt(probe, started, found.text, doubt=found)
            found.stages = dict(self._stages.seconds)
            found.body_out = self._client.body_may_be_out
        finally:
            self._client.close()
        raise found  # outside the except clause: the frames of its context would hold the password

    async def log_in(self) -> None:
        """Connect, log in and say good-bye. Raises SendFailure."""
        try:
            await self._enter()
            return await self._quit("the login")
        except SendFailure:
            raise
        except Exception as error:
            found = self._failed(error)
        finally:
            self._client.close()
        raise found

    def _failed(self, error: Exception) -> SendFailure:
        """What an error of the stage that is going on means."""
        stage = self._stages.current
        is_connected = self._client.line is not None or stage not in ("dns", "connect")
        found = failure(stage, error, self._smtp.host, self._smtp.timeout, self._redact, is_connected)
        if found.error_type is ErrorType.UNEXPECTED:
            log.error("The SMTP leg failed in a way that it should not.\n%s", self._redact.traceback_of(error))
        return found

    async def _run(self, probe: Probe) -> str:
        """The whole dialogue; returns the text of the reply to the final dot."""
        await self._enter()
        encoding = "utf-8" if probe.needs_smtputf8 else "ascii"
        async with self._stages("mail"):
            await self._client.mail(probe.envelope_from, options=self._mail_options(probe), encoding=encoding)
        async with self._stages("rcpt"):
            await self._client.rcpt(probe.to_addr, encoding=encoding)
        async with self._stages("data"):
            self._client.begin_data()
            response = await self._client.data(probe.content)
        await self._quit("the message was accepted")
        return response.message

    async def _enter(self) -> None:
        """Connect and log in; a token that is refused is replaced once."""
        token = await self._token()
        try:
            await self._log_in(token)
        except SMTPAuthenticationError as error:
            if token is None or not refuses_token(error):
                raise
            await self._log_in_afresh(token, error)

    async def _log_in_afresh(self, refused: Token, refusal: SMTPAuthenticationError) -> None:
        """With a fresh token. Whatever keeps us from the login then, the refusal stands: it is not temporary."""
        try:
            fresh = await self._token(refused)
            self._client.close()
            self._client = self._new_client()  # many a server ends the connection
            await self._log_in(fresh)
        except SMTPAuthenticationError:
            raise
        except (SMTPException, OSError, TokenFailure, ExchangeError) as error:
            log.info("No second login after a refused token: %s", unlinked(self._redact.line(str(error))))
            self._stages.current = "auth"
            raise refusal from None

    async def _token(self, refused: Token | None = None) -> Token | None:
        if self._smtp.oauth is None:
            return None
        async with self._stages("token"):
            return await token_for(self._smtp, refused)

    async def _log_in(self, token: Token | None) -> None:
        """Connect, with TLS as configured, and log in where that is configured, too."""
        context = None if self._smtp.tls == "none" else self._tls_context()
        await self._connect(context if self._smtp.tls == "implicit" else None)
        async with self._stages("ehlo"):
            await self._client.ehlo()
        if self._smtp.tls == "starttls":
            await self._starttls(context)
        self._tls = self._client.tls_session()
        if self._smtp.username is not None:
            async with self._stages("auth"):
                await self._authenticate(token)

    def _tls_context(self) -> ssl.SSLContext:
        try:
            return context_of(self._smtp)
        except UnusableFile as error:
            raise SendFailure(ErrorType.TLS, "tls", str(error), cause=error.cause) from None

    async def _connect(self, context: ssl.SSLContext | None) -> None:
        async with self._stages("dns"):
            addresses = await resolve(self._smtp.host, self._smtp.port)
        async with self._stages("connect"):
            sock = await connect(addresses)
        if context is not None:
            async with self._stages("tls"):
                await self._client.open(sock, context)
        async with self._stages("connect"):
            if context is None:
                await self._client.open(sock, None)
                await greeted(self._client.greeting(), self._smtp.port, addresses)
            else:
                await self._client.greeting()

    async def _starttls(self, context: ssl.SSLContext | None) -> None:
        async with self._stages("tls"):
            if not self._client.supports_extension("starttls"):
                text = f"{self._smtp.host} does not offer STARTTLS on port {self._smtp.port}"
                raise NotOffered(text, Cause.TLS_MODE)
            await self._client.starttls(tls_context=context, server_hostname=self._smtp.host)
        async with self._stages("ehlo"):
            await self._client.ehlo()

    async def _authenticate(self, token: Token | None) -> None:
        """One mechanism, one attempt: `SMTP.login` would try them all in turn, each a failed login to the server."""
        offered = {method.upper() for method in self._client.server_auth_methods}
        credentials = credentials_of(self._smtp, token, in_clear=self._tls is None)
        exchange = choose(offered, credentials)
        if exchange is not None:
            await self._client.authenticate(exchange)
            return
        in_clear = not offered and self._tls is None and self._client.supports_extension("starttls")
        text = f"the relay offers {not_offered(offered, credentials)}"
        raise NotOffered(text, Cause.TLS_REQUIRED if in_clear else Cause.LOGIN_METHOD)

    def _mail_options(self, probe: Probe) -> list[str]:
        options = [f"SIZE={len(probe.content)}"] if self._client.supports_extension("size") else []
        if not probe.needs_smtputf8:
            return options
        if not self._client.supports_extension("smtputf8"):
            raise NotOffered("the relay does not offer SMTPUTF8, which an address with a non-ASCII local part needs")
        return [*options, "SMTPUTF8"]

    async def _quit(self, after: str) -> None:
        """Say good-bye; whatever becomes of it, what was to be done is done."""
        try:
            async with asyncio.timeout(_QUIT_SECONDS):
                await self._client.quit()
        except (SMTPException, OSError, TimeoutError) as error:
            log.info("QUIT failed after %s: %s", after, unlinked(self._redact.line(str(error))))

    def _receipt(self, probe: Probe, started: Moment, response: str, doubt: SendFailure | None = None) -> Receipt:
        response = self._redact.text(response)
        return Receipt(
            probe_id=probe.id,
            token=probe.token,
            started=started,
            accepted=self._stages.ended,
            code=None if doubt else 250,
            response=one_line(response),
            enhanced_code=enhanced_code(response),
            queue_id=None if doubt else queue_id(response),
            stages=MappingProxyType(dict(self._stages.seconds)),
            doubt=doubt,
            tls=self._tls,
        )
