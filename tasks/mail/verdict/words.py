"""The sentence of a verdict: what became of the probe, and what to do about it."""

from collections.abc import Sequence

from tasks.mail.config.addresses import endpoint
from tasks.mail.config.mailbox import BounceMailbox, MailboxConfig
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import MailboxFailure
from tasks.mail.model.outcome import ErrorType, Outcome
from tasks.mail.verdict import observe as observed
from tasks.mail.verdict.explain import CauseAndRemedy
from tasks.mail.verdict.phrases import accepted, changes, queued, said, the_relay, took
from tasks.mail.verdict.remedies import NO_LOGIN, Remedy, cause_of_attempt, unread
from tasks.mail.verdict.warnings import Concern

_WRAPPED = "it came wrapped: a filter or a gateway put it, as an attachment, into a message of its own"


def phrase(
    checked: observed.Checked, seen: observed.Observation, why: CauseAndRemedy, concerned: Sequence[Concern]
) -> str:
    """The whole sentence."""
    text = _main(checked, seen, why)
    if concerned and seen.outcome is Outcome.DELIVERED:
        more = f" (and {len(concerned) - 1} more, in the notes)" if concerned[1:] else ""
        text += f", but {concerned[0].words}{more}"
    elif concerned:
        text += f"; besides, {concerned[0].words}"
    if changed := gateway_changes(checked, seen):
        text += changed.words
    if isinstance(seen, observed.Arrived) and checked.journey is not None and checked.journey.wrapped:
        text += f"; {_WRAPPED}"
    return f"{text}."


def gateway_changes(checked: observed.Checked, seen: observed.Observation) -> Remedy | None:
    """What a gateway did to the message, where there is nothing worse to say of it."""
    delivered = isinstance(seen, observed.Arrived) and seen.outcome is Outcome.DELIVERED
    return changes(checked.journey) if delivered else None


def unread_words(mailbox: MailboxConfig, error: MailboxFailure) -> str:
    """Half a sentence about a mailbox that could not be read, with what to do."""
    bounces = isinstance(mailbox, BounceMailbox)
    so = "so no bounce would have been seen" if bounces else "so whether the mail arrived is not known"
    where = f"{'bounce ' if bounces else ''}mailbox of {mailbox.username} at {endpoint(mailbox.host, mailbox.port)}"
    return f"the {where} could not be read ({said(error)}), {so}: {unread(mailbox, error).words}"


def _main(checked: observed.Checked, seen: observed.Observation, why: CauseAndRemedy) -> str:
    loop, (cause, remedy) = checked.loop, why
    to_do = remedy.words if remedy else ""
    match seen:
        case observed.NotSent():
            return f"{_refused(checked, seen, cause)} ({said(seen.error)}): {to_do}"
        case observed.InDoubt():
            within = f"within {loop.limits.max_wait:g} s"
            unknown = "and no mailbox is configured that could tell whether it was accepted"
            unknown += f" (no bounce came {within})" if seen.no_bounce else ""
            missing = f"and it did not arrive {within}, so it was not accepted"
            left = missing if seen.looked_for else unknown
            return f"{the_relay(loop)} {_unconfirmed(seen.doubt.text)}, {left}: {to_do}"
        case observed.Accepted():
            bounce = f", and no bounce came within {loop.limits.max_wait:g} s" if seen.no_bounce else ""
            return f"{accepted(loop, seen.sent)}{bounce}; whether it arrives was not looked at"
        case observed.UnreadMailbox():
            doubt = seen.sent.doubt
            taken = accepted(loop, seen.sent) if doubt is None else f"{the_relay(loop)} {_unconfirmed(doubt.text)}"
            return f"{taken}, but {unread_words(seen.mailbox, seen.error)}"
        case observed.Bounced():
            reason = seen.bounce.reason or "no reason given"
            return f"The message to {loop.sender.to_addr} bounced at {seen.by} ({reason}): {to_do}"
        case observed.Lost():
            took_it = f"{loop.sender.host} accepted the message{queued(seen.sent)}"
            missing = seen.failure.text if seen.failure else ""
            return f"Mail does not arrive: {took_it}, but it was {missing}{to_do}"
        case observed.Arrived():
            return _arrived(checked, seen, to_do)
        case _:
            raise AssertionError(seen)


