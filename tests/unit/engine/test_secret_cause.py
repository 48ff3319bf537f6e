"""A secret that a worker may not hand out: the cause, and the line that would allow it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.credentials import SecretBlocks
from tasks.mail.config.loading.secret_list import LIST_VARIABLE
from tasks.mail.config.loop import loop_config
from tasks.mail.engine import with_passwords
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import ConfigError
from tasks.mail.model.outcome import Outcome
from tasks.mail.verdict.ends import misconfigured


async def test_a_secret_that_is_not_on_the_list_for_its_host_is_not_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LIST_VARIABLE, str(tmp_path / "secrets.allow"))
    addresses = {"from_addr": "a@a.test", "to_addr": "b@b.test", "subject_prefix": "[x]"}
    smtp = {"host": "relay.test", "username": "u", "password_secret": "other", **addresses}
    with pytest.raises(ConfigError) as refused:
        await with_passwords(loop_config({"name": "x", "smtp": smtp}), SecretBlocks())
    result = misconfigured("x", str(refused.value), cause=refused.value.cause)
    assert (result.outcome, result.cause) == (Outcome.MISCONFIGURED, Cause.SECRET_NOT_ALLOWED)
    assert f"add the line other@relay.test to {tmp_path / 'secrets.allow'}" in result.sentence
