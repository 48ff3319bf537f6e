"""`mail-loop history` tells the checks of the server that it is given, and one sentence where there is none."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from flows.server.prefect import free_port
from tasks.sandbox import Sandbox
from tests.cli.conftest import Command, Served, config, written


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--since", "7"), "must be a length of time such as 90m, 24h, 7d or 4w, at most 520w, not '7'"),
        (("--since", "999w"), "must be a length of time such as 90m, 24h, 7d or 4w, at most 520w, not '999w'"),
        (("--loop", "Not A Slug"), "'Not A Slug' is not lower-case letters and digits with single hyphens between"),
        (("--html",), "argument --html: expected one argument"),
        (("my.yaml",), "unrecognized arguments: my.yaml"),
    ],
)
async def test_wrong_usage_is_exit_code_3_with_one_sentence(
    mail_loop: Command, arguments: tuple[str, ...], said: str
) -> None:
    ended = await mail_loop("history", *arguments)
    assert (ended.code, ended.out) == (3, "")
    assert ended.err.endswith(f"{said}\n")
    assert "Traceback" not in ended.err


async def test_a_server_that_does_not_answer_is_exit_code_3_with_one_sentence(mail_loop: Command) -> None:
    url = f"http://127.0.0.1:{free_port()}/api"
    ended = await mail_loop("history", PREFECT_API_URL=url, PREFECT_CLIENT_MAX_RETRIES="0", warnings="ignore")
    assert (ended.code, ended.out) == (3, "")
    assert ended.err == (
        f"mail-loop: the Prefect server at {url} does not answer (ConnectError): start it, or correct PREFECT_API_URL\n"
    )


async def test_where_no_server_is_configured_one_is_asked_for(mail_loop: Command) -> None:
    ended = await mail_loop("history", warnings="ignore")
    assert (ended.code, ended.out) == (3, "")
    assert ended.err == (
        "mail-loop: the history of the checks is on the Prefect server that records them: set PREFECT_API_URL\n"
    )


@pytest.mark.long
async def test_checks_on_a_server_are_its_history(
    box: Sandbox, mail_loop: Command, prefect_server: Served, tmp_path: Path
) -> None:
    """A loop that gets through and one that is refused: read back as text and as a page, with exit code 0."""
    good = written(tmp_path, "office", config(box))
    bad = written(tmp_path, "refused", config(box, smtp__username="nobody"))
    env = prefect_server.env | {"warnings": "ignore"}
    assert (await mail_loop("check", good, bad, **env)).code == 2
    html = tmp_path / "history.html"
    ended, unwritable, unknown = await asyncio.gather(
        *(
            mail_loop("history", *arguments, **env)
            for arguments in (("--since", "1h", "--html", html), ("--html", tmp_path), ("--loop", "nobody-there"))
        )
    )
    assert (ended.code, ended.err) == (0, "")
    office, refused = ended.out.split("\n\n")
    assert office.startswith("office: 1 check, ")
    assert "availability   100 %: mail got through in 1 of 1 checks" in office
    assert "availability   0.00 %: mail got through in 0 of 1 checks" in refused
    assert "rejected at auth: The relay " in refused
    page = html.read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert page.count("<svg") == 4
    assert unwritable.code == 3
    assert unwritable.err == f"mail-loop: --html: cannot write {tmp_path} (Is a directory): check the path\n"
    assert (unknown.code, unknown.err) == (0, "")
    assert unknown.out.startswith("no checks, ")
