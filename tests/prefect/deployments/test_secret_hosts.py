"""A worker hands a secret only to the hosts that its list names: runs that ask for more, and lists of all kinds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect import State
from prefect.blocks.system import Secret
from prefect.client.schemas.objects import FlowRun
from pydantic import SecretStr

from flows.cli.serve import WORKER
from flows.fleet import fleet_check
from flows.inbound import inbound_check
from flows.mail_loop import mail_loop_check
from flows.server import processes
from tasks.credentials import SecretBlocks
from tasks.mail.config.loop import SmtpConfig
from tasks.mail.model.errors import ConfigError
from tasks.run_context import Caller, caller
from tasks.sandbox import Sandbox
from tests.prefect.deployments.runs import create_run, ended
from tests.prefect.records import OTHER_TOKEN, PASSWORD, SOCKETS_LEFT_OPEN, parameters, places_of
from tests.support.raw.imap import RawImap
from tests.support.raw.smtp import RawSmtp

pytestmark = pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN)

ADDRESSES = {"from_addr": "probe@raw.test", "to_addr": "box@raw.test", "subject_prefix": "[x]"}


@pytest.fixture
def worker_list(deployed: str, home: Path) -> Iterator[Path]:
    """The list of the worker, put back in the end."""
    path = home / "secrets.allow"
    before = path.read_text(encoding="utf-8")
    yield path
    path.write_text(before, encoding="utf-8")


@pytest.fixture
async def relay() -> AsyncIterator[RawSmtp]:
    """A relay of an attacker's, who takes any login and remembers it."""
    async with RawSmtp(extensions=["8BITMIME", "AUTH PLAIN"]) as running:
        yield running


def write(path: Path, content: str | None) -> None:
    """Give the list this content; None: let there be none."""
    if content is None:
        path.unlink()
    else:
        path.write_text(content, encoding="utf-8")


