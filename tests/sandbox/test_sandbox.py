"""What the sandbox promises, seen by the standard library's clients."""

from __future__ import annotations

import asyncio
import gc
import imaplib
import json
import os
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tasks.sandbox import Sandbox, Script

MAIL = b"From: a@localhost\r\nTo: monitor@localhost\r\nSubject: hello\r\n\r\n.a line with a dot\r\n"
REFUSAL = "554 5.7.1 No"
USERS = {"monitor": 'se"cr\\et'}


def trust(box: Sandbox) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=box.ca_file)


def submit(box: Sandbox, password: str | None = None, recipient: str = "monitor@localhost") -> tuple[int, bytes]:
    """Send MAIL over STARTTLS; returns the reply after the dot."""
    with smtplib.SMTP(box.host, box.smtp_port, timeout=10) as client:
        client.starttls(context=trust(box))
        client.login("monitor", USERS["monitor"] if password is None else password)
        for code, text in (client.mail("a@localhost"), client.rcpt(recipient)):
            if code != 250:
                return code, text
        return client.data(MAIL)


@contextmanager
def mailbox(box: Sandbox, *, implicit: bool = True) -> Iterator[imaplib.IMAP4]:
    """A session that is logged in."""
    if implicit:
        client: imaplib.IMAP4 = imaplib.IMAP4_SSL(box.host, box.imaps_port, ssl_context=trust(box), timeout=10)
    else:
        client = imaplib.IMAP4(box.host, box.imap_port, timeout=10)
        client.starttls(trust(box))
    with client:
        client.login("monitor", USERS["monitor"])
        yield client


def bodies(box: Sandbox, folder: str = "INBOX", *, implicit: bool = True) -> list[bytes]:
    """The messages of a folder, as an IMAP client sees them."""
    with mailbox(box, implicit=implicit) as client:
        client.select(folder, readonly=True)
        _, found = client.uid("SEARCH", "ALL")
        bodies = []
        for uid in found[0].split():
            _, data = client.uid("FETCH", uid.decode(), "(BODY.PEEK[])")
            assert isinstance(data[0], tuple)
            bodies.append(data[0][1])
        return bodies


def verbs(commands: Sequence[str]) -> list[str]:
    return [command.split()[0] for command in commands]


@pytest.mark.parametrize("implicit", [True, False])
async def test_what_is_sent_over_smtp_is_found_over_imap(implicit: bool) -> None:
    async with Sandbox(USERS) as box:
        code, reply = await asyncio.to_thread(submit, box)
        assert code == 250
        queue_id = reply.decode().removeprefix("2.0.0 OK: queued as ")
        (raw,) = await asyncio.to_thread(bodies, box, implicit=implicit)
    trace, _, message = raw.partition(b"From: ")
    assert b"From: " + message == MAIL
    assert trace.startswith(b"Return-Path: <a@localhost>\r\nReceived: from ")
    assert f"with ESMTPSA id {queue_id}\r\n".encode() in trace


async def test_each_message_has_its_own_queue_id() -> None:
    async with Sandbox(USERS) as box:
        assert (await asyncio.to_thread(submit, box))[1] != (await asyncio.to_thread(submit, box))[1]


async def test_implicit_tls_takes_mail() -> None:
    def send(box: Sandbox) -> str:
        with smtplib.SMTP_SSL(box.host, box.smtps_port, context=trust(box), timeout=10) as client:
            client.ehlo()
            assert not client.has_extn("starttls")
            client.login("monitor", USERS["monitor"])
            client.sendmail("a@localhost", "monitor@localhost", MAIL)
            cipher = client.sock.cipher() if isinstance(client.sock, ssl.SSLSocket) else None
            return cipher[1] if cipher else ""

    async with Sandbox(USERS) as box:
        assert await asyncio.to_thread(send, box) == "TLSv1.3"
        assert b"with ESMTPSA id" in (await box.folder("monitor"))[0].raw


async def test_a_scripted_450_is_given_once_and_the_next_rcpt_is_accepted() -> None:
    async with Sandbox(USERS, Script(rcpt=["450 4.2.0 Greylisted, please try again"])) as box:
        assert await asyncio.to_thread(submit, box) == (450, b"4.2.0 Greylisted, please try again")
        assert await box.folder("monitor") == []
        assert (await asyncio.to_thread(submit, box))[0] == 250
        assert len(await box.folder("monitor")) == 1
        assert verbs(box.commands).count("RCPT") == 2
        assert verbs(box.commands).count("DATA") == 1


@pytest.mark.parametrize("script", [Script(mail=[REFUSAL]), Script(rcpt=[REFUSAL]), Script(data=[REFUSAL])])
async def test_each_phase_can_be_refused(script: Script) -> None:
    async with Sandbox(USERS, script) as box:
        assert await asyncio.to_thread(submit, box) == (554, b"5.7.1 No")
        assert await box.folder("monitor") == []


