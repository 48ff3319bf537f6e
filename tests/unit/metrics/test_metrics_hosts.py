"""Which hosts the exporter answers to: by its own names on loopback, by any elsewhere unless some are named."""

from __future__ import annotations

from collections.abc import Callable, Collection
from http.client import HTTPConnection

import pytest
from prometheus_client import CollectorRegistry

from flows.server.metrics_http import application, listening

NOBODY = ["evil.test", "evil.test:{port}", "127.0.0.1.evil.test", "localhost.evil.test", "a@127.0.0.1", "[", ""]


def asked(address: str, trusted: Collection[str] = ()) -> Callable[[str | None, str], int]:
    """The status that an exporter at the address gives to a request with this Host, or without any."""

    def ask(host: str | None, path: str = "/metrics") -> int:
        with listening(address, 0, application(CollectorRegistry(), lambda: True), trusted) as where:
            port = int(where.rpartition(":")[2])
            connection = HTTPConnection("::1" if ":" in address else "127.0.0.1", port, timeout=10)
            try:
                connection.putrequest("GET", path, skip_host=True)
                if host is not None:
                    connection.putheader("Host", host.format(port=port))
                connection.endheaders()
                return connection.getresponse().status
            finally:
                connection.close()

    return ask


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1"])
@pytest.mark.parametrize("host", NOBODY)
def test_on_loopback_a_foreign_host_is_refused(address: str, host: str) -> None:
    assert [asked(address)(host, path) for path in ("/metrics", "/healthz", "/")] == [400, 400, 400]


@pytest.mark.parametrize(
    "host", ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST", "localhost.", "[::1]:{port}", "10.0.0.7:8080", None]
)
def test_its_own_names_addresses_and_no_host_at_all_are_taken(host: str | None) -> None:
    """A page that was led here comes with a name, and always with one."""
    assert asked("127.0.0.1")(host, "/metrics") == 200


@pytest.mark.parametrize("host", ["monitor.example.org:{port}", "127.0.0.1", "exporter:9797"])
def test_elsewhere_prometheus_may_ask_it_by_whatever_name(host: str) -> None:
    assert asked("0.0.0.0")(host, "/metrics") == 200


def test_names_that_are_trusted_are_taken_on_loopback_and_elsewhere_no_others() -> None:
    names = ["monitor.example.org", "Exporter"]
    for address in ("127.0.0.1", "0.0.0.0"):
        ask = asked(address, names)
        assert [ask(host, "/metrics") for host in ("Monitor.example.org:9797", "exporter", "127.0.0.1")] == [200] * 3
        assert [ask(host, "/metrics") for host in NOBODY] == [400] * len(NOBODY)
