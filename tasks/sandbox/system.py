"""A whole mail system in one process: what is sent to its SMTP port is found on its IMAP port."""

import asyncio
import ssl
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import trustme

from tasks.sandbox.bearer import Tokens
from tasks.sandbox.bounce import bounce
from tasks.sandbox.endpoint import PATH, endpoint
from tasks.sandbox.imap import ImapServer, StoredMessage
from tasks.sandbox.smtp import HOST_NAME, Script, SmtpHandler, SmtpServer


class Sandbox:
    """SMTP submission and IMAP mailboxes for `users` (name and password), on loopback, from `async with` to its end.

    `smtp_port` and `imap_port` speak plain text with STARTTLS, `smtps_port` and `imaps_port` implicit TLS, under
    certificates for localhost and 127.0.0.1 from an authority of its own, `ca_file`. With `tls=False` everything is in
    clear and the two TLS ports are 0. Mail for `name@anything` lands in the mailbox `name`. A client must authenticate
    before it sends, unless `auth` is false; it can do so in clear only where there is no TLS.

    With `tokens` there is an endpoint as well, `token_url`, that hands out tokens (OAuth 2, client credentials) to who
    shows the name and the password of a user as those of an application, and both servers take them.
    """

    def __init__(
        self,
        users: Mapping[str, str],
        script: Script | None = None,
        *,
        tls: bool = True,
        auth: bool = True,
        tokens: bool = False,
        host: str = "127.0.0.1",
        smtp_port: int = 0,
        imap_port: int = 0,
        ca_dir: Path | None = None,
    ) -> None:
        self.users = dict(users)
        self.host = "localhost" if host == "127.0.0.1" else host
        self.smtp_port = smtp_port
        self.smtps_port = 0
        self.imap_port = imap_port
        self.imaps_port = 0
        self.ca_file = ""
        self.token_url = ""
        self._address = host
        self._tls = tls
        self._auth = auth
        self._ca_dir = ca_dir
        self._script = script or Script()
        self._tokens = Tokens(self.users) if tokens else None
        self._smtp_handler = SmtpHandler(self.users, self._script, self._accept, self._tokens)
        self._stack = AsyncExitStack()
        self._deliveries: set[asyncio.Task[None]] = set()

    @property
    def commands(self) -> list[str]:
        """The SMTP commands seen, oldest first, as verb and arguments; of AUTH the mechanism only."""
        return self._smtp_handler.commands

    def play(self, script: Script) -> None:
        """Replace the script, from now on."""
        self._script = script
        self._smtp_handler.play(script)

    async def deliver(self, user: str, raw: bytes, folder: str = "INBOX") -> int:
        """Put a message straight into a mailbox; returns its UID. A folder that does not exist is created."""
        return await self._imap.append(user, folder, raw)

    async def folder(self, user: str, name: str = "INBOX") -> list[StoredMessage]:
        """The messages of a folder, in the order of their arrival."""
        return await self._imap.messages(user, name)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            context = self._make_certificates(stack)
            self._imap = ImapServer(context, self._tokens)
            stack.push_async_callback(self._imap.close)
            await self._imap.add_users(self.users)
            smtp = SmtpServer(self._smtp_handler, context, self._auth)
            stack.push_async_callback(self._cancel_deliveries)
            stack.push_async_callback(smtp.close)
            self.smtp_port = await smtp.listen(self._address, self.smtp_port)
            self.imap_port = await self._imap.listen(self._address, self.imap_port)
            if context:
                self.smtps_port = await smtp.listen(self._address, implicit=True)
                self.imaps_port = await self._imap.listen(self._address, implicit=True)
            if self._tokens:
                port = stack.enter_context(endpoint(self._tokens, self._address))
                self.token_url = f"http://{self.host}:{port}{PATH}"
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def _make_certificates(self, stack: AsyncExitStack) -> ssl.SSLContext | None:
        if not self._tls:
            return None
        authority = trustme.CA(organization_name="Mail Loop Check sandbox")
        folder = self._ca_dir or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mail-loop-sandbox-")))
        path = folder / "ca.pem"
        authority.cert_pem.write_to_path(path)
        stack.callback(path.unlink, missing_ok=True)  # its key is gone with us, so nothing can use it any more
        self.ca_file = str(path)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(*dict.fromkeys(("localhost", "127.0.0.1", self._address))).configure_cert(context)
        return context

    async def _accept(self, user: str, raw: bytes) -> None:
        """Deliver what SMTP has accepted, as the script says."""
        script = self._script
        if not script.delay:
            await self._file(user, raw, script)
            return
        task = asyncio.create_task(self._file(user, raw, script))
        self._deliveries.add(task)
        task.add_done_callback(self._deliveries.discard)

    async def _file(self, user: str, raw: bytes, script: Script) -> None:
        await asyncio.sleep(script.delay)
        if script.bounces:
            raw = bounce(raw, f"{user}@{HOST_NAME}")
        if script.deliver_to is not None:
            for _ in range(script.copies):
                await self.deliver(user, raw, script.deliver_to)

    async def _cancel_deliveries(self) -> None:
        tasks = list(self._deliveries)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
