"""The two ways in which others look for a message, each at its best: on one connection, with nothing wasted.

A poller searches by subject every 5 seconds, as most do; the other one waits in IDLE, which none does, and searches
when it is woken. Both are plain blocking Python.
"""

from __future__ import annotations

import imaplib
import re
import secrets
import smtplib
import time
from collections.abc import Callable
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any

INTERVAL = 5.0  # seconds
FOUND = re.compile(rb"\d")


def polling(config: dict[str, Any]) -> float:
    """Send, then search by subject every 5 seconds; returns when it was found (wall clock)."""
    return _check(config, lambda client: time.sleep(INTERVAL))


def idling(config: dict[str, Any]) -> float:
    """Send, then search whenever the server says in IDLE that there is news."""
    return _check(config, _idle)


def _check(config: dict[str, Any], wait: Callable[[imaplib.IMAP4], None]) -> float:
    token = secrets.token_hex(8)
    _send(config["smtp"], token)
    with imaplib.IMAP4(config["imap"]["host"], config["imap"]["port"]) as client:
        client.login(config["imap"]["username"], config["imap"]["password"])
        client.select("INBOX")
        while not (hits := _search(client, token)):
            wait(client)
        found = time.time()
        client.uid("STORE", hits, "+FLAGS", r"(\Deleted)")
        client.expunge()
    return found


def _search(client: imaplib.IMAP4, token: str) -> str:
    client.noop()  # without it the answer would be a step old
    answer = client.uid("SEARCH", "SUBJECT", token)[1]
    return ",".join((answer[0] or b"").decode().split()) if answer else ""


def _idle(client: imaplib.IMAP4) -> None:
    client.send(b"IDLE1 IDLE\r\n")
    while b"EXISTS" not in client.readline():
        pass
    client.send(b"DONE\r\n")
    while not client.readline().startswith(b"IDLE1 "):
        pass


def _send(config: dict[str, Any], token: str) -> None:
    message = EmailMessage()
    message["From"], message["To"] = config["from_addr"], config["to_addr"]
    message["Subject"] = f"probe {token}"
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="inbox.test")
    message.set_content("A probe.\n")
    with smtplib.SMTP(config["host"], config["port"]) as client:
        client.login(config["username"], config["password"])
        client.send_message(message)
