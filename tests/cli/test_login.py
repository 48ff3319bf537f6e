"""`mail-loop login`, as a person uses it: at a token server, with a relay and a mailbox that take its tokens alone."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from tests.cli.conftest import MOST_SECONDS, Served
from tests.prefect.records import columns
from tests.support import certificates
from tests.support.canaries import CORE, seen_in
from tests.support.checks.sample import sampled
from tests.support.command.forks import ROOT
from tests.support.command.run import Ended, Running, running, without_prefect
from tests.support.oauth.given import Given
from tests.support.oauth.issuing import Client
from tests.support.oauth.persons import AUTHORIZE, DEVICE
from tests.support.oauth.server import Reply, TokenServer, token_server
from tests.support.raw.imap import RawImap
from tests.support.raw.server import SILENCE
from tests.support.raw.smtp import RawSmtp

USER, NAME, VARIABLE = "monitor@example.org", "app-refresh", "APP_REFRESH"
Act = Callable[[Running], Awaitable[None]]


@dataclass
class Way:
    """What a person logs in at, and the two servers that the token is for."""

    folder: Path
    tls: certificates.ServerTls
    tokens: TokenServer
    relay: RawSmtp
    mailbox: RawImap
    more: dict[str, str] = field(default_factory=dict)  # of the environment

    @property
    def env(self) -> dict[str, str]:
        return without_prefect(HOME=str(self.folder), XDG_STATE_HOME=str(self.folder / "state")) | self.more

    def file(self, smtp: dict[str, Any] | None = None, imap: dict[str, Any] | None = None, **both: Any) -> Path:
        """A file; the arguments are fields of `oauth` of one section, or of both."""
        oauth = {
            "client_id": "app",
            "token_url": self.tokens.url,
            "scope": "mail",
            "refresh_token_secret": NAME,
            **both,
        }
        login = {"host": "localhost", "username": USER, "timeout": 5.0, "ca_file": self.tls.ca_file}
        addresses = {"from_addr": USER, "to_addr": USER, "subject_prefix": "[x]"}
        data = {
            "smtp": {**login, **addresses, "port": self.relay.port, "oauth": oauth | (smtp or {})},
            "imap": {**login, "port": self.mailbox.port, "oauth": oauth | (imap or {})},
        }
        path = self.folder / "way.json"
        path.write_text(json.dumps(data), encoding="utf-8")
        return path

    def by_device(self, **more: Any) -> Path:
        return self.file(device_url=self.tokens.base + DEVICE, **more)

    def by_browser(self, **more: Any) -> Path:
        return self.file(authorize_url=self.tokens.base + AUTHORIZE, **more)

    async def login(self, file: Path, *arguments: str, act: Act | None = None, **how: Any) -> Ended:
        """Run it to its end; `act` is what happens meanwhile."""
        async with self.begun(file, *arguments, **how) as command:
            if act is not None:
                await act(command)
            return await command.ended()

    @asynccontextmanager
    async def begun(self, file: Path, *arguments: str, **how: Any) -> AsyncIterator[Running]:
        options = {"env": self.env, "folder": self.folder, "seconds": MOST_SECONDS, "warnings": "error", **how}
        async with running("login", *arguments, file, **options) as command:
            yield command

    @property
    def newest(self) -> str:
        """The refresh token that is good now."""
        return self.tokens.issuer.families[-1].newest


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> certificates.ServerTls:
    return certificates.good(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    with token_server() as server:
        server.issuer.clients["app"] = Client(USER)
        server.issuer.scopes = frozenset({"mail", "send", "read"})
        server.issuer.prefix = CORE
        server.persons.come.set()
        yield server


@pytest.fixture
async def way(tmp_path: Path, tls: certificates.ServerTls, tokens: TokenServer) -> AsyncIterator[Way]:
    capabilities = "IMAP4rev1 LOGINDISABLED SASL-IR AUTH=XOAUTH2"
    relay = RawSmtp(tls=tls.context, extensions=["AUTH XOAUTH2"])
    mailbox = RawImap(tls=tls.context, implicit=True, capabilities=capabilities)
    for server in (relay, mailbox):
        server.logins.tokens = Given(tokens)
    async with relay, mailbox:
        yield Way(tmp_path, tls, tokens, relay, mailbox)


async def said(command: Running, *words: str) -> str:
    """All that it has said, once these words are in it."""
    async with asyncio.timeout(MOST_SECONDS):
        while not all(word in command.said() for word in words):
            assert command.process.returncode is None, command.said()
            await asyncio.sleep(0.02)
    return command.said()


async def page(command: Running) -> str:
    """The address that is to be opened."""
    text = await said(command, "ssh -L ")
    return next(line.strip() for line in text.splitlines() if line.startswith("  http"))


async def browse(url: str) -> httpx.Response:
    """What a browser does with an address, wherever it is sent."""
    async with httpx.AsyncClient(follow_redirects=True, trust_env=False, timeout=30) as client:
        return await client.get(url)


async def comes(command: Running) -> None:
    """A person who opens what is shown."""
    assert (await browse(await page(command))).status_code == 200


def exported(ended: Ended) -> dict[str, str]:
    """What a shell that evaluates the output has then: there is nothing else on it."""
    words = [shlex.split(line) for line in ended.out.splitlines()]
    assert all(word[0] == "export" and len(word) == 2 for word in words)
    return dict(word[1].split("=", 1) for word in words)


def listens(port: int, address: str = "127.0.0.1") -> bool:
    with socket.socket() as sock:
        return sock.connect_ex((address, port)) == 0


# -- A code that is typed elsewhere (RFC 8628)


async def test_a_code_is_shown_and_waited_for_and_both_servers_are_logged_in_to(way: Way) -> None:
    """The token is printed for a shell, alone on stdout; nothing is sent."""
    way.tokens.persons.come.clear()

    async def act(command: Running) -> None:
        await said(command, "type the code")
        (code,) = way.tokens.persons.user_codes
        assert f"smtp, imap: open {way.tokens.base}/device in a browser, on any machine, type the code {code}" in (
            command.said()
        )
        assert re.search(rf"log in as {re.escape(USER)} \(within (10 min|9 min \d+ s)\)", command.said())
        while way.tokens.count() < 3:
            await asyncio.sleep(0.02)
        way.tokens.persons.come.set()

    ended = await way.login(way.by_device(), act=act)
    assert (ended.code, exported(ended)) == (0, {VARIABLE: way.newest}), ended
    assert ended.err.splitlines()[1:] == [
        f"smtp, imap: the refresh token is kept as the variable {VARIABLE}, which is printed on stdout",
        f"smtp: logged in to localhost:{way.relay.port} as {USER}",
        f"imap: logged in to localhost:{way.mailbox.port} as {USER}",
    ]
    assert (way.relay.count("AUTH"), way.relay.count("QUIT"), way.relay.count("MAIL")) == (1, 1, 0)
    assert (way.mailbox.count("AUTHENTICATE"), way.mailbox.count("SELECT"), way.mailbox.count("LOGOUT")) == (1, 0, 1)


async def test_of_microsoft365_all_but_the_tenant_and_the_client_is_known(way: Way) -> None:
    """Here with another token URL, from which that of the codes follows: it is a server of the test's own."""
    scopes = [
        "https://outlook.office.com/SMTP.Send",
        "offline_access",
        "https://outlook.office.com/IMAP.AccessAsUser.All",
    ]
    way.tokens.issuer.scopes = frozenset(scopes)
    ended = await way.login(way.file(provider="microsoft365", tenant="example.org", scope=None))
    assert (ended.code, exported(ended)) == (0, {VARIABLE: way.newest}), ended
    assert next(one.form for one in way.tokens.asked) == {"client_id": "app", "scope": " ".join(scopes)}


