"""Probes that are sent from an address of their own, so that a bounce without content is still known as theirs."""

from __future__ import annotations

import re
import time
from itertools import cycle

import pytest

from tasks.mail.config.loop import loop_config
from tasks.mail.model.errors import ConfigError
from tasks.mail.model.outcome import DELAYED, FAILED
from tasks.mail.probe.match import Match, match
from tests.support.mail.notices import BOUNCES, DELAYS, bounce_of, bounced, delay_of, mail
from tests.support.mail.verp import OTHER, OWN, PROBE, SMTP, coming_to, probe_of

NULL = b"Return-Path: <>\nFrom: postmaster@example.net\n"
DAEMON = b"From: MAILER-DAEMON@example.net\n"


def letter(head: bytes, text: bytes, to: bytes = OWN) -> bytes:
    return mail(head + b"To: " + to + b"\n", b"", text)


def test_only_the_envelope_has_the_token() -> None:
    """People and programs that answer the message see the address that was configured."""
    assert PROBE.envelope_from == f"monitor+{PROBE.token}@example.org"
    assert (PROBE.from_addr, b"From: monitor@example.org\r\n" in PROBE.content) == ("monitor@example.org", True)
    assert b"monitor+" not in PROBE.content
    assert probe_of(verp=False).envelope_from == "monitor@example.org"
    assert probe_of(from_addr="monitor+office@example.org").envelope_from.startswith("monitor+office+")
    assert probe_of(from_addr="büro@example.org").envelope_from.startswith("büro+")


@pytest.mark.parametrize(
    ("local", "domain", "fits"),
    [
        ("m" * 57, "example.org", True),
        ("m" * 58, "example.org", False),
        ("ü" * 28, "a.org", True),
        ("ü" * 29, "a.org", False),
        ("m", ".".join(["d" * 60] * 4) + ".org", False),
    ],
)
def test_an_address_without_room_for_the_token_is_refused_before_anything_is_sent(
    local: str, domain: str, fits: bool
) -> None:
    smtp = SMTP | {"from_addr": f"{local}@{domain}"}
    loop_config({"name": "office", "smtp": smtp})
    if fits:
        loop_config({"name": "office", "smtp": smtp | {"verp": True}})
        return
    with pytest.raises(ConfigError) as refused:
        loop_config({"name": "office", "smtp": smtp | {"verp": True}})
    assert str(refused.value) == (
        "smtp.verp: needs a shorter from_addr: with +token before the @, 64 octets there and 254 in all are the most"
    )


FIELDS = (b"To", b"Delivered-To", b"X-Original-To", b"Envelope-To")


