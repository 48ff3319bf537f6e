"""The situations: how each is made, and what the result must be. Their sentences stand in docs/diagnosis.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tasks.mail.model.outcome import ErrorType
from tests.diagnosis import making
from tests.diagnosis.making import Making, by, full, judged, plain, port, subject, to
from tests.support.servers.certificates import DAYS_LEFT


@dataclass(frozen=True)
class Situation:
    """`title` is that of its section in the document, `case` the words there that tell it from others in the section.

    `facts` are fields of the result, by their path in JSON.
    """

    title: str
    make: Making
    error_type: ErrorType | None = None
    facts: Mapping[str, object] = field(default_factory=dict)
    case: str = ""

    def __str__(self) -> str:
        return f"{self.title}{self.case and ', '}{self.case}"


AUTH, TEMPORARY, NO_MESSAGE = ErrorType.AUTH, ErrorType.TEMPORARY, ErrorType.NO_MESSAGE
CERTIFICATE = "Certificate about to expire, or expired"

SITUATIONS = [
    Situation(
        "Greylisted at submission",
        port("grey", {"retry_delay": 3.2}),
        facts={"attempts": 2, "attempt_errors.0.smtp_code": 450, "attempt_errors.0.stage": "rcpt"},
    ),
    Situation(
        "Greylisted at submission",
        port("grey", {"retries": 1, "retry_delay": 0.1}),
        TEMPORARY,
        {"attempts": 2, "smtp_code": 450},
        case="for longer than the retries last",
    ),
    Situation("Greylisted at the edge", by("strict", warn_after=1.0), facts={"journey.hops.1.slow": True}),
    Situation(
        "Deferred by quota", full("quota_later"), TEMPORARY, {"attempts": 2, "smtp_code": 454}, case="at the relay"
    ),
    Situation(
        "Deferred by quota",
        full("submission", quota_full_tempfail="yes"),
        NO_MESSAGE,
        {"attempts": 1, "response_code": 250},
        case="behind the relay",
    ),
    Situation(
        "Refused by quota",
        full("quota"),
        ErrorType.RECIPIENT,
        {"attempts": 1, "smtp_code": 554, "enhanced_code": "5.2.2"},
        case="at the relay",
    ),
    Situation(
        "Refused by quota",
        full("submission"),
        NO_MESSAGE,
        {"attempts": 1, "response_code": 250},
        case="behind the relay",
    ),
    Situation(
        "User unknown at submission",
        to("refused"),
        ErrorType.RECIPIENT,
        {"smtp_code": 550, "enhanced_code": "5.1.1", "stage": "rcpt"},
    ),
    Situation("User unknown at the edge", to("unknown"), ErrorType.BOUNCED, {"response_code": 250, "copies": 0}),
    Situation(
        "Content rejected at submission",
        subject("bad"),
        ErrorType.SMTP,
        {"smtp_code": 550, "enhanced_code": "5.7.1", "stage": "data"},
    ),
    Situation("Content rejected at the edge", subject("ugly"), ErrorType.BOUNCED, {"response_code": 250, "copies": 0}),
    Situation(
        "Wrong SMTP password",
        plain(smtp={"password": "wrong"}),
        AUTH,
        {"leg": "smtp", "stage": "auth", "smtp_code": 535, "attempts": 1},
    ),
    Situation("Wrong IMAP password", plain(imap={"password": "wrong"}), AUTH, {"leg": "imap", "stage": "login"}),
    Situation("Relay down", making.relay_down, ErrorType.CONNECTION, {"leg": "smtp", "stage": "connect"}),
    Situation("Edge down", making.edge_down, facts={"journey.hops.1.slow": True, "journey.hops.1.by": "edge.test"}),
    Situation(
        "Mailbox server down",
        making.mailbox_down_before,
        ErrorType.CONNECTION,
        {"leg": "imap", "stage": "connect", "response_code": 250},
        case="before the search",
    ),
    Situation("Mailbox server down", making.mailbox_down_during, facts={"copies": 1}, case="during the search"),
    Situation(
        "Junked",
        to("spam"),
        facts={
            "folder": "Junk",
            "journey.filters.0.score": 7.1,
            "journey.filters.0.threshold": 5.0,
            "journey.filters.0.certain": True,
        },
    ),
    Situation("Misfiled by a rule", to("misfiled"), facts={"placement": "other"}),
    Situation("Discarded", to("discard", max_wait=making.BRIEF), NO_MESSAGE, {"response_code": 250, "copies": 0}),
    Situation("Duplicated", to("twice"), facts={"copies": 2}),
    Situation("Forwarded copy", to("forward"), facts={"copies": 2}),
    Situation(
        "DKIM broken on the way",
        judged("broken"),
        facts={"journey.body": "changed", "journey.authentication.authserv_id": "edge.test"},
    ),
    Situation("SPF fails", judged(sender="spf-fail.test"), facts={"journey.body": "intact"}),
    Situation("DMARC fails", judged(sender="dmarc-fail.test"), facts={"journey.body": "intact"}),
    Situation(
        CERTIFICATE,
        making.expiring,
        facts={"tls.smtp.days_left": DAYS_LEFT, "tls.imap.days_left": DAYS_LEFT},
        case="soon, on both servers",
    ),
    Situation(CERTIFICATE, port("expired"), ErrorType.TLS, {"leg": "smtp", "stage": "tls"}, case="over, at the relay"),
    Situation(
        CERTIFICATE,
        making.mailbox_expired,
        ErrorType.TLS,
        {"leg": "imap", "stage": "tls"},
        case="over, at the mailbox server",
    ),
    Situation("Slow hop", by("slow", warn_after=1.0), facts={"journey.hops.2.slow": True}),
    Situation("Clock skew between hops", by("drifting"), facts={"journey.hops.1.by": "drifting.test"}),
    Situation("Footer added by a gateway", by("footer"), facts={"journey.body": "changed"}),
    Situation(
        "Header fields removed by a gateway",
        by("stripped"),
        facts={"journey.stripped.0": "X-Mail-Loop-Id", "journey.stripped.1": "X-Mail-Loop-Name"},
    ),
]
