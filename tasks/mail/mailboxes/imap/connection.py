"""A hardened layer over aioimaplib's protocol: one command at a time, and nothing a server does makes it hang or grow.

Of aioimaplib remain its commands, tags and place in the event loop. Each override below says what it puts right; their
names are internals of aioimaplib, so its version is pinned.
"""

import asyncio
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from aioimaplib.aioimaplib import IMAP4ClientProtocol

from tasks.mail.auth.exchange import CANCEL
from tasks.mail.mailboxes.failures import how_lost, of_bye, of_tls
from tasks.mail.mailboxes.imap.framing import Command, NotImapError, Reply, ResponseReader, not_a_greeting
from tasks.mail.mailboxes.imap.responses import Response, message_count, readable, response_code
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import MailboxFailure
from tasks.mail.model.outcome import ErrorType
from tasks.mail.model.redaction.redactor import NOTHING
from tasks.mail.net.tls import describe_tls_error

Answer = Callable[[str], bytes | None]  # to a challenge; None: nothing is sent


class ImapConnection(IMAP4ClientProtocol):  # type: ignore[misc]  # aioimaplib has no type information
    """One connection. Once it is over every command raises the MailboxFailure that says why; it never comes back.

    `stage` is where such a failure is said to have happened; the owner keeps it up to date.
    """

    def __init__(self, host: str, tls_first: bool) -> None:
        super().__init__(asyncio.get_running_loop())
        self.transport: Any = None  # an asyncio.Transport once there is a connection
        self.host = host
        self._begun = self.loop.time()
        self.stage = "connect"
        self.exists = 0  # messages in the selected folder
        self.came = 0  # messages that the server has announced, in whatever folder
        self.news = False  # the server has said how many there are since the owner last looked
        self.counted: Callable[[int, str], None] = lambda number, kind: None  # called for each EXISTS and EXPUNGE
        self.closed = asyncio.Event()
        self.redact = NOTHING
        self._deaf = tls_first  # whatever arrives before the handshake is not the server's word
        self._end: MailboxFailure | None = None
        self._bye: bytes | None = None
        self._reader = ResponseReader()
        self._stirred = asyncio.Event()  # ends the wait of IDLE
        self._answer: Answer | None = None
        self._greeting = Command("GREETING", "*", loop=self.loop)
        self.pending_sync_command: Any = self._greeting  # a Command, or None

    @property
    def alive(self) -> bool:
        return self._end is None

    @property
    def busy(self) -> bool:
        return self.pending_sync_command is not None

    async def greeting(self) -> Reply:
        """What the server says first."""
        with self._paired():
            await self._greeting.wait()
        return self._greeting.reply

    async def ask(self, name: str, *arguments: bytes, answer: Answer | None = None) -> Reply:
        """Send one command and wait for its end; `answer` makes what is sent when the server asks for more with `+`.

        The caller bounds it; given up, it takes the connection with it.
        """
        with self._paired():
            command = self._begin(name, *arguments, answer=answer)
            await command.wait()
        return command.reply

    async def idle(self, seconds: float, timeout: float) -> Reply:
        """IDLE until there is news or `seconds` are over. Upstream's never returns if the server drops or is silent."""
        with self._paired():
            self._idle_event.clear()
            self._stirred.clear()
            command = self._begin("IDLE")
            async with asyncio.timeout(timeout):
                await self._idle_event.wait()
            if self.pending_sync_command is command:
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await self._stirred.wait()
            if self.pending_sync_command is command:
                self.transport.write(b"DONE\r\n")
            async with asyncio.timeout(timeout):
                await command.wait()
        return command.reply

    def stir(self) -> None:
        """End the wait of IDLE, if there is one: there is another command."""
        self._stirred.set()

    async def start_tls(self, context: ssl.SSLContext, timeout: float) -> ssl.SSLObject:
        """The TLS handshake, which aioimaplib knows only as the first thing on a connection."""
        self._deaf = True
        with self._paired():
            if self._end is not None:
                raise self.failure()
            try:
                self.transport = await self.loop.start_tls(
                    self.transport, self, context, server_hostname=self.host, ssl_handshake_timeout=timeout + 1
                )
            except BaseException as error:
                self.closed.set()  # asyncio does not call connection_lost() here
                if not isinstance(error, OSError):
                    raise
                self.die(ErrorType.TLS, describe_tls_error(error, self.host), **of_tls(error))
                raise self.failure() from None
        self._deaf = False
        session: ssl.SSLObject = self.transport.get_extra_info("ssl_object")
        return session

    def die(self, error_type: ErrorType, text: str, **known: Any) -> None:
        """End the connection now, and fail the command that waits. What is `known`: see MailboxFailure."""
        if self._end is not None:
            return
        self._end = MailboxFailure(error_type, self.stage, text, **known)
        command, self.pending_sync_command = self.pending_sync_command, None
        if command is not None:
            command.fail(self.failure())
        self._reader = ResponseReader()
        self._idle_event.set()
        self._stirred.set()
        if self.transport is not None:
            self.transport.abort()

    def failure(self) -> MailboxFailure:
        """Why the connection is over, as an error of the present stage."""
        end = self._end or MailboxFailure(ErrorType.CONNECTION, self.stage, "the connection is closed")
        return end.at(self.stage)

    def words(self, text: bytes) -> str:
        """A server's words for people, without the password, should the server echo it."""
        return readable(text, redact=self.redact)

    def data_received(self, data: bytes) -> None:
        """Upstream logs all that it receives, recurses once per line, and takes any amount."""
        if self._end is not None:
            return
        if self._deaf:
            self.die(ErrorType.TLS, f"{self.host} sent data in clear where TLS should begin", cause=Cause.TLS_MODE)
            return
        try:
            self._reader.feed(data)
            while self._end is None and not self._deaf and (response := self._reader.next()) is not None:
                self._handle_response(response)
            if self._deaf and self._reader.rest():
                self.die(ErrorType.TLS, f"{self.host} sent more in clear behind its answer to STARTTLS")
        except NotImapError as error:
            self.die(ErrorType.MAILBOX, str(error), permanent=error.wrong_port, cause=error.cause)
        logging_out = self.busy and self.pending_sync_command.name == "LOGOUT"
        if self._bye is not None and not logging_out:  # not before the answers that came with it
            bye, _, words = response_code(self._bye)
            said = f"the server ended the connection: {self.words(words) or 'BYE'}"
            ended = of_bye(self.stage, bye, said, self.loop.time() - self._begun)
            self.die(text=said, code=bye and self.redact.text(bye), **ended)

    def connection_lost(self, error: Exception | None) -> None:
        """Upstream lets commands wait for a connection that is gone."""
        self.closed.set()
        if isinstance(error, ssl.SSLError):
            self.die(ErrorType.TLS, describe_tls_error(error, self.host), **of_tls(error))
        else:
            self.die(ErrorType.CONNECTION, how_lost(error, self.redact), cause=Cause.DROPPED)

    def _untagged_response(self, response: Response) -> None:
        """Upstream drops each "* " inside a line, and what it cannot attribute by name, such as EXISTS in a FETCH."""
        if response[0][:4].upper().rstrip() == b"BYE":
            self._bye = response[0][4:]
        elif (counted := message_count(response)) is not None:
            if counted[1] == "EXISTS":
                self.came += max(0, counted[0] - self.exists)
                self.exists = counted[0]
                self.news = True
                self._stirred.set()
            elif counted[1] == "EXPUNGE":
                self.exists = max(0, self.exists - 1)
            self.counted(*counted)
        if self.busy:
            self.pending_sync_command.append_to_resp(response)

    def _response_done(self, line: bytes) -> None:
        """Upstream takes `ok` for an unknown word, and does not stop listening after STARTTLS."""
        command = self.pending_sync_command
        if not command.end(line, (b"OK", b"NO", b"BAD")):
            raise NotImapError(f"the server sent a line that is not IMAP: {self.words(line)}")
        self._deaf = command.name == "STARTTLS" and command.reply.status == "OK"
        self.pending_sync_command = None
        self._idle_event.set()
        self._stirred.set()

    def _continuation(self, line: bytes) -> None:
        """Upstream never answers a challenge that it does not expect, so the server waits, and then so do we."""
        if self.busy and self.pending_sync_command.name == "IDLE":
            self._idle_event.set()
        elif self.busy and self._answer is not None:
            said = self._answer(line[1:].strip().decode("ascii", "replace"))
            if said is not None:
                self.transport.write(said + b"\r\n")
            if said == CANCEL:  # whatever is asked for after that
                self._answer = None

    def _begin(self, name: str, *arguments: bytes, answer: Answer | None = None) -> Command:
        """Send a command. Its arguments go to the transport only: a Command shows its own in its repr."""
        if self._end is not None:
            raise self.failure()
        if self.busy:
            raise RuntimeError(f"{self.pending_sync_command.name} is still running on this connection")
        command = Command(name, self.new_tag(), loop=self.loop)
        self.pending_sync_command = command
        self._answer = answer
        self._reader.begin_command()
        self.transport.write(b" ".join((command.tag.encode(), name.encode(), *arguments)) + b"\r\n")
        return command

    @contextmanager
    def _paired(self) -> Iterator[None]:
        """A command that is given up leaves its answer behind, and so ends the connection."""
        try:
            yield
        except BaseException:
            self.die(ErrorType.CONNECTION, "the connection is closed, for a command on it was given up")
            raise

    def _handle_response(self, response: Response) -> None:
        line, command = response[0], self.pending_sync_command
        if command is not None and command is self._greeting:
            if line[:2] != b"* " or not command.end(line[2:], (b"OK", b"PREAUTH", b"BYE")):
                raise not_a_greeting(line, self.words(line))
            self.pending_sync_command = None
        elif line.startswith(b"* "):
            self._untagged_response((line[2:], *response[1:]))
        elif line.startswith(b"+"):
            self._continuation(line)
        elif command is not None and line.startswith(command.tag.encode() + b" "):
            self._response_done(line.partition(b" ")[2])
        elif line:
            raise NotImapError(f"the server sent a line that is not IMAP: {self.words(line)}")
