"""What a reader should know beside the verdict: notes on the configuration, refusals, notices and clocks."""

from collections.abc import Iterator, Sequence

from tasks.mail.config.loop import CheckConfig, LoopConfig
from tasks.mail.config.secrets import login_sections, secrets_of
from tasks.mail.journey.authentication.signatures import disagreement
from tasks.mail.journey.journey import Journey
from tasks.mail.model.cause import Cause
from tasks.mail.model.facts import Arrival, Receipt
from tasks.mail.model.header import in_range
from tasks.mail.model.result import AttemptRecord
from tasks.mail.search.clocks import clock_skew, clock_step
from tasks.mail.verdict.phrases import as_sentence, still_trying, the_relay, took
from tasks.mail.verdict.remedies import cause_of_attempt, exempted, relay_remedy
from tasks.mail.verdict.words import unread_words


def configuration_notes(check: CheckConfig) -> Iterator[str]:
    """What a configuration gives up, said in every report."""
    for name, section in login_sections(check).items():
        if not section.verify and section.tls != "none":
            yield f"{name}.verify is false: the certificate of {section.host} is not verified."
        if section.tls == "none" and section.username is not None:
            yield f"{name}.tls is none: the login at {section.host} is not encrypted."
        for secret in secrets_of(section):
            if secret.has_line_end:
                yield f"The {secret.words} of {name} ends with a line end, which is taken off: store it without."


def refusal_notes(loop: LoopConfig, sent: Receipt, errors: Sequence[AttemptRecord]) -> Iterator[str]:
    """How a relay that took the message in the end had refused it before."""
    if not errors or not sent.certain:
        return
    first, cause = errors[0], cause_of_attempt(errors[0])
    times = "once" if len(errors) == 1 else f"{len(errors)} times"
    what = f"at {first.stage}: {first.error_msg}"
    taken = f"and took it {took(sent.accepted.since(sent.started))} after the first attempt"
    if cause is Cause.GREYLISTED:
        exempt = f"if that is too long, have {exempted(loop)}"
        yield f"{the_relay(loop)} greylisted the message ({what}), {taken}: {exempt}."
        return
    remedy = relay_remedy(cause, loop)
    see = remedy.words if remedy else "see its log for the reason"
    yield f"{the_relay(loop)} refused the message {times} ({what}), {taken}: {see}."


def arrival_notes(loop: LoopConfig, sent: Receipt, found: Arrival, journey: Journey | None) -> Iterator[str]:
    """What the look into the mailbox showed that the verdict does not say."""
    if found.hits and found.bounce is not None:
        why = found.bounce.reason or "no reason given"
        yield f"A bounce came as well ({why}): the address may have more than one recipient."
    elif found.delay is not None:
        yield f"Delayed: {still_trying(found.delay)}."
    yield from found.notes
    # Of two mailboxes the one that could not be read, though the other one decided.
    if found.unread is not None and loop.mailbox is not None:
        yield f"Whether the message arrived all the same is not known: {unread_words(loop.mailbox, found.unread)}."
    if found.bounces_unread is not None and loop.bounce_mailbox is not None:
        yield as_sentence(unread_words(loop.bounce_mailbox, found.bounces_unread))
    yield from _clock_note(sent, found, journey)
    if journey is None:
        return
    yield from clock_notes(journey)
    stated = journey.record.authentication
    if stated is not None and (half := disagreement(journey.record.signatures, stated)) is not None:
        yield as_sentence(f"{half}: see whether the signer's key in the DNS was just changed")


def clock_notes(journey: Journey) -> Iterator[str]:
    """Whose clocks are off, each once; only our own, where the servers agree that it is."""
    if own := journey.own_skew:
        agree = "as all servers on the way agree"
        yield f"This machine's clock is at least {_off(own)}, {agree}: have it set, for instance by NTP."
        return
    named = set()
    for hop in journey.record.hops:
        name = hop.by or "a server without a name"
        if name in named or not (hop.skew_seconds or hop.apart_seconds):
            continue
        named.add(name)
        if hop.skew_seconds:
            yield f"The clock of {name} is at least {_off(hop.skew_seconds)}: have it set, for instance by NTP."
        else:
            apart = f"at least {took(hop.apart_seconds)} apart"
            yield f"The clocks of {hop.against} and {name} are {apart}: have both set, for instance by NTP."


def _off(skew: float) -> str:
    return f"{took(abs(skew))} {_way(skew)}"


def _way(skew: float) -> str:
    return "fast" if skew > 0 else "slow"


def _clock_note(sent: Receipt, found: Arrival, journey: Journey | None) -> Iterator[str]:
    """A clock that is not to be trusted. Where it is this machine's, nothing is said of the mail server's."""
    if step := clock_step(sent, found):
        jump = f"{'forward' if step > 0 else 'back'} by {abs(step):.0f} s"
        yield f"This machine's clock jumped {jump} during the check; the times here do not follow it."
    elif found.hits and not in_range(found.first.arrived_at):
        said = "its INTERNALDATE cannot be read or is out of range"
        yield f"The mail server has no date of the message ({said}), so times are measured by this machine's clock."
    elif (skew := clock_skew(sent, found)) and not (journey and journey.own_skew):
        off = f"at least {abs(skew):.0f} s {_way(skew)}"
        yield f"The mail server's clock is {off}, so times are measured by this machine's."
