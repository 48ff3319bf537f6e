"""A key that cannot sign is found before anything is sent, also where the other leg has no use for it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flows.direct import check
from tasks.mail.config.loop import loop_config
from tasks.mail.model.outcome import ErrorType, Outcome
from tests.support.oauth.keys import certified, service_account
from tests.support.raw.smtp import RawSmtp

PEM = certified().pem
SPOILT = PEM.replace(PEM.splitlines()[3], PEM.splitlines()[3][::-1])
KEY, _, CERTIFICATE = PEM.partition("-----BEGIN CERTIFICATE-----")
OTHERS = KEY + certified("another").pem.partition("-----END PRIVATE KEY-----\n")[2]
ACCOUNT = json.dumps(json.loads(service_account()) | {"private_key": SPOILT})
UNREADABLE = "holds a private key that cannot be read: it must be PEM, with no passphrase"
APP = {"client_id": "app", "token_url": "http://127.0.0.1:9/token", "scope": "mail"}


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("private_key", SPOILT, UNREADABLE),
        (
            "private_key",
            OTHERS,
            "holds a certificate that is not the key's: put the two that belong together into it",
        ),
        ("service_account", ACCOUNT, UNREADABLE),
    ],
    ids=["spoilt", "of another", "service account"],
)
@pytest.mark.parametrize("by_name", [True, False])
async def test_the_check_is_misconfigured_and_the_relay_is_left_alone(
    by_name: bool, name: str, value: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_KEY", value)
    oauth: dict[str, Any] = {"provider": "google"} if name == "service_account" else APP
    oauth = oauth | ({f"{name}_secret": "the-key"} if by_name else {name: value})
    imap = {"host": "127.0.0.1", "port": 9, "username": "u", "oauth": oauth}
    addresses = {"from_addr": "a@raw.test", "to_addr": "b@raw.test", "subject_prefix": "[x]"}
    async with RawSmtp() as relay:
        smtp = {"host": "127.0.0.1", "port": relay.port, "tls": "none", **addresses}
        result = await check(loop_config({"name": "a", "smtp": smtp, "imap": imap}))
        assert relay.connections == 0
    assert (result.outcome, result.error_type) == (Outcome.MISCONFIGURED, ErrorType.CONFIGURATION)
    assert result.error_msg == f"imap.oauth.{name}: {text}"
