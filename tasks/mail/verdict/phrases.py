"""Phrases that the sentences, the remedies and the notes of a verdict share."""

from __future__ import annotations

from tasks.mail.config.addresses import endpoint
from tasks.mail.config.loop import LoopConfig
from tasks.mail.config.mailbox import MailboxConfig
from tasks.mail.journey.filters.ratings import junks_at
from tasks.mail.model.errors import ImapFailure, SmtpFailure
from tasks.mail.model.facts import Receipt
from tasks.mail.model.journey_record import FilterRecord
from tasks.mail.model.result import BounceRecord


def took(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds:.0f} s"


def said(error: SmtpFailure | ImapFailure) -> str:
    return f"at {error.stage}: {error.text.rstrip('.')}"


def the_relay(loop: LoopConfig) -> str:
    return f"The relay {endpoint(loop.sender.host, loop.sender.port)}"


def accepted(loop: LoopConfig, sent: Receipt) -> str:
    return f"{the_relay(loop)} accepted the message{queued(sent)}"


def queued(sent: Receipt) -> str:
    return f" as {sent.queue_id}" if sent.queue_id else ""


def follow_in_log(loop: LoopConfig, sent: Receipt) -> str:
    """Where to go on: the relay's log is the first place that knows more."""
    log = f"the log of {loop.sender.host}"
    return f"follow {sent.queue_id} in {log}" if sent.queue_id else f"see {log}"


def exempted(loop: LoopConfig) -> str:
    """Whom a relay should not greylist."""
    return "it greylist nobody who logs in" if loop.sender.username else "this machine exempted from greylisting there"


def account(mailbox: MailboxConfig) -> str:
    return f"{mailbox.username} at {mailbox.host}"


def owner_of(mailbox: MailboxConfig) -> str:
    return f"the owner of the mailbox of {account(mailbox)}"


def still_trying(delay: BounceRecord) -> str:
    """Half a sentence about a delay: who still tries, to reach whom, and why it does not work."""
    parts = ": ".join(part for part in (delay.remote_mta, delay.reason) if part)
    return (f"{who_tries(delay)} says that it is still trying" + (f": {parts}" if parts else "")).rstrip(".")


def who_tries(delay: BounceRecord) -> str:
    """The server that reported a delay."""
    return delay.reporting_mta or "the relay"


def rated(rating: FilterRecord) -> str:
    """What a spam filter thought, and where as far as that is certain, in half a sentence."""
    at = f" at {rating.server}" if rating.server else ""
    limit = junks_at(rating)
    if rating.score is None:
        did = " marked it as spam" if rating.spam else " rated it"
    elif limit is None or (rating.spam and rating.score < limit):  # then it is not the limit that it goes by
        did = f" scored it {rating.score:g}"
    else:
        did = f" scored it {rating.score:g} of {limit:g}"
    action = f" ({rating.action})" if rating.action else ""
    named = [name + ("" if score is None else f" {score:g}") for name, score in rating.reasons.items()]
    return f"{rating.filter}{at}{did}{action}" + (f", for {', '.join(named[:3])}" if named else "")
