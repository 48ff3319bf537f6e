"""A password is kept out of a text in whatever form a server or an exception writes it."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest

from tasks.mail.model.redaction import HIDDEN, forms, line_without, told, without
from tests.support.canaries import ALL, CORE, IN_PLAIN, NEEDLES, PASSWORD, USER, seen_in

SECRETS = forms(PASSWORD, USER)
WRITTEN = {
    "as it is": PASSWORD,
    "with backslashes": PASSWORD.replace("\\", "\\\\").replace('"', '\\"'),
    "in JSON": json.dumps(PASSWORD),
    "in JSON, not only ASCII": json.dumps(PASSWORD, ensure_ascii=False),
    "as Python text": repr(PASSWORD),
    "as Python bytes": repr(PASSWORD.encode()),
    "in an address": quote(PASSWORD),
    "in part": CORE,
    **{
        f"in base64, {shift} octets in": base64.b64encode(b"x" * shift + PASSWORD.encode()).decode()
        for shift in range(6)
    },
    **{f"base64 in part, {end}": IN_PLAIN[:end] for end in range(20, len(IN_PLAIN))},
}


@pytest.mark.parametrize("written", WRITTEN)
def test_a_password_is_blotted_out(written: str) -> None:
    text = f"500 5.5.2 cannot parse <{WRITTEN[written]}>, sorry"
    shown = without(SECRETS, text)
    assert seen_in(text) or written.startswith("base64 in part")
    assert (seen_in(shown), IN_PLAIN[:16] in shown) == ([], False)
    assert shown.startswith("500 5.5.2 cannot parse <")
    assert shown.endswith(", sorry")
    assert HIDDEN in shown


def test_a_password_that_a_reply_breaks_is_blotted_out() -> None:
    assert line_without(forms("two words"), "said two\r\nwords") == f"said {HIDDEN}"


def test_nothing_else_is_blotted_out() -> None:
    text = "535 5.7.8 Error: authentication failed: UGFzc3dvcmQ6 for monitor"
    assert without(SECRETS, text) == text
    assert without(forms(""), text) == text
    assert without(forms("abc"), "the abc") == "the abc"  # the hole would give it away


def test_a_traceback_is_told_without_the_password_and_forges_no_line() -> None:
    try:
        try:
            raise ValueError(f"{ALL}\n2026-11-24 12:00:00 ERROR forged\x1b[2J")
        except ValueError as cause:
            raise KeyError(PASSWORD) from cause
    except KeyError as error:
        text = told(error, SECRETS)
    assert "Traceback (most recent call last)" in text
    assert text.count(HIDDEN) > 1
    assert seen_in(text) == []
    assert all(line.startswith("  ") and line.isprintable() for line in text.split("\n"))


def test_what_looks_for_the_password_finds_it() -> None:
    assert all(needle.isalnum() and len(needle) > 15 for needle in NEEDLES)
    for shift in range(6):
        assert seen_in(base64.b64encode(b"x" * shift + CORE.encode() + b"yz"))
    assert seen_in(CORE.upper())
    assert not seen_in("Kanari")
