"""An IPv6 address stands in brackets before its port, in every sentence."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from flows.cli.validate import route
from tasks.mail.config.addresses import endpoint
from tasks.mail.config.loop import LoopConfig
from tasks.mail.model.errors import MailboxFailure, SendFailure
from tasks.mail.model.facts import Arrival, Receipt
from tasks.mail.model.journey_record import TlsRecord
from tasks.mail.model.outcome import ErrorType
from tasks.mail.model.result import AttemptRecord
from tests.support.checks.facts import DOUBT, LOST, REFUSED, START, arrival, concluded, hit, loop, sent

HERE = "2001:db8::1"
LOOP = loop({"host": HERE}, smtp={"host": HERE})
ALONE = loop(with_imap=False, smtp={"host": HERE}, bounce_mailbox={"host": HERE, "username": "b", "password": "y"})
LATER = AttemptRecord(1, ErrorType.TEMPORARY, 450, "450 4.2.0 later", "rcpt")
SOON = TlsRecord("TLSv1.3", "X", "CA", START + timedelta(days=5))


def test_only_an_ipv6_address_stands_in_brackets() -> None:
    assert [endpoint(host, 25) for host in (HERE, "192.0.2.1", "a.test")] == [
        f"[{HERE}]:25",
        "192.0.2.1:25",
        "a.test:25",
    ]


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        (LOST, None),
        (REFUSED, None),
        (arrival(), sent(DOUBT)),
        (LOST, sent(DOUBT)),
        (arrival(hit()), None),
        (replace(arrival(hit()), tls=SOON), replace(sent(), tls=SOON)),
        (None, SendFailure(ErrorType.CONNECTION, "connect", "connection refused")),
        (None, SendFailure(ErrorType.RECIPIENT, "rcpt", "550 5.1.1 no such user", 550)),
    ],
)
@pytest.mark.parametrize("config", [LOOP, ALONE])
def test_every_sentence_and_note_names_it_in_brackets(
    found: Arrival | MailboxFailure | None, outcome: Receipt | SendFailure | None, config: LoopConfig
) -> None:
    result = concluded(found, outcome, config, errors=[LATER])
    told = " ".join([result.sentence, *result.notes])
    assert not re.search(re.escape(HERE) + r":\d", told), told
    assert f"[{HERE}]:" in told


def test_a_route_names_it_in_brackets() -> None:
    assert route(LOOP).count(f"[{HERE}]:") == 2