async def test_authentication_can_be_refused_for_a_while() -> None:
    async with Sandbox(USERS, Script(auth=["454 4.7.0 Temporary authentication failure"] * 2)) as box:
        with pytest.raises(smtplib.SMTPAuthenticationError, match="454"):
            await asyncio.to_thread(submit, box)  # smtplib tries PLAIN, then LOGIN
        assert (await asyncio.to_thread(submit, box))[0] == 250


async def test_a_wrong_password_is_a_535_and_is_not_recorded() -> None:
    async with Sandbox(USERS) as box:
        with pytest.raises(smtplib.SMTPAuthenticationError, match="535"):
            await asyncio.to_thread(submit, box, "wrong")
        assert "AUTH PLAIN" in box.commands


async def test_mail_without_authentication_is_refused_unless_allowed() -> None:
    def send(box: Sandbox) -> int:
        with smtplib.SMTP(box.host, box.smtp_port, timeout=10) as client:
            client.starttls(context=trust(box))
            client.ehlo()
            return client.mail("a@localhost")[0]

    async with Sandbox(USERS) as box:
        assert await asyncio.to_thread(send, box) == 530
    async with Sandbox(USERS, auth=False) as box:
        assert await asyncio.to_thread(send, box) == 250


async def test_authentication_is_not_offered_in_clear_where_there_is_tls() -> None:
    def offers(box: Sandbox) -> bool:
        with smtplib.SMTP(box.host, box.smtp_port, timeout=10) as client:
            client.ehlo()
            return client.has_extn("auth")

    async with Sandbox(USERS) as box:
        assert not await asyncio.to_thread(offers, box)
    async with Sandbox(USERS, tls=False) as box:
        assert await asyncio.to_thread(offers, box)
        assert (box.smtps_port, box.imaps_port) == (0, 0)


async def test_an_unknown_recipient_is_a_550() -> None:
    async with Sandbox(USERS) as box:
        code, _ = await asyncio.to_thread(submit, box, recipient="nobody@localhost")
        assert code == 550


async def test_mail_can_be_filed_as_junk() -> None:
    async with Sandbox(USERS, Script(deliver_to="Junk")) as box:
        await asyncio.to_thread(submit, box)
        assert await asyncio.to_thread(bodies, box) == []
        assert len(await asyncio.to_thread(bodies, box, "Junk")) == 1


async def test_accepted_mail_can_be_thrown_away() -> None:
    async with Sandbox(USERS, Script(deliver_to=None)) as box:
        assert (await asyncio.to_thread(submit, box))[0] == 250
        assert [await box.folder("monitor", name) for name in ("INBOX", "Junk", "Sent", "Trash")] == [[]] * 4


async def test_one_mail_can_arrive_twice() -> None:
    async with Sandbox(USERS, Script(copies=2)) as box:
        await asyncio.to_thread(submit, box)
        first, second = await box.folder("monitor")
        assert first.raw == second.raw
        assert first.uid < second.uid


async def test_delayed_mail_is_accepted_first_and_arrives_later() -> None:
    async with Sandbox(USERS, Script(delay=3600)) as box:
        assert (await asyncio.to_thread(submit, box))[0] == 250
        assert await box.folder("monitor") == []
        box.play(Script(delay=0.05))
        assert (await asyncio.to_thread(submit, box))[0] == 250
        while not await box.folder("monitor"):
            await asyncio.sleep(0.01)


async def test_another_script_can_be_played_later() -> None:
    async with Sandbox(USERS) as box:
        box.play(Script(rcpt=["550 5.1.1 No"]))
        assert (await asyncio.to_thread(submit, box))[0] == 550


async def test_a_deletion_over_imap_is_seen() -> None:
    def delete(box: Sandbox) -> None:
        with mailbox(box) as client:
            client.select()
            client.store("1", "+FLAGS", "\\Seen")
            client.uid("STORE", str(doomed), "+FLAGS", "\\Deleted")
            client.expunge()

    async with Sandbox(USERS) as box:
        kept = await box.deliver("monitor", MAIL)
        doomed = await box.deliver("monitor", MAIL)
        await asyncio.to_thread(delete, box)
        (message,) = await box.folder("monitor")
        assert (message.uid, message.raw, message.flags) == (kept, MAIL, frozenset({"\\Seen"}))


async def test_a_delivery_creates_the_folder_it_names() -> None:
    async with Sandbox(USERS) as box:
        await box.deliver("monitor", MAIL, "Entwürfe alt")
        assert await asyncio.to_thread(bodies, box, '"Entw&APw-rfe alt"') == [MAIL]


