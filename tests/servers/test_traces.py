"""The trace of a message over real servers holds its hops, though the clock of one of them is slow."""

from __future__ import annotations

import pytest

from flows.direct import check
from tasks.mail.model.outcome import Outcome
from tests.support.collector import collector
from tests.support.servers import require
from tests.support.servers.lab import Lab, User
from tests.support.servers.loops import at, loop


async def test_hops_lie_within_the_trace_of_their_message_though_a_clock_on_its_way_is_ten_minutes_slow(
    lab: Lab, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    require(["faketime"], "faketime is needed: make servers")
    lab.also(lab.drifting)
    with collector() as there:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", there.url)
        result = await check(loop(lab, user, user.by("drifting"), smtp=at(lab.relay.grey, retry_delay=1.2)))
    assert result.outcome is Outcome.DELIVERED
    hops = [span for span in there.spans if span.name.startswith("hop ")]
    assert [hop.attributes["mail_loop.hop.by"] for hop in hops][:3] == ["relay.test", "drifting.test", "edge.test"]
    assert hops[1].attributes["mail_loop.hop.skew_seconds"] < -500
    for span in there.spans:
        assert span.sent.start_time_unix_nano <= span.sent.end_time_unix_nano
        if (parent := there.parent(span)) is not None:
            assert parent.sent.start_time_unix_nano <= span.sent.start_time_unix_nano
            assert span.sent.end_time_unix_nano <= parent.sent.end_time_unix_nano
    assert there.named("delivery").seconds < 60
    assert there.named("attempt 1").attributes["mail_loop.smtp.reply_code"] == 450
