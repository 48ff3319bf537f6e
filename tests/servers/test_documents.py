"""Who does what docs/microsoft365.md and docs/gmail.md say has a check that delivers.

The files and commands are those of the documents, as they stand: only hosts, ids and addresses are those of the
laboratory, and who comes with a browser is no person.
"""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from cryptography.x509 import load_pem_x509_certificate

from tests.prefect.conftest import home as home
from tests.prefect.conftest import server as server
from tests.prefect.records import SOCKETS_LEFT_OPEN, configured
from tests.support.command.forks import ROOT
from tests.support.command.run import without_prefect
from tests.support.oauth.issuing import Account, Client
from tests.support.oauth.keys import certified, service_account
from tests.support.oauth.persons import AUTHORIZE, DEVICE
from tests.support.servers.lab import Lab, User

pytestmark = pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN)

SECONDS = 240.0
SECRET = "value~of.the-client_secret"
ACCOUNT = "mail-loop@project.iam.gserviceaccount.com"
SCOPES = {
    "https://outlook.office365.com/.default",
    "https://outlook.office.com/SMTP.Send",
    "https://outlook.office.com/IMAP.AccessAsUser.All",
    "offline_access",
    "https://mail.google.com/",
    "email",
}


@dataclass(frozen=True)
class Chapter:
    """What stands under one heading: the file, and the commands, block by block."""

    document: str
    heading: str
    file: str
    commands: tuple[str, ...]

    @property
    def name(self) -> str:
        """What the commands call the file."""
        [name] = {found[0] for found in re.finditer(r"[\w-]+\.yaml", "".join(self.commands))}
        return name

    @property
    def checks(self) -> int:
        return sum(block.count("mail-loop check ") for block in self.commands)


def chapters(document: str) -> Iterator[Chapter]:
    """Those with a file."""
    text = (ROOT / "docs" / f"{document}.md").read_text(encoding="utf-8")
    for part in re.split(r"^##+ ", text, flags=re.MULTILINE)[1:]:
        blocks = re.findall(r"^( *)```(\w+)\n(.*?)^\1```", part, re.DOTALL | re.MULTILINE)
        files = [textwrap.dedent(block) for _, kind, block in blocks if kind == "yaml"]
        if files:
            [file] = files
            commands = (textwrap.dedent(block) for _, kind, block in blocks if kind == "sh")
            yield Chapter(document, part.splitlines()[0], file, tuple(commands))


CHAPTERS = {f"{one.document}: {one.heading}": one for name in ("microsoft365", "gmail") for one in chapters(name)}
CHAPTERS["examples: oauth"] = Chapter(
    "examples",
    "oauth",
    (ROOT / "examples" / "oauth.yaml").read_text(encoding="utf-8"),
    ("read -rs MAIL_LOOP_CLIENT\nexport MAIL_LOOP_CLIENT\nmail-loop check --direct oauth.yaml\n",),
)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab("introspection") as running:
        running.tokens.issuer.scopes = frozenset(SCOPES)
        yield running


class Desk:
    """Where somebody does what a chapter says: `users` are the mailboxes that it has, in its order."""

    def __init__(self, lab: Lab, chapter: Chapter, folder: Path, api: str) -> None:
        self.lab = lab
        self.chapter = chapter
        self.folder = folder
        self.tokens = lab.tokens
        self.users: dict[str, User] = {}
        bin_folder = Path(sys.executable).parent
        own = {"HOME": str(folder), "XDG_STATE_HOME": str(folder / "state"), "DO_NOT_TRACK": "1"}
        path = f"{bin_folder}:/usr/local/bin:/usr/bin:/bin"
        self.env = without_prefect(**own, PATH=path) | configured(api)
        for address in re.findall(r"^ *username: (\S+)", chapter.file, re.MULTILINE):
            self.users.setdefault(address, lab.fresh_user())
        text = self._with_our_hosts(chapter.file)
        text = re.sub(r"username: (\S+)", lambda found: f"username: {self.users[found[1]].username}", text)
        text = re.sub(
            r"(from_addr|to_addr): (\S+)",
            lambda found: f"{found[1]}: {self.users.get(found[2], self.user).address}",
            text,
        )
        (folder / chapter.name).write_text(text, encoding="utf-8")

    @property
    def user(self) -> User:
        return next(iter(self.users.values()))

    @property
    def client_id(self) -> str:
        [client_id] = {found[1] for found in re.finditer(r"client_id: (\S+)", self.chapter.file)}
        return client_id

    def _with_our_hosts(self, text: str) -> str:
        """Presets give way to what is given beside them."""
        ends = iter([self.lab.relay.submission, self.lab.dovecot.imaps])  # in the order of the sections

        def there(found: re.Match[str]) -> str:
            at = next(ends)
            return f"  host: {at.host}\n  port: {at.port}\n  ca_file: {self.lab.ca_file}"

        text = re.sub(r"^  host: \S+$", there, text, flags=re.MULTILINE)
        urls = {"token_url": self.tokens.url}
        if "refresh_token_secret" in text:
            by_code = "microsoft365" in text
            urls |= {
                "device_url" if by_code else "authorize_url": self.tokens.base + (DEVICE if by_code else AUTHORIZE)
            }
        ours = "".join(f"\n    {name}: {url}" for name, url in urls.items())
        text = re.sub(r"\n    token_url: \S+$", f"\n    token_url: {self.tokens.url}", text, flags=re.MULTILINE)
        return re.sub(r"(    provider: \w+)$", rf"\1{ours}", text, flags=re.MULTILINE)

    def run(self, commands: str, typed: str = "") -> str:
        """What they say, one after the other; the first that fails is the last. What is to be opened is opened."""
        script = ["bash", "-euc", commands]
        with subprocess.Popen(
            script, cwd=self.folder, env=self.env, stdin=-1, stdout=-1, stderr=subprocess.STDOUT, text=True
        ) as shell:
            assert shell.stdin is not None
            assert shell.stdout is not None
            shell.stdin.write(typed)
            shell.stdin.close()
            said = []
            for line in shell.stdout:
                said.append(line)
                if line.startswith(f"  {self.tokens.base}{AUTHORIZE}?"):
                    httpx.get(line.strip(), follow_redirects=True, trust_env=False, timeout=SECONDS)
        assert shell.returncode == 0, said
        return "".join(said)


