"""The configuration of a check: strict, frozen, and complete before anything is sent.

Field names and defaults follow NyxMon, whose users bring their JSON unchanged. Times are in seconds unless a name says
otherwise. The descriptions are what Prefect shows beside the fields of its form.
"""

import random
from collections.abc import Mapping
from typing import ClassVar

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from tasks.mail.config.addresses import LONGEST_ADDRESS, LONGEST_LOCAL, with_detail
from tasks.mail.config.mailbox import BounceMailbox, ProbeMailbox, Tls
from tasks.mail.config.messages import problem
from tasks.mail.config.oauth import SenderOAuth
from tasks.mail.config.section import (
    Address,
    CaFile,
    CertFile,
    Duration,
    EhloName,
    Host,
    KeyFile,
    Password,
    Pause,
    Port,
    Retries,
    SecretName,
    Section,
    Slug,
    Strict,
    Subject,
    Text,
    Verify,
    login_rules,
    validated,
    without_secrets,
)

TOKEN_LENGTH = 6  # hex digits of a probe's id: enough to tell runs apart by eye; a match always takes the whole id
_LONGEST_RETRY_DELAY = 3600.0
MOST_RETRY_DELAYS = 50  # as many different ones as Prefect takes; the last one is repeated for the retries beyond

SMTP_PORTS: dict[Tls, int] = {"none": 25, "starttls": 587, "implicit": 465}


class SmtpConfig(Section):
    """The relay that a probe is handed to."""

    model_config = ConfigDict(title="SMTP", json_schema_extra=without_secrets)
    protocol: ClassVar[str] = "smtp"  # the key of SENDERS in senders/registry

    host: Host = Field(description="Host name or IP address of the SMTP server")
    tls: Tls = Field(
        "starttls", title="TLS", description="Encryption: none, starttls, or implicit (TLS from the first byte)"
    )
    port: Port = Field(
        default_factory=lambda data: SMTP_PORTS[data.get("tls", "starttls")],
        description="TCP port; if left out 587 for starttls, 465 for implicit, 25 for none",
    )
    username: Text | None = Field(None, description="Name to log in with; without one there is no login")
    password: Password | None = Field(None, description="Password in clear, for local use only", repr=False)
    password_secret: SecretName | None = Field(
        None, description="Name of the Prefect Secret block (or environment variable) with the password"
    )
    oauth: SenderOAuth | None = Field(None, title="OAuth 2", description="How to get a token, in place of a password")
    from_addr: Address = Field(
        title="From address", description="Sender address of the probes, such as probe@example.org"
    )
    to_addr: Address = Field(
        title="To address", description="Recipient address of the probes, such as inbox@example.net"
    )
    subject_prefix: Subject = Field(description="Text that the subject of each probe begins with, such as [mail-loop]")
    timeout: Duration = Field(30.0, description="Seconds that one step of the SMTP dialogue may take")
    retries: Retries = Field(2, description="Further attempts after a temporary failure (a 4xx reply), at most 1000")
    retry_delay: Pause = Field(5.0, description="Seconds before the first further attempt")
    retry_backoff: float = Field(
        1.0, ge=1, le=100, description="Factor by which each delay is longer than the one before; 1 keeps it fixed"
    )
    retry_jitter: float = Field(0.0, ge=0, le=1, description="Largest random part added to a delay, 0 to 1 of it")
    ca_file: CaFile = None
    verify: Verify = True
    cert_file: CertFile = None
    key_file: KeyFile = Field(None, validate_default=True)
    ehlo_name: EhloName | None = Field(
        None, title="EHLO name", description="Name given in EHLO; if left out, that of the machine"
    )
    verp: bool = Field(
        False,
        title="VERP",
        description="Send each probe from local+token@domain, so that a bounce is known by the address it comes to",
    )

    _login_rules = field_validator("key_file")(login_rules)

    @field_validator("verp")
    @classmethod
    def _has_room(cls, verp: bool, info: ValidationInfo) -> bool:
        if verp and (from_addr := info.data.get("from_addr")):
            try:
                with_detail(from_addr, "0" * TOKEN_LENGTH)
            except ValueError:
                raise problem(
                    f"needs a shorter from_addr: with +token before the @, {LONGEST_LOCAL} octets there and "
                    f"{LONGEST_ADDRESS} in all are the most"
                ) from None
        return verp

    def retry_delays(self) -> list[float]:
        """Seconds before each further attempt, jitter included."""
        delays, delay = [], self.retry_delay
        for _ in range(min(self.retries, MOST_RETRY_DELAYS)):
            spread = 1 + random.uniform(0, self.retry_jitter)  # noqa: S311  # spreads load, guards no secret
            delays.append(min(delay * spread, _LONGEST_RETRY_DELAY))
            delay = min(delay * self.retry_backoff, _LONGEST_RETRY_DELAY)
        return delays + delays[-1:] * (self.retries - len(delays))


