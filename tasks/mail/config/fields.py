"""The types of the configuration's fields: what a value must be, whichever field it is in."""

import unicodedata
from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from tasks.mail.config.addresses import SLUG, SLUG_LENGTH, ehlo_name, host_name, mail_address
from tasks.mail.config.messages import problem

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