async def test_what_is_printed_is_good_for_a_check_where_each_use_brings_another_one(way: Way) -> None:
    way.tokens.issuer.rotates = True
    ended = await way.login(way.by_device())
    assert exported(ended) == {VARIABLE: way.newest}
    assert not way.tokens.issuer.families[-1].revoked
    way.relay.deliver = way.mailbox.append
    async with running("check", "--direct", way.by_device(), env=way.env | exported(ended), folder=way.folder) as check:
        checked = await check.ended()
    assert (checked.code, "Mail gets through" in checked.out) == (0, True), checked


async def test_it_asks_more_rarely_when_it_is_told_to_slow_down(way: Way) -> None:
    """RFC 8628, 3.5: five seconds more each time."""
    way.tokens.persons.first += ["authorization_pending", "slow_down"]
    ended = await way.login(way.by_device())
    assert ended.code == 0, ended
    first, second, third = [one.at for one in way.tokens.asked if "device_code=" in one.body]
    assert second - first < 2.5
    assert third - second > 5


ENDINGS: dict[str, tuple[dict[str, Any], str]] = {
    "refused": ({"says": "access_denied"}, "the login was refused in the browser: no token from localhost: HTTP 400"),
    "refused at Microsoft": ({"says": "authorization_declined"}, "the login was refused in the browser"),
    "too late": ({"first": ["expired_token"]}, "nobody has logged in while the code was good: no token from localhost"),
    "nobody": ({"come": False}, "no token: nobody has logged in within 1"),
    "nobody, by the endpoint's clock": (
        {"come": False, "lifetime": 0.5},
        "nobody has logged in while the code was good: no token from localhost: HTTP 400, expired_token",
    ),
    "without a refresh token": ({"offline": False}, "no refresh token from localhost, for the access token alone"),
    "an interval that is none": ({"interval": {}, "come": False}, "no token: nobody has logged in within 1"),
}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_login_that_comes_to_nothing_ends_in_a_sentence(ending: str, way: Way) -> None:
    fields, sentence = ENDINGS[ending]
    persons = way.tokens.persons
    for name, value in fields.items():
        if name == "come":
            persons.come.clear()
        elif name == "first":
            persons.first += value
        else:
            setattr(persons, name, value)
    ended = await way.login(way.by_device(), "--max-wait", "1.5")
    assert (ended.code, ended.out) == (2, ""), ended
    assert f"smtp, imap: {sentence}" in ended.err
    assert "Traceback" not in ended.err
    assert (way.relay.connections, way.mailbox.connections) == (0, 0)


