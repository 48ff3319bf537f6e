"""Checks that ended in an error, as exceptions that carry their results: see errors for the tree that they are in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.mail.model.errors import MailLoopError

if TYPE_CHECKING:
    from tasks.mail.model.result import LoopResult


class CheckFailed(MailLoopError):
    """A check whose status is error. `result` is its LoopResult, the text its verdict's sentence."""

    def __init__(self, result: LoopResult) -> None:
        super().__init__(result.sentence)
        self.result = result


class MatrixFailed(MailLoopError):
    """A matrix or a fleet with a loop whose status is error. `results` are those of all its loops, the text what they
    show.
    """

    def __init__(self, results: tuple[LoopResult, ...], text: str) -> None:
        super().__init__(text)
        self.results = results