SenderSection = SmtpConfig  # what a probe can be handed to: one class for each key of SENDERS in senders/registry


class ImapConfig(ProbeMailbox):
    """The mailbox that a probe should arrive in."""

    model_config = ConfigDict(title="IMAP")


class Limits(Section):
    """How long a probe may take."""

    model_config = ConfigDict(title="Limits")

    warn_after: Duration | None = Field(
        None, description="Seconds after which a delivery is late; if left out, none is"
    )
    max_wait: Duration = Field(
        300.0, description="Seconds after which a probe that was not found is lost", validate_default=True
    )
    cert_warn_days: int = Field(
        14, ge=0, le=3650, description="Days before the end of a server's certificate from which on it is a warning"
    )
    max_per_hour: int = Field(
        600, ge=1, le=3600, description="Messages, retries included, that the loop may send within an hour"
    )

    @field_validator("max_wait")
    @classmethod
    def _in_order(cls, max_wait: float, info: ValidationInfo) -> float:
        warn_after = info.data.get("warn_after")
        if warn_after is not None and warn_after > max_wait:
            raise problem(f"must not exceed max_wait ({max_wait:g} s), but is {warn_after:g} s", at="warn_after")
        return max_wait


class LoopConfig(Strict):
    """One checked path. Without `imap` it ends when the server has accepted the probe, and no bounce came in time."""

    name: Slug = Field(description="Name of the loop, such as office-to-gmail")
    smtp: SmtpConfig = Field(description="The relay that a probe is handed to")
    imap: ImapConfig | None = Field(None, description="The mailbox that a probe should arrive in")
    limits: Limits = Field(default_factory=Limits, description="How long a probe may take")
    bounce_mailbox: BounceMailbox | None = Field(
        None, description="The sender's mailbox, where bounces are found; only if it is another one than imap"
    )

    @field_validator("imap")
    @classmethod
    def _search_what_is_sent(cls, imap: ImapConfig | None, info: ValidationInfo) -> ImapConfig | None:
        smtp: SmtpConfig | None = info.data.get("smtp")
        if imap is None or smtp is None:
            return imap
        if imap.search_subject is None:
            return imap.model_copy(update={"search_subject": smtp.subject_prefix})
        if imap.search_subject.casefold() not in smtp.subject_prefix.casefold():
            raise problem(
                f"{imap.search_subject!r} is not part of smtp.subject_prefix {smtp.subject_prefix!r}, "
                "so no probe would match it: leave it out",
                at="imap.search_subject",
            )
        return imap

    @property
    def sender(self) -> SmtpConfig:
        """What the probe is handed to, whatever the protocol."""
        return self.smtp

    @property
    def mailbox(self) -> ProbeMailbox | None:
        """Where the probe should arrive, whatever the protocol."""
        return self.imap


class InboundConfig(Strict):
    """The receiving half alone: is there a fresh message whose subject carries `search_subject`?"""

    name: Slug = Field(description="Name of the check, such as office-inbox")
    imap: ImapConfig = Field(description="The mailbox to look into")

    @field_validator("imap")
    @classmethod
    def _has_something_to_search(cls, imap: ImapConfig) -> ImapConfig:
        if imap.search_subject is None:
            raise problem("is required: text that the subject must contain", at="imap.search_subject")
        return imap

    @property
    def mailbox(self) -> ProbeMailbox:
        """Where to look, whatever the protocol."""
        return self.imap


CheckConfig = LoopConfig | InboundConfig


def loop_config(data: Mapping[str, object], source: str = "") -> LoopConfig:
    """A loop from its fields; its sections may be models already. `source` begins the error text."""
    return validated(LoopConfig, data, source)


def inbound_config(data: Mapping[str, object], source: str = "") -> InboundConfig:
    """An inbound check from its fields; `imap` may be a model already. `source` begins the error text."""
    return validated(InboundConfig, data, source)
