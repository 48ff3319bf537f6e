"""Flat fields, as NyxMon has them: which half of a loop they are is told by any field that only one half has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tasks.mail.model.errors import ConfigError
from tests.support.checks.check_file import load

LOGIN = {"host": "mail.example.org", "username": "monitor", "password_secret": "a-password"}
SMTP = LOGIN | {"from_addr": "a@example.org", "to_addr": "b@example.org", "subject_prefix": "[x]"}
IMAP = LOGIN | {"search_subject": "[x]"}


def told(folder: Path, data: Mapping[str, object]) -> str:
    file = folder / "check.json"
    file.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load(file)
    return str(error.value).removeprefix(f"{file}: ")


@pytest.mark.parametrize("missing", ["from_addr", "to_addr", "subject_prefix", "host"])
def test_a_field_that_a_relay_needs_is_named(tmp_path: Path, missing: str) -> None:
    data = {name: value for name, value in SMTP.items() if name != missing}
    assert told(tmp_path, data).startswith(f"{missing}: is required")


@pytest.mark.parametrize("only", ["to_addr", "verp", "retry_backoff", "ehlo_name"])
def test_one_field_of_a_relay_is_enough(tmp_path: Path, only: str) -> None:
    value = {"to_addr": "b@example.org", "verp": True, "retry_backoff": 2, "ehlo_name": "a.example.org"}[only]
    assert "from_addr: is required" in told(tmp_path, LOGIN | {only: value})


@pytest.mark.parametrize(
    "field", [{"tls_mode": "implicit"}, {"max_age_minutes": 30}, {"folder": "INBOX"}, {"junk_folder": "Spam"}]
)
def test_a_mailbox_without_its_subject_misses_that(tmp_path: Path, field: dict[str, object]) -> None:
    assert told(tmp_path, LOGIN | field).startswith("search_subject: is required")


@pytest.mark.parametrize("missing", ["host", "username"])
def test_a_field_that_a_mailbox_needs_is_named(tmp_path: Path, missing: str) -> None:
    data = {name: value for name, value in IMAP.items() if name != missing}
    assert f"{missing}: is required" in told(tmp_path, data)


def test_fields_that_both_have_describe_neither_and_a_slip_is_guessed(tmp_path: Path) -> None:
    assert told(tmp_path, {**LOGIN}).startswith("describes no check: ")
    assert told(tmp_path, LOGIN | {"from_adr": "a@example.org"}).endswith("; did you mean from_addr?")
