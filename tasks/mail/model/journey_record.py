"""The records of a journey, as a result and its JSON have them; journey.record makes them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from tasks.mail.model.safe_text import printable

Text = Annotated[str, AfterValidator(printable)]  # strangers' text may hold what no JSON, terminal or log can carry
WholeMilliseconds = Annotated[float, AfterValidator(lambda seconds: round(seconds, 3))]  # in seconds


class Record(BaseModel):
    """Frozen; its names in JSON may be words that Python keeps to itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True, validate_by_name=True)


class HopRecord(Record):
    """One Received field, and the time that went by before it (see clocks.Step); all that is not known is empty."""

    from_: Text = Field("", alias="from")
    by: Text = ""
    with_: Text = Field("", alias="with")
    id: Text = ""
    for_: Text = Field("", alias="for")
    peer: Text = ""
    tls: Text = ""
    at: datetime | None = None
    delay_seconds: WholeMilliseconds | None = None
    margin_seconds: WholeMilliseconds = 0.0
    skew_seconds: WholeMilliseconds = 0.0
    apart_seconds: WholeMilliseconds = 0.0
    against: Text = ""
    slow: bool = False
    raw: Text | None = Field(None, description="The field as it stands, where it could not be read.")


class TlsRecord(Record):
    """What was agreed with one server."""

    protocol: Text
    cipher: Text
    issuer: Text = ""
    not_after: datetime | None = None
    days_left: int | None = None


class MethodRecord(Record):
    """One result of one authentication method."""

    method: Text
    result: Text
    reason: Text = ""
    properties: dict[Text, Text] = Field(default_factory=dict)


class AuthenticationRecord(Record):
    """What the receiver states of SPF, DKIM, DMARC and ARC; `assumed`: its name was not configured."""

    authserv_id: Text
    assumed: bool
    methods: tuple[MethodRecord, ...] = ()
    ignored: int = Field(0, description="Authentication-Results of others, which are not believed.")


class FilterRecord(Record):
    """What one spam filter thought; `certain`: it stands where only the receiver writes."""

    filter: Text
    server: Text = Field("", description="Where the filter ran, as far as the place of its field tells.")
    score: float | None = None
    threshold: float | None = None
    spam: bool | None = None
    action: Text = ""
    reasons: dict[Text, float | None] = Field(default_factory=dict)
    certain: bool = False


class SignatureRecord(Record):
    """One DKIM signature that the check verified itself; `valid` is None where the DNS did not answer."""

    domain: Text
    selector: Text
    valid: bool | None
    reason: Text = ""


class JourneyRecord(Record):
    """What a message tells of its way."""

    hops: tuple[HopRecord, ...] = ()
    authentication: AuthenticationRecord | None = None
    filters: tuple[FilterRecord, ...] = ()
    body: Text = "unknown"
    foreign: Text = Field("", description="A line of a changed body that was not sent.")
    stripped: tuple[Text, ...] = ()
    queue_ids: tuple[tuple[Text, Text], ...] = Field(
        (), description="Host and queue id: what to look for in whose log."
    )
    signatures: tuple[SignatureRecord, ...] = ()
