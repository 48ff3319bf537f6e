"""Several loops that share relays or mailboxes: what all their results together show, in one sentence.

Nothing is blamed that the evidence does not convict: a check that did not run says nothing, a mailbox that could not be
read says nothing about the mail, and what brought one message through is not the cause of what happened to another.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tasks.correlation import sentences as words
from tasks.correlation.causes import explain_failures
from tasks.correlation.endpoints import failing_relays, unread_mailboxes
from tasks.correlation.observation import NOT_SENT, Path
from tasks.correlation.sentences import Wording
from tasks.mail.config.matrix import Cell
from tasks.mail.config.plan import Planned, ends
from tasks.mail.model.outcome import Outcome
from tasks.mail.model.result import LoopResult
from tasks.mail.model.safe_text import one_line


def blame(planned: Sequence[Planned], results: Sequence[LoopResult]) -> str | None:
    """The pattern in the results of these checks, in the same order."""
    both = zip(ends(planned), results, strict=True)
    return pattern([Path(*named, result) for named, result in both if named is not None])


def pattern(paths: Sequence[Path]) -> str | None:
    """What the paths show, the gravest trouble only; None where all is well, or nothing can be said."""
    if sum(path.ran for path in paths) < 2:
        return None
    at_doors, unread = failing_relays(paths), unread_mailboxes(paths)
    failures = _answer(_FAILING, paths)
    if at_doors and failures:
        failures = f"apart from that, {failures}"
    if found := [text for text in (at_doors, failures, unread) if text]:
        return one_line("; ".join(found), None)
    for question in (_JUNKED, _MISPLACED, _DUPLICATED, _late(paths)):
        if text := _answer(question, paths):
            return one_line(text, None)
    return None


@dataclass(frozen=True, slots=True)
class _Question:
    """Which paths are bad, and which are proved not to be; of the others it is not known."""

    bad: Callable[[Path], bool]
    good: Callable[[Path], bool]
    words: Wording


def _is(outcome: Outcome) -> Callable[[Path], bool]:
    return lambda path: path.result.outcome is outcome


_FAILING = _Question(lambda path: path.failed, lambda path: path.seen, words.FAILS)
_JUNKED = _Question(_is(Outcome.JUNKED), lambda path: path.seen, words.ENDS_AS_JUNK)
_MISPLACED = _Question(_is(Outcome.MISPLACED), lambda path: path.in_place, words.IS_MISPLACED)
_DUPLICATED = _Question(
    _is(Outcome.DUPLICATED), lambda path: path.seen and path.result.copies == 1, words.ARRIVES_TWICE
)


def _late(paths: Sequence[Path]) -> _Question:
    """A loop that knows no lateness proves nothing by not being late; being faster than each that was does."""
    late = [path.result.delivery_seconds or 0.0 for path in paths if path.result.outcome is Outcome.LATE]
    bound = min(late, default=0.0)
    return _Question(
        _is(Outcome.LATE),
        lambda path: (
            path.in_place and path.result.delivery_seconds is not None and path.result.delivery_seconds < bound
        ),
        words.IS_LATE,
    )


def _answer(question: _Question, paths: Sequence[Path]) -> str | None:
    bad = [path for path in paths if question.bad(path)]
    good = [path for path in paths if not question.bad(path) and question.good(path)]
    if not bad or len(bad) + len(good) < 2:
        return None
    unknown = [path for path in paths if not question.bad(path) and not question.good(path)]
    cells: list[Cell] = [path.cell for path in bad]
    if not good:
        return words.all_bad(cells, question.words, _how(bad), " that could be judged" if unknown else "")
    if (found := explain_failures(cells, [path.cell for path in good])) is None:
        return None
    return words.explained(found, question.words, _how(bad), [path.cell for path in unknown])


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
