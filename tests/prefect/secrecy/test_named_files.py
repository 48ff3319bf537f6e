"""A run may name any file of its worker's machine: nothing that is in it comes back."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest
from prefect.logging.handlers import APILogHandler

from flows.fleet import fleet_check
from flows.inbound import inbound_check
from flows.loop_matrix import loop_matrix
from flows.mail_loop import mail_loop_check
from tasks.mail.model.outcome import Outcome
from tests.prefect.records import SOCKETS_LEFT_OPEN, columns
from tests.support.checks.flow_checks import only_result
from tests.support.checks.sample import sampled

pytestmark = [pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN), pytest.mark.usefixtures("server")]

SECRET = "Zug7Vogel"
PEM = f"-----BEGIN CERTIFICATE-----\n{SECRET}\n-----END CERTIFICATE-----\n"
CA_FILES = {
    "lines": f"root:{SECRET}:19000:0:99999:7:::\n{SECRET}\n",
    "a broken certificate": PEM,
    "a key": PEM.replace("CERTIFICATE", "PRIVATE KEY"),
    "nothing": "",
}
FILES = {
    "shadow": f"root:{SECRET}:19000:0:99999:7:::\n",
    "lines.yaml": f"root:{SECRET}:19000\n{SECRET}\n",
    "alias.yaml": f"password: *{SECRET}\n",
    "tag.yaml": f"password: !{SECRET} x\n",
    "anchor.yaml": f"a: &{SECRET} [*{SECRET}]\n",
    "twice.yaml": f"{SECRET}: 1\n{SECRET}: 2\n",
    "directive.yaml": f"%{SECRET}\n---\na: 1\n",
    "fields.yaml": f"{SECRET}: {SECRET}\n",
    "list.yaml": f"- {SECRET}\n",
    "one.json": f'"{SECRET}"',
    "broken.json": f'{{"auths": {{"registry": {{"auth": {SECRET}}}}}}}',
    "twice.json": f'{{"{SECRET}": 1, "{SECRET}": 2}}',
    "number.toml": f"{SECRET} = 2024-13-45\n",
    "broken.toml": f"password = {SECRET}\n",
    "twice.toml": f"{SECRET} = 1\n{SECRET} = 2\n",
}
PORT = 1  # nothing is sent: the configuration is refused


@pytest.fixture
def name(name: str) -> str:
    """Short enough for the names of the loops."""
    return name[:40].strip("-")


async def assert_tells_nothing(state: Any, home: Path, caplog: pytest.LogCaptureFixture, file: Path) -> None:
    result = await only_result(state)
    assert result.outcome is Outcome.MISCONFIGURED
    assert str(file) in result.sentence  # the file, and what to do
    await APILogHandler.aflush()
    told = (str(state.message), result.model_dump_json(), caplog.text)
    assert [text for text in told if SECRET.casefold() in text.casefold()] == []
    kept = [where for where, data in columns(home / "prefect.db") if SECRET.lower().encode() in data.lower()]
    assert kept == []


@pytest.mark.parametrize(("engine", "content"), sampled(product(["flow", "inbound", "fleet", "matrix"], CA_FILES), 6))
async def test_no_error_quotes_a_ca_file(
    engine: str, content: str, home: Path, name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    file = tmp_path / "named"
    file.write_text(CA_FILES[content], encoding="utf-8")
    mailbox = {"host": "127.0.0.1", "port": PORT, "username": "bert", "password_secret": "none", "ca_file": str(file)}
    relay = {"host": "127.0.0.1", "port": PORT, "from_addr": "a@b.test", "subject_prefix": "[x]", "ca_file": str(file)}
    to: Any = {"to_addr": "c@d.test"}
    state: Any
    given: Any
    if engine == "flow":
        given = {"smtp": relay | to, "imap": mailbox}
        state = await mail_loop_check(name, **given, return_state=True)
    elif engine == "inbound":
        given = {"imap": mailbox | {"search_subject": "[x]"}}
        state = await inbound_check(name=name, **given, return_state=True)
    elif engine == "fleet":
        given = {"loops": {"one": {"smtp": relay | to, "imap": mailbox}}}
        state = await fleet_check(name, **given, return_state=True)
    else:
        given = {"senders": {"a": relay}, "receivers": {"b": mailbox | {"address": "c@d.test"}}}
        state = await loop_matrix(name, **given, return_state=True)
    await assert_tells_nothing(state, home, caplog, file)


@pytest.mark.parametrize(
    ("field", "content"), sampled(product(["cert_file", "key_file", "oauth.ca_file"], CA_FILES), 4)
)
async def test_nor_one_with_a_certificate_a_key_or_the_authority_of_a_token_endpoint(
    field: str, content: str, home: Path, name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    file = tmp_path / "named"
    file.write_text(CA_FILES[content], encoding="utf-8")
    login: dict[str, Any] = {"cert_file": str(file)} | ({"key_file": str(file)} if field == "key_file" else {})
    if field == "oauth.ca_file":
        login = {"oauth": {"provider": "google", "service_account_secret": "none", "ca_file": str(file)}}
    mailbox: Any = {"host": "127.0.0.1", "port": PORT, "username": "bert", "search_subject": "[x]", **login}
    state: Any = await inbound_check(name=name, imap=mailbox, return_state=True)
    await assert_tells_nothing(state, home, caplog, file)


@pytest.mark.parametrize("called", sampled(FILES, 4))
async def test_no_error_quotes_a_file_of_a_fleet(
    called: str, home: Path, name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    file = tmp_path / called
    file.write_text(FILES[called], encoding="utf-8")
    state: Any = await fleet_check(name, files=[str(file)], return_state=True)
    await assert_tells_nothing(state, home, caplog, file)
