"""Real checks, the exporter as a user runs it, and Debian's Prometheus, which scrapes it and evaluates the rules."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics

from tasks.mail.model.outcome import Outcome
from tasks.sandbox import Sandbox, Script
from tests.prefect.failures.api import Api
from tests.prefect.records import PASSWORD, SOCKETS_LEFT_OPEN, USER
from tests.support.checks.checks_on_record import check
from tests.support.prometheus import Exporter, Prometheus, dashboard, promtool
from tests.support.servers.processes import Ports

pytestmark = [
    pytest.mark.long("prometheus"),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN),
]

GOOD, BAD, NEW = "metrics-good", "metrics-bad", "metrics-new"
REJECTED = Script(rcpt=["550 5.1.1 No such user"])
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@dataclass(frozen=True)
class Watched:
    """Before the exporter began: one check of the good loop and of the bad; then two of each, and one of a new loop."""

    exporter: Exporter
    prometheus: Prometheus
    api: Api
    textfile: Path


def series(loop: str, outcome: Outcome) -> str:
    return f'mail_loop_checks_total{{loop="{loop}", outcome="{outcome}", status!="warning"}} > 0'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def prometheus(server: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watched]:
    """What the tests here look at, one after the other."""
    home = tmp_path_factory.mktemp("prometheus")
    ports = Ports()
    async with Sandbox({USER: PASSWORD}) as box, Api(server) as api:
        textfile = home / "mail-loop.prom"
        exporter = Exporter(home, ports.take(), api.url, "--textfile", str(textfile))
        prometheus = Prometheus(home, ports.take(), exporter.address)
        await check(box, GOOD)
        await check(box, BAD, REJECTED)
        exporter.start()
        prometheus.launch()
        try:
            await exporter.until(200)
            await prometheus.ready()
            await prometheus.until(f'mail_loop_up{{loop="{GOOD}"}} == 1')
            for _ in range(2):
                await check(box, GOOD)
                await check(box, BAD, REJECTED)
            await check(box, NEW)
            yield Watched(exporter, prometheus, api, textfile)
        finally:
            await asyncio.to_thread(exporter.stop)
            await asyncio.to_thread(prometheus.stop)
            ports.release()


async def test_each_check_is_counted_once_and_none_from_before_the_exporter(prometheus: Watched) -> None:
    ask = prometheus.prometheus
    for loop, outcome, number in ((GOOD, "delivered", 2), (BAD, "rejected", 2), (NEW, "delivered", 1)):
        found = await ask.until(f"{series(loop, Outcome(outcome))} >= {number}")
        assert list(found.values()) == [number]
        stages = await ask.until(f'mail_loop_stage_seconds_count{{loop="{loop}", leg="smtp", stage="rcpt"}}')
        assert list(stages.values()) == [number]
    total = f'sum(mail_loop_checks_total{{loop=~"{GOOD}|{BAD}|{NEW}"}})'
    assert list((await ask.until(total)).values()) == [5]
    assert list((await ask.until(f'mail_loop_delivery_seconds_count{{loop="{GOOD}"}}')).values()) == [2]
    assert list((await ask.until(f'mail_loop_delivery_seconds_count{{loop="{BAD}"}}')).values()) == [0]


async def test_the_first_check_of_a_new_loop_is_an_increase(prometheus: Watched) -> None:
    found = await prometheus.prometheus.until(
        f'increase(mail_loop_checks_total{{loop="{NEW}", outcome="delivered", status="ok"}}[5m]) > 0'
    )
    assert len(found) == 1


async def test_up_and_the_last_success_are_those_of_the_loop(prometheus: Watched) -> None:
    ask = prometheus.prometheus
    up = {dict(labels)["loop"]: value for labels, value in (await ask.until("mail_loop_up")).items()}
    assert (up[GOOD], up[BAD], up[NEW]) == (1, 0, 1)
    ages = await ask.until("time() - mail_loop_last_success_timestamp_seconds")
    age = {dict(labels)["loop"]: value for labels, value in ages.items()}
    assert 0 <= age[GOOD] < 600
    assert age[BAD] > 1e9  # never
    expiry = await ask.until(f'mail_loop_certificate_expiry_timestamp_seconds{{loop="{GOOD}"}} > time()')
    assert {dict(labels)["leg"] for labels in expiry} == {"smtp", "imap"}


async def test_promtool_finds_no_fault_with_the_metrics(prometheus: Watched) -> None:
    """Of the page, and of the textfile, which all may read."""
    page = (await prometheus.exporter.get("/metrics")).text
    for text in (page, prometheus.textfile.read_text(encoding="utf-8")):
        assert f'mail_loop_up{{loop="{GOOD}"}} 1.0' in text
        assert await promtool("check", "metrics", said=text) == (0, "")
    assert prometheus.textfile.stat().st_mode & 0o777 == 0o644


async def test_it_speaks_openmetrics_to_who_asks_for_it(prometheus: Watched) -> None:
    answer = await prometheus.exporter.get("/metrics", {"Accept": OPENMETRICS})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    names = {family.name for family in openmetrics(answer.text)}  # type: ignore[no-untyped-call]
    assert {"mail_loop_up", "mail_loop_checks", "mail_loop_delivery_seconds", "mail_loop_stage_seconds"} < names
    plain = await prometheus.exporter.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain")


async def test_prometheus_evaluates_every_rule(prometheus: Watched) -> None:
    found = await prometheus.prometheus.until('ALERTS{alertname="MailLoopDown", alertstate="firing"}')
    assert {dict(labels)["loop"] for labels in found} >= {BAD}
    assert not {dict(labels)["loop"] for labels in found} & {GOOD, NEW}
    await prometheus.prometheus.until(f'loop:mail_loop_errors:ratio_rate30m{{loop="{BAD}"}} == 1')
    groups = (await prometheus.prometheus.get("rules"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) > 15
    assert [rule for rule in rules if rule["health"] != "ok"] == []


def queries() -> list[Any]:
    return [
        pytest.param(target["expr"], target["legendFormat"], id=f"{panel['title']}-{target['refId']}")
        for panel in dashboard()["panels"]
        for target in panel["targets"]
    ]


@pytest.mark.parametrize(("expression", "legend"), queries())
async def test_every_query_of_the_dashboard_has_an_answer(prometheus: Watched, expression: str, legend: str) -> None:
    """With the labels that its legend is made of."""
    filled = expression.replace("$loop", f"{GOOD}|{BAD}").replace("$__range", "10m")
    assert "$" not in filled
    found = await prometheus.prometheus.until(filled)
    for label in re.findall(r"{{(\w+)}}", legend):
        assert all(label in dict(labels) for labels in found)


async def test_the_variables_of_the_dashboard_are_there(prometheus: Watched) -> None:
    """Its data source can be chosen, everything in it comes from there, and the loops are those that there are."""
    datasource, loop = dashboard()["templating"]["list"]
    assert (datasource["type"], datasource["query"]) == ("datasource", "prometheus")
    uids = {part["datasource"]["uid"] for panel in dashboard()["panels"] for part in (panel, *panel["targets"])}
    assert uids | {loop["datasource"]["uid"]} == {"${datasource}"}
    match = re.fullmatch(r"label_values\((\w+), loop\)", loop["query"]["query"])
    assert match is not None
    assert {GOOD, BAD, NEW} <= {dict(labels)["loop"] for labels in await prometheus.prometheus.until(match[1])}


async def test_a_restart_of_the_exporter_looks_like_no_new_check(prometheus: Watched) -> None:
    """The counters begin again with nought, which Prometheus takes for a reset; what was read anew is not counted."""
    ask, counter = prometheus.prometheus, f'mail_loop_checks_total{{loop="{BAD}", outcome="rejected"}}'
    (before,) = (await ask.until(f"increase({counter}[10m])")).values()
    assert await asyncio.to_thread(prometheus.exporter.stop) == 0
    assert not prometheus.textfile.exists()
    await ask.until('up{job="mail-loop"} == 0')
    prometheus.exporter.start()
    await prometheus.exporter.until(200)
    await ask.until(f"{counter} == 0")
    await ask.until('mail_loop_exporter_reads_total{result="success"} >= 3')
    assert list((await ask.until(counter)).values()) == [0]
    (after,) = (await ask.until(f"increase({counter}[10m])")).values()
    assert after < before + 0.5


async def test_nothing_stays_green_when_prefect_is_gone(prometheus: Watched) -> None:
    """The exporter goes on, says that it cannot read, and no longer says that mail gets through."""
    ask = prometheus.prometheus
    prometheus.api.die()
    await prometheus.exporter.until(503)
    await ask.until("mail_loop_exporter_up == 0")
    # Of one scrape: one that took too long on a busy machine has neither.
    await ask.until(f'mail_loop_last_success_timestamp_seconds{{loop="{GOOD}"}} unless on (loop) mail_loop_up')
    await ask.until('up{job="mail-loop"} == 1')
    pending = await ask.until('ALERTS{alertname="MailLoopPrefectUnreadable"}')
    assert len(pending) == 1
