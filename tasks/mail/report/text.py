"""A result, and the journey of a message, as lines for a terminal."""

from collections.abc import Iterator

from tasks.mail.model.durations import duration
from tasks.mail.model.journey_record import FilterRecord, HopRecord, JourneyRecord
from tasks.mail.model.result import LoopResult
from tasks.mail.model.safe_text import one_line


def result_line(result: LoopResult) -> str:
    """One line: loop, status, outcome, sentence."""
    return one_line(f"{result.loop}: {result.status} ({result.outcome}): {result.sentence}", None)


def who_acts(result: LoopResult) -> list[str]:
    """One line on who must act, if anyone must, and one with the cause, where it is known."""
    known = {"who acts": result.who_acts, "cause": result.cause}
    return [one_line(f"{name}: {text}", None) for name, text in known.items() if text]


def attempts(result: LoopResult) -> list[str]:
    """One line for each attempt to send."""
    accepted = f"accepted: {result.response_code} {result.response_message}"
    failed = {one.attempt: f"{one.error_type} at {one.stage}: {one.error_msg}" for one in result.attempt_errors}
    numbers = range(1, result.attempts + 1)
    return [one_line(f"attempt {number}: {failed.get(number, accepted)}", None) for number in numbers]


def journey_lines(journey: JourneyRecord) -> Iterator[str]:
    """Hops oldest first, then what the receiver and its filters thought, then what a gateway changed."""
    yield from (one_line(text, None) for text in _journey(journey))


def _journey(journey: JourneyRecord) -> Iterator[str]:
    for number, hop in enumerate(journey.hops, start=1):
        yield f"hop {number}: {_hop(hop)}"
    if (found := journey.authentication) is not None:
        whose = found.authserv_id or "a server without a name"
        guess = ", the top-most" if found.assumed else ""
        results = ", ".join(f"{m.method} {m.result}" + (f" ({m.reason})" if m.reason else "") for m in found.methods)
        ignored = f"; {found.ignored} of others ignored" if found.ignored else ""
        yield f"authentication, as stated by {whose}{guess}: {results or 'nothing'}{ignored}"
    for one in journey.signatures:
        valid = {True: "valid", False: "not valid", None: "not verified"}[one.valid]
        why = f" ({one.reason})" if one.reason else ""
        yield f"DKIM signature of {one.domain} ({one.selector}), verified here: {valid}{why}"
    for rating in journey.filters:
        yield f"spam filter: {_filter(rating)}"
    if journey.body != "unknown":
        yield f"body: {journey.body}"
    if journey.stripped:
        yield f"removed from the header: {', '.join(journey.stripped)}"


def _hop(hop: HopRecord) -> str:
    if hop.raw is not None:
        return f"not readable: {hop.raw}"
    about = "about " if hop.margin_seconds else ""
    took = f"{about}{duration(hop.delay_seconds)}" if hop.delay_seconds else ""
    parts = [
        f"{hop.by or '?'} took it from {hop.from_ or hop.peer or '?'}",
        f"with {hop.with_}" if hop.with_ else "",
        f"as {hop.id}" if hop.id else "",
        f"({hop.tls})" if hop.tls else "",
        f"at {hop.at:%Y-%m-%d %H:%M:%S} UTC" if hop.at else "at no time told",
        f"after {took}" if took else "",
        "<- slow" if hop.slow else "",
        f"({said})" if (said := clock_offset(hop)) else "",
    ]
    return " ".join(part for part in parts if part)


def clock_offset(hop: HopRecord) -> str:
    """What is to be said of the clock of a hop."""
    if hop.skew_seconds:
        return f"its clock is {duration(abs(hop.skew_seconds))} {'fast' if hop.skew_seconds > 0 else 'slow'} at least"
    if hop.apart_seconds:
        return f"its clock and that of {hop.against} are {duration(hop.apart_seconds)} apart"
    return ""


def _filter(rating: FilterRecord) -> str:
    score = "" if rating.score is None else f" {rating.score:g}"
    limit = "" if rating.threshold is None else f" of {rating.threshold:g}"
    spam = {True: ", spam", False: ", no spam", None: ""}[rating.spam]
    reasons = filter_reasons(rating)
    return f"{rating.filter}{score}{limit}{spam}" + (f" ({reasons})" if reasons else "")


def filter_reasons(rating: FilterRecord) -> str:
    """The rules of a filter that matched, with their scores."""
    return ", ".join(name + ("" if score is None else f" {score:g}") for name, score in rating.reasons.items())
