"""What the fields of `oauth` may hold: URLs, scopes, and secrets of several lines, which have a form of their own."""

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr

from tasks.mail.config.addresses import host_name
from tasks.mail.config.messages import problem
from tasks.mail.config.section import Text, is_text

_SCOPES = re.compile(r"[!#-\[\]-~]+(?: [!#-\[\]-~]+)*")  # RFC 6749, 3.3
_PEM_PART = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
_OF_SERVICE_ACCOUNTS = ("client_email", "private_key")


def _tenant(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", value):
        raise problem("must be the directory's id or one of its domains, such as example.org")
    return value


def _token_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        host_name(parts.hostname or "")
        right = (
            parts.port != 0 and parts.username is None and not parts.fragment and value.isascii() and " " not in value
        )
    except ValueError:
        right = False
    if not right:
        raise problem(
            "must be a URL such as https://login.example.org/oauth2/token, with no name, password or fragment"
        )
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname or "")):
        raise problem("must begin with https://, for secrets are sent there; http:// is for this machine alone")
    return value


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _scope(value: str) -> str:
    if not _SCOPES.fullmatch(value):
        raise problem('must be scopes with single blanks between, without quotes (") and backslashes')
    return value


def pem_parts(text: str) -> list[tuple[str, str]]:
    """The parts of a PEM text: what each is, such as PRIVATE KEY, and its lines."""
    return [(label, body.strip()) for label, body in _PEM_PART.findall(text)]


def _private_key_problem(text: str) -> str:
    labels = [label for label, _ in pem_parts(text)]
    if "ENCRYPTED PRIVATE KEY" in labels or "Proc-Type: 4,ENCRYPTED" in text:
        return "holds a key with a passphrase, which nobody is there to type: store it without (openssl pkey)"
    if not any(label.endswith("PRIVATE KEY") for label in labels):
        return "holds no private key: it must be a PEM text with the private key and its certificate"
    if "CERTIFICATE" not in labels:
        return "holds no certificate: put the PEM text of the certificate behind that of the key"
    return ""


def service_account_of(text: str) -> Mapping[str, Any] | None:
    """What a service account's key holds; None where the text is none."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    there = isinstance(data, dict) and all(isinstance(data.get(field), str) for field in _OF_SERVICE_ACCOUNTS)
    return data if there and pem_parts(data["private_key"]) else None


def _service_account_problem(text: str) -> str:
    if service_account_of(text) is None:
        return "is no key of a service account: it must be the JSON text that Google hands out, with its private_key"
    return ""


# What is wrong with the value of a secret of several lines, empty where nothing is.
PROBLEMS: Mapping[str, Callable[[str], str]] = {
    "private_key": _private_key_problem,
    "service_account": _service_account_problem,
}


def _lines(field: str) -> AfterValidator:
    """A secret of several lines, in the form that the field has."""

    def check(secret: SecretStr) -> SecretStr:
        if not is_text(secret.get_secret_value()):
            raise problem("must be text without NUL")
        if wrong := PROBLEMS[field](secret.get_secret_value()):
            raise problem(wrong)
        return secret

    return AfterValidator(check)


Tenant = Annotated[Text, AfterValidator(_tenant)]
TokenUrl = Annotated[Text, AfterValidator(_token_url)]
Scope = Annotated[Text, AfterValidator(_scope)]
PrivateKey = Annotated[SecretStr, _lines("private_key")]
ServiceAccount = Annotated[SecretStr, _lines("service_account")]
