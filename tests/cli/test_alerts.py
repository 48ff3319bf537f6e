"""`mail-loop alerts`, as an operator runs it: against a server that stays, with a pager that rings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.server import processes
from flows.server.prefect import SERVER, free_port, start_server
from tests.cli.conftest import Command
from tests.prefect.observability.pager import Pager
from tests.support.first_start import FirstStart

ALERTS = """\
channels: {pager: {webhook: pager-url}}
rules:
  failing: {when: failing, recovered_after: 1, channels: [pager]}
  degraded: {when: degraded, recovered_after: 1, channels: [pager]}
"""


@pytest.fixture(scope="module")
def api(first_start: FirstStart, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("server")
    try:
        yield start_server(first_start(home), free_port())
    finally:
        processes.stop(home, SERVER)


@pytest.mark.long
async def test_the_rules_of_a_file_are_put_in_force_shown_and_tried_out(
    api: str, mail_loop: Command, tmp_path: Path
) -> None:
    (tmp_path / "alerts.yaml").write_text(ALERTS, encoding="utf-8")
    with Pager() as pager:
        env = {
            "PREFECT_API_URL": api,
            "XDG_STATE_HOME": os.environ["XDG_STATE_HOME"],
            "PAGER_URL": pager.url(),
            "warnings": "ignore",
        }
        applied = await mail_loop("alerts", "apply", **env)
        assert (applied.code, applied.err) == (0, "")
        assert applied.out == "created: failing to pager\ncreated: degraded to pager\nin force: 2 rules, 1 channel\n"
        shown = await mail_loop("alerts", "show", **env)
        assert shown.out.startswith("failing: failing after 1 check, all loops, to pager\n")
        assert shown.out.endswith("nobody has been called for anything that goes on\n")
        tried = await mail_loop("alerts", "test", "relay-down", "bounced", "junked", "silent", **env)
        assert (tried.code, tried.err) == (0, "")
        assert tried.out.split("\n") == [
            "relay-down: failing: rule failing called pager",
            "relay-down: recovered: rule failing called pager",
            "bounced: failing: rule failing called pager",
            "bounced: recovered: rule failing called pager",
            "junked: degraded: rule degraded called pager",
            "junked: recovered: rule degraded called pager",
            "silent: no rule is about silent loops, so nobody would be called",
            "",
        ]
        outcomes = ["failing (unsent)", "failing (bounced)", "degraded (junked)"]
        assert pager.calls("alerts-test") == [call for one in outcomes for call in (one, "recovered")]
        pager.down = True
        deaf = await mail_loop("alerts", "test", "relay-down", **env)
        assert deaf.code == 2
        assert "relay-down: failing: pager has not taken the call of rule failing: see the server's log" in deaf.out


async def test_alerts_need_a_server_that_stays(mail_loop: Command, tmp_path: Path) -> None:
    (tmp_path / "alerts.yaml").write_text(ALERTS, encoding="utf-8")
    for verb in ("apply", "show", "test"):
        ended = await mail_loop("alerts", verb)
        assert ended.code == 3
        assert ended.err == "mail-loop: alerts live on a Prefect server that stays: set PREFECT_API_URL\n"


async def test_what_is_wrong_with_the_file_is_said_before_anything_else(mail_loop: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("rules: {}\n", encoding="utf-8")
    ended = await mail_loop("alerts", "apply", "mine.yaml")
    assert ended.code == 3
    assert ended.err.startswith("mail-loop: mine.yaml: channels: is required")


async def test_a_situation_that_is_not_played_is_named_with_those_that_are(mail_loop: Command) -> None:
    ended = await mail_loop("alerts", "test", "fire")
    assert ended.code == 3
    assert "must be one of relay-down, lost, bounced, late, junked, silent, not 'fire'" in ended.err
