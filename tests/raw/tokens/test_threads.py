"""The threads that ask for tokens: whatever they lack, those that wait are told, and the process can end."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

from tests.support.checks.bounds import PROGRAM_SECONDS
from tests.support.house import ROOT
from tests.support.oauth.sections import by_secret
from tests.support.oauth.server import TokenServer


async def lines_of(module: str, *arguments: str) -> list[str]:
    """What such a program prints."""
    program = [sys.executable, "-m", f"tests.support.oauth.{module}", *arguments]
    process = await asyncio.create_subprocess_exec(*program, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    async with asyncio.timeout(PROGRAM_SECONDS):
        out, _ = await process.communicate()
    return out.decode().splitlines()


async def test_where_no_file_can_be_opened_it_fails_and_is_asked_for_again_later(server: TokenServer) -> None:
    by_secret(server)  # the client
    assert await lines_of("no_more_files", server.url) == ["no token from localhost", "token"]


async def test_a_resolver_that_hangs_does_not_keep_the_process_from_ending() -> None:
    begun = time.monotonic()
    assert await lines_of("no_names", "30") == ["no token from login.example.org: no answer within 1.8 s"]
    assert time.monotonic() - begun < 20
