"""What a message tells of its way: facts that are found in its header and body, and stand as they are in the JSON."""

from dataclasses import field
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.dataclasses import dataclass

from tasks.mail.model.safe_text import SafeText

_WholeMilliseconds = Annotated[float, AfterValidator(lambda seconds: round(seconds, 3))]  # in seconds

# The names in JSON may be words that Python keeps to itself.
_CONFIG = ConfigDict(extra="forbid", serialize_by_alias=True, validate_by_name=True)


@dataclass(frozen=True, slots=True, config=_CONFIG)
class HopRecord:
    """One Received field, and the time that went by before it (see clocks.Step); all that is not known is empty."""

    from_: Annotated[SafeText, Field(alias="from")] = ""
    by: SafeText = ""
    with_: Annotated[SafeText, Field(alias="with")] = ""
    id: SafeText = ""
    for_: Annotated[SafeText, Field(alias="for")] = ""
    peer: SafeText = ""
    tls: SafeText = ""
    at: datetime | None = None
    delay_seconds: _WholeMilliseconds | None = None
    margin_seconds: _WholeMilliseconds = 0.0
    skew_seconds: _WholeMilliseconds = 0.0
    apart_seconds: _WholeMilliseconds = 0.0
    against: SafeText = ""
    slow: bool = False
    raw: Annotated[SafeText | None, Field(description="The field as it stands, where it could not be read.")] = None


@dataclass(frozen=True, slots=True, config=_CONFIG)
class TlsRecord:
    """What was agreed with one server."""

    protocol: SafeText
    cipher: SafeText
    issuer: SafeText = ""
    not_after: datetime | None = None
    days_left: int | None = None


@dataclass(frozen=True, slots=True, config=_CONFIG)
class MethodRecord:
    """One result of one authentication method."""

    method: SafeText
    result: SafeText
    reason: SafeText = ""
    properties: dict[SafeText, SafeText] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, config=_CONFIG)
class AuthenticationRecord:
    """What the receiver states of SPF, DKIM, DMARC and ARC; `assumed`: its name was not configured."""

    authserv_id: SafeText
    assumed: bool
    methods: tuple[MethodRecord, ...] = ()
    ignored: Annotated[int, Field(description="Authentication-Results of others, which are not believed.")] = 0


@dataclass(frozen=True, slots=True, config=_CONFIG)
class FilterRecord:
    """What one spam filter thought; `certain`: it stands where only the receiver writes."""

    filter: SafeText
    server: Annotated[SafeText, Field(description="Where the filter ran, as far as the place of its field tells.")] = ""
    score: float | None = None
    threshold: float | None = None
    spam: bool | None = None
    action: SafeText = ""
    reasons: dict[SafeText, float | None] = field(default_factory=dict)
    certain: bool = False


@dataclass(frozen=True, slots=True, config=_CONFIG)
class SignatureRecord:
    """One DKIM signature that the check verified itself; `valid` is None where the DNS did not answer."""

    domain: SafeText
    selector: SafeText
    valid: bool | None
    reason: SafeText = ""


class JourneyRecord(BaseModel):
    """What a message tells of its way."""

    model_config = ConfigDict(frozen=True, **_CONFIG)

    hops: tuple[HopRecord, ...] = ()
    authentication: AuthenticationRecord | None = None
    filters: tuple[FilterRecord, ...] = ()
    body: SafeText = "unknown"
    foreign: SafeText = Field("", description="A line of a changed body that was not sent.")
    stripped: tuple[SafeText, ...] = ()
    queue_ids: tuple[tuple[SafeText, SafeText], ...] = Field(
        (), description="Host and queue id: what to look for in whose log."
    )
    signatures: tuple[SignatureRecord, ...] = ()
