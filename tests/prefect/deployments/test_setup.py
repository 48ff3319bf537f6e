"""`mail-loop setup` gives a server that something else started all that it needs, once, and says what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.cli.setup import setup
from flows.deploy.prefect_yaml import deployed_checks
from flows.equip import AUTOMATION_NAME, DEPLOYMENTS, POOL, unknown_passwords
from flows.server.prefect import ServerError, free_port
from tests.prefect.records import PASSWORD, SOCKETS_LEFT_OPEN
from tests.support.command.run import mail_loop, without_prefect

pytestmark = pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN)


@pytest.mark.long
async def test_a_server_has_all_it_needs_once_however_often_it_is_set_up(server: str, home: Path) -> None:
    """And the worker's folder is left for the worker to say."""
    env = without_prefect(PREFECT_API_URL=server, PREFECT_HOME=str(home), MAIL_LOOP_HOME="/nowhere")
    for _ in range(2):
        ended = await mail_loop("setup", env=env)
        assert ended.code == 0, ended
        assert server in ended.out
    async with get_client() as client:
        assert (await client.read_work_pool(POOL)).type == "process"
        assert len(await client.read_automations_by_name(AUTOMATION_NAME)) == 1
        staging = await client.read_deployment_by_name("mail-loop-check/staging")
    assert "/nowhere" not in str(staging.pull_steps)


async def test_a_password_is_missed_where_neither_the_environment_nor_a_block_has_it(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RELAY_PASSWORD", "MAILBOX_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    checks = deployed_checks(DEPLOYMENTS)
    assert [one.split()[2] for one in await unknown_passwords(server, checks)] == ["mailbox-password", "relay-password"]
    monkeypatch.setenv("MAILBOX_PASSWORD", PASSWORD)
    await Secret(value=PASSWORD).save("relay-password")
    try:
        assert await unknown_passwords(server, checks) == []
    finally:
        await Secret.adelete("relay-password")


async def test_without_a_server_it_says_which_variable_to_set(tmp_path: Path) -> None:
    ended = await mail_loop("setup", env=without_prefect(PREFECT_HOME=str(tmp_path)))
    assert ended.code == 3
    assert ended.err.strip() == (
        "mail-loop: no Prefect server is configured: set PREFECT_API_URL, such as http://127.0.0.1:4200/api"
    )


def test_a_server_that_does_not_answer_in_time_is_named() -> None:
    url = f"http://127.0.0.1:{free_port()}/api"
    with (
        temporary_settings({PREFECT_API_URL: url}),
        pytest.raises(ServerError, match=rf"{url} has not answered for 1 s: start it, or correct PREFECT_API_URL$"),
    ):
        setup(1.0)
