"""The closed lists that results speak in."""

from enum import StrEnum


class Status(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class Outcome(StrEnum):
    """What became of the probe."""

    DELIVERED = "delivered"
    LATE = "late"
    JUNKED = "junked"
    MISPLACED = "misplaced"
    DUPLICATED = "duplicated"
    LOST = "lost"
    BOUNCED = "bounced"
    REJECTED = "rejected"
    DEFERRED = "deferred"
    UNSENT = "unsent"
    UNVERIFIED = "unverified"
    MISCONFIGURED = "misconfigured"
    SKIPPED = "skipped"


class Reported(StrEnum):
    """What the record of a probe's own run says, as far as the mailbox shows."""

    LOST = "lost"  # it came later than its check had waited
    UNCOLLECTED = "uncollected"  # it came in time, but its check was killed or could not read the mailbox


class Leg(StrEnum):
    """The two halves of a check. The words are a promise to users: stages, events, metrics and traces are named so."""

    SENDING = "smtp"
    RECEIVING = "imap"


LEG_STAGES = {
    Leg.SENDING: ("token", "dns", "connect", "tls", "ehlo", "auth", "mail", "rcpt", "data"),
    Leg.RECEIVING: ("token", "dns", "connect", "tls", "login", "select", "search"),
}


class ErrorType(StrEnum):
    """What kind of failure it was; the words are a promise to users."""

    CONFIGURATION = "configuration_error"
    AUTH = "auth_error"
    CONNECTION = "connection_error"
    TLS = "tls_error"
    TIMEOUT = "timeout"
    TEMPORARY = "temporary_failure"
    SMTP = "smtp_error"
    RECIPIENT = "recipient_refused"
    BOUNCED = "bounced"
    NO_MESSAGE = "no_recent_message"
    MAILBOX = "imap_error"
    UNEXPECTED = "unexpected_error"


FAILED, DELAYED = "failed", "delayed"  # actions of a delivery status notification


class Placement(StrEnum):
    """Where a probe was found, relative to the folder that is expected to receive it."""

    EXPECTED = "expected"
    JUNK = "junk"
    OTHER = "other"
