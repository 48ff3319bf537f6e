"""What the sections of a configuration have in common: strictness, and the care for passwords."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    SecretStr,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    model_serializer,
)

from tasks.mail.config.messages import explain, problem
from tasks.mail.model.errors import ConfigError

KEY_BLOCK = "mail-loop-key"  # a Secret block that no parameter can name


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


Model = TypeVar("Model", bound=BaseModel)


def validated(model: type[Model], data: Mapping[str, object], source: str = "", inside: str = "") -> Model:
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
