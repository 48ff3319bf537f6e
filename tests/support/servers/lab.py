"""The whole laboratory: a relay, an edge, mailboxes and greylisting, as private servers on loopback.

    we -> relay (Postfix, SASL) -> edge (Postfix) -> Dovecot (LMTP, Sieve, IMAP)

Every test takes a fresh user with an empty mailbox of its own. What happens to a mail is said by its address:

| address                        | what happens                                                               |
|--------------------------------|----------------------------------------------------------------------------|
| user.address                   | delivered to INBOX                                                         |
| user.plus("refused")           | relay: 550 at RCPT                                                         |
| user.plus("deferred")          | relay: 450 at RCPT, every time                                             |
| user.plus("unwanted")          | relay: 554 after DATA                                                      |
| user.plus("busy")              | relay: 451 after DATA, every time                                          |
| user.plus("unknown")           | edge: 550, so the relay sends a bounce to the envelope sender              |
| user.plus("twice")             | two copies in INBOX                                                        |
| user.plus("junk")              | Sieve files it into Junk (SPECIAL-USE \\Junk)                              |
| user.plus("junk-copy")         | one copy in Junk, one in INBOX                                             |
| user.plus("misfiled")          | Sieve files it into MISFILED, a name with a blank and a non-ASCII letter   |
| user.plus("discard")           | accepted, then gone                                                        |
| user.plus("rejected")          | Sieve rejects it: a receipt that says so to the envelope sender (RFC 5429) |
| user.plus("spam")              | edge: X-Spam-Status added, and Sieve files it into Junk for that           |
| user.plus("forward")           | two copies in INBOX, the second by way of another server                   |
| user.greylisted                | edge: greylisted, so the relay tries again; delivered to INBOX             |
| user.by("strict")              | the same, for longer                                                       |
| user.by("judged")              | edge: SPF, DKIM and DMARC are judged, and stated in the header             |
| user.by("footer")              | a gateway between relay and edge adds a footer to the body                 |
| user.by("broken")              | the same, and then judged                                                  |
| user.by("stripped")            | a gateway removes all header fields that begin with X-                     |
| user.by("slow")                | a gateway keeps it for SLOW_SECONDS                                        |
| user.by("drifting")            | a gateway whose clock is slow by SKEW minutes                              |

Where it is handed in matters too: sent to relay.grey any of them is greylisted at RCPT by Postgrey; relay.quota asks
Dovecot whether the mailbox is full, and refuses it for good, relay.quota_later for now; relay.signing adds a DKIM
signature. A subject that holds [bad] is refused by the relay after DATA, one that holds [ugly] by the edge.

Not all of this is needed by every test: what `also` starts is down until then.
"""

from __future__ import annotations

import imaplib
import os
import secrets
import shutil
import ssl
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from imapclient import imap_utf7

from tests.support.oauth.issuing import Client
from tests.support.oauth.server import TokenServer, token_server
from tests.support.servers import LAB_NEEDS, require
from tests.support.servers.accounts import account
from tests.support.servers.certificates import issue_certificates, of_client
from tests.support.servers.dovecot import Dovecot
from tests.support.servers.exim import Exim
from tests.support.servers.hosts import Edge, Gateway, Relay
from tests.support.servers.judges import Dmarc, Signer, Verifier, publish
from tests.support.servers.postgrey import Postgrey
from tests.support.servers.processes import Endpoint, Guard, Ports, Server, render

DOMAIN = "inbox.test"
MISFILED = "Archive 2026/Büro"
GREY_DELAY = 2
STRICT_DELAY = 4
SKEW = -10  # minutes

Situation = Literal[
    "refused",
    "deferred",
    "unwanted",
    "busy",
    "unknown",
    "twice",
    "junk",
    "junk-copy",
    "misfiled",
    "discard",
    "rejected",
    "spam",
    "forward",
]
Tokens = Literal["introspection", "jwt"]
Way = Literal["grey", "strict", "judged", "footer", "broken", "stripped", "slow", "drifting"]