async def test_an_endpoint_that_is_out_of_order_for_a_while_is_asked_again(way: Way) -> None:
    way.tokens.script += [Reply(503, b"<html>later</html>"), Reply(drop=True)]
    ended = await way.login(way.by_device())
    assert ended.code == 0, ended
    assert exported(ended) == {VARIABLE: way.newest}


async def test_an_endpoint_that_does_not_know_the_client_says_so_and_who_acts(way: Way) -> None:
    del way.tokens.issuer.clients["app"]
    ended = await way.login(way.by_device())
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.splitlines() == [
        "smtp, imap: no token from localhost: HTTP 400, unauthorized_client: application app is not known here",
        "  have the application allowed what it asks for; Google's service accounts need domain-wide delegation for "
        "its scope (you, who set up this check, or the administrator of the directory)",
    ]


async def test_a_page_or_code_that_could_move_a_cursor_is_not_shown(way: Way) -> None:
    way.tokens.persons.base = "https://login.example\x1b[2J"
    ended = await way.login(way.by_device())
    assert (ended.code, "\x1b" in ended.err) == (2, False)
    assert "no token: localhost has given no code that could be shown" in ended.err


# -- A browser on this machine (RFC 8252)


async def test_a_browser_brings_the_answer_to_this_machine(way: Way) -> None:
    """With PKCE, which the token server verifies; the client's secret goes along."""
    way.tokens.issuer.clients["app"] = Client(USER, "client~secret_1")
    way.more["APP_SECRET"] = "client~secret_1"
    pages: list[str] = []

    async def act(command: Running) -> None:
        pages.append(await page(command))
        answer = await browse(pages[0])
        assert (answer.status_code, "Close this page" in answer.text) == (200, True)

    ended = await way.login(way.by_browser(client_secret_secret="app-secret"), act=act)
    assert (ended.code, exported(ended)) == (0, {VARIABLE: way.newest}), ended
    asked = parse_qs(urlsplit(pages[0]).query)
    port = urlsplit(asked["redirect_uri"][0]).port
    assert (asked["scope"], asked["code_challenge_method"]) == (["mail"], ["S256"])
    assert f"ssh -L {port}:127.0.0.1:{port} {socket.gethostname()}" in ended.err
    assert port is not None
    assert not listens(port)


