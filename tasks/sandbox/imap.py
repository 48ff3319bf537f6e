"""The IMAP half of the sandbox: mailboxes in memory, on pymap."""

import asyncio
import ssl
from argparse import Namespace
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from proxyprotocol.sock import SocketInfoLocal
from pymap.backend.dict import Config, Identity, Login
from pymap.backend.dict.mailbox import MailboxData
from pymap.concurrent import Subsystem
from pymap.imap import IMAPServer
from pymap.parsing.message import AppendMessage
from pymap.parsing.specials import FetchRequirement
from pymap.user import Passwords, UserMetadata
from pysasl import SASLAuth
from pysasl.creds.server import ServerCredentials
from pysasl.hashing import BuiltinHash
from pysasl.identity import Identity as Known
from pysasl.mechanism import ChallengeResponse, ServerChallenge, ServerMechanism

from tasks.sandbox.bearer import ERRORS, Tokens

FOLDERS = ("Junk", "Sent", "Trash")
END_SECONDS = 5.0


class StoredMessage(NamedTuple):
    """One message as it lies in a folder."""

    uid: int
    raw: bytes
    flags: frozenset[str]


class _Shown(ServerCredentials):
    """A user whose token was shown; without a name one whose token is not good."""

    def __init__(self, user: str) -> None:
        self._user = user

    @property
    def authcid(self) -> str:
        return self._user

    @property
    def authzid(self) -> str:
        return self._user

    def verify(self, identity: Known | None) -> bool:
        return bool(self._user)


class _ByToken(ServerMechanism):
    """pysasl's own has no answer for a token that is not good."""

    __slots__ = ("_tokens",)

    def __init__(self, name: str, tokens: Tokens) -> None:
        super().__init__(name)
        self._tokens = tokens

    def server_attempt(self, responses: Sequence[ChallengeResponse]) -> tuple[ServerCredentials, bytes | None]:
        mechanism = self.name.decode()
        if not responses:
            raise ServerChallenge(b"")
        user = self._tokens.owner(mechanism, responses[0].response)
        if user is None and len(responses) == 1:
            raise ServerChallenge(ERRORS[mechanism])
        return _Shown(user or ""), None


class _Config(Config):
    tokens: Tokens | None = None

    @property
    def tls_auth(self) -> SASLAuth:
        by_password = SASLAuth.defaults()
        if self.tokens is None:
            return by_password
        return SASLAuth([*by_password.server_mechanisms, *(_ByToken(name, self.tokens) for name in ERRORS)])

    @property
    def greeting(self) -> bytes:
        return b"Sandbox ready"  # pymap asks the resolver for the name of the machine, which may take seconds


def _config(tls: ssl.SSLContext | None, tokens: Tokens | None, *, starttls: bool) -> Config:
    unset = dict.fromkeys(("host", "cert", "key", "passlib_cfg", "demo_user", "demo_password"))
    arguments = Namespace(**unset, port=0, debug=False, tls=starttls, proxy_protocol="noop", demo_data=False)
    config = _Config.from_args(
        arguments,
        ssl_context=tls,
        invalid_user_sleep=0.0,
        # The passwords live in this process only; pymap's default hash costs a tenth of a second and a thread.
        hash_context=BuiltinHash(hash_name="sha256", salt_len=8, rounds=1),
        cpu_subsystem=Subsystem.for_asyncio(),
    )
    config.tokens = tokens
    return config


async def end(writer: asyncio.StreamWriter) -> None:
    """Close a connection in good order, and cut it off where the peer takes no part in that.

    A transport that closes politely waits for its peer, with TLS for long, and would outlive the server.
    """
    transport = writer.transport
    writer.close()
    try:
        async with asyncio.timeout(END_SECONDS):
            await writer.wait_closed()
    except (OSError, TimeoutError):
        pass
    finally:
        transport.abort()


class ImapServer:
    """Listens with STARTTLS, and with implicit TLS where there is a TLS context."""

    def __init__(self, tls: ssl.SSLContext | None, tokens: Tokens | None = None) -> None:
        self._tls = tls
        config = _config(tls, tokens, starttls=tls is not None)
        config.apply_context()
        self._login = Login(config)
        self._starttls = IMAPServer(self._login, config)
        self._implicit = IMAPServer(self._login, _config(tls, tokens, starttls=False))
        self._servers: list[asyncio.Server] = []
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def add_users(self, users: Mapping[str, str]) -> None:
        config = self._login.config
        for name, password in users.items():
            hashed = await Passwords(config).hash_password(password)
            self._login.users_dict[name] = UserMetadata(config, name, password=hashed)
            for folder in FOLDERS:
                await self._mailbox(name, folder)

    async def listen(self, host: str, port: int = 0, *, implicit: bool = False) -> int:
        """Listen and return the port."""

        def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if not all(server.is_serving() for server in self._servers):  # accepted just before they were closed
                writer.transport.abort()
                return
            # Our own callback, not pymap's: that one keeps no reference to its task, which Python 3.13 then collects.
            task = asyncio.create_task(self._serve(reader, writer, implicit))
            self._connections[task] = writer
            task.add_done_callback(self._connections.pop)

        server = await asyncio.start_server(serve, host, port)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, implicit: bool) -> None:
        plain = writer.transport
        try:
            if implicit and self._tls:
                await writer.start_tls(self._tls)
            await (self._implicit if implicit else self._starttls)(reader, writer, SocketInfoLocal(writer))
        except (OSError, EOFError):
            pass  # the client has gone, or does not like our certificate
        except AttributeError:
            if writer.transport is not None:
                raise
        finally:
            if writer.transport is None:
                # What asyncio leaves behind when a client goes at the end of the handshake; not even close() works.
                writer._transport = plain
            await end(writer)

    async def append(self, user: str, folder: str, raw: bytes) -> int:
        """Put a message into a folder, which is created where it does not exist; returns the UID."""
        mailbox = await self._mailbox(user, folder)
        message = await mailbox.append(AppendMessage(raw, datetime.now(UTC), frozenset()), recent=True)
        return message.uid

    async def messages(self, user: str, folder: str) -> list[StoredMessage]:
        mailbox = await self._mailbox(user, folder)
        return [
            StoredMessage(
                message.uid,
                bytes((await message.load_content(FetchRequirement.CONTENT)).content),
                frozenset(str(flag) for flag in message.permanent_flags),
            )
            async for message in mailbox.messages()
        ]

    async def _mailbox(self, user: str, folder: str) -> MailboxData:
        async with Identity(user, self._login, None, frozenset()).new_session() as session:
            try:
                return await session.mailbox_set.get_mailbox(folder)
            except KeyError:
                await session.mailbox_set.add_mailbox(folder)
                return await session.mailbox_set.get_mailbox(folder)

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        # Cut, not cancelled: pymap ends a lost connection properly, but leaves a task behind if cancelled in IDLE.
        for writer in self._connections.values():
            if writer.transport is not None:
                writer.transport.abort()
        await asyncio.gather(*self._connections, return_exceptions=True)
