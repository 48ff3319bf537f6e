"""The files that the command line is given: their checks, told what they are, and run for as long as it says."""

from __future__ import annotations

import sys

from tasks.mail.config.fleet import Fleet
from tasks.mail.config.loading.files import Config
from tasks.mail.config.loop import InboundConfig, LoopConfig
from tasks.mail.config.matrix import Matrix

NAMED = 5  # loops of a fleet in the line that tells of it


def with_max_wait(config: LoopConfig | InboundConfig, seconds: float | None) -> LoopConfig | InboundConfig:
    """The loop with another limit; a message that comes after it is lost, so none can be late beyond it."""
    if seconds is None:
        return config
    if isinstance(config, InboundConfig):
        print(f"{config.name}: note: --max-wait does not apply to an inbound check", file=sys.stderr)
        return config
    warn_after = config.limits.warn_after
    limits = {"max_wait": seconds, "warn_after": min(warn_after, seconds) if warn_after is not None else None}
    return config.model_copy(update={"limits": config.limits.model_copy(update=limits)})


def route(config: Config) -> str:
    """Where the mail of a configuration goes, in a few words."""
    if isinstance(config, Fleet):
        names = [member.config.name for member in config.members]
        shown = ", ".join([*names[:NAMED], *(["..."] if len(names) > NAMED else [])])
        return f"fleet: {shown} ({len(names)} {'loops' if len(names) > 1 else 'loop'})"
    if isinstance(config, Matrix):
        loops = len(config.pairs())
        ends = f"{', '.join(config.senders)} -> {', '.join(config.receivers)}"
        return f"matrix {config.name}: {ends} ({loops} {'loops' if loops > 1 else 'loop'})"
    mailbox = (
        f"{config.imap.username} at {config.imap.host}:{config.imap.port}" if config.imap else "nowhere looked for"
    )
    if isinstance(config, InboundConfig):
        return f"inbound check {config.name}: {mailbox}, {config.imap.folder}"
    back = config.bounce_mailbox
    bounces = f", bounces to {back.username} at {back.host}:{back.port}" if back else ""
    return f"loop {config.name}: {config.smtp.host}:{config.smtp.port} -> {config.smtp.to_addr} -> {mailbox}{bounces}"
