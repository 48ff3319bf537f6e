"""Judging a message that arrived: where, when, and how it came there. Pure."""

from __future__ import annotations

from tasks.mail.concerns import concerns, rated, tempered
from tasks.mail.config import ImapConfig, LoopConfig
from tasks.mail.facts import Arrival, Placement, Receipt
from tasks.mail.journey.body import Body
from tasks.mail.journey.journey import Journey
from tasks.mail.judgement import Verdict, follow, settled, severity, took
from tasks.mail.result import Outcome, Status
from tasks.mail.times import delivery_seconds


def arrived(loop: LoopConfig, imap: ImapConfig, sent: Receipt, found: Arrival, journey: Journey | None) -> Verdict:
    """The verdict on a message of which at least one copy was found."""
    hit, seconds = found.first, delivery_seconds(sent, found)
    after = f"{took(seconds)} after {loop.smtp.host} accepted it{settled(sent)}"
    if hit.placement is Placement.JUNK:
        sentence = f"The message arrived as junk in {hit.folder} {after}: {_why_junk(journey)}."
        return Verdict(severity(imap.junked_severity), Outcome.JUNKED, sentence)
    if hit.placement is Placement.OTHER:
        sentence = f"The message arrived in {hit.folder} instead of {imap.folder} {after}: look for a filter rule."
        return Verdict(severity(imap.misplaced_severity), Outcome.MISPLACED, sentence)
    if len(found.hits) > 1:
        folders = ", ".join(sorted({copy.folder for copy in found.hits}))
        sentence = f"The message arrived {len(found.hits)} times ({folders}), first {after}: look for a double route."
        return Verdict(Status.WARNING, Outcome.DUPLICATED, sentence)
    if loop.limits.warn_after is not None and seconds > loop.limits.warn_after:
        sentence = (
            f"Mail is slow: the message arrived in {hit.folder} {after}, later than {loop.limits.warn_after:g} s"
            f"{_slow_step(journey) or follow(loop.smtp, sent)}."
        )
        return Verdict(Status.WARNING, Outcome.LATE, sentence)
    sentence = f"Mail gets through: the message arrived in {hit.folder} {after}{_changes(journey)}."
    return tempered(Verdict(Status.OK, Outcome.DELIVERED, sentence), concerns(loop, sent, found, journey))


def _why_junk(journey: Journey | None) -> str:
    """The filter that says it is spam, else the one with the highest share of its threshold."""
    ratings = [rating for rating in journey.filters if rating.score is not None or rating.spam] if journey else []
    if not ratings:
        return "see the spam filter's reasons in its header"
    return f"{rated(max(ratings, key=lambda rating: bool(rating.spam)))}: take that up with whoever runs the filter"


def _slow_step(journey: Journey | None) -> str:
    """Where the time went, and what to look for in which log."""
    if journey is None or (step := journey.slowest) is None or step.delay is None:
        return ""
    before = journey.before(step)
    if before is None or not before.hop.by:
        return f": {took(step.delay)} went by before {step.hop.by} took it; see its log"
    look = (
        f"follow {before.hop.id} in the log of {before.hop.by}" if before.hop.id else f"see the log of {before.hop.by}"
    )
    return f": {took(step.delay)} went by between {before.hop.by} and {step.hop.by or 'the next server'}; {look}"


def _changes(journey: Journey | None) -> str:
    """What a gateway did to a message that gets through all the same."""
    if journey is None:
        return ""
    done = []
    if journey.stripped:
        done.append(f"a gateway removed {' and '.join(journey.stripped)} from its header")
    if journey.body is Body.CHANGED:
        done.append("a gateway changed its body, which breaks signatures")
    return f"; on the way {' and '.join(done)}" if done else ""
