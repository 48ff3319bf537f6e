"""What the sections of a configuration have in common: types of fields, strictness, the care for passwords."""

import unicodedata
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    model_serializer,
)

from tasks.mail.config.addresses import SLUG, SLUG_LENGTH, ehlo_name, host_name, mail_address
from tasks.mail.config.messages import explain, problem
from tasks.mail.model.errors import ConfigError

KEY_BLOCK = "mail-loop-key"  # a Secret block that no parameter can name
WEEK = 7 * 24 * 3600.0


def _text(value: str) -> str:
    if not value:
        raise problem("must not be empty")
    # Zl and Zp too: Python's header folding takes them for line breaks. Cs cannot be encoded.
    if any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in value):
        raise problem("must not contain control characters or line breaks")
    return value


def _subject(value: str) -> str:
    if value != value.strip():
        raise problem("must not begin or end with a blank")
    if len(value) > 100:
        raise problem("must be at most 100 characters long")
    return value


def without_line_end(password: str) -> str:
    """A password as it is sent: an editor or `echo` has put a line end behind it, and it cannot be in one."""
    return password.rstrip("\r\n")


def is_text(value: str) -> bool:
    """Whether UTF-8 has all its characters, and none is NUL."""
    return not any(char == "\0" or unicodedata.category(char) == "Cs" for char in value)


def _password(secret: SecretStr) -> SecretStr:
    value = without_line_end(secret.get_secret_value())
    if not value:
        raise problem("must not be empty")
    if {"\r", "\n"} & {*value} or not is_text(value):
        raise problem("must not contain line breaks or NUL")
    return secret


def _secret_name(value: str) -> str:
    if value.strip().casefold().replace("_", "-") == KEY_BLOCK:
        raise problem("is the key that probes are signed with, and no password: name another")
    return value


def _checked(check: Callable[[str], str]) -> AfterValidator:
    """`check` with its ValueError as a problem of ours."""

    def run(value: str) -> str:
        try:
            return check(value)
        except ValueError as error:
            raise problem(str(error)) from None

    return AfterValidator(run)


Text = Annotated[str, AfterValidator(_text)]
Host = Annotated[Text, _checked(host_name)]
EhloName = Annotated[Text, _checked(ehlo_name)]
Address = Annotated[Text, _checked(mail_address)]
Subject = Annotated[Text, AfterValidator(_subject)]
Password = Annotated[SecretStr, AfterValidator(_password)]
SecretName = Annotated[Text, AfterValidator(_secret_name)]
CaFile = Annotated[
    Text | None,
    Field(title="CA file", description="PEM file of certificate authorities to trust instead of the system's"),
]
CertFile = Annotated[
    Text | None,
    Field(title="Certificate file", description="PEM file of the client's certificate, where the server wants one"),
]
KeyFile = Annotated[
    Text | None,
    Field(title="Key file", description="PEM file of its private key, where cert_file does not hold it as well"),
]
Verify = Annotated[bool, Field(description="Whether the server's certificate is verified")]
Slug = Annotated[str, Field(pattern=SLUG, max_length=SLUG_LENGTH)]
Port = Annotated[int, Field(ge=1, le=65535)]
Retries = Annotated[int, Field(ge=0, le=1000)]
Pause = Annotated[float, Field(ge=0, le=WEEK)]
Duration = Annotated[float, Field(gt=0, le=WEEK)]


def secret_fields(model: type[BaseModel]) -> tuple[str, ...]:
    """The secrets of a model: the fields that hold one in clear, each beside one with _secret behind it, for its name.

    This is what everything that guards secrets goes by; see tasks.mail.config.secrets.
    """
    return tuple(name for name in model.model_fields if f"{name}_secret" in model.model_fields)


