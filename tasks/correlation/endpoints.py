"""Troubles of a relay or a mailbox itself, in which no other end has a part.

A relay that fails before it knows whom the message is for, and a mailbox that cannot be read.
"""

from collections import defaultdict
from collections.abc import Sequence

from tasks.correlation.observation import Path
from tasks.correlation.sentences import names
from tasks.mail.model.cause import Cause
from tasks.mail.model.outcome import ErrorType
from tasks.mail.model.result import LoopResult
from tasks.mail.model.safe_text import one_line

_MAX_ENDPOINTS = 3  # with more of them than this, the loops are read one by one
_UNREACHED = ("dns", "connect")
# Causes that the kind of error says as well.
_PLAIN = frozenset({None, Cause.WRONG_PASSWORD, Cause.CERTIFICATE, Cause.UNREACHABLE, Cause.NO_ANSWER, Cause.DROPPED})
_NO_MAIL = ", so whether mail arrived is not known"
_REMEDIES = {
    ErrorType.AUTH: "check its user name and password",
    ErrorType.TLS: "check its certificate and the field tls",
    ErrorType.CONNECTION: "whoever runs it or the network to it must act",
    ErrorType.TIMEOUT: "whoever runs it or the network to it must act",
}


def failing_relays(paths: Sequence[Path]) -> str | None:
    """The relays that fail by themselves, all of their loops or some."""
    tried = [(path.sender, path) for path in paths if path.ran]
    bad = [(name, path) for name, path in tried if path.at_the_door]
    return _unreached("relay", bad, tried) or _each("{name} itself fails in {count} ({why}): {remedy}", bad, tried)


def unread_mailboxes(paths: Sequence[Path]) -> str | None:
    """The mailboxes that could not be read, by all of their loops or some."""
    tried = [(path.receiver, path) for path in paths if path.was_read or path.unreadable]
    bad = [(name, path) for name, path in tried if path.unreadable]
    text = f"{{name}} could not be read in {{count}} ({{why}}){_NO_MAIL}: {{remedy}}"
    return _unreached("mailbox", bad, tried, _NO_MAIL) or _each(text, bad, tried)


_Named = Sequence[tuple[str, Path]]


def _unreached(kind: str, bad: _Named, tried: _Named, end: str = "") -> str | None:
    """Several ends, and none of them can even be connected to: what they share is on this side."""
    ends = dict.fromkeys(name for name, _ in bad)
    if len(bad) < len(tried) or len(ends) < 2 or any(path.result.stage not in _UNREACHED for _, path in bad):
        return None
    why = _why([path for _, path in bad])
    return f"no {kind} can be reached ({names(ends)}, {why}){end}: look at this machine's network and DNS first"


def _each(text: str, bad: _Named, tried: _Named) -> str | None:
    by_end: defaultdict[str, list[Path]] = defaultdict(list)
    for name, path in bad:
        by_end[name].append(path)
    if not 0 < len(by_end) <= _MAX_ENDPOINTS:
        return None
    return "; ".join(
        text.format(
            name=name,
            count=_count(len(failed), sum(name == other for other, _ in tried)),
            why=_why(failed),
            remedy=_remedy(failed),
        )
        for name, failed in by_end.items()
    )


def _count(some: int, every: int) -> str:
    if every == 1:
        return "its only loop"
    return f"all {every} of its loops" if some == every else f"{some} of its {every} loops"


def _why(failed: Sequence[Path]) -> str:
    """The error, where it is the same for all of them, else the stages."""
    said = dict.fromkeys((path.result.stage, path.result.error_msg) for path in failed)
    if len(said) == 1:
        ((stage, text),) = said
        return f"at {stage}: {one_line(text or 'no reason given', 160).rstrip('.')}"
    return f"at {names(str(stage) for stage, _ in said)}"


def _remedy(failed: Sequence[Path]) -> str:
    remedies = {_action(path.result) for path in failed}
    return (remedies.pop() if len(remedies) == 1 else None) or "whoever runs it must act"


def _action(result: LoopResult) -> str | None:
    """What to do about one of them: where more is known than the kind of error, who must act by it."""
    if result.cause not in _PLAIN and result.who_acts:
        return f"{result.who_acts} must act"
    return _REMEDIES.get(result.error_type) if result.error_type else None
