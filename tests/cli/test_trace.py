"""`mail-loop trace` tells the journey of a message that a person saved, or in one sentence why it cannot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.support.mail.saved import SAVED


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    (tmp_path / "saved.eml").write_bytes(SAVED)
    return tmp_path / "saved.eml"


async def test_the_journey_is_told_hop_by_hop_and_drawn(mail_loop: Command, saved: Path) -> None:
    ended = await mail_loop("trace", saved)
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[0].startswith(
        "hop 1: relay.example.org took it from pc with ESMTPSA as 4YY at 2026-11-24 10:00:01 UTC"
    )
    assert lines[1].startswith("hop 2: not readable: ")
    assert lines[2].endswith("after 4 min 59 s <- slow")
    assert "authentication, as stated by mx.example.net, the top-most: dkim pass, spf fail" in lines
    assert "spam filter: SpamAssassin 4.2 of 5, no spam (B 2.2, A 2)" in lines
    assert any("slowest: hop " in line for line in lines)
    assert all(line.isprintable() for line in lines)


async def test_programs_get_it_as_json_and_another_name_is_believed_where_it_is_given(
    mail_loop: Command, saved: Path
) -> None:
    ended = await mail_loop("trace", "--json", "--authserv-id", "elsewhere.test", saved)
    told = json.loads(ended.out)
    assert [hop["id"] for hop in told["hops"]] == ["4YY", "", "4XX", "abc"]
    assert told["queue_ids"][0] == ["relay.example.org", "4YY"]
    assert (told["authentication"]["methods"], told["authentication"]["ignored"]) == ([], 1)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.eml", None, "none.eml: cannot be read (No such file or directory): check the path"),
        (
            "outlook.msg",
            bytes.fromhex("d0cf11e0a1b11ae1") + bytes(512),
            "the file is a .msg file of Outlook, which is no mail any more: save the message as it was received "
            "(.eml, 'original' or 'source' in most mail programs)",
        ),
        ("empty.eml", b" \n", "the file is empty: save the message as it is, with all its header fields"),
    ],
)
async def test_what_cannot_be_traced_is_one_sentence(
    mail_loop: Command, tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    ended = await mail_loop("trace", name)
    assert (ended.code, ended.out, ended.err) == (3, "", f"mail-loop: {said}\n")