def without_secrets(schema: dict[str, Any]) -> None:
    """Keep clear secrets out of Prefect's form, and let its server refuse one before it is stored.

    Of several errors its server tells one, and of a union that it has no answer for it repeats all that was given. So
    each clear secret is an error in a place of its own, which is deeper than others; and the words do not repeat it.
    """
    properties = schema["properties"]
    clear = [name for name in properties if f"{name}_secret" in properties]
    for name in clear:
        properties.pop(name)
    reasons = [_refusal(name) for name in clear]
    schema["propertyNames"] = {"type": "string", "not": {"enum": clear, "description": " or ".join(reasons)}}
    # Else additionalProperties would refuse it as well, and its error, without the reason, may be the one shown.
    schema["patternProperties"] = {f"^{name}$": {"const": reason} for name, reason in zip(clear, reasons, strict=True)}


def _refusal(name: str) -> str:
    what = name.replace("_", " ")
    return f"a deployment never holds a {what} in clear: name a Prefect Secret block in {name}_secret"


class Strict(BaseModel):
    """Strict and frozen; what it does not know is an error, and no error repeats the input."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)


class Section(Strict):
    """One section of a configuration."""

    def redacted(self) -> dict[str, object]:
        """What is in force, for reports: no absent fields, and no password."""
        values = {name: _redacted(getattr(self, name)) for name in type(self).model_fields}
        return {name: value for name, value in values.items() if value not in (None, "")}

    @model_serializer(mode="wrap")
    def _without_absent_secrets(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # The schema above refuses the bare field name too, so a model without a secret must not carry it along.
        values: dict[str, Any] = serialize(self)
        absent = {name for name in secret_fields(type(self)) if getattr(self, name) is None}
        return {name: value for name, value in values.items() if name not in absent}


_Model = TypeVar("_Model", bound=BaseModel)


def validated(model: type[_Model], data: Mapping[str, object], source: str = "", inside: str = "") -> _Model:
    """`data` as a `model`, or a ConfigError that lists every problem. `inside`: see explain()."""
    try:
        return model.model_validate(dict(data))
    except ValidationError as error:
        text = explain(error, model, source, inside)
    raise ConfigError(text)  # outside the except clause: the cause would carry the input, and with it a password


def _redacted(value: object) -> object:
    if isinstance(value, SecretStr):
        return "********"
    if isinstance(value, Section):
        return ", ".join(f"{name}: {inner}" for name, inner in value.redacted().items())
    return value


def login_rules(key_file: str | None, info: ValidationInfo) -> str | None:
    """The rules between the fields of a login, checked at the last of them."""
    if {"username", "password", "password_secret", "oauth", "cert_file"} <= info.data.keys():
        # Else one of them is wrong already.
        for broken, field, text in _login_rules(key_file, **info.data):
            if broken:
                raise problem(text, at=field)
    return key_file


def _login_rules(key_file: str | None, **given: Any) -> Iterator[tuple[bool, str, str]]:
    """What is wrong, the field to say it at, and the words for it."""
    username, oauth, cert_file, clear = (
        given["username"],
        given["oauth"],
        given["cert_file"],
        given.get("tls") == "none",
    )
    by = next((field for field in ("password", "password_secret", "oauth") if given[field]), "")
    yield (
        bool(given["password"] and given["password_secret"]),
        "password",
        "must not be set together with password_secret: keep one of them",
    )
    yield bool(oauth) and by != "oauth", by, "must not be set together with oauth: keep one of them"
    yield (
        bool(oauth) and clear,
        "oauth",
        "sends a token, which is for connections with TLS alone: set tls to implicit or starttls",
    )
    yield bool(cert_file) and clear, "cert_file", "is shown over TLS alone: set tls to implicit or starttls"
    yield bool(key_file) and not cert_file, "key_file", "is the key of a certificate: set cert_file, too"
    yield (
        bool(username) and not (by or cert_file),
        "username",
        "needs a password: set password_secret, or oauth for a token, or password for local use",
    )
    yield bool(by) and not username, "username", f"is required where {by} is set: the name to log in with"
