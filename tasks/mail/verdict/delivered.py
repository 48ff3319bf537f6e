"""Judging a message that arrived: where, when, and how it came there. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tasks.mail.config.loop import ImapConfig, LoopConfig
from tasks.mail.journey.journey import Journey
from tasks.mail.model.facts import Arrival, AttemptError, Receipt
from tasks.mail.model.outcome import Outcome, Placement, Status
from tasks.mail.search.clocks import delivery_seconds
from tasks.mail.verdict.journey import changes, slow_step, ways
from tasks.mail.verdict.phrases import Verdict, follow, settled, severity, took
from tasks.mail.verdict.remedies import Remedy, is_greylisting, whoever_runs
from tasks.mail.verdict.warnings import concerns, filter_of, rated, tempered


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
        why = _why_junk(journey)
        sentence = f"The message arrived as junk in {hit.folder} {after}: {why.words}."
        return Verdict(severity(imap.junked_severity), Outcome.JUNKED, sentence, who_acts=why.who)
    if hit.placement is Placement.OTHER:
        sentence = (
            f"The message arrived in {hit.folder} instead of {imap.folder} {after}: "
            f"look for a filter rule of {imap.username} at {imap.host}."
        )
        who = f"the owner of the mailbox of {imap.username} at {imap.host}, or {whoever_runs(imap.host)}"
        return Verdict(severity(imap.misplaced_severity), Outcome.MISPLACED, sentence, who_acts=who)
    if len(found.hits) > 1:
        folders = ", ".join(sorted({copy.folder for copy in found.hits}))
        look = ways(journey.parting if journey else None, loop.smtp.host)
        times = f"{'at least ' if found.more else ''}{len(found.hits)} times ({folders})"
        sentence = f"The message arrived {times}, first {after}: {look.words}."
        return Verdict(Status.WARNING, Outcome.DUPLICATED, sentence, who_acts=look.who)
    slow = slow_step(journey, retried=bool(errors))
    if loop.limits.warn_after is not None and seconds > loop.limits.warn_after:
        slow = slow or Remedy(f"; {follow(loop.smtp, sent)}", whoever_runs(loop.smtp.host))
        sentence = (
            f"Mail is slow: the message arrived in {hit.folder} {after}, later than {loop.limits.warn_after:g} s"
            f"{slow.words}."
        )
        return Verdict(Status.WARNING, Outcome.LATE, sentence, who_acts=slow.who)
    sentence = f"Mail gets through: the message arrived in {hit.folder} {after}{slow.words if slow else ''}."
    verdict = Verdict(Status.OK, Outcome.DELIVERED, sentence, who_acts=slow.who if slow else None)
    verdict = tempered(verdict, concerns(loop, sent, found, journey))
    changed = changes(journey)
    if changed is None:
        return verdict
    return replace(
        verdict,
        sentence=f"{verdict.sentence.removesuffix('.')}{changed.words}.",
        who_acts=verdict.who_acts or changed.who,
    )


def _retried(sent: Receipt, errors: Sequence[AttemptError]) -> str:
    """Which attempt it was; a note tells more of those before."""
    if not errors or not sent.certain:
        return ""
    did = "greylisted it" if is_greylisting(errors[0].error_msg, errors[0].stage) else "refused it for now"
    return f" on attempt {len(errors) + 1}, having {did}"


def _why_junk(journey: Journey | None) -> Remedy:
    """The filter that says it is spam, else the one with the highest share of its threshold."""
    ratings = [rating for rating in journey.filters if rating.score is not None or rating.spam] if journey else []
    if not ratings:
        return Remedy("see the spam filter's reasons in its header", "whoever runs the spam filter")
    worst = max(ratings, key=lambda rating: bool(rating.spam))
    return Remedy(f"{rated(worst)}: take that up with whoever runs the filter", filter_of(worst))