@dataclass(frozen=True)
class User:
    """Someone with a mailbox."""

    username: str
    password: str

    @property
    def address(self) -> str:
        return f"{self.username}@{DOMAIN}"

    @property
    def greylisted(self) -> str:
        """The same mailbox by way of the greylisting port of the edge."""
        return self.by("grey")

    def by(self, way: Way) -> str:
        """The same mailbox by another way."""
        return f"{self.username}@{way}.test"

    def plus(self, situation: Situation) -> str:
        return f"{self.username}+{situation}@{DOMAIN}"


class Lab:
    """All servers together, as a context manager that leaves neither process nor file behind."""

    tokens: TokenServer

    def __init__(self, tokens: Tokens | None = None) -> None:
        """With `tokens` there is a token server, `tokens`, and mailboxes and relay let in whoever has one of its own.

        They ask it, or look at the signature of the token; and one can log in by all other mechanisms as well.
        """
        require(*LAB_NEEDS)
        self._exit = ExitStack()
        self._looked_at = tokens
        self._exim: Exim | None = None
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _build(self) -> None:
        # Not pytest's tmp_path: other accounts have to reach it, and the path of a socket ends at 107 bytes.
        self.home = Path(tempfile.mkdtemp(prefix="lab-", dir="/tmp"))
        self.home.chmod(0o755)
        self._exit.callback(Guard(self.home).dismiss)
        self._exit.callback(shutil.rmtree, self.home)
        ports = self._ports = Ports()
        self._exit.callback(ports.release)
        # Nothing ever listens here.
        self.closed: Endpoint = ports.closed
        certs = self._folder("certificates")
        self.ca_file = issue_certificates(certs)
        by_token = None if self._looked_at is None else self._token_server(self._looked_at, ports.take())
        self.dovecot = Dovecot(self._folder("dovecot"), ports, certs, by_token)
        self.postgrey = Postgrey(self._folder("postgrey"), account("postgrey"), GREY_DELAY)
        self.strict = Postgrey(self._folder("strict"), account("postgrey"), STRICT_DELAY)
        ways = {"gateway": ports.take(), "drifting": ports.take()}
        self.edge = Edge(
            self._folder("edge"), ports, self.dovecot, self.postgrey, self.strict, self.home, ways["gateway"]
        )
        self.relay = Relay(self._folder("relay"), ports, self.edge, self.dovecot, self.postgrey, self.home, ways)
        self.gateway = Gateway(self._folder("gateway"), ways["gateway"], self.edge)
        self.drifting = Gateway(self._folder("drifting"), ways["drifting"], self.edge, skew=SKEW)
        key = publish(self.home)
        self.judges = (
            Signer(self._folder("signer"), key),
            Verifier(self._folder("verifier"), self.home),
            Dmarc(self._folder("dmarc"), self.home),
        )
        servers: list[Server] = [self.dovecot, self.postgrey, self.edge, self.relay]
        self.also(*servers)

    def _token_server(self, looked_at: Tokens, port: int) -> Callable[[Path], Path]:
        """Start it; returns what says to Dovecot how to look at tokens."""
        self.tokens = self._exit.enter_context(token_server(port=port))
        issuer, keys = self.tokens.issuer, self._folder("keys")
        issuer.as_jwt = looked_at == "jwt"
        issuer.write_key(keys)
        url = self.tokens.introspection_url
        return partial(render, f"oauth2-{looked_at}", introspection_url=url, keys=keys, issuer=issuer.name)

    def client(self, user: User) -> dict[str, str]:
        """The fields of `oauth` for an application that may read the mail of a user."""
        name, secret = f"app-{user.username}", secrets.token_urlsafe(24)
        self.tokens.issuer.clients[name] = Client(user.username, secret)
        return {"client_id": name, "client_secret": secret, "token_url": self.tokens.url, "scope": "mail"}

    def certificate(self, user: User) -> str:
        """A file with a certificate for a user, and its key."""
        return str(of_client(self.home / "certificates", user.username))

    def also(self, *servers: Server) -> None:
        """Start these too, unless they run already."""
        launched = [server for server in servers if not server.running]
        for server in launched:
            server.launch()
            self._exit.callback(server.stop)
        for server in launched:
            server.wait()

    def exim(self) -> Exim:
        """A relay of another make, which hands on to nobody; started at the first call."""
        if self._exim is None:
            self._exim = Exim(self._folder("exim"), self._ports, self.home / "certificates")
        self.also(self._exim)
        return self._exim

    def _folder(self, name: str) -> Path:
        folder = self.home / name
        folder.mkdir()
        return folder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop everything, and remove the folder."""
        self._exit.close()

    def fresh_user(self, prefix: str = "monitor", password: str | None = None, **settings: str) -> User:
        """A new user with an empty mailbox. The password may hold anything but NUL; `settings` are Dovecot's."""
        user = User(f"{prefix}-{secrets.token_hex(5)}", password or secrets.token_urlsafe(12))
        self.dovecot.add_user(user.username, user.password, settings)
        return user

    def ssl_context(self) -> ssl.SSLContext:
        """A client's context that trusts the laboratory's authority."""
        return ssl.create_default_context(cafile=str(self.ca_file))

    def imap(self, user: User) -> imaplib.IMAP4:
        """A connection to the user's mailbox, logged in."""
        client = imaplib.IMAP4(*self.dovecot.imap, timeout=30)
        try:
            # imaplib's login() cannot send a password that is not ASCII.
            client.authenticate("PLAIN", lambda _: f"\0{user.username}\0{user.password}".encode())
        except BaseException:
            client.shutdown()
            raise
        return client

    def mailbox(self, user: User, folder: str = "INBOX") -> list[EmailMessage]:
        """All messages in a folder, read without a trace; none where there is no such folder."""
        with self.imap(user) as client:
            if client.select(quoted(folder), readonly=True)[0] != "OK":
                return []
            rows = client.uid("FETCH", "1:*", "(BODY.PEEK[])")[1]
        raw = [row[1] for row in rows if isinstance(row, tuple)]
        return [message_from_bytes(text, policy=policy.default) for text in raw]

    def put(self, user: User, message: EmailMessage, folder: str = "INBOX", age: timedelta = timedelta()) -> None:
        """Lay a message into a folder, as if it had arrived `age` ago."""
        with self.imap(user) as client:
            client.create(quoted(folder))
            arrived = imaplib.Time2Internaldate(datetime.now(UTC) - age)
            answer = client.append(quoted(folder), "", arrived, message.as_bytes(policy=policy.SMTP))
        if answer[0] != "OK":
            raise RuntimeError(f"APPEND: {answer}")

    def fill(self, user: User, count: int, age: timedelta = timedelta(hours=1)) -> None:
        """Put many foreign messages into INBOX by way of the file system, one a second, the newest `age` old."""
        owner = self.dovecot.owner
        home = self.dovecot.mail / user.username
        for folder in (home, home / "cur", home / "new", home / "tmp"):
            folder.mkdir(exist_ok=True, mode=0o700)
            owner.own(folder)
        first = int(time.time() - age.total_seconds()) - count
        for second in range(first, first + count):
            path = home / "cur" / f"{second}.fill.lab:2,S"
            number = second - first
            path.write_bytes(
                b"From: someone@elsewhere.test\r\nTo: %s\r\nSubject: foreign message %d\r\n"
                b"Message-ID: <%d@elsewhere.test>\r\n\r\nNothing of interest.\r\n"
                % (user.address.encode(), number, number)
            )
            os.utime(path, (second, second))
            owner.own(path)


def quoted(folder: str) -> str:
    """A folder name as IMAP wants it on the wire."""
    name: bytes = imap_utf7.encode(folder)
    return '"' + name.decode("ascii").replace("\\", "\\\\").replace('"', '\\"') + '"'