async def test_only_the_answer_to_this_login_is_taken_and_only_once(way: Way) -> None:
    """Whoever else comes there neither ends the login nor gets a token of his own into it."""

    async def act(command: Running) -> None:
        asked = parse_qs(urlsplit(await page(command)).query)
        here = asked["redirect_uri"][0]
        forged = urlencode({"code": "another's", "state": "x" * 64})
        for target, status in ((f"/?{forged}", 400), ("/?code=another", 400), ("/favicon.ico", 404)):
            assert (await browse(here + target)).status_code == status
        assert (await browse(f"{here}/?{urlencode({'state': asked['state'][0]})}")).status_code == 400
        with socket.create_connection(("127.0.0.1", urlsplit(here).port or 0)) as idle:
            idle.sendall(b"GET /?")  # and nothing more
            assert (await browse(await page(command))).status_code == 200
            await command.process.wait()
            with pytest.raises(httpx.ConnectError):
                await browse(f"{here}/?{forged}")

    ended = await way.login(way.by_browser(), act=act)
    assert (ended.code, exported(ended)) == (0, {VARIABLE: way.newest}), ended
    assert sum("grant_type=authorization_code" in one.body for one in way.tokens.asked) == 1


async def test_a_login_that_is_refused_in_the_browser_ends_in_a_sentence(way: Way) -> None:
    way.tokens.persons.says = "access_denied"
    ended = await way.login(way.by_browser(), act=comes)
    assert (ended.code, ended.out) == (2, "")
    assert "smtp, imap: the login was refused in the browser: no token: the browser brings back access_denied: No." in (
        ended.err
    )


async def test_a_browser_that_does_not_come_is_waited_for_as_long_as_was_said(way: Way) -> None:
    ended = await way.login(way.by_browser(), "--max-wait", "0.7")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.splitlines()[-1].startswith("smtp, imap: no token: nobody has logged in within 6")


@pytest.mark.parametrize(
    ("kind", "number"), sampled(product(("browser", "device"), (signal.SIGINT, signal.SIGTERM)), 2)
)
async def test_an_interrupt_ends_it_and_nothing_listens_any_more(kind: str, number: signal.Signals, way: Way) -> None:
    way.tokens.persons.come.clear()
    ports: list[int] = []

    async def act(command: Running) -> None:
        if kind == "browser":
            redirect = parse_qs(urlsplit(await page(command)).query)["redirect_uri"][0]
            ports.append(urlsplit(redirect).port or 0)
            assert listens(ports[0])
            assert not listens(ports[0], "127.0.0.2")  # what listens at all addresses does so there, too
            await asyncio.sleep(0.3)  # it has seen by then that those who looked are gone
        else:
            await said(command, "type the code")
        command.process.send_signal(number)

    ended = await way.login(way.by_browser() if kind == "browser" else way.by_device(), act=act, apart=True)
    assert (ended.code, ended.out) == (3, "")
    assert ended.err.splitlines()[-1] == "mail-loop: interrupted"
    assert "Traceback" not in ended.err
    assert not any(map(listens, ports))


async def test_an_interrupt_after_the_login_does_not_lose_the_token(way: Way) -> None:
    """While a server takes its time, which it may."""
    way.relay.play("banner", SILENCE)

    async def act(command: Running) -> None:
        await said(command, "is kept as")
        command.process.send_signal(signal.SIGINT)

    ended = await way.login(way.by_device(), act=act, apart=True)
    assert (ended.code, exported(ended)) == (3, {VARIABLE: way.newest}), ended


async def test_a_port_that_is_taken_is_said(way: Way) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = await way.login(way.by_browser(), "--port", str(port))
    assert (ended.code, ended.out) == (3, "")
    assert ended.err == (
        f"mail-loop: --port {port}: cannot be listened on at 127.0.0.1: Address already in use: give another\n"
    )