async def test_a_client_that_distrusts_the_certificate_leaves_the_others_alone() -> None:
    def distrust(box: Sandbox) -> None:
        with smtplib.SMTP(box.host, box.smtp_port, timeout=10) as client, pytest.raises(ssl.SSLError):
            client.starttls(context=ssl.create_default_context())
        with pytest.raises(ssl.SSLError):
            smtplib.SMTP_SSL(box.host, box.smtps_port, context=ssl.create_default_context(), timeout=10)
        with pytest.raises(ssl.SSLError):
            imaplib.IMAP4_SSL(box.host, box.imaps_port, ssl_context=ssl.create_default_context(), timeout=10)
        reader = imaplib.IMAP4(box.host, box.imap_port, timeout=10)
        with pytest.raises(ssl.SSLError):
            reader.starttls(ssl.create_default_context())
        with suppress(OSError):  # its socket is closed already, its file is not
            reader.shutdown()

    async with Sandbox(USERS) as box:
        await asyncio.to_thread(distrust, box)
        assert (await asyncio.to_thread(submit, box))[0] == 250
        assert len(await asyncio.to_thread(bodies, box)) == 1
    gc.collect()


async def test_nothing_is_left_after_an_exception_with_clients_connected() -> None:
    """Sockets, tasks, a delayed delivery and the certificate are gone, though clients wait in IDLE and in DATA."""

    async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await reader.readline()
        return reader, writer

    before = asyncio.all_tasks()
    box = Sandbox(USERS, Script(delay=3600), tls=True)
    clients = []
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        async with box:
            await asyncio.to_thread(submit, box)
            clients.append(await connect(box.smtp_port))
            clients.append(await connect(box.imap_port))
            reader, writer = clients[-1]
            writer.write(b'a LOGIN monitor "se\\"cr\\\\et"\r\nb SELECT INBOX\r\nc IDLE\r\n')
            await reader.readuntil(b"+ Idling")
            raise ZeroDivisionError
    for reader, writer in clients:
        await reader.read()
        writer.close()
    assert asyncio.all_tasks() == before
    assert not Path(box.ca_file).parent.exists()
    for port in (box.smtp_port, box.smtps_port, box.imap_port, box.imaps_port):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
    gc.collect()  # an unclosed transport would be a ResourceWarning here


def test_a_port_in_use_leaves_nothing_open() -> None:
    async def start(port: int) -> None:
        async with Sandbox(USERS, imap_port=port):
            pytest.fail("two servers on one port")

    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="address already in use"):
        asyncio.run(start(int(port_of(taken))))
    gc.collect()


def port_of(listener: socket.socket) -> str:
    return str(listener.getsockname()[1])


@contextmanager
def program(*arguments: str, password: str | None = "secret") -> Iterator[subprocess.Popen[str]]:
    environment = {name: value for name, value in os.environ.items() if name != "MAIL_LOOP_SANDBOX_PASSWORD"}
    if password is not None:
        environment["MAIL_LOOP_SANDBOX_PASSWORD"] = password
    command = [sys.executable, "-m", "tasks.sandbox", *arguments]
    with subprocess.Popen(
        command,
        cwd=Path(__file__).parents[2],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_the_program_says_where_it_listens_and_ends_cleanly_on_a_signal(tmp_path: Path, stop: signal.Signals) -> None:
    with program("--greylist-first", "--ca-dir", str(tmp_path)) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        ports = ("imap_port", "imaps_port", "smtp_port", "smtps_port")
        assert sorted(ready) == ["ca_file", "host", *ports, "token_url", "username"]
        assert ready["ca_file"] == str(tmp_path / "ca.pem")
        with smtplib.SMTP(ready["host"], ready["smtp_port"], timeout=10) as client:
            client.starttls(context=ssl.create_default_context(cafile=ready["ca_file"]))
            client.login(ready["username"], "secret")
            client.mail("a@localhost")
            assert client.rcpt("monitor@localhost") == (450, b"4.2.0 Greylisted, please try again")
            assert client.rcpt("monitor@localhost")[0] == 250
        process.send_signal(stop)
        output, errors = process.communicate(timeout=30)
        assert (process.returncode, output, errors) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


def test_the_program_wants_its_password_from_the_environment() -> None:
    with program(password=None) as process:
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, output) == (3, "")
    assert errors == "The sandbox needs a password for its mailbox: set MAIL_LOOP_SANDBOX_PASSWORD.\n"


def test_the_program_says_when_it_cannot_start() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, program("--smtp-port", port_of(taken)) as process:
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, output) == (3, "")
    assert errors.startswith("The sandbox could not start: ")
    assert errors.count("\n") == 1