def application(desk: Desk) -> str:
    """With a client secret."""
    desk.tokens.issuer.clients[desk.client_id] = Client(desk.user.username, SECRET)
    return desk.run("".join(desk.chapter.commands), f"{SECRET}\n")


def certificate(desk: Desk) -> str:
    """Between the first command and the others the certificate is uploaded."""
    [block] = desk.chapter.commands
    first, _, others = block.partition("\n")
    desk.run(first)
    uploaded = load_pem_x509_certificate((desk.folder / "mail-loop.crt").read_bytes())
    desk.tokens.issuer.clients[desk.client_id] = Client(desk.user.username, certificate=uploaded)
    return desk.run(others)


def service(desk: Desk) -> str:
    """The key is what a browser has saved."""
    (desk.folder / "mail-loop.json").write_text(service_account(ACCOUNT), encoding="utf-8")
    users = frozenset(user.username for user in desk.users.values())
    desk.tokens.issuer.accounts[ACCOUNT] = Account(certified(ACCOUNT).certificate, users)
    return desk.run("".join(desk.chapter.commands))


def person(desk: Desk) -> str:
    """Who says yes as soon as there is something to be said yes to; the application may have a secret as well."""
    secret = SECRET if "client_secret_secret" in desk.chapter.file else ""
    desk.tokens.issuer.clients[desk.client_id] = Client(desk.user.username, secret)
    desk.tokens.persons.come.set()
    return desk.run("".join(desk.chapter.commands), f"{secret}\n")


def password(desk: Desk) -> str:
    """Of this check alone."""
    return desk.run("".join(desk.chapter.commands), f"{desk.user.password}\n")


FOLLOWED: dict[str, Callable[[Desk], str]] = {
    "microsoft365: 5. Check": application,
    "microsoft365: With a certificate": certificate,
    "microsoft365: In a person's name": person,
    "gmail: 3. Check": service,
    "gmail: In a person's name": person,
    "gmail: An app password": password,
    "examples: oauth": application,
}


def test_each_file_of_the_documents_is_followed() -> None:
    assert {*CHAPTERS} == {*FOLLOWED}


@pytest.mark.parametrize("chapter", FOLLOWED)
def test_who_follows_the_document_has_a_check_that_delivers(
    chapter: str, lab: Lab, tmp_path: Path, server: str
) -> None:
    desk = Desk(lab, CHAPTERS[chapter], tmp_path, server)
    said = FOLLOWED[chapter](desk)
    name = desk.chapter.name.removesuffix(".yaml")
    assert len(re.findall(rf"^{name}: ok \(delivered\): ", said, re.MULTILINE)) == desk.chapter.checks > 0, said
    for user in desk.users.values():
        logins = lab.dovecot.methods(user.username) + [
            line for line in lab.relay.lines(f"sasl_username={user.username}") if "sasl_method" in line
        ]
        assert logins
        assert all("XOAUTH2" in one for one in logins) is (FOLLOWED[chapter] is not password)


@pytest.mark.parametrize("chapter", [name for name, one in CHAPTERS.items() if (ROOT / "examples" / one.name).exists()])
def test_the_file_of_the_document_is_the_example(chapter: str) -> None:
    one = CHAPTERS[chapter]
    assert (ROOT / "examples" / one.name).read_text(encoding="utf-8") == one.file


@pytest.mark.parametrize("name", ["microsoft365", "gmail"])
def test_a_worker_needs_as_many_lines_as_the_document_says(name: str) -> None:
    """The relay, the mailbox and the token endpoint."""
    words = " ".join((ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8").split())
    assert "needs three lines in [its list of secrets and hosts]" in words
    command = [sys.executable, "-m", "flows.cli.main", "validate", "--secrets", str(ROOT / "examples" / f"{name}.yaml")]
    said = subprocess.run(command, cwd=ROOT, env=without_prefect(), capture_output=True, text=True, check=True).stdout
    assert len([line for line in said.splitlines() if re.fullmatch(r"[\w-]+@[\w.-]+", line)]) == 3, said
