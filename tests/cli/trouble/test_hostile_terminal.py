"""What servers and strangers say comes to the terminal as text: one line a check, and nothing that moves or forges."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Command, written
from tests.support.mail.hostile import EVIL, HOSTILE, as_reply
from tests.support.raw.imap import RawImap
from tests.support.raw.smtp import RawSmtp


async def files_of(servers: AsyncExitStack, folder: Path) -> list[Path]:
    """A loop for each text: refused by a relay, or refused by a mailbox."""
    files = []
    for number, text in enumerate(HOSTILE.values()):
        refusal = as_reply(550, text.replace("\n", " ").replace("\r", " "))
        relay = await servers.enter_async_context(RawSmtp({"rcpt": refusal} if number % 2 else {}))
        smtp = {"host": relay.host, "port": relay.port, "tls": "none", "subject_prefix": "[hostile]"}
        data: dict[str, Any] = {"smtp": {**smtp, "from_addr": "a@raw.test", "to_addr": "b@raw.test"}}
        if not number % 2:
            said = b"* BYE " + " ".join(text.replace("\0", "").splitlines()).encode() + b"\r\n"
            box = await servers.enter_async_context(RawImap({"examine": said}))
            login = {"username": "box", "password": "in-clear", "retry_delay": 0.1}
            data |= {"imap": {"host": box.host, "port": box.port, "tls": "none", **login}, "limits": {"max_wait": 1}}
        files.append(written(folder, f"loop-{number}", data))
    return files


@pytest.mark.parametrize("arguments", [[], ["--json"]], ids=["text", "json"])
async def test_hostile_replies_are_one_printable_line_each(
    mail_loop: Command, tmp_path: Path, arguments: list[str]
) -> None:
    async with AsyncExitStack() as servers:
        files = await files_of(servers, tmp_path)
        ended = await mail_loop("check", "--direct", *arguments, *files)
    assert ended.code == 2, ended.err
    *lines, last = ended.out.split("\n")
    pattern = [] if arguments else [lines.pop()]
    assert (len(lines), last) == (len(HOSTILE), "")
    for text in [*lines, *pattern, *ended.err.split("\n")]:
        assert text.isprintable()
    if arguments:
        assert {result["outcome"] for result in map(json.loads, lines)} == {"rejected", "unverified"}
    else:
        assert all(line.startswith("loop-") for line in lines)
        assert pattern[0].startswith("pattern: ")
        assert f"http://{EVIL}" not in ended.out
        assert f"http: //{EVIL}" in ended.out  # a terminal makes links of what looks like one


@pytest.mark.parametrize("command", [["validate"], ["check", "--direct"]], ids=" ".join)
async def test_hostile_names_of_files_are_one_printable_line_each(
    mail_loop: Command, tmp_path: Path, command: list[str]
) -> None:
    names = [text.replace("/", "_").replace("\0", "")[:100] for text in HOSTILE.values()]
    files = [tmp_path / f"{name}.yaml" for name in names]
    for number, file in enumerate(files):
        if number % 3:
            file.write_text("smtp: {host: [", encoding="utf-8")
    ended = await mail_loop(*command, *files)
    assert ended.code == 3
    said = ended.err if command == ["validate"] else ended.out
    assert said.count("\n") == len(files)
    assert all(line.isprintable() for line in (ended.out + ended.err).split("\n"))
