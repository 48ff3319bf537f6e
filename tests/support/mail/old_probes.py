"""Probes of earlier runs, put into a mailbox of a real server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage

from tasks.mail.config.loop import LoopConfig
from tasks.mail.probe.compose import compose
from tasks.mail.signing_key import key_in_state
from tests.support.servers.lab import Lab, User, quoted

DAY = timedelta(days=1)


def old_probe(config: LoopConfig, age: timedelta, **changes: str | None) -> EmailMessage:
    """A probe as an earlier run of the loop sent it, some of its fields changed or taken away."""
    probe = compose(config.name, config.smtp, datetime.now(UTC) - age, key=key_in_state())
    message = message_from_bytes(probe.content, policy=policy.SMTP)
    assert isinstance(message, EmailMessage)
    for name, value in changes.items():
        field = name.replace("_", "-")
        del message[field]
        if value is not None:
            message[field] = value
    return message


def put(lab: Lab, user: User, message: EmailMessage, age: timedelta, folder: str = "INBOX") -> None:
    lab.put(user, message, folder, age)


def flags(lab: Lab, user: User, folder: str = "INBOX") -> dict[int, str]:
    """All flags by UID, \\Recent among them, read without a trace."""
    with lab.imap(user) as client:
        client.select(quoted(folder), readonly=True)
        rows = client.uid("FETCH", "1:*", "(FLAGS)")[1]
    texts = [row.decode() for row in rows if isinstance(row, bytes)]
    return {int(text.split("UID ")[1].split()[0]): text.split("FLAGS ")[1].split(")")[0] for text in texts}


def read_by_its_owner(lab: Lab, user: User) -> None:
    """As a mail program opens the mailbox: no message is \\Recent from then on."""
    with lab.imap(user) as client:
        client.select("INBOX")


def foreign(number: int) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "someone@elsewhere.test"
    message["Subject"] = f"[mail-loop] foreign {number}"
    message["Message-ID"] = f"<{number}@elsewhere.test>"
    message.set_content("Nothing of interest.\n")
    return message