def _refused(checked: observed.Checked, seen: observed.NotSent, cause: Cause | None) -> str:
    """What the relay did, as the beginning of a sentence."""
    user, here = checked.loop.sender.username, the_relay(checked.loop)
    attempts = max(len(checked.errors), 1)
    tries = {1: "on its only attempt", 2: "on both attempts"}.get(attempts, f"on all {attempts} attempts")
    where = endpoint(checked.loop.sender.host, checked.loop.sender.port)
    match seen.error.error_type:
        case _ if seen.error.stage == "token":
            return f"There is no token for the login of {user} at the relay {where}"
        case ErrorType.TEMPORARY if cause is Cause.GREYLISTED:
            return f"{here} greylists the message and refused it {tries}"
        case ErrorType.TEMPORARY:
            return f"{here} refused the message for now {tries}"
        case ErrorType.AUTH if seen.error.code is None and cause is Cause.LOGIN_UNAVAILABLE:
            return f"The login of {user} at the relay {where} came to no end"
        case ErrorType.AUTH if seen.error.code is None and cause in NO_LOGIN:  # it was not asked to
            return f"{here} offers no login for {user}"
        case ErrorType.AUTH if seen.outcome is Outcome.DEFERRED:
            return f"{here} put off the login of {user}"
        case ErrorType.AUTH:
            return f"{here} refused the login of {user}"
        case ErrorType.TLS:
            return f"No secure connection to the relay {where}"
        case ErrorType.TIMEOUT:
            return f"{here} did not answer"
        case ErrorType.CONNECTION:
            return f"{here} could not be used"
        case ErrorType.UNEXPECTED:
            return f"The check itself failed while sending through {where}"
        case kind if seen.outcome is Outcome.REJECTED:
            whom = f" for {checked.loop.sender.to_addr}" if kind is ErrorType.RECIPIENT else ""
            return f"{here} refused the message{whom}"
        case _:
            return f"{here} did not do as SMTP asks"


def _unconfirmed(doubt: str) -> str:
    return f"took the message but never confirmed it ({doubt})"


def _arrived(checked: observed.Checked, seen: observed.Arrived, to_do: str) -> str:
    found, after = seen.found, _after(checked, seen)
    folder, moved_from = found.first.folder, found.moved_from
    match seen.outcome:
        case Outcome.JUNKED if moved_from and seen.spam_filter is None:
            return f"The message arrived in {moved_from} {after}, and was then moved to {folder}, {to_do}"
        case Outcome.JUNKED:
            moved = f", and was moved to {folder} as junk" if moved_from else ""
            where = f"in {moved_from}" if moved_from else f"as junk in {folder}"
            return f"The message arrived {where} {after}{moved}: {to_do}"
        case Outcome.MISPLACED if moved_from:
            return f"The message arrived in {moved_from} {after}, and was then moved to {folder}, {to_do}"
        case Outcome.MISPLACED:
            expected = checked.loop.mailbox.folder if checked.loop.mailbox else ""
            return f"The message arrived in {folder} instead of {expected} {after}: {to_do}"
        case Outcome.DUPLICATED:
            folders = ", ".join(sorted({copy.folder for copy in found.hits}))
            times = f"{'at least ' if found.more else ''}{len(found.hits)} times ({folders})"
            return f"The message arrived {times}, first {after}: {to_do}"
        case Outcome.LATE:
            limit = f"later than {checked.loop.limits.warn_after:g} s"
            return f"Mail is slow: the message arrived in {folder} {after}, {limit}{to_do}"
        case _:
            return f"Mail gets through: the message arrived in {folder} {after}{to_do}"


def _after(checked: observed.Checked, seen: observed.Arrived) -> str:
    """How long it took, on which attempt, and whether that was in doubt; a note says more of the attempts before."""
    doubt, attempt = seen.sent.doubt, ""
    if checked.errors and doubt is None:
        greylisted = cause_of_attempt(checked.errors[0]) is Cause.GREYLISTED
        did = "greylisted it" if greylisted else "refused it for now"
        attempt = f" on attempt {len(checked.errors) + 1}, having {did}"
    settled = "" if doubt is None else f" (never confirmed: {doubt.text}; in doubt, settled by arrival)"
    return f"{took(seen.seconds)} after {checked.loop.sender.host} accepted it{attempt}{settled}"
