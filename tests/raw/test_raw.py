"""What the scripted servers promise."""

from __future__ import annotations

import asyncio
import base64
import imaplib
import smtplib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support import certificates
from tests.support.raw.imap import RawImap
from tests.support.raw.mailbox import Message
from tests.support.raw.server import CLOSE, DEFAULT, DROP, SILENCE, Action, Fault, RawServer
from tests.support.raw.smtp import RawSmtp

MAIL = b"From: a@localhost\r\nSubject: one\r\n two\r\nX-Mail-Loop-Id: abc\r\n\r\n.body\r\n"
WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def trust(ca_file: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file)


class Client:
    """Writes lines and reads replies, without a will of its own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, line: str, until: str = "\r\n") -> str:
        """Send a line; the answer up to `until`."""
        self.writer.write(line.encode() + b"\r\n")
        return await self.hear(until)

    async def hear(self, until: str = "\r\n") -> str:
        return (await self.reader.readuntil(until.encode())).decode()


@asynccontextmanager
async def connected(server: RawServer, tls: ssl.SSLContext | None = None) -> AsyncIterator[Client]:
    name = "localhost" if tls else None
    reader, writer = await asyncio.open_connection(server.host, server.port, ssl=tls, server_hostname=name)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()


def submit(port: int, context: ssl.SSLContext | None = None, *, implicit: bool = False) -> None:
    client = smtplib.SMTP_SSL("localhost", port, context=context) if implicit else smtplib.SMTP("localhost", port)
    with client:
        if context and not implicit:
            client.starttls(context=context)
        client.login("monitor", "secret")
        client.sendmail("a@localhost", "b@localhost", MAIL)


async def test_smtp_accepts_mail_and_logs_commands_without_secrets() -> None:
    async with RawSmtp() as server:
        await asyncio.to_thread(submit, server.port)
    assert server.messages == [MAIL]
    assert [server.count(verb) for verb in ("EHLO", "AUTH", "MAIL", "RCPT", "DATA", "QUIT")] == [1] * 6
    assert (server.connections, server.count("AUTH CRAM-MD5 ***")) == (1, 1)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
async def test_smtp_knows_who_logged_in(mechanism: str) -> None:
    async with RawSmtp() as server, connected(server) as client:
        await client.hear()
        if mechanism == "PLAIN":
            blob = base64.b64encode("\0monitor\0sécret".encode()).decode()
            assert (await client.say(f"AUTH PLAIN {blob}")).startswith("235")
        else:
            assert (await client.say("AUTH LOGIN")).startswith("334")
            assert (await client.say(base64.b64encode(b"monitor").decode())).startswith("334")
            assert (await client.say(base64.b64encode("sécret".encode()).decode())).startswith("235")
    assert server.credentials == [("monitor", "sécret")]


@pytest.mark.parametrize("implicit", [True, False])
async def test_smtp_speaks_tls(tmp_path: Path, implicit: bool) -> None:
    tls = certificates.good(tmp_path)
    async with RawSmtp(tls=tls.context, implicit=implicit) as server:
        await asyncio.to_thread(submit, server.port, trust(tls.ca_file), implicit=implicit)
    assert server.messages == [MAIL]


async def test_a_list_of_actions_is_used_up_and_then_it_behaves() -> None:
    script: dict[str, list[Action]] = {"rcpt": [b"450 4.2.0 later\r\n", DEFAULT, b"550 5.1.1 no\r\n"]}
    async with RawSmtp(script) as server, connected(server) as client:
        await client.hear()
        codes = [(await client.say("RCPT TO:<b@localhost>"))[:3] for _ in range(5)]
    assert codes == ["450", "250", "550", "250", "250"]


async def test_one_action_holds_for_ever() -> None:
    async with RawSmtp({"mail": b"451 4.3.0 later\r\n"}) as server, connected(server) as client:
        await client.hear()
        assert [(await client.say("MAIL FROM:<a@localhost>"))[:3] for _ in range(3)] == ["451"] * 3


async def test_a_phase_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="no such phase: recipient"):
        RawSmtp({"recipient": DROP})


COMMANDS = {
    "banner": [],
    "ehlo": ["EHLO x"],
    "auth": ["AUTH PLAIN AGEAYg=="],
    "mail": ["MAIL FROM:<a@localhost>"],
    "rcpt": ["RCPT TO:<b@localhost>"],
    "data": ["DATA"],
    "eod": ["DATA", "text\r\n."],
    "rset": ["RSET"],
    "quit": ["QUIT"],
    "starttls": ["STARTTLS"],
}


@pytest.mark.parametrize("phase", COMMANDS)
@pytest.mark.parametrize("fault", [DROP, CLOSE])
async def test_smtp_loses_the_connection_in_any_phase(phase: str, fault: Fault) -> None:
    async with RawSmtp({phase: fault}) as server, connected(server) as client:
        *before, last = ["", *COMMANDS[phase]] if phase != "banner" else [""]
        if phase != "banner":
            await client.hear()
        for line in before[1:]:
            await client.say(line)
        if last:
            client.writer.write(last.encode() + b"\r\n")
        if fault is DROP:
            with pytest.raises(ConnectionResetError):
                await client.reader.read()
        else:
            assert await client.reader.read() == b""


@pytest.mark.parametrize("kind", [RawSmtp, RawImap])
async def test_silence_is_no_answer_on_an_open_connection(kind: type[RawServer]) -> None:
    phase, line = ("rset", "RSET") if kind is RawSmtp else ("noop", "a NOOP")
    async with kind({phase: SILENCE}) as server, connected(server) as client:
        await client.hear()
        client.writer.write(line.encode() + b"\r\n")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await client.reader.read(1)
        assert not client.reader.at_eof()


@pytest.mark.parametrize("fault", [DROP, CLOSE])
async def test_a_test_can_hang_up(fault: Fault) -> None:
    async with RawImap() as server, connected(server) as client:
        await client.hear()
        server.hang_up(fault)
        if fault is DROP:
            with pytest.raises(ConnectionResetError):
                await client.reader.read()
        else:
            assert await client.reader.read() == b""


async def test_nothing_is_left_when_clients_stay_connected() -> None:
    before = asyncio.all_tasks()
    smtp, imap = RawSmtp({"rset": SILENCE}), RawImap()
    async with AsyncExitStack() as clients:
        async with smtp, imap:
            first = await clients.enter_async_context(connected(smtp))
            await first.hear()
            first.writer.write(b"RSET\r\n")
            second = await clients.enter_async_context(connected(imap))
            await second.hear()
            await second.say("a SELECT INBOX", "a OK")
            await second.say("b IDLE", "+ idling\r\n")
        assert asyncio.all_tasks() == before


async def test_a_client_that_the_server_does_not_understand_is_reported() -> None:
    with pytest.raises(ValueError, match="not enough values to unpack"):  # noqa: PT012
        async with RawImap() as server, connected(server) as client:
            await client.hear()
            client.writer.write(b"a LOGIN monitor\r\n")
            await client.reader.read()


@pytest.mark.parametrize("implicit", [True, False])
async def test_imap_serves_a_real_client_over_tls(tmp_path: Path, implicit: bool) -> None:
    tls = certificates.good(tmp_path)
    password = 'se"c\\ret'

    def use(port: int) -> None:
        if implicit:
            client: imaplib.IMAP4 = imaplib.IMAP4_SSL("localhost", port, ssl_context=trust(tls.ca_file))
        else:
            client = imaplib.IMAP4("localhost", port)
            client.starttls(trust(tls.ca_file))
        with client:
            client.login("monitor", password)
            assert client.list()[1] == [
                b'(\\HasNoChildren) "/" "INBOX"',
                b'(\\HasNoChildren \\Junk) "/" "Junk"',
            ]
            assert client.status("INBOX", "(MESSAGES UIDNEXT)")[1] == [b"INBOX (MESSAGES 1 UIDNEXT 8 UIDVALIDITY 1)"]
            assert client.select("Nowhere")[0] == "NO"
            assert client.select("INBOX", readonly=True)[1] == [b"1"]
            items = "(UID INTERNALDATE BODY.PEEK[HEADER.FIELDS (SUBJECT X-Mail-Loop-Id)])"
            assert client.uid("FETCH", "1:*", items)[1] == [
                (
                    b'1 (UID 7 INTERNALDATE "02-Jan-2026 03:04:05 +0000"'
                    b" BODY[HEADER.FIELDS (SUBJECT X-Mail-Loop-Id)] {43}",
                    b"Subject: one\r\n two\r\nX-Mail-Loop-Id: abc\r\n\r\n",
                ),
                b")",
            ]
            assert client.fetch("1", "(BODY.PEEK[]<0.4>)")[1] == [(b"1 (BODY[]<0> {4}", b"From"), b")"]
            assert client.fetch("1", "(BODY.PEEK[])")[1] == [(b"1 (BODY[] {%d}" % len(MAIL), MAIL), b")"]

    async with RawImap(tls=tls.context, implicit=implicit, messages=[Message(7, MAIL, WHEN)]) as server:
        await asyncio.to_thread(use, server.port)
    assert server.credentials == [("monitor", password)]
    assert server.count("LOGIN ***") == 1
    assert server.count("UID FETCH") == 1


async def test_imap_takes_authenticate_plain_at_once_or_asked_for() -> None:
    blob = base64.b64encode("\0monitor\0sécret".encode()).decode()
    async with RawImap() as server, connected(server) as client:
        await client.hear()
        assert await client.say(f"a AUTHENTICATE PLAIN {blob}") == "a OK done\r\n"
        assert await client.say("b AUTHENTICATE PLAIN") == "+ \r\n"
        assert await client.say(blob) == "b OK done\r\n"
    assert server.credentials == [("monitor", "sécret")] * 2
    assert server.log == ["AUTHENTICATE ***"] * 2


async def test_imap_takes_a_password_as_literal() -> None:
    async with RawImap() as server, connected(server) as client:
        await client.hear()
        assert await client.say("a LOGIN monitor {5}") == "+ go on\r\n"
        assert await client.say('p"\\ w') == "a OK done\r\n"
    assert server.credentials == [("monitor", 'p"\\ w')]


async def test_imap_puts_the_tag_into_scripted_replies() -> None:
    async with RawImap({"select": b"{tag} NO [UNAVAILABLE] later\r\n"}) as server, connected(server) as client:
        await client.hear()
        assert await client.say("t1 SELECT INBOX") == "t1 NO [UNAVAILABLE] later\r\n"


async def test_imap_shows_an_open_folder_as_it_was_until_noop() -> None:
    async with RawImap() as server, connected(server) as client:
        await client.hear()
        await client.say("a SELECT INBOX", "a OK [READ-WRITE] done\r\n")
        server.append(MAIL)
        assert await client.say("b UID FETCH 1:* (UID)") == "b OK done\r\n"
        assert await client.say("c NOOP", "c OK done\r\n") == "* 1 EXISTS\r\nc OK done\r\n"
        assert await client.say("d UID FETCH 1:* (UID)", "d OK done\r\n") == "* 1 FETCH (UID 1)\r\nd OK done\r\n"


async def test_imap_wakes_a_client_that_waits_in_idle() -> None:
    async with RawImap() as server, connected(server) as client:
        await client.hear()
        await client.say("a SELECT INBOX", "a OK [READ-WRITE] done\r\n")
        server.append(MAIL)
        assert await client.say("b IDLE", "EXISTS\r\n") == "+ idling\r\n* 1 EXISTS\r\n"
        server.append(MAIL, "Junk")
        server.append(MAIL)
        assert await client.hear() == "* 2 EXISTS\r\n"
        assert await client.say("DONE") == "b OK done\r\n"


async def test_a_uid_range_to_the_end_always_names_the_last_message() -> None:
    async with RawImap(messages=[Message(3, MAIL), Message(5, MAIL)]) as server, connected(server) as client:
        await client.hear()
        await client.say("a EXAMINE INBOX", "a OK [READ-ONLY] done\r\n")
        assert await client.say("b UID FETCH 9:* (FLAGS)", "done\r\n") == "* 2 FETCH (UID 5 FLAGS ())\r\nb OK done\r\n"
        assert await client.say("c FETCH 1:2 (UID)", "done\r\n") == (
            "* 1 FETCH (UID 3)\r\n* 2 FETCH (UID 5)\r\nc OK done\r\n"
        )


async def test_uid_expunge_removes_only_what_it_names_and_no_uid_comes_back() -> None:
    messages = [Message(1, MAIL, flags={"\\Deleted"}), Message(2, MAIL), Message(3, MAIL)]
    async with RawImap(messages=messages) as server, connected(server) as client:
        await client.hear()
        await client.say("a SELECT INBOX", "a OK [READ-WRITE] done\r\n")
        await client.say("b UID STORE 3 +FLAGS (\\Deleted)", "b OK done\r\n")
        assert await client.say("c UID EXPUNGE 3", "done\r\n") == "* 3 EXPUNGE\r\nc OK done\r\n"
        assert [message.uid for message in server.messages] == [1, 2]
        assert server.append(MAIL).uid == 4


@pytest.mark.parametrize("name", certificates.BAD)
async def test_a_bad_certificate_is_refused_for_its_own_reason(name: str, tmp_path: Path) -> None:
    reasons = {
        "wrong name": "Hostname mismatch",
        "expired": "certificate has expired",
        "not yet valid": "certificate is not yet valid",
        "self-signed": "self-signed certificate",
    }
    make: Callable[[Path], certificates.ServerTls] = certificates.BAD[name]
    tls = make(tmp_path)
    async with RawImap(tls=tls.context, implicit=True) as server:
        with pytest.raises(ssl.SSLCertVerificationError, match=reasons[name]):
            async with connected(server, trust(tls.ca_file)):
                pass