# -- Which sections


async def test_sections_that_share_a_secret_share_a_login_with_the_scopes_of_both(way: Way) -> None:
    ended = await way.login(way.by_device(smtp={"scope": "send mail"}, imap={"scope": "mail read"}))
    assert (ended.code, exported(ended)) == (0, {VARIABLE: way.newest}), ended
    forms = [one.form for one in way.tokens.asked]
    assert [form["scope"] for form in forms if set(form) == {"client_id", "scope"}] == ["send mail read"]
    assert [form["scope"] for form in forms if "refresh_token" in form] == ["send mail", "mail read"]


async def test_sections_with_secrets_of_their_own_are_asked_for_one_after_another(way: Way) -> None:
    file = way.by_device(smtp={"scope": "send"}, imap={"scope": "read", "refresh_token_secret": "other-refresh"})
    both = await way.login(file)
    first, second = way.tokens.issuer.families
    assert (both.code, exported(both)) == (0, {VARIABLE: first.newest, "OTHER_REFRESH": second.newest}), both
    one = await way.login(file, "--section", "imap")
    assert (one.code, exported(one)) == (0, {"OTHER_REFRESH": way.newest}), one
    assert (way.relay.connections, way.mailbox.connections) == (1, 2)


async def test_a_server_that_does_not_take_the_token_is_said_and_the_token_is_kept(way: Way) -> None:
    way.mailbox.logins.tokens = {"none"}
    ended = await way.login(way.by_device())
    assert (ended.code, exported(ended)) == (2, {VARIABLE: way.newest}), ended
    *_, sending, receiving, remedy = ended.err.splitlines()
    assert sending == f"smtp: logged in to localhost:{way.relay.port} as {USER}"
    assert receiving.startswith(f"imap: no login to localhost:{way.mailbox.port} as {USER}: ")
    assert remedy == (
        "  see whether the account has a mailbox, and the application the right to use it (you, who set up this check, "
        "or the administrator of that account)"
    )


WRONG: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "nothing to log in for": (
        {"refresh_token_secret": None, "client_secret_secret": "app-secret"},
        [],
        "{file}: no section logs in with a refresh token that has a name: set oauth.refresh_token_secret",
    ),
    "no such section": (
        {"device_url": "http://localhost:1/devicecode"},
        ["--section", "imaps"],
        "{file}: no section imaps logs in with a refresh token that has a name: set oauth.refresh_token_secret",
    ),
    "nowhere to begin": (
        {},
        [],
        "{file}: smtp.oauth: set device_url or authorize_url, for a login has to begin somewhere",
    ),
    "two clients": (
        {"device_url": "http://localhost:1/devicecode", "imap": {"client_id": "other"}},
        [],
        "{file}: smtp.oauth.refresh_token_secret: is that of imap as well, which has another client or token URL: give "
        "each a name of its own",
    ),
    "no name of a variable": (
        {"device_url": "http://localhost:1/devicecode", "refresh_token_secret": "app.refresh"},
        [],
        "{file}: smtp.oauth.refresh_token_secret: APP.REFRESH is no name of a variable: use letters, digits and "
        "hyphens",
    ),
    "two ways to begin": (
        {"device_url": "http://localhost:1/devicecode", "authorize_url": "http://localhost:1/authorize"},
        [],
        "{file}: smtp.oauth.authorize_url: must not be set together with device_url: keep one of them; "
        "imap.oauth.authorize_url: must not be set together with device_url: keep one of them",
    ),
    "no secret of the client": (
        {"device_url": "http://localhost:1/devicecode", "client_secret_secret": "app-secret"},
        [],
        "smtp.oauth.client_secret_secret: there is no environment variable APP_SECRET, and without Prefect no Secret "
        "block is looked for: set the variable",
    ),
}


@pytest.mark.parametrize("what", WRONG)
async def test_what_is_wrong_is_said_before_anybody_is_asked(what: str, way: Way) -> None:
    fields, arguments, sentence = WRONG[what]
    file = way.file(**fields)
    ended = await way.login(file, *arguments)
    assert (ended.code, ended.out) == (3, "")
    assert ended.err == f"mail-loop: {sentence.format(file=file)}\n"
    assert way.tokens.asked == []


