"""Tokens and keys: which parts of them are hidden, in any form, and tokens that come into being during a check."""

from __future__ import annotations

import base64
import json
import textwrap
import time
from collections.abc import Iterator
from urllib.parse import quote, urlencode

import pytest

from tasks.mail.model.redaction import traces
from tasks.mail.model.redaction.redactor import HIDDEN, NOTHING, Redactor
from tasks.mail.model.redaction.traces import Traces, key_material, learn
from tests.support.canaries import KEY, OAUTH_SECRETS, TOKEN, long_canary, seen_in

XOAUTH2 = f"user=monitor@example.org\x01auth=Bearer {TOKEN}\x01\x01"
BASIC = f"app:{TOKEN}"
WRITTEN = {
    "as it is": TOKEN,
    "in upper case": TOKEN.upper(),
    "in lower case": TOKEN.lower(),
    "in a header": f"Authorization: Bearer {TOKEN}",
    "cut short": TOKEN[:500],
    "in the middle": TOKEN[700:724],
    "at its end": TOKEN[-24:],
    "in JSON": json.dumps({"access_token": TOKEN}),
    "in JSON in JSON": json.dumps(json.dumps({"access_token": TOKEN})),
    "in a form": urlencode({"refresh_token": TOKEN}),
    "in percent signs alone": "".join(f"%{octet:02X}" for octet in TOKEN.encode()),
    "as Python bytes": repr(TOKEN.encode()),
    "in hex": TOKEN.encode().hex(),
    "in XOAUTH2": base64.b64encode(XOAUTH2.encode()).decode(),
    "in XOAUTH2, in lines": base64.encodebytes(XOAUTH2.encode()).decode(),
    "in XOAUTH2, cut short": base64.b64encode(XOAUTH2.encode()).decode()[:300],
    "in XOAUTH2, in lower case": base64.b64encode(XOAUTH2.encode()).decode().lower(),
    "in base64 for addresses": base64.urlsafe_b64encode(XOAUTH2.encode()).decode(),
    "in Basic": f"Authorization: Basic {base64.b64encode(BASIC.encode()).decode()}",
    "in lines": "\n".join(textwrap.wrap(TOKEN, 64)),
}


@pytest.fixture(autouse=True)
def _learned_here_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = Traces()
    monkeypatch.setattr(traces, "LEARNED", fresh)
    monkeypatch.setattr("tasks.mail.model.redaction.redactor.LEARNED", fresh)


@pytest.mark.parametrize("written", WRITTEN)
def test_a_long_token_is_hidden_however_it_is_written(written: str) -> None:
    for redact in _both_ways(TOKEN):
        shown = redact.text(f"535 5.7.8 you said <{WRITTEN[written]}>, sorry")
        assert HIDDEN in shown
        assert seen_in(shown) == []
        assert shown.startswith("535 5.7.8 you said <")
        assert shown.endswith(">, sorry")


def _both_ways(secret: str) -> Iterator[Redactor]:
    """Known from the configuration, and learned meanwhile."""
    yield Redactor([("monitor", secret)])
    learn(secret)
    yield NOTHING
    yield Redactor([("monitor", "another password")])


@pytest.mark.parametrize("form", [KEY, KEY.replace("\n", "\r\n"), json.dumps(KEY), OAUTH_SECRETS["service_account"]])
@pytest.mark.parametrize(
    "written", [KEY, json.dumps(KEY), repr(KEY), *KEY.splitlines()[1:-2], base64.b64encode(KEY.encode()).decode()]
)
def test_of_a_key_its_lines_are_hidden_and_what_all_keys_have_stays(form: str, written: str) -> None:
    (body,) = key_material(form)
    shown = Redactor([("", body)]).text(f"error: {written} at https://oauth2.googleapis.com/token")
    assert seen_in(shown) == []
    assert HIDDEN in shown
    assert shown.endswith(" at https://oauth2.googleapis.com/token")
    if written.startswith("-----"):
        assert "-----BEGIN PRIVATE KEY-----" in shown


def test_a_text_without_a_key_has_none() -> None:
    assert key_material("hunter2") == []
    assert key_material("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----") == []


def test_a_token_that_was_learned_is_hidden_in_results_too_and_a_short_one_as_a_password_is() -> None:
    before = {"note": f"{TOKEN} opaque-token-17"}
    assert NOTHING.whole(before) == before
    learn(TOKEN)
    learn("opaque-token-17")
    assert NOTHING.whole(before) == {"note": f"{HIDDEN} {HIDDEN}"}
    assert NOTHING.text("opaque-token and opaque-to") == f"{HIDDEN} and {HIDDEN}"
    assert NOTHING.text("opaque- token-1") == "opaque- token-1"


def test_what_is_too_short_to_be_a_token_is_not_learned() -> None:
    learn("")
    learn("of")
    assert NOTHING.text("one of them") == "one of them"


def test_of_very_many_tokens_the_newest_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "_MOST_LEARNED", 10)
    tokens = [long_canary(str(number), 60) for number in range(25)]
    for token in tokens:
        learn(token)
    assert all(NOTHING.text(token) == HIDDEN for token in tokens[-5:])
    assert NOTHING.text(tokens[0]) == tokens[0]


def test_many_checks_with_one_key_share_what_is_known_of_it() -> None:
    """A thousand loops of one application would else hold its key in all encodings a thousand times."""
    one, other = Redactor([("a", TOKEN)]), Redactor([("b", TOKEN), ("b", "a short one")])
    assert one._very_long is other._very_long


def test_a_text_that_repeats_a_monotonous_secret_takes_no_long_time() -> None:
    redact = Redactor([("", "a" * 4096)])
    begun = time.process_time()
    assert redact.text("a" * 5000) == HIDDEN
    assert time.process_time() - begun < 5.0
    assert redact.text(quote("b" * 5000)) == "b" * 5000
