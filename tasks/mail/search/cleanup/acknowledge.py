"""The last step of telling of earlier probes: the result is published, and the mailbox has to know. See ledger."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from tasks.mail.config.loop import ImapConfig, LoopConfig
from tasks.mail.config.secrets import redactor_of
from tasks.mail.mailboxes.imap.mailbox import Mailbox
from tasks.mail.model.errors import ImapFailure, as_imap_failure
from tasks.mail.model.header import Row
from tasks.mail.model.redaction.redactor import Redactor
from tasks.mail.model.result import EarlierProbe, LoopResult
from tasks.mail.probe.ownership import Owner, probe_id
from tasks.mail.search.cleanup.ledger import TOLD

SECONDS = 10.0  # the result is published by then, and the run waits for no more than this

log = logging.getLogger(__name__)


async def settle(result: LoopResult, loop: LoopConfig) -> None:
    """Mark what `result` told, or delete it if it is old. What goes wrong is logged: the next run tells it again."""
    if loop.imap is None or not result.earlier_probes:
        return
    retention = timedelta(seconds=max(loop.imap.retention, loop.limits.max_wait))
    clocks = [datetime.now(UTC), *(moment for moment in (result.arrived_at,) if moment)]
    owner = Owner(loop.name, loop.smtp.from_addr, min(clocks) - retention, result.probe_id or "")
    try:
        async with asyncio.timeout(SECONDS):
            redact = redactor_of(loop)
            with as_imap_failure(redact):
                await _settle(result, loop.imap, owner, redact)
    except Exception as failure:
        log.warning("Earlier probes could not be marked as told, so the next run tells them again: %s", failure)


async def _settle(result: LoopResult, imap: ImapConfig, owner: Owner, redact: Redactor) -> None:
    box = await Mailbox.open(imap, time.monotonic() + SECONDS)
    failures: list[ImapFailure] = []
    try:
        names = {redact.text(folder.name): folder.name for folder in await box.folders()}  # as the server gives them
        for folder, uidvalidity in dict.fromkeys((told.folder, told.uidvalidity) for told in result.earlier_probes):
            there = [t for t in result.earlier_probes if (t.folder, t.uidvalidity) == (folder, uidvalidity)]
            try:
                await _settle_in(box, names.get(folder, folder), uidvalidity, there, owner, imap.delete_after_check)
            except ImapFailure as failure:
                failures.append(failure)
                if not box.alive:
                    break
    finally:
        await box.close()
    if failures:
        raise failures[0]


async def _settle_in(
    box: Mailbox, folder: str, uidvalidity: int, there: Sequence[EarlierProbe], owner: Owner, may_delete: bool
) -> None:
    ids = {told.uid: told.probe_id for told in there}
    old = [told.uid for told in there if may_delete and told.arrived_at < owner.before]

    def is_it(row: Row) -> bool:
        return owner.sent(row) and probe_id(row) == ids.get(row.uid)

    await box.delete(folder, uidvalidity, old, is_it)
    await box.mark(folder, uidvalidity, [uid for uid in ids if uid not in old], is_it, TOLD)
