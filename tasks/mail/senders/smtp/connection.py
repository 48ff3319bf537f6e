"""A hardened layer over aiosmtplib: a command gets its own reply or none, and what was written is known.

Of aiosmtplib remain its commands, its parsing and its exceptions. Each override below says what it puts right; that
aiosmtplib itself reads and writes through them is not promised, so its version has an upper bound. Should it ever not
write through `Protocol.write`, every dialogue ends as out of step: nothing is reported as sent that was not.
"""

import asyncio
import socket
import ssl

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPConnectResponseError,
    SMTPException,
    SMTPResponse,
    SMTPServerDisconnected,
    SMTPStatus,
)
from aiosmtplib.protocol import SMTPProtocol

from tasks.mail.auth.exchange import CANCEL, Dialogue, Exchange
from tasks.mail.model.journey_record import TlsRecord
from tasks.mail.net.tls import tls_session

_DATA_COMMAND = b"DATA\r\n"
_LONGEST_ARGUMENTS = 512 - len(b"AUTH \r\n")  # RFC 5321, 4.5.3.1.4; it holds for AUTH as well (RFC 4954, 4)
_MAX_KEPT = 65536  # bytes; aiosmtplib refuses a reply of half that size, so what is longer is surplus anyway


class OutOfStep(SMTPException):
    """The relay has said more than it was asked, so that it is not certain which reply belongs to which command."""

    def __init__(self) -> None:
        super().__init__("the relay sent more than the one reply that was due")


class Protocol(SMTPProtocol):
    """One connection, in step: no command goes out before the one reply to the last one, and nothing else, is in.

    aiosmtplib keeps what comes behind a reply in the same packet, and takes it for the reply to the next command: a
    surplus 451 behind the 354 would have an accepted message sent again, a surplus 250 would hide the refusal of one.
    """

    def __init__(self, connection: "SmtpConnection") -> None:
        super().__init__(asyncio.get_running_loop(), connection_lost_callback=lambda _: connection.close())
        self.received = bytearray()  # since the last write
        self.in_data = False
        self.body_may_be_out = False

    def data_received(self, data: bytes) -> None:
        """Keep a record of our own: aiosmtplib's is private, and it drops what comes between two commands."""
        if len(self.received) < _MAX_KEPT:
            self.received += data
        super().data_received(data)

    async def read_response(self, timeout: float | None = None) -> SMTPResponse:
        """Refuse a reply that is not alone.

        A refusal is believed all the same (many a 421 follows a 554): after it nothing more is sent. After the body not
        even that is sure, as the surplus may be the true reply.
        """
        response = await super().read_response(timeout)
        if response.code < 400 or self.body_may_be_out:
            self._check_step()
        return response

    def write(self, data: bytes) -> None:
        """Write nothing when more has come than was asked for, and note whether the body was written.

        aiosmtplib sends DATA and the body in one step, so that it is to be seen nowhere else.
        """
        self._check_step()
        self.received.clear()
        # Noted before it is written, as a part may go out; without a connection nothing does.
        if self.in_data and self.is_connected and data != _DATA_COMMAND:
            self.body_may_be_out = True
        super().write(data)

    def _check_step(self) -> None:
        *lines, rest = bytes(self.received).split(b"\n")
        if rest or any(line[3:4] != b"-" for line in lines[:-1]):
            raise OutOfStep


class SmtpConnection(SMTP):
    """Connects in steps that can be timed one by one, and leaves no connection behind."""

    def __init__(self, host: str, ehlo_name: str, timeout: float) -> None:
        # Without start_tls=False a message would go out in clear where STARTTLS is not offered.
        super().__init__(hostname=host, local_hostname=ehlo_name, start_tls=False, timeout=timeout)
        self.line: Protocol | None = None  # outlives `protocol`, which ends with the connection

    async def open(self, sock: socket.socket, context: ssl.SSLContext | None) -> None:
        """Take over a connected socket; with `context`, do the handshake of implicit TLS.

        `SMTP.connect` would read the banner in the same step, so that the two could not be timed apart.
        """
        loop = asyncio.get_running_loop()
        # From here on the socket is asyncio's to close: closed by us, its number would be used again while the
        # transport of a TLS connection still watches it.
        self.transport, self.line = await loop.create_connection(
            lambda: Protocol(self),
            sock=sock,
            ssl=context,
            server_hostname=self.hostname if context else None,
            ssl_handshake_timeout=self.timeout if context else None,
        )
        self.protocol = self.line

    async def greeting(self) -> None:
        """Wait for the banner."""
        if self.line is None:
            raise SMTPServerDisconnected("not connected")
        response = await self.line.read_response(self.timeout)
        if response.code != SMTPStatus.ready:
            raise SMTPConnectResponseError(response.code, response.message)

    async def authenticate(self, exchange: Exchange) -> None:
        """Log in by one mechanism (RFC 4954). Raises SMTPAuthenticationError, or ExchangeError."""
        arguments, initial_sent = exchange.arguments(_LONGEST_ARGUMENTS)
        dialogue = Dialogue(exchange, initial_sent)
        response = await self.execute_command(b"AUTH", *arguments)
        said = b""
        while response.code == SMTPStatus.auth_continue and said != CANCEL:
            said = dialogue.answer(response.message)
            response = await self.execute_command(said)
        accepted = response.code == SMTPStatus.auth_successful
        dialogue.check(accepted)
        if not accepted:
            raise SMTPAuthenticationError(response.code, response.message)

    def tls_session(self) -> TlsRecord | None:
        """What was agreed on, None in clear."""
        tls = self.transport.get_extra_info("ssl_object") if self.transport is not None else None
        return tls_session(tls) if tls is not None else None

    def begin_data(self) -> None:
        """From now on, whatever is written that is not the DATA command is taken for the body."""
        if self.line is not None:
            self.line.in_data = True

    @property
    def body_may_be_out(self) -> bool:
        """True unless it is certain that nothing of the body was written."""
        return self.line is not None and self.line.body_may_be_out

    def close(self) -> None:
        """Say good-bye as TLS wants it, and drop the connection at once, whichever method of aiosmtplib closes it.

        A TLS transport that closes politely waits for its peer up to 30 s, with its file descriptor in use.
        """
        transport = self.transport
        super().close()
        if transport is not None:
            transport.abort()  # type: ignore[attr-defined]  # typed as a BaseTransport, is a Transport
