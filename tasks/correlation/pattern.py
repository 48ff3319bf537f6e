"""Several loops that share relays or mailboxes: what all their results together show, in one sentence.

Nothing is blamed that the evidence does not convict: a check that did not run says nothing, a mailbox that could not be
read says nothing about the mail, and what brought one message through is not the cause of what happened to another.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tasks.correlation import sentences as words
from tasks.correlation.causes import explain_failures
from tasks.correlation.sentences import Wording, names
from tasks.mail.config.matrix import Cell
from tasks.mail.config.plan import Planned, ends
from tasks.mail.model.cause import Cause
from tasks.mail.model.outcome import ErrorType, Outcome, Placement
from tasks.mail.model.result import LoopResult
from tasks.mail.model.safe_text import one_line

# The stages before a recipient is named: what fails here has nothing to do with where the message should go.
_DOOR = ("token", "dns", "connect", "tls", "ehlo", "auth", "mail")

_NOT_RUN = (Outcome.MISCONFIGURED, Outcome.SKIPPED)
NOT_SENT = (Outcome.UNSENT, Outcome.REJECTED, Outcome.DEFERRED)
_NOT_ARRIVED = (*NOT_SENT, Outcome.LOST, Outcome.BOUNCED)

_MAX_ENDPOINTS = 3  # with more of them than this, the loops are read one by one
_UNREACHED = ("dns", "connect")
# Causes that the kind of error says as well.
_PLAIN = frozenset({None, Cause.WRONG_PASSWORD, Cause.CERTIFICATE, Cause.UNREACHABLE, Cause.NO_ANSWER, Cause.DROPPED})
_REMEDIES = {
    ErrorType.AUTH: "check its user name and password",
    ErrorType.TLS: "check its certificate and the field tls",
    **dict.fromkeys((ErrorType.CONNECTION, ErrorType.TIMEOUT), "whoever runs it or the network to it must act"),
}


@dataclass(frozen=True, slots=True)
class Path:
    """The result of one loop, with the names of its two ends."""

    sender: str
    receiver: str
    result: LoopResult

    @property
    def cell(self) -> tuple[str, str]:
        return self.sender, self.receiver

    @property
    def ran(self) -> bool:
        """Whether it says anything: a check that did not begin, or broke, does not."""
        return self.result.outcome not in _NOT_RUN and self.result.error_type is not ErrorType.UNEXPECTED

    @property
    def at_the_door(self) -> bool:
        """Whether the relay failed before it knew whom the message is for."""
        return self.ran and self.result.outcome in NOT_SENT and self.result.stage in _DOOR

    @property
    def unreadable(self) -> bool:
        """Whether the mailbox could not be read."""
        return self.ran and self.result.outcome is Outcome.UNVERIFIED

    @property
    def was_read(self) -> bool:
        """Whether the mailbox was read to the end: the message was seen there, or known to be missing."""
        return self.seen or (self.ran and self.result.outcome in (Outcome.LOST, Outcome.BOUNCED))

    @property
    def seen(self) -> bool:
        """Whether the message was seen in the mailbox. Without a mailbox the relay's word is all there is."""
        return self.ran and self.result.copies > 0

    @property
    def was_seen_once(self) -> bool:
        return self.seen and self.result.copies == 1

    @property
    def in_place(self) -> bool:
        return self.seen and self.result.placement is Placement.EXPECTED

    @property
    def failed(self) -> bool:
        """Whether a relay that listened, or what is behind it, did not bring the message to the mailbox."""
        return self.ran and self.result.outcome in _NOT_ARRIVED and not self.at_the_door


def _failing_ends(
    kind: str, does: str, tried: Sequence[tuple[str, Path]], is_bad: Callable[[Path], bool], so: str = ""
) -> str | None:
    """The relays, or the mailboxes, that fail by themselves: by all of their loops, or some."""
    bad = [(name, path) for name, path in tried if is_bad(path)]
    tokenless = [(name, path) for name, path in bad if path.result.stage == "token"]
    by_end: defaultdict[str, list[Path]] = defaultdict(list)
    for name, path in bad:
        if (name, path) not in tokenless:
            by_end[name].append(path)
    if len(bad) == len(tried) and len(by_end) > 1 and all(path.result.stage in _UNREACHED for _, path in bad):
        # None of them can even be connected to: what they share is on this side.
        why = _why([path for _, path in bad])
        return f"no {kind} can be reached ({names(by_end)}, {why}){so}: look at this machine's network and DNS first"
    found = [_without_token(tokenless, so)] if tokenless else []
    if len(by_end) > _MAX_ENDPOINTS:
        return found[0] if found else None
    for name, failed in by_end.items():
        count = _count(len(failed), sum(name == other for other, _ in tried))
        found.append(f"{name} {does} in {count} ({_why(failed)}){so}: {_common_action(failed)}")
    return "; ".join(found) or None


