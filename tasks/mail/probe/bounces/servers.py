"""Which server refused a message and which one says so, from what a notice says in plain text: pure."""

from __future__ import annotations

import re
from email.message import Message
from email.utils import parseaddr

from tasks.mail.model.safe_text import one_line
from tasks.mail.probe.match import LONGEST_VALUE, decoded

NAME = r"(?:[A-Za-z0-9_-]{1,63}\.){1,10}[A-Za-z][A-Za-z0-9-]{1,62}"
ADDRESS = r"\d{1,3}(?:\.\d{1,3}){3}|\[[0-9A-Fa-f.:]{2,45}\]|\[IPv6:[0-9A-Fa-f.:]{2,45}\]"
HOST = rf"((?:{NAME}|{ADDRESS}))\.?"

# Who refused, or could not be reached.
REMOTE = (
    rf"(?:^[ \t]{{0,40}}|[>:;,] |\bRCPT )host:? {HOST}",  # Exim, Postfix, GMX
    rf"\bwhile talking to {HOST}",  # Sendmail
    rf"<{HOST} #",  # Exchange
    rf"\bby the server for the recipient domain \S{{1,250}} by {HOST}",  # Gmail
    rf"\b{HOST} (?:\[\S{{1,50}}\] )?(?:gave this error|rejected your message|does not like (?:recipient|sender)"
    rf"|failed after I sent|said:|responded:|returned)",
    rf"\bgiving up on {HOST}",  # qmail
    rf"\b(?:connect to|connected to|connection to|refused by|reset by|timed out with|lost connection with"
    rf"|conversation with) {HOST}",
    rf"\b(?:smtp|remote|receiving|destination|mail) (?:e?mail )?(?:server|host|mta|system):? [<(\[]?{HOST}",
    rf"^[ \t]*Remote-MTA: ?(?:dns;)? ?{HOST}",
)
# Who writes.
REPORTING = (
    rf"\bgenerating server: {HOST}",  # Exchange
    rf"\b(?:system|program|agent(?: v\S{{1,20}})?|mailer-daemon|server|postfix|daemon) (?:is )?(?:running )?(?:at"
    rf"|on)(?: host)? {HOST}",
    rf"^[ \t]*Reporting-MTA: ?(?:dns;|dsn;)? ?{HOST}",
)


def remote(text: str) -> str:
    return _first(REMOTES, text)


def reporting(text: str, message: Message) -> str:
    """The server that it names as its own, or else the domain that it comes from."""
    sender = parseaddr(decoded(message.get("From"))[:LONGEST_VALUE])[1]
    return _first(REPORTINGS, text) or one_line(sender.partition("@")[2])


def _first(patterns: tuple[re.Pattern[str], ...], text: str) -> str:
    found = next(filter(None, (pattern.search(text) for pattern in patterns)), None)
    return one_line(found[1]) if found else ""


def _compiled(patterns: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern, re.IGNORECASE | re.MULTILINE | re.ASCII) for pattern in patterns)


REMOTES, REPORTINGS = _compiled(REMOTE), _compiled(REPORTING)
