"""The result of a check: what a caller gets, and what `mail-loop check --json` prints."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, TypedDict

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from tasks.mail.model.cause import Cause
from tasks.mail.model.header import Ref
from tasks.mail.model.journey_record import JourneyRecord, TlsRecord
from tasks.mail.model.outcome import ErrorType, Leg, Outcome, Placement, Reported, Status
from tasks.mail.model.safe_text import SafeText, one_line, unlinked

_CODE = re.compile(r"\d(?:\.\d{1,3}){2}")


def _utc(moment: datetime) -> datetime:
    """A mail server may send any date, with any zone."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return moment.replace(tzinfo=UTC)


_Sentence = Annotated[SafeText, AfterValidator(unlinked)]
_Timestamp = Annotated[datetime, AfterValidator(_utc)]
_Seconds = Annotated[float, AfterValidator(lambda seconds: round(seconds, 4))]  # finer than that is noise


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One failed attempt of the SMTP leg."""

    attempt: int
    error_type: ErrorType
    smtp_code: int | None
    error_msg: SafeText
    stage: str

    @property
    def code(self) -> int | None:
        """The reply code, whatever the protocol."""
        return self.smtp_code

    @property
    def reason(self) -> str:
        """In one word: the reply code, else the kind of error."""
        return str(self.smtp_code or self.error_type)


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class BounceRecord:
    """What a delivery status notification (RFC 3464) said of the message; what it did not say is empty."""

    action: Annotated[SafeText, Field(description="failed, or delayed: the server was still trying.")]
    status: Annotated[SafeText, Field(description="The enhanced status code (RFC 3463).")] = ""
    diagnostic: Annotated[SafeText, Field(description="The reply of the remote server.")] = ""
    recipient: Annotated[SafeText, Field(description="Whom the message could not be delivered to.")] = ""
    reporting_mta: Annotated[SafeText, Field(description="The server that wrote the notification.")] = ""
    remote_mta: Annotated[SafeText, Field(description="The server that it could not hand the message to.")] = ""
    mailbox: Annotated[SafeText, Field(description="The mailbox in which the notification was found.")] = ""
    folder: Annotated[SafeText, Field(description="Its folder.")] = ""
    arrived_at: Annotated[_Timestamp | None, Field(description="Its INTERNALDATE.")] = None

    @property
    def reason(self) -> str:
        """Why, in the words of the server; empty where it said nothing."""
        is_repeated = self.status in _CODE.findall(self.diagnostic)
        parts = (self.diagnostic,) if is_repeated else (self.status, self.diagnostic)
        return one_line(" ".join(part for part in parts if part))


class _PlaceFields(TypedDict):
    """Where an earlier probe lies."""

    folder: str
    uidvalidity: int
    uid: int


class EarlierProbe(BaseModel):
    """A probe of an earlier run that lay in the mailbox: told once. Should its id be met again, it counts no more."""

    model_config = ConfigDict(frozen=True)

    probe_id: str
    token: str
    flow_run_id: str | None = Field(None, description="The flow run that sent it, by its own word.")
    sent_at: _Timestamp | None = Field(None, description="Its Date.")
    arrived_at: _Timestamp = Field(description="INTERNALDATE, by the mail server's clock.")
    delivery_seconds: _Seconds | None = Field(
        None, description="From its Date to the mailbox, at the most; None where the two contradict each other."
    )
    reported: Reported
    signed: bool = Field(
        True,  # in records of versions that did not sign
        description="Whether it carries the signature of this installation; one that does not counts for nothing.",
    )
    folder: SafeText
    uidvalidity: int
    uid: int

    @property
    def ref(self) -> Ref:
        """Where it lies, with its folder as the result names it."""
        return Ref(self.folder, self.uidvalidity, self.uid)


def place_of(ref: Ref) -> _PlaceFields:
    """The fields of an EarlierProbe that say where it lies."""
    return {"folder": ref.folder, "uidvalidity": ref.generation, "uid": ref.number}


class LoopResult(BaseModel):
    """What one check found. Times are UTC, durations in seconds; None where a check did not come that far."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True, validate_by_name=True)

    loop: SafeText
    status: Status
    outcome: Outcome
    sentence: _Sentence = Field(description="The verdict in one sentence that a person can act on.")
    who_acts: SafeText | None = Field(None, description="Who must act on it; None where nobody need.")
    leg: str | None = Field(None, description="The leg that failed: smtp or imap.")
    stage: str | None = Field(None, description="The stage of that leg.")
    error_type: ErrorType | None = None
    error_msg: SafeText | None = None
    cause: Annotated[Cause | None, BeforeValidator(Cause.known)] = Field(
        None, description="Why, from a closed list; None where the outcome says all that is known."
    )
    attempts: int = Field(0, description="Attempts to hand the message to the relay.")
    attempt_errors: tuple[AttemptRecord, ...] = ()
    response_code: int | None = Field(None, description="The last reply code of the relay.")
    response_message: SafeText | None = Field(None, description="The text of that reply.")
    enhanced_code: str | None = Field(None, description="The enhanced status code (RFC 3463) of that reply.")
    smtp_code: int | None = Field(None, description="The reply code that made the SMTP leg fail.")
    queue_id: SafeText | None = Field(
        None, description="The relay's name for the message: what to look for in its log."
    )
    token: str | None = None
    probe_id: SafeText | None = None
    subject: SafeText | None = None
    message_id: SafeText | None = None
    from_: SafeText | None = Field(None, alias="from")
    envelope_from: SafeText | None = Field(
        None, description="The sender to whom a bounce goes; differs with smtp.verp."
    )
    to: SafeText | None = None
    sent_at: _Timestamp | None = Field(None, description="When the first attempt began.")
    accepted_at: _Timestamp | None = Field(None, description="When the relay accepted the message.")
    arrived_at: _Timestamp | None = Field(None, description="INTERNALDATE, by the mail server's clock, whole seconds.")
    detected_at: _Timestamp | None = Field(None, description="When the check saw the message.")
    send_seconds: _Seconds | None = Field(None, description="From the first attempt to the acceptance.")
    delivery_seconds: _Seconds | None = Field(None, description="From the acceptance to the mailbox, at the most.")
    total_seconds: _Seconds | None = Field(
        None, description="From the first attempt to the detection, or to the end of the check; pauses count."
    )
    smtp_stages: dict[str, _Seconds] = Field(default_factory=dict)
    imap_stages: dict[str, _Seconds] = Field(default_factory=dict)
    folder: SafeText | None = None
    placement: Placement | None = None
    copies: int = 0
    matched_uids: tuple[int, ...] = ()
    latest_internaldate: _Timestamp | None = None
    bounce: BounceRecord | None = Field(None, description="What the bounce said, or the last notice of a delay.")
    journey: JourneyRecord | None = Field(None, description="What the message tells of its way.")
    tls: dict[str, TlsRecord] = Field(default_factory=dict, description="What was agreed, by leg.")
    attempt_times: tuple[tuple[_Seconds, _Seconds], ...] = Field(
        (), description="When each attempt began and ended, in seconds since the first one began."
    )
    imap_tries: int = Field(0, description="Tries to read the mailbox, each over a connection of its own.")
    imap_times: tuple[tuple[_Seconds, _Seconds], ...] = Field(
        (),
        description="When these tries began and ended, in seconds since the first attempt began: those before the last "
        "together, with the pauses after them, then the last.",
    )
    earlier_probes: tuple[EarlierProbe, ...] = Field(
        (), description="Probes of earlier runs that nobody had collected, each told once."
    )
    notes: tuple[SafeText, ...] = Field((), description="What a reader should know beside the verdict.")
    flow_run_id: str | None = None

    @property
    def stages(self) -> dict[str, dict[str, float]]:
        """How long each stage took, by leg."""
        return {Leg.SENDING: self.smtp_stages, Leg.RECEIVING: self.imap_stages}

    @property
    def tries(self) -> int:
        """Tries to read the mailbox, whose beginning and end are in `try_times`."""
        return self.imap_tries

    @property
    def try_times(self) -> tuple[tuple[float, float], ...]:
        return self.imap_times

    @property
    def positions(self) -> tuple[int, ...]:
        """Where in its folder each copy is."""
        return self.matched_uids

    @property
    def counted_probes(self) -> tuple[EarlierProbe, ...]:
        """Those of `earlier_probes` that count in metrics, events and histories: the others may be anybody's."""
        return tuple(probe for probe in self.earlier_probes if probe.signed)

    @property
    def exit_code(self) -> int:
        """The exit code of the monitoring-plugin convention; 3 says that the check itself, not the mail, is broken."""
        if self.outcome is Outcome.MISCONFIGURED or self.error_type is ErrorType.UNEXPECTED:
            return 3
        return {Status.OK: 0, Status.WARNING: 1, Status.ERROR: 2}[self.status]


def of_copies(refs: Sequence[Ref]) -> dict[str, object]:
    """The fields of a result that say how many copies there are, and where."""
    return {"copies": len(refs), "matched_uids": tuple(ref.number for ref in refs)}


def of_leg(leg: Leg, **values: object) -> dict[str, object]:
    """The fields of a result that are named after a leg, such as its `stages`."""
    return {f"{leg}_{name}": value for name, value in values.items()}
