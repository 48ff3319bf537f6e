"""A pattern in words."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tasks.correlation.causes import RECEIVER, SENDER, Culprit
from tasks.mail.config.matrix import Cell

_MAX_NAMES = 3


@dataclass(frozen=True, slots=True)
class Wording:
    """How one kind of trouble is worded: what a loop does, what loops do, who must act, and what good ones do."""

    does: str
    do: str
    sender: str
    receiver: str
    pair: str
    is_fine: str = "does not"
    are_fine: str = "do not"


FAILS = Wording(
    "fails",
    "fail",
    "the outbound of {sender}, whose postmaster must act",
    "the inbound of {receiver}, whose postmaster must act",
    "what is between the two, for the postmasters of both",
    "gets through",
    "get through",
)
ENDS_AS_JUNK = Wording(
    "ends as junk",
    "end as junk",
    "how {sender} sends (SPF, DKIM, reputation), for its postmaster",
    "the spam filter of {receiver}, for whoever runs it",
    "what the spam filter of {receiver} makes of {sender}, for whoever runs it",
)
IS_MISPLACED = Wording(
    "lands in another folder",
    "land in another folder",
    "what {sender} puts into its mail, for its postmaster",
    "a filter rule of {receiver}, for whoever set it",
    "a filter rule of {receiver} on mail from {sender}, for whoever set it",
)
ARRIVES_TWICE = Wording(
    "arrives more than once",
    "arrive more than once",
    "a double route behind {sender}, whose postmaster must act",
    "a double delivery at {receiver}, whose postmaster must act",
    "a double route between the two, for the postmasters of both",
)
IS_LATE = Wording(
    "is late",
    "are late",
    "the queue of {sender}, whose postmaster must act",
    "the inbound of {receiver} (greylisting, scanning, load), whose postmaster must act",
    "what is between the two (such as greylisting), for the postmasters of both",
    "is not",
    "are not",
)


def names(given: Iterable[str]) -> str:
    """Names as a list in a sentence, each once, and not too many."""
    known = list(dict.fromkeys(given))
    if (more := len(known) - _MAX_NAMES) > 0:
        return f"{', '.join(known[:_MAX_NAMES])} and {more} more"
    return " and ".join([", ".join(known[:-1]), known[-1]] if len(known) > 1 else known)


def all_bad(bad: Sequence[Cell], words: Wording, how: str, judged: str) -> str:
    """No path is good. `judged` narrows down of which loops that is said, `how` says how they fail."""
    senders, receivers = dict.fromkeys(cell[SENDER] for cell in bad), dict.fromkeys(cell[RECEIVER] for cell in bad)
    begin = f"all {len(bad)} loops{judged} {words.do}{how}"
    if len(senders) == 1 and len(receivers) == 1:
        return (
            f"{begin}, and all go from {names(senders)} to {names(receivers)}: which of the two it is cannot be told "
            "without a loop from another relay or into another mailbox"
        )
    if len(senders) == 1:
        return (
            f"{begin}, and all go out through {names(senders)}: whether it is that relay or the mailboxes cannot be "
            "told without a loop from another relay"
        )
    if len(receivers) == 1:
        return (
            f"{begin}, and all go into {names(receivers)}: whether it is that mailbox or the relays cannot be told "
            "without a loop into another mailbox"
        )
    return (
        f"{begin}, from {names(senders)}, into {names(receivers)}: no single relay or mailbox explains that, "
        "so look for what they share"
    )


def explained(
    causes: Iterable[Culprit], alone: Sequence[Cell], words: Wording, how: str, unjudged: Sequence[Cell]
) -> str:
    """The causes one after the other. `unjudged` are the paths of which nothing is known."""
    parts = [_cause(cause, words, how, unjudged) for cause in causes]
    if alone:
        pairs = names(f"{sender} to {receiver}" for sender, receiver in alone)
        does, them = (words.does, "it") if len(alone) == 1 else (words.do, "them")
        parts.append(f"{pairs} {does} too, with no other loop to compare {them} with")
    return "; ".join(parts)


def _cause(cause: Culprit, words: Wording, how: str, unjudged: Sequence[Cell]) -> str:
    if cause.sender is not None and cause.receiver is not None:
        blame = _filled(words.pair, cause.own[0])
        return f"only {cause.sender} to {cause.receiver} {words.does}{how}, {_while(cause, words)}: {blame}"
    side = SENDER if cause.sender is not None else RECEIVER
    blamed, others = cause.own[0][side], [cell[1 - side] for cell in cause.own]
    judged = " that could be judged" if any(cell[side] == blamed for cell in unjudged) else ""
    every = f"every loop {'from' if side == SENDER else 'into'} {blamed}{judged} {words.does}{how}"
    if not cause.controls:
        way, kind = ("into", "relay") if side == SENDER else ("from", "mailbox")
        return (
            f"{every}, and no other {way} {names(others)} is any better: whether it is {blamed} cannot be told without "
            f"a loop {'from' if side == SENDER else 'into'} another {kind}"
        )
    if len(others) == 1:
        sender, receiver = cause.own[0]
        blame = "{sender}, or its way to {receiver}" if side == SENDER else "{receiver}, or the way of {sender} to it"
        return (
            f"{sender} to {receiver} {words.does}{how}, {_while(cause, words)}: {_filled(blame, cause.own[0])}, "
            f"but not {others[0]} as such"
        )
    blame = _filled(words.sender if side == SENDER else words.receiver, cause.own[0])
    return f"{every}, {_while(cause, words)}: {blame}"


def _filled(text: str, cell: Cell) -> str:
    return text.format(sender=cell[SENDER], receiver=cell[RECEIVER])


def _while(cause: Culprit, words: Wording) -> str:
    """The good paths that clear the other side: of the end that has most of them, or of both ends of a pair."""
    if cause.sender is not None and cause.receiver is not None:
        clear = [(SENDER, cause.sender), (RECEIVER, cause.receiver)]
    else:
        side = SENDER if cause.sender is not None else RECEIVER
        ends = [cell[side] for cell in cause.controls]
        clear = [(side, max(dict.fromkeys(ends), key=ends.count))]
    cells = [cell for cell in cause.controls if any(cell[side] == name for side, name in clear)]
    reached = " and ".join(_reached(cells, side, name) for side, name in clear)
    return f"while {reached} {words.is_fine if len(cells) == 1 else words.are_fine}"


def _reached(cells: Iterable[Cell], side: int, name: str) -> str:
    others = names(cell[1 - side] for cell in cells if cell[side] == name)
    return f"{name} to {others}" if side == SENDER else f"{others} to {name}"
