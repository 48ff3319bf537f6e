"""Judging a message that arrived: where, when, and how it came there. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tasks.mail.advice import is_greylisting
from tasks.mail.concerns import concerns, rated, tempered
from tasks.mail.config import ImapConfig, LoopConfig
from tasks.mail.facts import Arrival, AttemptError, Placement, Receipt
from tasks.mail.journey.journey import Journey
from tasks.mail.journey.words import changes, slow_step, ways
from tasks.mail.judgement import Verdict, follow, settled, severity, took
from tasks.mail.result import Outcome, Status
from tasks.mail.times import delivery_seconds


def arrived(
    loop: LoopConfig,
    imap: ImapConfig,
    sent: Receipt,
    found: Arrival,
    errors: Sequence[AttemptError],
    journey: Journey | None,
) -> Verdict:
    """The verdict on a message of which at least one copy was found. `errors`: the attempts that had failed before."""
    hit, seconds = found.first, delivery_seconds(sent, found)
    after = f"{took(seconds)} after {loop.smtp.host} accepted it{_retried(sent, errors)}{settled(sent)}"
    if hit.placement is Placement.JUNK:
        sentence = f"The message arrived as junk in {hit.folder} {after}: {_why_junk(journey)}."
        return Verdict(severity(imap.junked_severity), Outcome.JUNKED, sentence)
    if hit.placement is Placement.OTHER:
        sentence = (
            f"The message arrived in {hit.folder} instead of {imap.folder} {after}: "
            f"look for a filter rule of {imap.username} at {imap.host}."
        )
        return Verdict(severity(imap.misplaced_severity), Outcome.MISPLACED, sentence)
    if len(found.hits) > 1:
        folders = ", ".join(sorted({copy.folder for copy in found.hits}))
        sentence = (
            f"The message arrived {len(found.hits)} times ({folders}), first {after}: "
            f"{ways(journey.parting if journey else None)}."
        )
        return Verdict(Status.WARNING, Outcome.DUPLICATED, sentence)
    slow = slow_step(journey, retried=bool(errors))
    if loop.limits.warn_after is not None and seconds > loop.limits.warn_after:
        sentence = (
            f"Mail is slow: the message arrived in {hit.folder} {after}, later than {loop.limits.warn_after:g} s"
            f"{slow or f'; {follow(loop.smtp, sent)}'}."
        )
        return Verdict(Status.WARNING, Outcome.LATE, sentence)
    sentence = f"Mail gets through: the message arrived in {hit.folder} {after}{slow}."
    verdict = tempered(Verdict(Status.OK, Outcome.DELIVERED, sentence), concerns(loop, sent, found, journey))
    return replace(verdict, sentence=f"{verdict.sentence.removesuffix('.')}{changes(journey)}.")


def _retried(sent: Receipt, errors: Sequence[AttemptError]) -> str:
    """Which attempt it was; a note tells more of those before."""
    if not errors or not sent.certain:
        return ""
    did = "greylisted it" if is_greylisting(errors[0].error_msg) else "refused it for now"
    return f" on attempt {len(errors) + 1}, having {did}"


def _why_junk(journey: Journey | None) -> str:
    """The filter that says it is spam, else the one with the highest share of its threshold."""
    ratings = [rating for rating in journey.filters if rating.score is not None or rating.spam] if journey else []
    if not ratings:
        return "see the spam filter's reasons in its header"
    return f"{rated(max(ratings, key=lambda rating: bool(rating.spam)))}: take that up with whoever runs the filter"