@pytest.mark.parametrize(("name", "field"), [*zip(BOUNCES, cycle(FIELDS), strict=False)])
def test_a_bounce_that_returns_nothing_of_the_probe_is_its_bounce_by_the_address(name: str, field: bytes) -> None:
    """Each bounce with one of the fields, and each field with four bounces."""
    raw = coming_to(OWN, BOUNCES[name](b""), field)
    assert match(raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n", PROBE) is Match.REPORT
    found = bounce_of(raw, PROBE)
    assert found is not None
    assert found.action == FAILED
    assert bounce_of(coming_to(OTHER.envelope_from.encode(), BOUNCES[name](b"")), PROBE) is None
    assert bounce_of(coming_to(b"monitor@example.org", BOUNCES[name](b"")), PROBE) is None
    assert bounce_of(raw, probe_of(verp=False)) is None
    # One that returns another message is none of the probe's: two probes in sixteen million have the same token.
    assert bounce_of(coming_to(OWN, BOUNCES[name](OTHER.content)), PROBE) is None


@pytest.mark.parametrize("name", DELAYS)
def test_a_delay_that_returns_nothing_of_the_probe_is_no_bounce(name: str) -> None:
    raw = coming_to(OWN, DELAYS[name](b""))
    assert bounce_of(raw, PROBE) is None
    found = delay_of(raw, PROBE)
    assert (found and found.action) == (None if name.startswith("qmail") else DELAYED)


@pytest.mark.parametrize(
    "raw",
    [
        letter(NULL + b"Subject: Mail failed\n", b"mail failed"),
        letter(NULL + b"Subject: \n", b"Your message could not be delivered."),
        letter(NULL, b"The message was not delivered: 550 no such user"),
        letter(DAEMON + b"Subject: failure notice\n", b""),
        letter(DAEMON + b"Subject: Undelivered Mail Returned to Sender\n", b""),
        letter(DAEMON + b"Subject: x\nAuto-Submitted: auto-replied\n", b"delivery failed"),
        letter(NULL + b"Subject: x\n", b"mail failed", b"Monitor <%s>" % OWN.upper()),
        letter(NULL + b"Subject: x\n", b"mail failed", b"a@example.org,\n <%s>" % OWN),
        mail(NULL + b"Content-Type: text/html\nSubject: Undeliverable\nTo: %s\n" % OWN, b"", b"<p>Sorry</p>"),
    ],
    ids=range(9),
)
def test_a_few_words_are_enough_where_the_address_says_whose_bounce_it_is(raw: bytes) -> None:
    assert bounce_of(raw, PROBE) is not None
    assert bounce_of(re.sub(re.escape(OWN), b"monitor@example.org", raw, flags=re.IGNORECASE), PROBE) is None


def test_what_it_says_of_the_reason_is_told() -> None:
    raw = letter(NULL + b"X-Failed-Recipients: nobody@example.net\n", b"Mail failed:\n  550 5.1.1 no such user\n")
    assert bounce_of(raw, PROBE) == bounced("5.1.1", "550 5.1.1 no such user", "nobody@example.net", "example.net", "")


@pytest.mark.parametrize(
    "raw",
    [
        letter(NULL + b"Subject: Re: x\nAuto-Submitted: auto-replied\n", b"I failed to read your mail."),
        letter(NULL + b"Subject: x\nAuto-Submitted: auto-replied (vacation)\n", b"Not delivered to me, who left."),
        letter(NULL + b"Subject: x\nIn-Reply-To: <a@b>\n", b"I have permanently left."),
        letter(NULL + b"Subject: x\nPrecedence: bulk\n", b"I have permanently left."),
        letter(NULL + b"Subject: Out of office\n", b"I am away until Monday."),
        letter(b"From: ann@example.org\nSubject: x\n", b"Your mail failed."),
        letter(b"Return-Path: <ann@example.org>\nFrom: postmaster@example.org\n", b"Your mail failed."),
        letter(DAEMON + b"Subject: Delayed Mail (still being retried)\n", b"It has not failed yet."),
        letter(DAEMON + b"Subject: Warning: message delayed 24 hours\n", b"550 not delivered"),
        letter(DAEMON + b"Subject: hello\n", b""),
        letter(DAEMON + b"Subject: notice\n", b"I could not reach the server."),
        letter(NULL + b"Subject: x\n", b"mail failed", b'"%s" <other@example.org>' % OWN),
        letter(NULL + b"Subject: x\n", b"mail failed", b"x" + OWN),
        letter(NULL + b"Subject: x\n", b"mail failed", OWN + b".example"),
        letter(NULL + b"Subject: x\n", b"mail failed to " + OWN, b"other@example.org"),
    ],
    ids=range(15),
)
def test_not_all_that_comes_to_the_address_is_a_bounce(raw: bytes) -> None:
    """Answers of autoresponders, people's letters, delays; and what only names the address did not come to it."""
    assert bounce_of(raw, PROBE) is None


@pytest.mark.parametrize("text", ["<", "[", ";", "a@", ",", "(", '"', "\\"])
def test_a_list_of_addresses_that_is_no_list_takes_no_time(text: str) -> None:
    line = b"To: %s\r\n" % (text * 4000)[:4000].encode()
    raw = line * 30 + letter(NULL + b"Subject: x\n", b"mail failed", b"other@example.org")
    begun = time.process_time()
    assert bounce_of(raw, PROBE) is None
    assert time.process_time() - begun < 0.5


def test_what_came_before_the_probe_was_sent_is_not_its_bounce_by_the_address_alone() -> None:
    raw = letter(NULL + b"Subject: Mail failed\n", b"mail failed")
    assert bounce_of(raw, PROBE, fresh=False) is None
    assert delay_of(coming_to(OWN, DELAYS["postfix"](b"")), PROBE, fresh=False) is None
    assert bounce_of(coming_to(OWN, BOUNCES["postfix"](PROBE.content)), PROBE, fresh=False) is not None
