"""Why a probe became what it did, what to do about it, and who must."""

from tasks.mail.config.loop import LoopConfig
from tasks.mail.config.mailbox import ProbeMailbox
from tasks.mail.model.cause import Cause
from tasks.mail.model.outcome import Outcome
from tasks.mail.verdict.observe import Arrived, Bounced, Checked, InDoubt, Lost, NotSent, Observation, UnreadMailbox
from tasks.mail.verdict.phrases import account, follow_in_log, owner_of, rated, slow_step, still_trying, ways, who_tries
from tasks.mail.verdict.remedies import (
    Remedy,
    cause_of_notice,
    cause_of_refusal,
    cause_of_unread,
    filter_of,
    not_sent,
    relay_remedy,
    section_of,
    unread,
    whoever_runs,
)

# The cause is None where the outcome says all that is known, the remedy where nobody need act.
CauseAndRemedy = tuple[Cause | None, Remedy | None]


def find_cause_and_remedy(checked: Checked, seen: Observation) -> CauseAndRemedy:
    """Why, and who must act."""
    loop = checked.loop
    match seen:
        case NotSent():
            cause = cause_of_refusal(loop.sender, seen.error)
            return cause, not_sent(loop, seen.error, cause)
        case InDoubt():
            log = Remedy("see its log around the time of sending", whoever_runs(loop.sender.host))
            return seen.doubt.cause, log
        case UnreadMailbox():
            return cause_of_unread(seen.mailbox, seen.error), unread(seen.mailbox, seen.error)
        case Bounced():
            cause, by = cause_of_notice(seen.bounce), seen.by
            ask = Remedy("ask the postmaster there", whoever_runs(by))
            return cause, relay_remedy(cause, loop, by) or ask
        case Lost() if loop.mailbox is not None:
            return _lost(loop, loop.mailbox, seen)
        case Arrived() if loop.mailbox is not None:
            return _arrived(checked, loop.mailbox, seen)
        case _:
            return None, None


def _lost(loop: LoopConfig, mailbox: ProbeMailbox, seen: Lost) -> CauseAndRemedy:
    found, delay = seen.found, seen.found.delay
    full = next((quota for quota in found.quotas if quota.is_full), None)
    if full is not None:
        bounce = "and no bounce came" if loop.bounce_mailbox else "and a bounce would not fit in either"
        why = f", for that mailbox is full ({full.words}), {bounce}: make room in it, or raise its quota"
        return Cause.MAILBOX_FULL, Remedy(why, owner_of(mailbox))
    if delay is not None:
        why = f"; {still_trying(delay)}; {follow_in_log(loop, seen.sent)}"
        return cause_of_notice(delay), Remedy(why, whoever_runs(who_tries(delay)))
    may = "it waits in a queue, was dropped on the way, or a filter rule of the mailbox discarded it"
    if left := len(found.not_looked_at):
        one = "the folder that was" if left == 1 else f"one of {left} folders that were"
        may = f"it lies in {one} not looked at (see the notes), {may}"
    why = f", and no bounce came; {may}: {follow_in_log(loop, seen.sent)}"
    return None, Remedy(why, f"{whoever_runs(loop.sender.host)}, then the next server that its log names")


def _arrived(checked: Checked, mailbox: ProbeMailbox, seen: Arrived) -> CauseAndRemedy:
    loop, journey, found = checked.loop, checked.journey, seen.found
    moved = Cause.MOVED if found.moved_from else None
    mover = Remedy(f"by a rule or a client: see which one of {account(mailbox)} moves it", owner_of(mailbox))
    match seen.outcome:
        case Outcome.JUNKED if seen.spam_filter is None and moved:
            return moved, mover
        case Outcome.JUNKED:
            return Cause.MARKED_AS_SPAM if seen.spam_filter else None, _why_junk(checked)
        case Outcome.MISPLACED:
            is_named = mailbox.junk_folder is not None or (seen.spam_filter is None and found.junk_folder)
            name_it = f"; if {found.first.folder} is where junk goes, name it in {section_of(mailbox)}.junk_folder"
            junk = "" if is_named else name_it
            if moved:
                return moved, Remedy(f"{mover.words}{junk}", mover.who)
            rule = f"look for a filter rule of {account(mailbox)}{junk}"
            return None, Remedy(rule, f"{owner_of(mailbox)}, or {whoever_runs(mailbox.host)}")
        case Outcome.DUPLICATED:
            return None, ways(journey.parting if journey else None, loop.sender.host)
        case outcome:
            slow = slow_step(journey, retried=bool(checked.errors))
            if slow is None and outcome is Outcome.LATE:
                slow = Remedy(f"; {follow_in_log(loop, seen.sent)}", whoever_runs(loop.sender.host))
            return None, slow


def _why_junk(checked: Checked) -> Remedy:
    """The filter that says it is spam, else one that has a score."""
    filters = checked.journey.record.filters if checked.journey else ()
    ratings = [rating for rating in filters if rating.score is not None or rating.spam]
    if not ratings:
        return Remedy("see the spam filter's reasons in its header", "whoever runs the spam filter")
    worst = max(ratings, key=lambda rating: (bool(rating.spam), rating.score is not None))
    return Remedy(f"{rated(worst)}: take that up with whoever runs the filter", filter_of(worst))
