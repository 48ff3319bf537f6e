"""`mail-loop deploy`, before it comes to a server. What it does there: tests/prefect/deployments/test_deploy.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.support.command.forks import ROOT

EXAMPLE = ROOT / "examples" / "loops.yaml"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "mail-loop: deployments live on a Prefect server that stays: set PREFECT_API_URL\n"),
        (
            "http://127.0.0.1:9/api",
            "mail-loop: the Prefect server at http://127.0.0.1:9/api does not answer (ConnectError): start it, or "
            "correct PREFECT_API_URL\n",
        ),
    ],
)
async def test_it_needs_a_server_that_stays(mail_loop: Command, url: str, said: str) -> None:
    ended = await mail_loop("deploy", EXAMPLE, warnings="ignore", **({"PREFECT_API_URL": url} if url else {}))
    assert (ended.code, ended.out, ended.err) == (3, "", said)


async def test_what_is_wrong_with_any_file_is_told_and_no_server_is_asked(mail_loop: Command, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("loops: {a: {smtp: {}}}", encoding="utf-8")
    ended = await mail_loop("deploy", EXAMPLE, wrong, warnings="ignore", PREFECT_API_URL="http://127.0.0.1:9/api")
    assert (ended.code, ended.out) == (3, "")
    assert ended.err.startswith(f"mail-loop: {wrong}: loops.a.smtp.host: is required")


@pytest.mark.parametrize("every", ["5", "30s", "0m", "99999w"])
async def test_an_interval_that_is_none_is_refused(mail_loop: Command, every: str) -> None:
    ended = await mail_loop("deploy", "--every", every, EXAMPLE)
    assert ended.code == 3
    assert ended.err.endswith(f"argument --every: '{every}' is not a length of time such as 5m, 2h or 1d\n")


async def test_a_brief_fleet_without_shards_is_refused_before_a_server_is_asked(mail_loop: Command) -> None:
    ended = await mail_loop("deploy", "--brief", EXAMPLE, warnings="ignore", PREFECT_API_URL="http://127.0.0.1:9/api")
    assert (ended.code, ended.err) == (3, "mail-loop: --brief is for shards: give --shards, too\n")