@pytest.fixture
def my_list(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A list that is in force for flow runs of this process, which has the secrets of the worker."""
    monkeypatch.setenv("MAIL_LOOP_SECRETS_ALLOW", str(tmp_path / "mine"))
    monkeypatch.setenv("OTHER_SERVICE_TOKEN", OTHER_TOKEN)
    monkeypatch.setenv("SANDBOX_PASSWORD", PASSWORD)
    return tmp_path / "mine"


async def staging(name: str, smtp: dict[str, Any]) -> FlowRun:
    """A run of the shipped deployment by the worker, to its end."""
    return await ended(await create_run("mail-loop-check/staging", {"name": name, "smtp": ADDRESSES | smtp}))


async def here(name: str, smtp: dict[str, Any], **sections: Any) -> State[Any]:
    """How a run ends in this process."""
    state: State[Any] = await mail_loop_check(name, ADDRESSES | smtp, **sections, return_state=True)
    return state


def login(server: RawSmtp | RawImap, secret: str) -> dict[str, Any]:
    return {"host": server.host, "port": server.port, "tls": "none", "username": "u", "password_secret": secret}


def end_of(run: FlowRun | State[Any]) -> State[Any]:
    state = run.state if isinstance(run, FlowRun) else run
    assert state is not None
    return state


def name_of(run: FlowRun | State[Any]) -> str:
    return str(end_of(run).name)


def message(run: FlowRun | State[Any]) -> str:
    return str(end_of(run).message)


@pytest.mark.long
async def test_the_form_of_a_shipped_deployment_takes_no_variable_and_no_block_elsewhere(
    deployed: str, home: Path, relay: RawSmtp
) -> None:
    """The line that would allow it is told, and not whether there is such a secret."""
    await Secret(value=OTHER_TOKEN).save("a-block", overwrite=True)
    secrets = ["other-service-token", "a-block", "is-nowhere-at-all"]
    runs = await asyncio.gather(*(staging(secret, login(relay, secret)) for secret in secrets))
    assert relay.credentials == []
    assert relay.log == []
    for secret, run in zip(secrets, runs, strict=True):
        assert name_of(run) == "Misconfigured"
        assert message(run).endswith(
            f"smtp.password_secret: this worker may not hand {secret} to 127.0.0.1 over an unencrypted connection: "
            f"add the line {secret}@127.0.0.1,clear to {home / 'secrets.allow'} on its machine, if it should."
        )


async def test_nor_do_a_mailbox_a_bounce_mailbox_an_inbound_check_a_fleet_and_its_file(
    my_list: Path, relay: RawSmtp, tmp_path: Path
) -> None:
    """A loop of a fleet beside it that may have its secret is checked."""
    await asyncio.to_thread(write, my_list, "")
    async with RawImap() as mailbox:
        taken = login(mailbox, "other-service-token")
        plain = {"host": relay.host, "port": relay.port, "tls": "none", **ADDRESSES}
        loops = {"taken": {"smtp": plain, "imap": taken}, "fine": {"smtp": plain | {"subject_prefix": "[fine]"}}}
        file = tmp_path / "loops.json"
        file.write_text(json.dumps({"loops": {"from-a-file": loops["taken"]}}), encoding="utf-8")
        ends = [
            await here("mailbox", plain, imap=taken),
            await here("bounces", plain, bounce_mailbox=taken),
            await inbound_check(taken | {"search_subject": "[x]"}, "in", return_state=True),
            await fleet_check(name="attacked", loops=loops, files=[str(file)], return_state=True),
        ]
        assert [name_of(end) for end in ends] == ["Misconfigured"] * 4
        assert mailbox.log == []
    where = [f"{field}.password_secret: this worker may not hand" for field in ("imap", "bounce_mailbox", "imap")]
    assert [told in message(end) for told, end in zip(where, ends, strict=False)] == [True] * 3
    assert [b"[fine]" in mail for mail in relay.messages] == [True]


@pytest.mark.long
async def test_the_list_is_read_by_each_run_and_a_line_that_is_none_is_told(
    worker_list: Path, home: Path, box: Sandbox
) -> None:
    """By one worker: no list, a list, and one with a wrong line behind the right one.

    With the right one a check runs from another folder, by a password of the worker's environment.
    """
    began = processes.running(home, WORKER)
    right = f"sandbox-password@{box.host}\n"
    told = {
        None: f"add the line sandbox-password@{box.host} to {worker_list} on its machine",
        f"# mine\n\n  Sandbox-PASSWORD@{box.host}  # the mailbox\n": "",
        f"{right}*@{box.host}\n": f"{worker_list}, line 2: must be NAME@HOST",
    }
    for number, (content, expected) in enumerate(told.items()):
        await asyncio.to_thread(write, worker_list, content)
        run = await ended(await create_run("mail-loop-check/staging", parameters(box, f"list-{number}")))
        end = name_of(run), run.name.startswith(f"list-{number} ")  # which a run is called once it may begin
        assert end == (("Misconfigured", False) if expected else ("Delivered", True)), message(run)
        assert expected in message(run)
    assert places_of(PASSWORD, home) == []
    assert processes.running(home, WORKER) == began


async def test_what_is_weak_on_the_way_needs_its_word_and_hosts_are_compared_as_names(
    my_list: Path, box: Sandbox, relay: RawSmtp
) -> None:
    lines = ["sandbox-password@127.0.0.1,clear", "sandbox-password@Localhost,unverified", "relay@Bücher.test"]
    await asyncio.to_thread(write, my_list, "\n".join(lines))
    form = parameters(box, "")["smtp"]
    unverified = form | {"verify": False}
    del unverified["ca_file"]
    idn = ADDRESSES | {"host": "xn--bcher-kva.test", "username": "u", "password_secret": "relay", "retries": 0}
    runs = [
        await here("clear", login(relay, "sandbox-password")),
        await here("verified", form),
        await here("unverified-elsewhere", unverified | {"host": "127.0.0.1"}),
        await here("unverified", unverified | {"host": "LOCALHOST"}),
        await here("clear-elsewhere", login(relay, "sandbox-password") | {"host": "localhost"}),
        await here("idn", idn),
    ]
    assert [name_of(run) for run in runs] == [
        "Delivered",
        "Delivered",
        "Misconfigured",
        "Delivered",
        "Misconfigured",
        "Misconfigured",
    ]
    assert "without verifying its certificate: add the line sandbox-password@127.0.0.1,unverified" in message(runs[2])
    assert "over an unencrypted connection: add the line sandbox-password@localhost,clear" in message(runs[4])
    assert "there is no Prefect Secret block 'relay'" in message(runs[5])  # it was allowed to be looked for
    assert len(relay.credentials) == 1


async def test_only_our_own_command_line_needs_no_list(my_list: Path) -> None:
    """It says so itself, in its own process: what the environment says makes no run one of the user's."""
    smtp = ADDRESSES | {"host": "relay.test", "username": "u", "password_secret": "other-service-token"}
    section = SmtpConfig.model_validate(smtp)
    refused = f"hand other-service-token to relay.test: add the line other-service-token@relay.test to {my_list}"
    with pytest.raises(ConfigError, match=refused):
        await SecretBlocks().resolve(section, "smtp")
    of_the_user = caller.set(Caller(lambda result: None))
    found = await SecretBlocks().resolve(section, "smtp")
    caller.reset(of_the_user)
    assert found.password == SecretStr(OTHER_TOKEN)
    with pytest.raises(ConfigError, match=refused):
        await SecretBlocks().resolve(section, "smtp")
    await asyncio.to_thread(write, my_list, "other-service-token@relay.test")
    assert await SecretBlocks().resolve(section, "smtp") == found
