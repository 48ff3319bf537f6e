"""Judging a message that arrived: where, when, and how it came there. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tasks.mail.config.loop import ImapConfig, LoopConfig
from tasks.mail.journey.journey import Journey
from tasks.mail.model.cause import Cause
from tasks.mail.model.facts import Arrival, Receipt
from tasks.mail.model.outcome import Outcome, Placement, Status
from tasks.mail.model.result import AttemptRecord
from tasks.mail.search.clocks import delivery_seconds
from tasks.mail.verdict.journey import changes, slow_step, ways
from tasks.mail.verdict.phrases import Verdict, follow, settled, severity, took
from tasks.mail.verdict.remedies import Remedy, is_greylisting, whoever_runs
from tasks.mail.verdict.warnings import Concern, concerns, filter_of, marked, rated, tempered

WRAPPED = "it came wrapped: a filter or a gateway put it, as an attachment, into a message of its own"


def arrived(
    loop: LoopConfig,
    imap: ImapConfig,
    sent: Receipt,
    found: Arrival,
    errors: Sequence[AttemptRecord],
    journey: Journey | None,
) -> Verdict:
    """The verdict on a message of which at least one copy was found. `errors`: the attempts that had failed before."""
    hit, seconds = found.first, delivery_seconds(sent, found)
    after = f"{took(seconds)} after {loop.smtp.host} accepted it{_retried(sent, errors)}{settled(sent)}"
    mark = marked(imap, journey)
    if hit.placement is Placement.JUNK:
        return _junked(imap, found, after, mark, journey)
    if hit.placement is Placement.OTHER:
        return _besides(_misplaced(imap, found, after, mark), mark)
    if len(found.hits) > 1:
        folders = ", ".join(sorted({copy.folder for copy in found.hits}))
        look = ways(journey.parting if journey else None, loop.smtp.host)
        times = f"{'at least ' if found.more else ''}{len(found.hits)} times ({folders})"
        sentence = f"The message arrived {times}, first {after}: {look.words}."
        return _besides(Verdict(Status.WARNING, Outcome.DUPLICATED, sentence, who_acts=look.who), mark)
    slow = slow_step(journey, retried=bool(errors))
    if loop.limits.warn_after is not None and seconds > loop.limits.warn_after:
        slow = slow or Remedy(f"; {follow(loop.smtp, sent)}", whoever_runs(loop.smtp.host))
        sentence = (
            f"Mail is slow: the message arrived in {hit.folder} {after}, later than {loop.limits.warn_after:g} s"
            f"{slow.words}."
        )
        return _besides(Verdict(Status.WARNING, Outcome.LATE, sentence, who_acts=slow.who), mark)
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


def as_it_came(verdict: Verdict, journey: Journey | None) -> Verdict:
    """The verdict on a message that arrived, with what a filter has made of the message."""
    if journey is None or not journey.wrapped:
        return verdict
    return replace(verdict, sentence=f"{verdict.sentence.removesuffix('.')}; {WRAPPED}.")


def _retried(sent: Receipt, errors: Sequence[AttemptRecord]) -> str:
    """Which attempt it was; a note tells more of those before."""
    if not errors or not sent.certain:
        return ""
    did = "greylisted it" if is_greylisting(errors[0].error_msg, errors[0].stage) else "refused it for now"
    return f" on attempt {len(errors) + 1}, having {did}"


def _junked(imap: ImapConfig, found: Arrival, after: str, mark: Concern | None, journey: Journey | None) -> Verdict:
    """In Junk: put there by what a filter says in the header, or else by somebody who says nothing."""
    folder = found.first.folder
    status = severity(imap.junked_severity)
    if found.moved_from and mark is None:
        sentence = f"The message arrived in {found.moved_from} {after}, and was then moved to {folder}, {_mover(imap)}."
        return Verdict(status, Outcome.JUNKED, sentence, who_acts=_owner(imap), cause=Cause.MOVED)
    moved = f", and was moved to {folder} as junk" if found.moved_from else ""
    where = f"in {found.moved_from}" if found.moved_from else f"as junk in {folder}"
    why = _why_junk(journey)
    sentence = f"The message arrived {where} {after}{moved}: {why.words}."
    return Verdict(status, Outcome.JUNKED, sentence, who_acts=why.who, cause=mark.cause if mark else None)


def _misplaced(imap: ImapConfig, found: Arrival, after: str, mark: Concern | None) -> Verdict:
    """In a folder that is neither the expected one nor known to be Junk."""
    folder, status = found.first.folder, severity(imap.misplaced_severity)
    in_doubt = imap.junk_folder is None and (mark is not None or not found.junk_folder)
    junk = f"; if {folder} is where junk goes, name it in imap.junk_folder" if in_doubt else ""
    if found.moved_from:
        moved = f"and was then moved to {folder}, {_mover(imap)}{junk}"
        sentence = f"The message arrived in {found.moved_from} {after}, {moved}."
        return Verdict(status, Outcome.MISPLACED, sentence, who_acts=_owner(imap), cause=Cause.MOVED)
    sentence = (
        f"The message arrived in {folder} instead of {imap.folder} {after}: "
        f"look for a filter rule of {imap.username} at {imap.host}{junk}."
    )
    who = f"{_owner(imap)}, or {whoever_runs(imap.host)}"
    return Verdict(status, Outcome.MISPLACED, sentence, who_acts=who)


def _besides(verdict: Verdict, mark: Concern | None) -> Verdict:
    """What a spam filter says of a message counts wherever it lies."""
    if mark is None:
        return verdict
    return replace(
        verdict,
        status=Status.ERROR if mark.critical else verdict.status,
        sentence=f"{verdict.sentence.removesuffix('.')}; besides, {mark.words}.",
        who_acts="; ".join(dict.fromkeys(who for who in (verdict.who_acts, mark.who) if who)),
        cause=mark.cause,
    )


def _mover(imap: ImapConfig) -> str:
    return f"by a rule or a client: see which one of {imap.username} at {imap.host} moves it"


def _owner(imap: ImapConfig) -> str:
    return f"the owner of the mailbox of {imap.username} at {imap.host}"


def _why_junk(journey: Journey | None) -> Remedy:
    """The filter that says it is spam, else the one with the highest share of its threshold."""
    ratings = (
        [rating for rating in journey.record.filters if rating.score is not None or rating.spam] if journey else []
    )
    if not ratings:
        return Remedy("see the spam filter's reasons in its header", "whoever runs the spam filter")
    worst = max(ratings, key=lambda rating: (bool(rating.spam), rating.score is not None))
    return Remedy(f"{rated(worst)}: take that up with whoever runs the filter", filter_of(worst))
