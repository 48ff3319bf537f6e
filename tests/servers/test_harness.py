"""The harness keeps out of the way: of other test runs, of machines without the servers, of whatever comes after."""

from __future__ import annotations

import pytest

from tests.support.servers import require
from tests.support.servers.lab import Lab
from tests.support.servers.processes import Ports


def test_two_runs_do_not_share_ports(lab: Lab) -> None:
    ports = [Ports(), Ports()]
    try:
        assert len({lab.closed, *(block.closed for block in ports)}) == 3
    finally:
        for block in ports:
            block.release()


def test_missing_programs_are_a_skip_or_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """The remedy is said; with REQUIRE_SERVERS=1 nothing is skipped silently."""
    monkeypatch.delenv("REQUIRE_SERVERS", raising=False)
    require(["sh"], "A shell is needed: make shell")
    with pytest.raises(pytest.skip.Exception, match=r"Postfix is needed: make servers \(missing: no-such-postfix\)"):
        require(["sh", "no-such-postfix"], "Postfix is needed: make servers")
    monkeypatch.setenv("REQUIRE_SERVERS", "1")
    with pytest.raises(pytest.fail.Exception, match="Postfix is needed: make servers"):
        require(["sh", "no-such-postfix"], "Postfix is needed: make servers")


def test_nothing_is_left_behind() -> None:
    """A laboratory that is closed has no process and no folder any more."""
    with Lab() as other:
        home = other.home
        servers = [other.relay, other.edge, other.dovecot, other.postgrey]
        assert all(server.running for server in servers)
    assert not any(server.running for server in servers)
    assert not home.exists()
