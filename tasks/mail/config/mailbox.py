"""What the configuration says of any mailbox, of the one that bounces go to, and of the one of the probe."""

from importlib.util import find_spec
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Field, field_validator, model_validator

from tasks.mail.config.messages import problem
from tasks.mail.config.oauth import MailboxOAuth
from tasks.mail.config.section import (
    CaFile,
    CertFile,
    Duration,
    Host,
    KeyFile,
    Password,
    Pause,
    Port,
    Retries,
    SecretName,
    Section,
    Subject,
    Text,
    Verify,
    login_rules,
    without_secrets,
)

Tls = Literal["none", "starttls", "implicit"]

Severity = Literal["warning", "critical"]

IMAP_PORTS: dict[Tls, int] = {"none": 143, "starttls": 143, "implicit": 993}


class MailboxConfig(Section):
    """Where a mailbox is, and how to log in to it."""

    model_config = ConfigDict(json_schema_extra=without_secrets)
    protocol: ClassVar[str] = "imap"  # the key of MAILBOXES in mailboxes/registry

    host: Host = Field(description="Host name or IP address of the IMAP server")
    tls: Tls = Field(
        "implicit", title="TLS", description="Encryption: none, starttls, or implicit (TLS from the first byte)"
    )
    port: Port = Field(
        default_factory=lambda data: IMAP_PORTS[data.get("tls", "implicit")],
        description="TCP port; if left out 993 for implicit, 143 for starttls and none",
    )
    username: Text = Field(description="Name to log in with")
    password: Password | None = Field(None, description="Password in clear, for local use only", repr=False)
    password_secret: SecretName | None = Field(
        None, description="Name of the Prefect Secret block (or environment variable) with the password"
    )
    oauth: MailboxOAuth | None = Field(None, title="OAuth 2", description="How to get a token, in place of a password")
    folder: Text = Field("INBOX", description="Folder to look into")
    timeout: Duration = Field(30.0, description="Seconds that one step of the IMAP dialogue may take")
    ca_file: CaFile = None
    verify: Verify = True
    cert_file: CertFile = None
    key_file: KeyFile = Field(None, validate_default=True)

    _login_rules = field_validator("key_file")(login_rules)

    @model_validator(mode="before")
    @classmethod
    def _take_tls_mode(cls, data: object) -> object:
        if not isinstance(data, dict) or "tls_mode" not in data:
            return data
        rest = {key: value for key, value in data.items() if key != "tls_mode"}
        if rest.setdefault("tls", data["tls_mode"]) != data["tls_mode"]:
            raise problem("tls and tls_mode are two names of one field and differ: keep one of them")
        return rest


class BounceMailbox(MailboxConfig):
    """The mailbox that bounces go to: that of the sender, where it is another one than the probe should arrive in."""

    model_config = ConfigDict(title="Bounce mailbox")

    folder: Text = Field("INBOX", description="Folder that bounces are looked for in, beside the junk folder")


AuthResult = Literal["pass", "fail", "softfail", "neutral", "none", "policy", "temperror", "permerror"]


def can_verify() -> bool:
    """Whether signatures can be verified: the extra `dkim` is installed."""
    return find_spec("dkim") is not None


def _possible(wanted: bool) -> bool:
    if wanted and not can_verify():
        raise problem("needs the package dkimpy: install mail-loop-check[dkim], or leave it out")
    return wanted


VerifyDkim = Annotated[bool, AfterValidator(_possible)]


class Expect(Section):
    """What the receiver must find of the sender's authentication (RFC 8601), method by method."""

    model_config = ConfigDict(title="Expected authentication")

    spf: AuthResult | None = Field(None, title="SPF", description="Result that SPF must have, such as pass")
    dkim: AuthResult | None = Field(None, title="DKIM", description="Result that DKIM must have, such as pass")
    dmarc: AuthResult | None = Field(None, title="DMARC", description="Result that DMARC must have, such as pass")
    arc: AuthResult | None = Field(None, title="ARC", description="Result that ARC must have, such as pass")


class ProbeMailbox(MailboxConfig):
    """The mailbox that a probe should arrive in, whatever the protocol."""

    folder: Text = Field("INBOX", description="Folder that the probe is expected in")
    search_subject: Subject | None = Field(
        None, description="Text that the subject must contain; in a loop it is the subject prefix if left out"
    )
    max_age_minutes: float = Field(
        30.0, gt=0, le=525600, description="Minutes after which a message is too old for an inbound check"
    )
    delete_after_check: bool = Field(True, description="Whether the probe is deleted once it is found")
    retention: Duration = Field(
        86400.0, description="Seconds after which a probe that no check has collected is deleted by a later one"
    )
    spare_recent: bool = Field(
        False,
        description="Leave probes where they are while deleting them would take the flag \\Recent from other messages",
    )
    no_recent_message_severity: Severity = Field("critical", description="How bad it is when no message is found")
    junked_severity: Severity = Field("warning", description="How bad it is in the junk folder, or marked as spam")
    misplaced_severity: Severity = Field("warning", description="How bad it is when the probe is in another folder")
    authserv_id: Text | None = Field(
        None,
        description="Name under which the receiver states the authentication (RFC 8601); if left out the top-most one",
    )
    expect: Expect = Field(
        default_factory=Expect, description="What the receiver must find of SPF, DKIM, DMARC and ARC, where it matters"
    )
    verify_dkim: VerifyDkim = Field(
        False, description="Whether the check verifies the DKIM signatures itself, too: needs dkimpy and the DNS"
    )
    drift_severity: Severity = Field("warning", description="How bad it is when the authentication is not as expected")
    junk_folder: Text | None = Field(None, description="Name of the junk folder; if left out it is found by itself")
    retries: Retries = Field(2, description="Further attempts of an inbound check that found nothing")
    retry_delay: Pause = Field(10.0, description="Seconds before a further attempt or a new connection")
