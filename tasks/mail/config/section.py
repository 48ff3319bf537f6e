"""What the sections of a configuration have in common: types of fields, strictness, the care for passwords."""

import unicodedata
from collections.abc import Callable, Mapping
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


def _password(secret: SecretStr) -> SecretStr:
    value = without_line_end(secret.get_secret_value())
    if not value:
        raise problem("must not be empty")
    if any(char in "\r\n\0" or unicodedata.category(char) == "Cs" for char in value):
        raise problem("must not contain line breaks or NUL")
    return secret


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
Slug = Annotated[str, Field(pattern=SLUG, max_length=SLUG_LENGTH)]
Port = Annotated[int, Field(ge=1, le=65535)]
Retries = Annotated[int, Field(ge=0, le=1000)]
Pause = Annotated[float, Field(ge=0, le=WEEK)]
Duration = Annotated[float, Field(gt=0, le=WEEK)]


def without_password(schema: dict[str, Any]) -> None:
    """Keep a clear password out of Prefect's form, and let its server refuse one before it is stored."""
    schema["properties"].pop("password", None)
    reason = "a deployment never holds a password in clear: name a Prefect Secret block in password_secret"
    schema["propertyNames"] = {"type": "string", "not": {"enum": ["password"], "description": reason}}
    # Else additionalProperties would refuse it as well, and its error, without the reason, may be the one shown.
    schema["patternProperties"] = {"^password$": {}}


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
    def _without_absent_password(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # The schema above refuses the bare field name too, so a model without a password must not carry it along.
        values: dict[str, Any] = serialize(self)
        if values.get("password", "") is None:
            del values["password"]
        return values


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


def login_rules(secret_name: str | None, info: ValidationInfo) -> str | None:
    """The rules between username, password and password_secret, checked at the last of the three."""
    if secret_name and secret_name.strip().casefold().replace("_", "-") == KEY_BLOCK:
        raise problem("is the key that probes are signed with, and no password: name another", at="password_secret")
    if not {"username", "password"} <= info.data.keys():  # one of them is wrong already
        return secret_name
    username, password = info.data["username"], info.data["password"]
    if password and secret_name:
        raise problem("must not be set together with password_secret: keep one of them", at="password")
    if username and not (password or secret_name):
        raise problem("needs a password: set password_secret, or password for local use", at="username")
    if (password or secret_name) and not username:
        given = "password" if password else "password_secret"
        raise problem(f"is required where {given} is set: the name to log in with", at="username")
    return secret_name
