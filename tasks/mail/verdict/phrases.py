"""Phrases that the sentences, the remedies and the notes of a verdict share, and those about the way of a message."""

from collections.abc import Sequence

from tasks.mail.config.addresses import endpoint
from tasks.mail.config.loop import LoopConfig
from tasks.mail.config.mailbox import MailboxConfig
from tasks.mail.journey.filters.ratings import junks_at
from tasks.mail.journey.journey import Body, Journey, Parting
from tasks.mail.journey.received.clocks import NAMELESS, slowest
from tasks.mail.model.errors import MailboxFailure, SendFailure
from tasks.mail.model.facts import Receipt
from tasks.mail.model.journey_record import FilterRecord
from tasks.mail.model.result import BounceRecord
from tasks.mail.verdict.remedies import Remedy, whoever_runs

_MAX_SERVERS = 5  # named in one sentence


def as_sentence(half: str) -> str:
    return f"{half[0].upper()}{half[1:]}."


def took(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds:.0f} s"


def said(error: SendFailure | MailboxFailure) -> str:
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


def slow_step(journey: Journey | None, retried: bool) -> Remedy | None:
    """Where the time went, and what to look for in which log. `retried`: that of the first server is explained."""
    hops = journey.record.hops if journey else ()
    step = slowest(hops)
    if journey is None or step is None or (delay := step.delay_seconds) is None:
        return None
    place = hops.index(step)
    before = hops[place - 1] if place else None
    if before is None or not before.by:
        if retried:
            return None
        words = f"; {took(delay)} went by before {step.by} took it: see its log"
        return Remedy(words, whoever_runs(step.by))
    last, taker = before.by, step.by or "the next server"
    where = f"; {took(delay)} went by between {last} and {taker}"
    if step.by in journey.greylisting:
        words = f"{where}, which greylisted it: have {last} exempted there if that is too long"
        return Remedy(words, f"{whoever_runs(taker)}, if that is too long")
    look = f"follow {before.id} in the log of {last}" if before.id else f"see the log of {last}"
    if taker.lower() == last.lower():
        return Remedy(f"{where}: {look}", whoever_runs(last))
    words = f"{where}: {last} held it, or {taker} was down, busy or refused it for now; {look}"
    return Remedy(words, f"{whoever_runs(last)}; then, by what its log says, {whoever_runs(taker)}")


def changes(journey: Journey | None) -> Remedy | None:
    """What a gateway did to a message that gets through all the same."""
    if journey is None:
        return None
    parts = []
    if journey.record.stripped:
        suspects = one_of(_servers(journey))
        words = f"on the way {suspects} removed {_and(journey.record.stripped)} from its header"
        parts.append(Remedy(f"{words}: look there for a rule that removes fields", suspects))
    if journey.record.body == Body.CHANGED:
        suspects = one_of(changers(journey))
        named = named_by(journey.record.foreign, changers(journey))
        foreign = journey.record.foreign  # a line that was not sent: a footer often names its maker
        quoted = f' ("{foreign}" is not ours{f", and names {named}" if named else ""})' if foreign else ""
        words = f"on the way {suspects} changed its body{quoted}, which breaks signatures"
        place = f"first on {named}" if named else "there"
        look = f"look {place} for what adds a footer or a disclaimer, or rewrites links"
        parts.append(Remedy(f"{words}: {look}", named or suspects))
    if not parts:
        return None
    words = "".join(f"; {part.words}" for part in parts)
    return Remedy(words, f"{whoever_runs(parts[0].who)}, unless that is intended")


def named_by(foreign: str, servers: Sequence[str]) -> str:
    """The one of the servers that a line of the body names; empty where it names none, or more than one."""
    found = [name for name in servers if "." in name and name.lower() in foreign.lower()]
    return found[0] if len(found) == 1 else ""


def ways(parting: Parting | None, relay: str) -> Remedy:
    """Where two copies of a message went apart, and what to look for there; it was handed to `relay`."""
    if parting is None:
        return Remedy("look for a double route", whoever_runs(relay))
    if parting.last is None:
        words = "it was handed in twice, so look for a relay that keeps what it has refused"
        return Remedy(words, whoever_runs(relay))
    name = parting.last.by or "a server without a name"
    number = f" as {parting.last.id}" if parting.last.id else ""
    place = f"they separate after {name} took it{number}"
    by = parting.second if len(parting.second) > len(parting.first) else parting.first
    shorter = min(parting.first, parting.second, key=len)
    others = list(dict.fromkeys(server for server in by if server not in (*shorter, name)))
    if others:
        forwarding = f"look on {name} for an alias or a rule that forwards"
        words = f"{place}, and one of them came by way of {_and(others)}: {forwarding}"
        return Remedy(words, f"{whoever_runs(name)}, or whoever had it forwarded")
    return Remedy(f"{place}: look there for an alias or a rule that makes two of one", whoever_runs(name))


def _servers(journey: Journey) -> list[str]:
    """The servers that a message went by, as far as they have a name."""
    return list(dict.fromkeys(hop.by for hop in journey.record.hops if hop.by.lower() not in NAMELESS))


def changers(journey: Journey) -> list[str]:
    """The servers that may have changed the body: the one that verified the DKIM signature divides them."""
    servers, found = _servers(journey), journey.record.authentication
    if found is None:
        return servers
    results = {method.result for method in found.methods if method.method == "dkim"}
    place = next((n for n, name in enumerate(servers) if name.lower() == found.authserv_id.lower()), 0)
    if place and "fail" in results:
        return servers[:place]
    return servers[place:] if "pass" in results else servers


def one_of(servers: Sequence[str]) -> str:
    """The one server that it can have been, or that it was one of several."""
    if not servers:
        return "a server"
    named = [*servers[:_MAX_SERVERS], *(["others"] if len(servers) > _MAX_SERVERS else [])]
    return f"one of {_and(named)}" if len(named) > 1 else named[0]


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
