"""Mail as a channel is recognised, and what it has in common with a loop is named."""

from __future__ import annotations

import pytest

from tasks.alerts.rules import Channel, hosts_of, shared, way_of

APPRISE, BLOCK = Channel(apprise="secret"), Channel(block="sendgrid-email/ops")
LOOP = {
    "smtp": {"host": "relay.example.org", "from_addr": "a@example.org", "to_addr": "b@inbox.example.net"},
    "imap": {"host": "192.0.2.7", "username": "b"},
    "limits": {"max_wait": 5},
}


@pytest.mark.parametrize(
    ("url", "way"),
    [
        ("slack://T/B/x", None),
        ("json://mail.example.org/", None),
        ("mailto://user:pw@gmail.com", {"gmail.com"}),
        (
            "mailtos://user:pw@example.com?smtp=smtp.relay.net&to=ops@home.org,on@call.de",
            {"example.com", "smtp.relay.net", "home.org", "call.de"},
        ),
        ("mailtos://smtp.relay.net/ops@home.org/other@there.org", {"smtp.relay.net", "home.org", "there.org"}),
        ("sendgrid://key:from@example.com/to@example.net", {"example.com", "example.net"}),
    ],
)
def test_the_way_of_mail_is_read_from_its_url(url: str, way: set[str] | None) -> None:
    found = way_of(APPRISE, url)
    assert found == way if way is None else found is not None and found >= way


def test_a_block_that_sends_mail_is_mail_and_others_are_not() -> None:
    assert way_of(BLOCK, "") == frozenset()
    assert way_of(Channel(block="slack-webhook/ops"), "") is None


def test_what_a_loop_depends_on_is_its_hosts_and_the_domains_of_its_addresses() -> None:
    assert hosts_of(LOOP) == {"relay.example.org", "example.org", "inbox.example.net", "192.0.2.7"}
    assert hosts_of({}) == hosts_of({"smtp": None}) == frozenset()


@pytest.mark.parametrize(
    ("way", "domain"),
    [
        ({"relay.example.org"}, "example.org"),
        ({"other.example.org"}, "example.org"),
        ({"example.net"}, "example.net"),
        ({"192.0.2.7"}, "192.0.2.7"),
        ({"192.0.2.8"}, None),
        ({"example.com"}, None),
    ],
)
def test_a_domain_in_common_is_named(way: set[str], domain: str | None) -> None:
    assert shared(way, hosts_of(LOOP)) == domain
