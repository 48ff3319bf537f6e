"""OAuth 2 in place of a password: where a token is asked for, and by which grant (RFC 6749, 7521, 7523)."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, NamedTuple, Self
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, SecretStr, ValidationInfo, field_validator, model_validator

from tasks.mail.config.messages import problem
from tasks.mail.config.oauth_values import PrivateKey, Scope, ServiceAccount, Tenant, TokenUrl
from tasks.mail.config.section import (
    CaFile,
    Password,
    SecretName,
    Section,
    Text,
    secret_fields,
    without_line_end,
    without_secrets,
)

Provider = Literal["microsoft365", "google"]
Grant = Literal["client_credentials", "refresh_token", "jwt_bearer"]


# The provider may hand out a new one at each use, which is kept where the old one was: the name stays in place.
WRITTEN_BACK = frozenset({"refresh_token"})


class _Preset(NamedTuple):
    token_url: str  # with the place of the tenant
    scope: str  # {delegated} is that of the section
    unattended: str = ""  # the scope of client credentials, where there are any
    device: str = ""  # what device codes are asked for at, in place of the last part of the token URL
    authorize_url: str = ""


_PRESETS: Mapping[Provider, _Preset] = {
    "microsoft365": _Preset(
        "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
        "{delegated} offline_access",
        "https://outlook.office365.com/.default",
        device="devicecode",
    ),
    "google": _Preset(
        "https://oauth2.googleapis.com/token",
        "https://mail.google.com/",
        authorize_url="https://accounts.google.com/o/oauth2/v2/auth?access_type=offline&prompt=consent",
    ),
}


def _clear(what: str) -> Any:
    return Field(None, description=f"{what} in clear, for local use only", repr=False)


def _named(what: str) -> Any:
    return Field(None, description=f"Name of the Prefect Secret block (or environment variable) with {what}")


class OAuth(Section):
    """Where a token is asked for, and what for it is handed over; `delegated` is what the section's users allow."""

    model_config = ConfigDict(title="OAuth 2", json_schema_extra=without_secrets)
    delegated: ClassVar[str]

    provider: Provider | None = Field(
        None, description="microsoft365 or google, whose token URL and scope are known; without one give both"
    )
    tenant: Tenant | None = Field(None, description="Of microsoft365 the directory: its id, or one of its domains")
    client_id: Text | None = Field(
        None, title="Client ID", description="Id of the application, as the provider registered it"
    )
    client_secret: Password | None = _clear("Secret of the application")
    client_secret_secret: SecretName | None = _named("the secret of the application")
    private_key: PrivateKey | None = _clear("Private key and certificate (PEM)")
    private_key_secret: SecretName | None = _named("the application's private key and its certificate (PEM)")
    refresh_token: Password | None = _clear("Refresh token")
    refresh_token_secret: SecretName | None = _named("the refresh token, for a login in a person's name")
    service_account: ServiceAccount | None = _clear("Service account's key (JSON)")
    service_account_secret: SecretName | None = _named("the key of a Google service account (JSON)")
    token_url: TokenUrl | None = Field(
        None, title="Token URL", description="Where tokens are asked for; if left out, that of the provider"
    )
    scope: Scope | None = Field(None, description="What the token is for; if left out, mail at the provider")
    device_url: TokenUrl | None = Field(
        None,
        title="Device URL",
        description="Where mail-loop login asks for a device code (RFC 8628); if left out, that of microsoft365",
    )
    authorize_url: TokenUrl | None = Field(
        None,
        title="Authorization URL",
        description="Page where mail-loop login sends a browser (RFC 8252); if left out, that of google",
    )
    ca_file: CaFile = None
    token_warn_days: int = Field(
        14, ge=0, le=3650, description="Days before the end of the refresh token from which on it is a warning"
    )

    def has(self, field: str) -> bool:
        """Whether it has this field, or this secret, in clear or by name."""
        return getattr(self, field) is not None or getattr(self, f"{field}_secret", None) is not None

    def value(self, secret: str) -> str:
        """A secret as it is sent, once it is in place; empty where there is none."""
        value: SecretStr | None = getattr(self, secret)
        return without_line_end(value.get_secret_value()) if value is not None else ""

    @property
    def grant(self) -> Grant:
        """How it gets a token (RFC 6749, 4.4 and 6; RFC 7523, 2.1)."""
        if self.has("service_account"):
            return "jwt_bearer"
        return "refresh_token" if self.has("refresh_token") else "client_credentials"

    @property
    def endpoint(self) -> str:
        """The URL that tokens are asked for at."""
        return self.token_url or self._preset.token_url.format(tenant=self.tenant)

    @property
    def endpoint_host(self) -> str:
        """The host of it."""
        return urlsplit(self.endpoint).hostname or ""

    @property
    def device_endpoint(self) -> str:
        """The URL that device codes are asked for at (RFC 8628, 3.1); empty where there is none."""
        if self.device_url or self.authorize_url or not self._preset.device:
            return self.device_url or ""
        url, _, last = self.endpoint.rpartition("/")
        return f"{url}/{self._preset.device}" if last == "token" else ""

    @property
    def authorization_endpoint(self) -> str:
        """The URL that a browser is sent to (RFC 6749, 3.1); empty where there is none."""
        return self.authorize_url or self._preset.authorize_url

    @property
    def scopes(self) -> tuple[str, ...]:
        """What a token is asked for."""
        preset = self._preset.unattended if self.grant == "client_credentials" else self._preset.scope
        return tuple((self.scope or preset.format(delegated=self.delegated)).split())

    @property
    def _preset(self) -> _Preset:
        return _PRESETS[self.provider] if self.provider else _Preset("", "")

    # Of a field, for the rules of the model are asked again of one that is part of another, its secrets in place.
    @field_validator("client_secret_secret", "private_key_secret", "refresh_token_secret", "service_account_secret")
    @classmethod
    def _one_of_each_pair(cls, named: str | None, info: ValidationInfo) -> str | None:
        in_clear = str(info.field_name).removesuffix("_secret")
        if named is not None and info.data.get(in_clear) is not None:
            raise problem(f"must not be set together with {info.field_name}: keep one of them", at=in_clear)
        return named

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        """The first rule that does not hold is said."""
        for broken, field, text in self._rules():
            if broken:
                raise problem(text, at=f"oauth.{self._as_given(field)}")
        return self

    def _rules(self) -> Iterator[tuple[bool, str, str]]:
        """What is wrong, the field to say it at, and the words for it."""
        microsoft, google = self.provider == "microsoft365", self.provider == "google"
        account, unattended = self.has("service_account"), self.grant == "client_credentials"
        given = [name for name in ("client_id", "client_secret", "private_key", "refresh_token") if self.has(name)]
        own = {"client_secret", "private_key"} & {*given}
        yield (
            not self.provider and not self.token_url,
            "token_url",
            "is required without a provider: where tokens are asked for",
        )
        yield not self.provider and not self.scope, "scope", "is required without a provider: what the token is for"
        yield (
            microsoft and not self.token_url and not self.tenant,
            "tenant",
            "is required with microsoft365: the directory's id, or one of its domains",
        )
        yield not microsoft and self.tenant is not None, "tenant", "is a directory of microsoft365: leave it out"
        yield account and not google, "service_account", "is for the provider google: set provider to google"
        yield (
            account and bool(given),
            given[0] if given else "",
            "must not be set together with a service account, whose key is all that it needs: leave it out",
        )
        yield (
            not account and self.client_id is None,
            "client_id",
            "is required: id of the application, as the provider registered it",
        )
        yield (
            self.device_url is not None and self.authorize_url is not None,
            "authorize_url",
            "must not be set together with device_url: keep one of them",
        )
        yield len(own) > 1, "private_key", "must not be set together with a client secret: keep one of them"
        yield (
            google and unattended,
            "provider",
            "google has no login of applications by themselves: set service_account_secret alone, or "
            "refresh_token_secret",
        )
        yield (
            unattended and not own,
            "client_id",
            "needs a secret: set client_secret_secret or private_key_secret, or refresh_token_secret for a login in a "
            "person's name",
        )

    def _as_given(self, field: str) -> str:
        """The field of a secret as its owner has it: in clear or by name."""
        by_name = field in secret_fields(type(self)) and getattr(self, field) is None
        return f"{field}_secret" if by_name else field


class SenderOAuth(OAuth):
    """For sending mail."""

    delegated = "https://outlook.office.com/SMTP.Send"


class MailboxOAuth(OAuth):
    """For reading mail."""

    delegated = "https://outlook.office.com/IMAP.AccessAsUser.All"
