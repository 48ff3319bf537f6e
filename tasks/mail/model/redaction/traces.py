"""What is left of long secrets in a text: tokens, keys, and each part of them that is long enough to be hidden.

A token of 2 KB has twenty thousand runs that are to be hidden, counted in all its encodings. They are not kept: of each
spelling every few characters a window is, so that each run holds one, and what is around a window that is found is
compared with the spelling.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from tasks.mail.model.redaction import encodings

LEAST = 8  # characters of a run that is hidden
ENOUGH = 24  # of a run that need not be more than half
LONG = 2 * ENOUGH - 1  # characters of a secret any of whose runs of so many is hidden
_MOST_LEARNED = 2000  # tokens of one process, of which an old one stands in no new text

_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----(.*?)-----END ", re.DOTALL)


def enough(length: int) -> int:
    """How many characters of one of this length are a run that is hidden."""
    return min(ENOUGH, max(LEAST, length // 2 + 1))


def folded(text: str) -> str:
    """The text in one case, as texts are compared."""
    return text.lower() if text.isascii() else text.casefold()


def key_material(text: str) -> list[str]:
    """The private keys in a text, such as PEM or the JSON of a service account, without their line ends."""
    return ["".join(body.split()) for body in _KEY.findall(text.replace("\\n", "\n"))]


class _Spelling(NamedTuple):
    text: str
    need: int  # characters of a run that is hidden
    in_base64: bool = False


class Trace(NamedTuple):
    """A run of a secret in a text: where it is, and whether it is all of the secret, or a piece of its base64."""

    start: int
    end: int
    whole: bool
    in_base64: bool


class Traces:
    """Some secrets, and where something of them stands."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: dict[str, None] = {}
        self._least = ENOUGH  # characters of a run
        self._in_words = True  # no secret has blanks
        # By length the windows, with the places in the spellings where they stand.
        self._windows: dict[int, dict[str, list[tuple[_Spelling, int]]]] = {}
        for secret in secrets:
            self.add(secret)

    def __bool__(self) -> bool:
        return bool(self._secrets)

    def add(self, secret: str) -> None:
        """Know of this one as well; of very many the older ones are forgotten."""
        if secret in self._secrets:
            return
        if len(self._secrets) >= _MOST_LEARNED:
            kept = Traces([*self._secrets][_MOST_LEARNED // 2 :])
            self.__dict__.update(kept.__dict__)
        self._secrets[secret] = None
        for spelling in dict.fromkeys(_spellings(secret)):
            self._least = min(self._least, spelling.need)
            self._in_words &= not any(map(str.isspace, spelling.text))
            width = (spelling.need + 1) // 2
            windows = self._windows.setdefault(width, {})
            # A run of `need` characters holds a window that begins at a multiple of this.
            for place in range(0, len(spelling.text) - width + 1, spelling.need - width + 1):
                windows.setdefault(spelling.text[place : place + width], []).append((spelling, place))

    def found(self, text: str) -> Iterator[Trace]:
        """Each run of a secret in a text, which is in one case."""
        long_words = rf"\S{{{self._least},}}" if self._in_words else r"(?s:.+)"
        stretches = [match.span() for match in re.finditer(long_words, text)]
        for width, windows in [*self._windows.items()] if stretches else ():  # another thread may add one
            seen: dict[tuple[str, int], int] = {}
            for at in chain.from_iterable(range(first, last - width + 1) for first, last in stretches):
                for spelling, place in windows.get(text[at : at + width], ()):
                    run = (spelling.text, at - place)
                    if seen.get(run, 0) > at:
                        continue
                    start, end = _around(text, at, spelling.text, place)
                    seen[run] = end
                    if end - start >= spelling.need:
                        whole = end - start == len(spelling.text) and not spelling.in_base64
                        yield Trace(start, end, whole, spelling.in_base64)


def _spellings(secret: str) -> Iterator[_Spelling]:
    for text in map(folded, encodings.written(secret)):
        if len(text) >= LEAST:
            yield _Spelling(text, enough(len(text)))
    for text in encodings.in_hex(secret):
        yield _Spelling(text, 2 * enough(len(text) // 2))
    for text in map(folded, encodings.in_base64(secret)):
        if len(text) >= LEAST:
            yield _Spelling(text, enough(len(text)), in_base64=True)


def _around(text: str, at: int, spelling: str, place: int) -> tuple[int, int]:
    """The whole run that the characters here are part of."""
    before, behind = min(at, place), min(len(text) - at, len(spelling) - place)
    start = _equal(before, lambda n, m: text[at - m : at - n] == spelling[place - m : place - n])
    end = _equal(behind, lambda n, m: text[at + n : at + m] == spelling[place + n : place + m])
    return at - start, at + end


def _equal(most: int, is_so: Callable[[int, int], bool]) -> int:
    """How many characters, at most, are equal, by comparing many at once."""
    count = 0
    for step in (256, 16, 1):
        while count + step <= most and is_so(count, count + step):
            count += step
    return count


# Of many checks that share a secret, none has traces of its own.
traces_of = lru_cache(maxsize=256)(Traces)
# Tokens come into being in the middle of a check, and several share one: whoever gets one tells it here, and every text
# that is made from then on is without it.
LEARNED = Traces()


def learn(token: str) -> None:
    """Hide this one, too, wherever this process hides secrets: an access token, a new refresh token, an assertion."""
    if len(token) >= LEAST:
        LEARNED.add(token)