def _without_token(paths: Sequence[tuple[str, Path]], so: str) -> str:
    """It is not the relays or the mailboxes that fail, for they were never asked."""
    failed = [path for _, path in paths]
    return f"there is no token for {names(name for name, _ in paths)} ({_why(failed)}){so}: {_common_action(failed)}"


def _common_action(failed: Sequence[Path]) -> str:
    actions = {_action(path.result) for path in failed}
    return (actions.pop() if len(actions) == 1 else None) or "whoever runs it must act"


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


def _action(result: LoopResult) -> str | None:
    """What to do about one of them: where more is known than the kind of error, who must act by it."""
    if result.cause not in _PLAIN and result.who_acts:
        return f"{result.who_acts} must act"
    return _REMEDIES.get(result.error_type) if result.error_type else None


def blame(planned: Sequence[Planned], results: Sequence[LoopResult]) -> str | None:
    """The pattern in the results of these checks, in the same order."""
    both = zip(ends(planned), results, strict=True)
    return pattern([Path(*named, result) for named, result in both if named is not None])


def pattern(paths: Sequence[Path]) -> str | None:
    """What the paths show, the gravest trouble only; None where all is well, or nothing can be said."""
    if sum(path.ran for path in paths) < 2:
        return None
    relays = [(path.sender, path) for path in paths if path.ran]
    at_doors = _failing_ends("relay", "itself fails", relays, lambda path: path.at_the_door)
    mailboxes = [(path.receiver, path) for path in paths if path.was_read or path.unreadable]
    so = ", so whether mail arrived is not known"
    unread = _failing_ends("mailbox", "could not be read", mailboxes, lambda path: path.unreadable, so)
    failures = _answer(_FAILING, paths)
    if at_doors and failures:
        failures = f"apart from that, {failures}"
    if found := [text for text in (at_doors, failures, unread) if text]:
        return one_line("; ".join(found), None)
    for question in (_JUNKED, _MISPLACED, _DUPLICATED, _late(paths)):
        if text := _answer(question, paths):
            return one_line(text, None)
    return None


# Which paths are bad, and which are proved not to be; of the others it is not known. And the words for it.
_Question = tuple[Callable[[Path], bool], Callable[[Path], bool], Wording]


def _is(outcome: Outcome) -> Callable[[Path], bool]:
    return lambda path: path.result.outcome is outcome


_FAILING: _Question = (lambda path: path.failed, lambda path: path.seen, words.FAILS)
_JUNKED: _Question = (_is(Outcome.JUNKED), lambda path: path.seen, words.ENDS_AS_JUNK)
_MISPLACED: _Question = (_is(Outcome.MISPLACED), lambda path: path.in_place, words.IS_MISPLACED)
_DUPLICATED: _Question = (_is(Outcome.DUPLICATED), lambda path: path.was_seen_once, words.ARRIVES_TWICE)


def _late(paths: Sequence[Path]) -> _Question:
    """A loop that knows no lateness proves nothing by not being late; being faster than each that was does."""
    late = [path.result.delivery_seconds or 0.0 for path in paths if path.result.outcome is Outcome.LATE]
    bound = min(late, default=0.0)

    def is_faster(path: Path) -> bool:
        return path.in_place and path.result.delivery_seconds is not None and path.result.delivery_seconds < bound

    return _is(Outcome.LATE), is_faster, words.IS_LATE


def _answer(question: _Question, paths: Sequence[Path]) -> str | None:
    is_bad, is_good, wording = question
    bad = [path for path in paths if is_bad(path)]
    good = [path for path in paths if not is_bad(path) and is_good(path)]
    if not bad or len(bad) + len(good) < 2:
        return None
    unknown = [path for path in paths if not is_bad(path) and not is_good(path)]
    cells: list[Cell] = [path.cell for path in bad]
    if not good:
        return words.all_bad(cells, wording, _how(bad), " that could be judged" if unknown else "")
    if (found := explain_failures(cells, [path.cell for path in good])) is None:
        return None
    return words.explained(*found, wording, _how(bad), [path.cell for path in unknown])


def _how(bad: Sequence[Path]) -> str:
    """What all of them have in common, beyond being bad."""
    outcomes = {path.result.outcome for path in bad}
    if len(outcomes) > 1 or not all(path.failed for path in bad):
        return ""
    (outcome,) = outcomes
    said = {(path.result.stage, path.result.error_msg) for path in bad}
    if outcome not in NOT_SENT or len(said) > 1:
        return f" ({outcome})"
    ((stage, text),) = said
    return f" ({outcome} at {stage}: {one_line(text or 'no reason given', 160)})"
