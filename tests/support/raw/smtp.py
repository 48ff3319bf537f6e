"""A scripted SMTP server."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping, Sequence

from tests.support.raw.server import CLOSE, SILENCE, Action, Line, RawServer


class RawSmtp(RawServer):
    """Accepts everything that the script does not change. `messages` has what was sent up to the final dot.

    Phases: banner, ehlo, starttls, handshake, challenge and auth (the last reply), mail, rcpt, data, body (while it
    comes: what is said then is the last word), eod (after the dot), rset, quit. A scripted 220 to STARTTLS without a
    TLS context is followed by silence. `deliver` gets each message once it is complete, whatever is answered then.
    """

    phases = frozenset(
        {
            "banner",
            "ehlo",
            "starttls",
            "handshake",
            "challenge",
            "auth",
            "mail",
            "rcpt",
            "data",
            "body",
            "eod",
            "rset",
            "quit",
        }
    )

    def __init__(
        self,
        script: Mapping[str, Action | Sequence[Action]] | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        implicit: bool = False,
        extensions: Sequence[str] = ("8BITMIME", "ENHANCEDSTATUSCODES", "SIZE 10240000", "AUTH PLAIN LOGIN CRAM-MD5"),
    ) -> None:
        super().__init__(script, tls=tls, implicit=implicit)
        self.extensions = extensions
        self.longest = 0  # characters of a command
        self.messages: list[bytes] = []
        self.deliver: Callable[[bytes], object] = lambda message: None

    async def say(self, unasked: bytes) -> None:
        """Write to every open connection, whatever is going on there."""
        for line in self._lines.values():
            await line.write(unasked)

    async def converse(self, line: Line) -> None:
        await self.reply(line, "banner", b"220 raw.test ESMTP\r\n")
        while True:
            command = (await line.read()).decode("utf-8", "replace")
            self.longest = max(self.longest, len(command))
            verb, _, argument = command.partition(" ")
            verb = verb.upper()
            self.log.append(f"AUTH {argument.split(' ')[0]} ***" if verb == "AUTH" else command)
            if not line.encrypted:
                self.in_clear.add(verb)
            match verb:
                case "EHLO" | "HELO":
                    await self.reply(line, "ehlo", self._greeting(line))
                case "STARTTLS":
                    await self._starttls(line)
                case "AUTH":
                    await self._authenticate(line, argument)
                case "MAIL":
                    await self.reply(line, "mail", b"250 2.1.0 Ok\r\n")
                case "RCPT":
                    await self.reply(line, "rcpt", b"250 2.1.5 Ok\r\n")
                case "DATA":
                    if (await self.reply(line, "data", b"354 End data with <CR><LF>.<CR><LF>\r\n")).startswith(b"354"):
                        await self._take_message(line)
                case "RSET":
                    await self.reply(line, "rset", b"250 2.0.0 Ok\r\n")
                case "QUIT":
                    await self.reply(line, "quit", b"221 2.0.0 Bye\r\n")
                    return
                case _:
                    await line.write(b"502 5.5.2 Command not recognized\r\n")

    def _greeting(self, line: Line) -> bytes:
        extensions = list(self.extensions)
        if self.tls and not line.encrypted:
            extensions.insert(0, "STARTTLS")
        lines = ["raw.test", *extensions]
        return "".join(f"250-{text}\r\n" for text in lines[:-1]).encode() + f"250 {lines[-1]}\r\n".encode()

    async def _starttls(self, line: Line) -> None:
        default = b"220 2.0.0 Ready to start TLS\r\n" if self.tls else b"502 5.5.1 Not offered\r\n"
        if (await self.reply(line, "starttls", default)).startswith(b"220"):
            if self.tls is None:
                await line.suffer(SILENCE)
            else:
                await self.secure(line, self.tls)

    async def _authenticate(self, line: Line, argument: str) -> None:
        mechanism, _, initial = argument.partition(" ")

        async def ask(challenge: bytes) -> bytes:
            await self.reply(line, "challenge", b"334 " + challenge + b"\r\n")
            return await line.read()

        good = await self.logins.take(mechanism.upper(), initial or None, ask)
        default = b"501 5.7.0 Cancelled\r\n" if good is None else b"535 5.7.8 Authentication failed\r\n"
        await self.reply(line, "auth", b"235 2.7.0 Authentication successful\r\n" if good else default)

    async def _take_message(self, line: Line) -> None:
        lines = []
        while (text := await line.read()) != b".":
            lines.append(text.removeprefix(b".") + b"\r\n")
            if len(lines) == 1 and await self.reply(line, "body", b""):
                # Closed with something unread it would be a reset, and that may overtake what was said.
                while await line.read() != b".":
                    pass
                await line.suffer(CLOSE)
        self.messages.append(b"".join(lines))
        self.deliver(self.messages[-1])
        number = len(self.messages)
        await self.reply(line, "eod", f"250 2.0.0 Ok: queued as RAW{number:04}\r\n".encode())
