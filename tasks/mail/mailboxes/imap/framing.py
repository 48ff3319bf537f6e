"""Cuts the octets of an IMAP server into responses to commands, and refuses what no honest server sends."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from aioimaplib.aioimaplib import Command as AioimaplibCommand

from tasks.mail.mailboxes.imap.responses import Response
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import MailboxFailure

_OTHERS = ((re.compile(rb"[245]\d\d[ -]"), "an SMTP"), (re.compile(rb"\+OK"), "a POP3"))
MAX_LINE_OCTETS = MAX_LITERAL_OCTETS = 2**20
MAX_RESPONSES = 200_000  # to one command; a folder of 100,000 messages that is emptied sends that many EXPUNGEs
MAX_REPLY_OCTETS = 32 * 2**20  # to one command; the headers of a batch of messages may be 13 MB

_LITERAL = re.compile(rb"\{(\d{1,20})\}$")
_STATUS = re.compile(rb"\* (?:OK|NO|BAD|BYE|PREAUTH)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one command: OK, NO or BAD (of a greeting: OK, PREAUTH or BYE), its text, what came before it."""

    status: str
    text: bytes
    responses: Sequence[Response] = ()


class Command(AioimaplibCommand):  # type: ignore[misc]  # aioimaplib has no type information
    """Waits for its end; `append_to_resp` takes what comes before that."""

    @property
    def reply(self) -> Reply:
        """How it ended. For a command that has."""
        status, lines = self.response
        return Reply(status, lines[-1], lines[:-1])

    def end(self, line: bytes, statuses: Collection[bytes]) -> bool:
        """End with a line of status and text; False, and nothing is changed, where its status is none of these."""
        status, _, text = line.partition(b" ")
        if status.upper() not in statuses:
            return False
        self.close(text, result=status.decode().upper())
        return True

    def fail(self, failure: MailboxFailure) -> None:
        """The connection is over: what waits for it gets the failure."""
        self._exception = failure
        self._event.set()
        self._resp_lines.clear()  # the traceback of the error keeps the command, and with it all that was sent


class NotImapError(Exception):
    """The server sent something that IMAP does not know, or too much of it. `wrong_port`: it is another kind of one."""

    def __init__(self, text: str, wrong_port: bool = False) -> None:
        super().__init__(text)
        self.wrong_port = wrong_port
        self.cause = Cause.TLS_MODE if wrong_port else None


def not_a_greeting(line: bytes, words: str) -> NotImapError:
    """The error of a first line that is no greeting of IMAP: `words` are what it says."""
    if (other := next((name for pattern, name in _OTHERS if pattern.match(line)), None)) is None:
        return NotImapError(f"the server does not greet in IMAP: {words}")
    return NotImapError(f"it is {other} server that answers on this port, and no IMAP server: {words}", True)


class ResponseReader:
    """Holds what has arrived and is not a complete response yet."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0  # octets of the buffer known to hold no end of line
        self._parts: list[bytes] = []
        self._literal: int | None = None
        self._responses = self._octets = 0

    def begin_command(self) -> None:
        """Count anew."""
        self._responses = self._octets = 0

    def feed(self, data: bytes) -> None:
        self._octets += len(data)
        if self._octets > MAX_REPLY_OCTETS:
            raise NotImapError(f"the server sent more than {MAX_REPLY_OCTETS} octets for one command")
        self._buffer += data

    def rest(self) -> bool:
        """Whether anything is left that is not a complete response."""
        return bool(self._buffer or self._parts)

    def next(self) -> Response | None:
        """The next complete response."""
        while True:
            if self._literal is not None:
                if len(self._buffer) < self._literal:
                    return None
                self._parts.append(self._take(self._literal))
                self._literal = None
            end = self._buffer.find(b"\n", self._searched)
            if (len(self._buffer) if end < 0 else end) > MAX_LINE_OCTETS:
                raise NotImapError(f"the server sent a line of more than {MAX_LINE_OCTETS} octets")
            if end < 0:
                self._searched = len(self._buffer)
                return None
            self._searched = 0
            self._parts.append(self._take(end + 1).removesuffix(b"\n").removesuffix(b"\r"))
            self._literal = self._announced()
            if self._literal is None:
                return self._complete()
            if self._literal > MAX_LITERAL_OCTETS:
                raise NotImapError(f"the server announced a literal of {self._literal} octets")

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _announced(self) -> int | None:
        """The size of the literal that the last line announces. Only data has any: a status may end in anything."""
        if not self._parts[0].startswith(b"* ") or _STATUS.match(self._parts[0]):
            return None
        mark = _LITERAL.search(self._parts[-1])
        return int(mark[1]) if mark else None

    def _complete(self) -> Response:
        self._responses += 1
        if self._responses > MAX_RESPONSES:
            raise NotImapError(f"the server sent more than {MAX_RESPONSES} lines for one command")
        response, self._parts = tuple(self._parts), []
        return response