# -- Where the token goes


async def test_it_becomes_the_secret_block_that_the_file_names_and_is_seen_nowhere(
    way: Way, prefect_server: Served
) -> None:
    """Made the first time, overwritten the second, replaced by the login's own use; checks then take it from there."""
    way.tokens.issuer.rotates = True
    way.more |= prefect_server.env
    way.relay.deliver = way.mailbox.append
    for _ in range(2):
        ended = await way.login(way.by_device(), act=nothing_in_a_process_list, warnings="ignore")
        assert ended.code == 0, ended
        assert f"smtp, imap: the refresh token is kept as the Prefect Secret block {NAME}" in ended.out.splitlines()
        assert seen_in(ended.out + ended.err) == []
    async with running("check", way.by_device(), env=way.env, folder=way.folder, warnings="ignore") as check:
        checked = await check.ended()
    assert (checked.code, "Mail gets through" in checked.out) == (0, True), checked
    assert [family.revoked for family in way.tokens.issuer.families] == [False, False]
    assert len(way.tokens.issuer.families[-1].spent) > 1
    assert [where for where, data in columns(prefect_server.home / "prefect.db") if seen_in(data)] == []
    assert [path for path in files_in(way.folder) if seen_in(path.read_bytes())] == []


async def test_for_a_shell_it_is_seen_on_stdout_alone(way: Way) -> None:
    """Not even with the log of whatever asks for it."""
    (way.folder / "sitecustomize.py").write_text("import logging; logging.basicConfig(level=0)\n", encoding="utf-8")
    way.more["PYTHONPATH"] = f"{way.folder}:{ROOT}"
    ended = await way.login(way.by_device(), act=nothing_in_a_process_list, apart=True, warnings="ignore")
    assert (ended.code, exported(ended)) == (0, {VARIABLE: way.newest})
    assert ended.out.count(way.newest) == 1
    assert "DEBUG" in ended.err
    assert seen_in(ended.err) == []
    assert [path for path in files_in(way.folder) if seen_in(path.read_bytes())] == []


async def nothing_in_a_process_list(command: Running) -> None:
    """Look at the arguments of all processes until it has ended."""
    ended = asyncio.create_task(command.process.wait())
    while not ended.done():
        assert [words for words in command_lines() if seen_in(words)] == []
        await asyncio.wait({ended}, timeout=0.05)


async def test_an_interrupt_ends_it_where_prefect_is_asked_too(way: Way, prefect_server: Served) -> None:
    way.tokens.persons.come.clear()
    way.more |= prefect_server.env

    async def act(command: Running) -> None:
        await said(command, "type the code")
        command.process.send_signal(signal.SIGINT)

    ended = await way.login(way.by_device(), act=act, apart=True, warnings="ignore")
    assert (ended.code, ended.err) == (3, "mail-loop: interrupted\n")


async def test_a_server_that_is_not_there_is_said_before_anybody_is_asked(way: Way) -> None:
    way.more["PREFECT_API_URL"] = "http://127.0.0.1:1/api"
    ended = await way.login(way.by_device(), warnings="ignore")
    assert (ended.code, ended.out, way.tokens.asked) == (3, "", [])
    assert ended.err.startswith("mail-loop: ")
    assert "Traceback" not in ended.err


async def test_a_name_that_no_secret_block_can_have_is_said_before_anybody_is_asked(
    way: Way, prefect_server: Served
) -> None:
    way.more |= prefect_server.env
    file = way.by_device(refresh_token_secret="App_Refresh")
    ended = await way.login(file, warnings="ignore")
    assert (ended.code, ended.out, way.tokens.asked) == (3, "", [])
    assert ended.err == (
        f"mail-loop: {file}: smtp.oauth.refresh_token_secret: App_Refresh is no name of a Secret block: use lower-case "
        "letters, digits and hyphens\n"
    )


def command_lines() -> Iterator[bytes]:
    """Of all processes."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            yield path.read_bytes()


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
