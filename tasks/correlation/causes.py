"""What explains which paths are bad and which are good: the fewest relays, mailboxes or pairs, if that is unique.

A relay or a mailbox is only ever a cause if nothing good goes through it.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from tasks.mail.config.matrix import Cell

End = tuple[int, str]  # 0 and the sender, or 1 and the receiver

SENDER, RECEIVER = 0, 1
_MAX_EXPLANATIONS = 3  # what needs more causes than this is no pattern, but many troubles


@dataclass(frozen=True, slots=True)
class Culprit:
    """Why `cells` are bad: one end alone, or (both are given) the way between the two.

    `own` are the cells that no other cause explains. `controls` are the good cells that clear what is not blamed; where
    there are none, the cause is only the simplest one.
    """

    sender: str | None
    receiver: str | None
    own: tuple[Cell, ...]
    controls: tuple[Cell, ...]


def explain_failures(bad: Iterable[Cell], good: Iterable[Cell]) -> tuple[list[Culprit], list[Cell]] | None:
    """The smallest explanation of all that is bad by nothing that is good; None where there is none, or another one.

    With it come the bad cells whose two ends have no other path: nothing distinguishes those. All is in the order in
    which the cells were given.
    """
    bad, good = tuple(dict.fromkeys(bad)), tuple(dict.fromkeys(good))
    if {*bad} & {*good}:
        return None  # the same path is both
    fine: set[End] = set(chain.from_iterable(map(_ends, good)))
    pairs, certain, open_cells = [], set[End](), []
    for cell in bad:
        suspects = [end for end in _ends(cell) if end not in fine]
        if not suspects:
            pairs.append(cell)
        elif len(suspects) == 1:
            certain.add(suspects[0])
        else:
            open_cells.append(cell)
    open_cells = [cell for cell in open_cells if not certain & set(_ends(cell))]
    degrees = Counter(chain.from_iterable(map(_ends, open_cells)))
    alone = [cell for cell in open_cells if all(degrees[end] == 1 for end in _ends(cell))]
    covers = _covers([cell for cell in open_cells if cell not in alone], _MAX_EXPLANATIONS)
    smallest = [cover for cover in covers if len(cover) == min(map(len, covers))]
    if len(smallest) != 1:
        return None
    known = certain | smallest[0]
    both = dict.fromkeys(_ends(cell)[side] for side in (SENDER, RECEIVER) for cell in bad)
    ends = [end for end in both if end in known]
    if (not pairs and not ends) or len(pairs) + len(ends) + len(alone) > _MAX_EXPLANATIONS:
        return None
    found = [_of_end(end, {*ends} - {end}, bad, good) for end in ends]
    for pair in pairs:
        controls = tuple(cell for cell in good if cell[SENDER] == pair[SENDER] or cell[RECEIVER] == pair[RECEIVER])
        found.append(Culprit(*pair, (pair,), controls))
    return found, alone


def _ends(cell: Cell) -> tuple[End, End]:
    return (SENDER, cell[SENDER]), (RECEIVER, cell[RECEIVER])


def _covers(cells: list[Cell], most: int) -> set[frozenset[End]]:
    """Sets of at most `most` ends that touch every cell, all the smallest ones among them."""
    if not cells:
        return {frozenset()}
    if most == 0:
        return set()
    return {
        cover | {end}
        for end in _ends(cells[0])
        for cover in _covers([cell for cell in cells if end not in _ends(cell)], most - 1)
    }


def _of_end(end: End, others: set[End], bad: tuple[Cell, ...], good: tuple[Cell, ...]) -> Culprit:
    side, name = end
    own = tuple(cell for cell in bad if cell[side] == name and not others & set(_ends(cell)))
    across = {cell[1 - side] for cell in own}
    controls = tuple(cell for cell in good if cell[1 - side] in across)
    return Culprit(name if side == SENDER else None, name if side == RECEIVER else None, own, controls)
