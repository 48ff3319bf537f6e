"""How the situations are made: each function runs one check in the laboratory, and returns what was configured, too."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from email.message import EmailMessage

from flows.direct import check
from tasks.mail.config.loop import LoopConfig
from tasks.mail.model.result import LoopResult
from tests.support.servers.lab import Lab, Situation, User, Way
from tests.support.servers.loops import MAX_WAIT, PREFIX, Fields, at, loop
from tests.support.servers.processes import until

Made = tuple[LoopConfig, LoopResult]
Making = Callable[[Lab], Awaitable[Made]]

MAILBOX = "localhost"  # by another name than the relay, so that a sentence tells which is meant
BRIEF = 3.0  # seconds after which what never comes is lost
DOWN = 2.0  # seconds for which a server is down
QUOTA = 100  # KiB
EXPECTED = {"authserv_id": "edge.test", "expect": {"spf": "pass", "dkim": "pass", "dmarc": "pass"}}


def configured(
    lab: Lab,
    user: User,
    to: str | None = None,
    *,
    smtp: Fields | None = None,
    imap: Fields | None = None,
    max_wait: float = MAX_WAIT,
    warn_after: float = MAX_WAIT,
) -> LoopConfig:
    """A loop through the laboratory."""
    return loop(
        lab,
        user,
        to,
        smtp=smtp,
        imap={"host": MAILBOX, **(imap or {})},
        name="office",
        max_wait=max_wait,
        warn_after=min(warn_after, max_wait),
    )


async def run(config: LoopConfig) -> Made:
    return config, await check(config)


def plain(smtp: Fields | None = None, imap: Fields | None = None) -> Making:
    """A check that differs in its configuration."""
    return lambda lab: run(configured(lab, lab.fresh_user(), smtp=smtp, imap=imap))


def port(name: str, smtp: Fields | None = None) -> Making:
    """Handed in at another port of the relay."""

    async def make(lab: Lab) -> Made:
        return await run(configured(lab, lab.fresh_user(), smtp=at(getattr(lab.relay, name), **(smtp or {}))))

    return make


def to(situation: Situation, max_wait: float = MAX_WAIT) -> Making:
    """What stands behind the plus in the address decides."""

    async def make(lab: Lab) -> Made:
        user = lab.fresh_user()
        return await run(configured(lab, user, user.plus(situation), max_wait=max_wait))

    return make


def by(way: Way, warn_after: float = MAX_WAIT) -> Making:
    """The domain of the address decides."""

    async def make(lab: Lab) -> Made:
        user = lab.fresh_user()
        return await run(configured(lab, user, user.by(way), warn_after=warn_after))

    return make


def judged(way: Way = "judged", sender: str = "inbox.test") -> Making:
    """SPF, DKIM and DMARC are expected to pass."""

    async def make(lab: Lab) -> Made:
        user = lab.fresh_user()
        smtp = at(lab.relay.signing, from_addr=f"{user.username}@{sender}")
        return await run(configured(lab, user, user.by(way), smtp=smtp, imap=EXPECTED))

    return make


def subject(word: str) -> Making:
    """What the subject holds decides."""
    return plain(smtp={"subject_prefix": f"{PREFIX} [{word}]"})


def full(relay: str, **settings: str) -> Making:
    """The mailbox is full, and the message is handed in at that port of the relay."""

    async def make(lab: Lab) -> Made:
        quota = {"quota": "maildir:Mailbox", "quota_rule": f"*:storage={QUOTA}K"}
        user = lab.fresh_user(**quota, **settings)
        ballast = EmailMessage()
        ballast["Subject"] = "ballast"
        # Long lines: APPEND counts two octets for the end of a line, the file has one.
        lines = QUOTA * 1024 // 902 - 1
        ballast.set_payload(("x" * 900 + "\n") * lines + "x" * 700)
        lab.put(user, ballast)
        smtp = at(getattr(lab.relay, relay), retries=1)
        return await run(configured(lab, user, smtp=smtp, max_wait=BRIEF))

    return make


async def relay_down(lab: Lab) -> Made:
    return await run(configured(lab, lab.fresh_user(), smtp=at(lab.closed)))


async def edge_down(lab: Lab) -> Made:
    """It comes back after a while, and the relay tries again."""
    user = lab.fresh_user()
    lab.edge.stop()
    running = asyncio.create_task(run(configured(lab, user, warn_after=1.0)))
    try:
        await asyncio.sleep(DOWN)
    finally:
        await asyncio.to_thread(lab.edge.start)
    return await running


async def mailbox_down_before(lab: Lab) -> Made:
    """IMAP is down; what the relay needs of Dovecot is not."""
    user = lab.fresh_user()
    lab.dovecot.close_imap()
    try:
        return await run(configured(lab, user, max_wait=BRIEF))
    finally:
        lab.dovecot.open_imap()


async def mailbox_down_during(lab: Lab) -> Made:
    """A slow gateway gives the time to let IMAP go down, and come back, while the check waits."""
    user = lab.fresh_user()
    running = asyncio.create_task(run(configured(lab, user, user.by("slow"))))
    login = f"Login: user=<{user.username}>"
    await asyncio.to_thread(until, lambda: login in lab.dovecot.log() or None, lambda: "no login")
    await asyncio.sleep(1.0)  # what comes before the search is over by then
    try:
        await asyncio.to_thread(lab.dovecot.close_imap)
        await asyncio.sleep(0.5)
    finally:
        await asyncio.to_thread(lab.dovecot.open_imap)
    return await running


async def expiring(lab: Lab) -> Made:
    smtp, imap = at(lab.relay.expiring), at(lab.dovecot.expiring_imaps)
    return await run(loop(lab, lab.fresh_user(), smtp=smtp, imap=imap, name="office"))


async def mailbox_expired(lab: Lab) -> Made:
    return await run(loop(lab, lab.fresh_user(), imap=at(lab.dovecot.expired_imaps), name="office"))
