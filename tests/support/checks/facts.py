"""Facts of a check, and the results that they are judged to be: the same on every machine and at any time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

from tasks.mail.config.loop import LoopConfig, loop_config
from tasks.mail.model.errors import MailboxFailure, SendFailure
from tasks.mail.model.facts import Arrival, Hit, Receipt
from tasks.mail.model.header import Ref
from tasks.mail.model.moment import Moment, Tried
from tasks.mail.model.outcome import ErrorType, Placement
from tasks.mail.model.result import AttemptRecord, BounceRecord, LoopResult
from tasks.mail.probe.compose import Probe, compose
from tasks.mail.senders.registry import Attempts
from tasks.mail.verdict.result import conclude
from tests.support.mail.notices import bounced

START = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
RUN = "0198f3a2-5c1e-7d4f-9a3b-2f1c0d9e8b7a"
Change = Mapping[str, object]


def moment(seconds: float) -> Moment:
    return Moment(START + timedelta(seconds=seconds), 1000.0 + seconds)


def loop(
    imap: Change | None = None,
    limits: Change | None = None,
    *,
    with_imap: bool = True,
    smtp: Change | None = None,
    bounce_mailbox: Change | None = None,
) -> LoopConfig:
    data: dict[str, object] = {
        "name": "office",
        "smtp": {
            "host": "relay.example.org",
            "from_addr": "a@example.org",
            "to_addr": "b@example.net",
            "subject_prefix": "[loop]",
            **(smtp or {}),
        },
        "limits": limits or {"max_wait": 300.0},
    }
    if with_imap:
        mailbox = {"host": "imap.example.net", "username": "b", "password": "x"}
        data["imap"] = {**mailbox, **(imap or {})}
    if bounce_mailbox is not None:
        data["bounce_mailbox"] = bounce_mailbox
    return loop_config(data)


def sent(doubt: SendFailure | None = None, accepted: float = 1.0) -> Receipt:
    return Receipt("f" * 32, "ffffff", moment(0), moment(accepted), 250, "2.0.0 Ok", queue_id="4XyZ12", doubt=doubt)


def hit(placement: Placement = Placement.EXPECTED, at: float = 2.0, folder: str = "INBOX", uid: int = 7) -> Hit:
    arrived_at = (START + timedelta(seconds=at)).replace(microsecond=0)
    return Hit(Ref(folder, 1, uid), placement, arrived_at, own=True)


def arrival(*hits: Hit, seen: float = 2.5, bounce: BounceRecord | None = None) -> Arrival:
    return Arrival(hits, bounce, moment(seen), tried=Tried(1, moment(1.0), moment(1.0), moment(seen)))


BOUNCE = bounced("5.1.1", "550 5.1.1 user unknown", "b@example.net", "relay.example.org", "mx.example.net")
JUNK = hit(Placement.JUNK, folder="Junk")
OTHER = hit(Placement.OTHER, folder="Lists")
DOUBT = SendFailure(ErrorType.TIMEOUT, "data", "no answer within 30 s")
LOST = MailboxFailure(ErrorType.CONNECTION, "connect", "connection refused")
LOST.tried = Tried(4, moment(1.0), moment(301.0), moment(301.25))
REFUSED = MailboxFailure(ErrorType.AUTH, "login", "NO", permanent=True)
REFUSED.tried = Tried(1, moment(1.0), moment(1.0), moment(1.25))


def probe(config: LoopConfig) -> Probe:
    """The probe of sent()."""
    with patch("secrets.token_hex", return_value="f" * 32):
        return compose(config.name, config.smtp, START, RUN)


def concluded(
    found: Arrival | MailboxFailure | None,
    outcome: Receipt | SendFailure | None = None,
    config: LoopConfig | None = None,
    errors: Sequence[AttemptRecord] = (),
    notes: tuple[str, ...] = (),
) -> LoopResult:
    """The result of a check whose SMTP leg ended in `outcome`, after `errors`, a second each."""
    outcome, config = outcome or sent(), config or loop()
    attempts = Attempts()
    attempts.started, attempts.errors = moment(0), list(errors)
    attempts.count = len(errors) + isinstance(outcome, Receipt)
    attempts.times = [(number, number + 0.5) for number in range(attempts.count)]
    return conclude(config, probe(config), attempts, outcome, found, RUN, notes)
