"""The attempts of one delivery, as they happen."""

from collections.abc import Callable

from tasks.mail.model.errors import SendFailure
from tasks.mail.model.moment import Moment
from tasks.mail.model.outcome import Leg
from tasks.mail.model.result import AttemptRecord
from tasks.mail.net.stages import report_stage


class Attempts:
    """How many there were, when the first began, and how each of the failed ones ended."""

    def __init__(self, spend: Callable[[], None] = lambda: None) -> None:
        """`spend` is called before each attempt."""
        self._spend = spend
        self.count = 0
        self.bodies = 0  # messages that went out whole and were refused then
        self.errors: list[AttemptRecord] = []
        self.times: list[tuple[float, float]] = []  # begun and ended, in seconds since the first one began
        self.started = Moment.now()

    def begin(self) -> None:
        """One more attempt begins."""
        if self.count == 0:
            self.started = Moment.now()
        self._spend()
        self.count += 1
        now = Moment.now().since(self.started)
        self.times.append((now, now))

    def ended(self) -> None:
        """The attempt that began last is over, however it ended."""
        self.times[-1] = (self.times[-1][0], Moment.now().since(self.started))

    def failed(self, error: SendFailure) -> None:
        """The attempt that began last failed, or ended in doubt."""
        report_stage(Leg.SENDING, error.stage, error.text)
        self.bodies += error.body_out
        self.errors.append(AttemptRecord(self.count, error.error_type, error.code, error.text, error.stage))
