"""The last step of reporting earlier probes: the result is published, and they are marked as reported. See ledger."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tasks.mail.config.loop import LoopConfig
from tasks.mail.config.mailbox import ProbeMailbox
from tasks.mail.config.secrets import redactor_of
from tasks.mail.mailboxes.mailbox import Mailbox
from tasks.mail.mailboxes.registry import open_mailbox
from tasks.mail.model.errors import MailboxFailure, as_mailbox_failure
from tasks.mail.model.header import Header, Ref, by_folder
from tasks.mail.model.redaction.redactor import Redactor
from tasks.mail.model.result import EarlierProbe, LoopResult
from tasks.mail.probe.ownership import Owner, probe_id
from tasks.mail.search.cleanup.ledger import REPORTED_FLAG

_SETTLE_SECONDS = 10.0  # the result is published by then, and the run waits for no more than this

log = logging.getLogger(__name__)


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
