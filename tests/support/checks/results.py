"""Results to show, and strangers' text to show them with."""

from __future__ import annotations

from datetime import UTC, datetime

from tasks.mail.model.outcome import ErrorType, Outcome, Placement, Status
from tasks.mail.model.result import AttemptRecord, LoopResult

AT = datetime(2026, 11, 22, 12, 0, 0, 250_000, tzinfo=UTC)
RESULT = LoopResult(
    loop="office",
    status=Status.OK,
    outcome=Outcome.DELIVERED,
    sentence="Mail gets through.",
    attempts=2,
    attempt_errors=(
        AttemptRecord(
            attempt=1, error_type=ErrorType.TEMPORARY, smtp_code=450, error_msg="450 4.2.0 later", stage="rcpt"
        ),
    ),
    response_code=250,
    response_message="2.0.0 Ok: queued as 4XyZ12",
    queue_id="4XyZ12",
    token="abcdef",
    probe_id="abcdef" + "0" * 26,
    subject="[loop] 2026-11-22T12:00:00Z abcdef",
    sent_at=AT,
    arrived_at=AT.replace(microsecond=0),
    delivery_seconds=0.12345,
    total_seconds=5.5,
    smtp_stages={"dns": 0.0012, "data": 1.25},
    imap_stages={"login": 0.01},
    folder="INBOX",
    placement=Placement.EXPECTED,
    copies=1,
    matched_uids=(7,),
    notes=("smtp.verify is false: the certificate of relay is not verified.",),
)
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](https://evil.example)",
    "https://evil.example/ and www.evil.example and a@evil.example",
    "**bold** _it_ ~~gone~~ # head `code` | cell | ![i](j)",
    "line\r\n\r\n# forged heading\n| a | b |",
    "\x1b[2J\x1b[31mred\x07\x9b1m",
    "``` fence ```",
    "&lt;b&gt; &#60;b&#62;",
    "right\u202eleft",
]
