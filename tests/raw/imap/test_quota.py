"""What a server says of its quota explains why nothing comes; where it fails at that, all else it said still holds."""

from __future__ import annotations

import pytest

from tasks.mail.model.outcome import ErrorType, Outcome
from tests.support.checks.rounds import SHORT, Relay, Round, assert_found
from tests.support.raw.imap import RawImap, Session
from tests.support.raw.server import DROP, SILENCE, Action

CAPABILITIES = "IMAP4rev1 SASL-IR IDLE UIDPLUS SPECIAL-USE QUOTA AUTH=PLAIN"
FULL = b'* QUOTAROOT INBOX ""\r\n* QUOTA "" (STORAGE 1000 1000)\r\n{tag} OK done\r\n'
ROOMY = b'* QUOTAROOT INBOX ""\r\n* QUOTA "" (STORAGE 10 1000)\r\n{tag} OK done\r\n'
FAULTS = {"NO": b"{tag} NO not today\r\n", "garbage": b"* QUOTA ((((\r\n{tag} OK done\r\n", "drop": DROP}


class WithQuota(RawImap):
    """Answers GETQUOTAROOT by the script."""

    phases = RawImap.phases | {"getquotaroot"}

    async def _perform(self, session: Session, tag: bytes, verb: str, argument: str, uid: bool) -> None:
        if verb == "getquotaroot":
            await self.reply(session, verb, tag + b" OK done\r\n", tag)
        else:
            await super()._perform(session, tag, verb, argument, uid)


def asked(mailbox: RawImap) -> int:
    return sum(line.startswith("GETQUOTAROOT") for line in mailbox.log)


async def test_a_full_mailbox_is_why_a_message_is_lost() -> None:
    async with Relay() as relay, WithQuota({"getquotaroot": FULL}, capabilities=CAPABILITIES) as mailbox:
        way = Round(relay, mailbox)
        way.lose()
        result = await way.check(SHORT)
    assert result.outcome is Outcome.LOST
    assert result.sentence.endswith(
        ", for that mailbox is full (1000 of 1000 KiB), and a bounce would not fit in either: "
        "make room in it, or raise its quota."
    )


async def test_a_mailbox_with_room_explains_nothing() -> None:
    async with Relay() as relay, WithQuota({"getquotaroot": ROOMY}, capabilities=CAPABILITIES) as mailbox:
        way = Round(relay, mailbox)
        way.lose()
        result = await way.check(SHORT)
    assert "quota" not in result.sentence


@pytest.mark.parametrize("fault", [*FAULTS.values(), SILENCE], ids=[*FAULTS, "silence"])
async def test_a_server_that_does_not_tell_its_quota_is_believed_in_the_rest(fault: Action) -> None:
    async with Relay() as relay, WithQuota({"getquotaroot": fault}, capabilities=CAPABILITIES) as mailbox:
        way = Round(relay, mailbox)
        way.lose()
        result = await way.check(SHORT, timeout=0.3)
        assert asked(mailbox) == 1
    assert (result.outcome, result.error_type) == (Outcome.LOST, ErrorType.NO_MESSAGE)
    assert "quota" not in result.sentence


async def test_nobody_is_asked_for_a_quota_that_is_not_offered_or_of_no_interest() -> None:
    async with Relay() as relay, WithQuota() as mailbox:
        way = Round(relay, mailbox)
        way.lose()
        await way.check(SHORT)
        assert asked(mailbox) == 0
    async with Relay() as relay, WithQuota(capabilities=CAPABILITIES) as mailbox:
        relay.arrive = mailbox.append
        assert_found(await Round(relay, mailbox).check())
        assert asked(mailbox) == 0
