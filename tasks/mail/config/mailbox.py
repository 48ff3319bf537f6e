"""What the configuration says of any mailbox, and of the one that bounces go to."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from tasks.mail.config.fields import Duration, Host, Password, Port, Text
from tasks.mail.config.messages import problem
from tasks.mail.config.section import Section, login_rules, without_password

Tls = Literal["none", "starttls", "implicit"]

IMAP_PORTS: dict[Tls, int] = {"none": 143, "starttls": 143, "implicit": 993}


class MailboxConfig(Section):
    """Where a mailbox is, and how to log in to it."""

    model_config = ConfigDict(json_schema_extra=without_password)

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
    password_secret: Text | None = Field(
        None,
        description="Name of the Prefect Secret block (or environment variable) with the password",
        validate_default=True,
    )
    folder: Text = Field("INBOX", description="Folder to look into")
    timeout: Duration = Field(30.0, description="Seconds that one step of the IMAP dialogue may take")
    ca_file: Text | None = Field(
        None, title="CA file", description="PEM file of certificate authorities to trust instead of the system's"
    )
    verify: bool = Field(True, description="Whether the server's certificate is verified")

    _login_rules = field_validator("password_secret")(login_rules)

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
