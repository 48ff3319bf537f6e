"""A password that is no text is a wrong configuration, said in one sentence, and no crash of the leg that sends it."""

from __future__ import annotations

import pytest

from flows.direct import check
from tasks.mail.config.loop import loop_config
from tasks.mail.model.outcome import Outcome


@pytest.mark.parametrize("leg", ["smtp", "imap"])
async def test_a_password_that_is_not_utf8_is_misconfigured(leg: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATIN1_PASSWORD", b"canary-p\xe4ss".decode("utf-8", "surrogateescape"))
    addresses = {"from_addr": "a@raw.test", "to_addr": "b@raw.test", "subject_prefix": "[loop]"}
    login = {"username": "monitor", "password_secret": "latin1-password"}
    smtp = {"host": "127.0.0.1", "port": 9, **addresses, **(login if leg == "smtp" else {})}
    loop = {"name": "a", "smtp": smtp} | ({"imap": {"host": "127.0.0.1", "port": 9, **login}} if leg == "imap" else {})
    result = await check(loop_config(loop))
    assert result.outcome is Outcome.MISCONFIGURED
    assert result.error_msg == f"{leg}.password_secret: the value of latin1-password is not UTF-8"
