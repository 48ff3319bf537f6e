"""What is ours in the mailbox is accounted for: the probe of this run, and those that earlier runs of the loop left.

These are marked as reported when the result that reports them is published: see ledger.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tasks.mail.config.loop import LoopConfig
from tasks.mail.config.mailbox import ProbeMailbox
from tasks.mail.config.secrets import redactor_of
from tasks.mail.mailboxes.mailbox import Mailbox
from tasks.mail.mailboxes.registry import open_mailbox
from tasks.mail.model.errors import MailboxFailure, as_mailbox_failure
from tasks.mail.model.facts import Arrival, Hit, Receipt
from tasks.mail.model.header import Header, Ref, by_folder
from tasks.mail.model.moment import Moment
from tasks.mail.model.redaction.redactor import Redactor
from tasks.mail.model.result import EarlierProbe, LoopResult
from tasks.mail.probe.compose import Probe
from tasks.mail.probe.ownership import Owner, is_thorough, probe_id
from tasks.mail.search.classify import is_own
from tasks.mail.search.cleanup.ledger import REPORTED_FLAG, Terms
from tasks.mail.search.cleanup.stale import Earlier, find_earlier
from tasks.mail.search.clocks import clock_skew

_LEFT = "A copy without our own header fields was left in the mailbox: only they prove that it may be deleted."
_EARLIER_SECONDS = 10.0  # the verdict is certain by then, and waits for no more than this
_SETTLE_SECONDS = 10.0  # the result is published by then, and the run waits for no more than this

log = logging.getLogger(__name__)


async def collect(
    box: Mailbox, probe: Probe, hits: Sequence[Hit], read: Mapping[Hit, bytes], keep: bool
) -> Iterable[str]:
    """Delete the copies of the probe that carry our header with our loop's name; returns notes. Raises MailboxFailure.

    `read`: those that were read on this connection just before. With `keep` they are only marked as accounted for,
    where the folder keeps such a mark.
    """

    def is_ours(header: Header) -> bool:
        return is_own(header.raw, probe)

    proven = {hit for hit, message in read.items() if is_own(message, probe)}
    own = [hit for hit in hits if hit.own or hit in proven]
    for refs in by_folder(hit.ref for hit in own):
        known = [hit.ref for hit in proven if hit.ref in refs]
        if not keep:
            await box.delete(refs, is_ours, known)
            continue
        try:
            await box.mark(refs, is_ours, REPORTED_FLAG, known)
        except MailboxFailure:  # who keeps all messages may keep us from changing any
            if not box.alive:
                raise
    return [*([_LEFT] if len(own) < len(hits) and not keep else []), *_stuck(box)]


async def collect_earlier(
    box: Mailbox,
    probe: Probe,
    terms: Terms,
    looked_at: Sequence[str],
    others: Sequence[str],
    found: Earlier,
) -> Iterable[str]:
    """Find the probes of earlier runs in the folders that were looked at, now and then in the others as well.

    Returns notes; whatever goes wrong here is one, too: it changes nothing about this run's message.
    """
    thorough = is_thorough(probe)
    owner = Owner.of(probe, terms.now - terms.retention)
    failed = []
    try:
        async with asyncio.timeout(_EARLIER_SECONDS):
            await find_earlier(box, [*looked_at, *others] if thorough else looked_at, owner, terms, thorough, found)
    except (MailboxFailure, TimeoutError) as failure:
        failed = [f"Whether earlier probes were left behind could not be seen: {str(failure) or 'it took too long'}."]
    spared = (
        rf"Probes were left in {folder} as they are: to change them would take \Recent from other messages."
        for folder in sorted(box.spared)
    )
    return [*failed, *_removed(found), *spared, *_stuck(box)]


def terms_of(mailbox: ProbeMailbox, probe: Probe, sent: Receipt, found: Arrival, lost_after: timedelta) -> Terms:
    """What this run goes by: its own message has shown what the mail server's clock is worth."""
    now = Moment.now()
    ours = sent.started.utc_at(now)
    return Terms(
        # By the clock that is furthest behind, ours or the mail server's, set or not: what is old by all is old.
        now=min([now.utc, ours, *(hit.arrived_at for hit in found.hits)]),
        ours=ours,
        lost_after=lost_after,
        ahead=timedelta(seconds=clock_skew(sent, found)),
        retention=max(timedelta(seconds=mailbox.retention), lost_after),
        keep=not mailbox.delete_after_check,
        sure=not mailbox.spare_recent,
        key=probe.key,
    )


def _removed(found: Earlier) -> Iterator[str]:
    if found.removed:
        oldest = min(found.removed, key=lambda header: header.arrived_at)
        what = "An earlier probe" if len(found.removed) == 1 else f"{len(found.removed)} earlier probes"
        verb = "was" if len(found.removed) == 1 else "were"
        where = f"{oldest.ref.folder} at {oldest.arrived_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        yield f"{what} that nobody had collected {verb} deleted; the oldest had arrived in {where}."


def _stuck(box: Mailbox) -> Iterator[str]:
    for folder in sorted(box.stuck):
        yield (
            f"Probes pile up in {folder}: they could not be deleted, for it is read-only to this login, or keeps all; "
            "let it delete, or set imap.delete_after_check to false."
        )


async def settle(result: LoopResult, loop: LoopConfig) -> None:
    """Mark what `result` reports, or delete it if it is old. What goes wrong is logged: the next run does it again."""
    if loop.mailbox is None or not result.earlier_probes:
        return
    retention = timedelta(seconds=max(loop.mailbox.retention, loop.limits.max_wait))
    clocks = [datetime.now(UTC), *(moment for moment in (result.arrived_at,) if moment)]
    owner = Owner(loop.name, loop.sender.from_addr, min(clocks) - retention, result.probe_id or "")
    try:
        async with asyncio.timeout(_SETTLE_SECONDS):
            redact = redactor_of(loop)
            with as_mailbox_failure(redact):
                await _settle(result.earlier_probes, loop.mailbox, owner, redact)
    except Exception as failure:
        log.warning("Earlier probes could not be marked as told, so the next run tells them again: %s", failure)


async def _settle(earlier: Sequence[EarlierProbe], mailbox: ProbeMailbox, owner: Owner, redact: Redactor) -> None:
    box = await open_mailbox(mailbox, time.monotonic() + _SETTLE_SECONDS)
    failures: list[MailboxFailure] = []
    try:
        names = {redact.text(folder.name): folder.name for folder in await box.folders()}  # as the server gives them
        reported = {replace(probe.ref, folder=names.get(probe.folder, probe.folder)): probe for probe in earlier}
        for refs in by_folder(reported):
            try:
                await _settle_in(box, {ref: reported[ref] for ref in refs}, owner, mailbox.delete_after_check)
            except MailboxFailure as failure:
                failures.append(failure)
                if not box.alive:
                    break
    finally:
        await box.close()
    if failures:
        raise failures[0]


async def _settle_in(box: Mailbox, reported: Mapping[Ref, EarlierProbe], owner: Owner, may_delete: bool) -> None:
    old = [ref for ref, probe in reported.items() if may_delete and probe.arrived_at < owner.before]

    def is_it(header: Header) -> bool:
        one = reported.get(header.ref)
        return one is not None and owner.sent(header) and probe_id(header) == one.probe_id

    await box.delete(old, is_it)
    await box.mark([ref for ref in reported if ref not in old], is_it, REPORTED_FLAG)
