"""One command on a connection, and how it ends: with the server's reply, or with the failure of the connection."""

from collections.abc import Collection

from aioimaplib.aioimaplib import Command as AioimaplibCommand

from tasks.mail.mailboxes.imap.framing import Reply
from tasks.mail.model.errors import MailboxFailure


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
        """The connection is over: whoever waits gets the failure."""
        self._exception = failure
        self._event.set()
        self._resp_lines.clear()  # the traceback of the error keeps the command, and with it all that was sent
