"""`mail-loop exporter` as a user runs it, and the files for Prometheus, as Prometheus' own tool reads them."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from flows.server.prefect import free_port
from tests.cli.conftest import Command, forked
from tests.support.prometheus import DEPLOY
from tests.support.prometheus import promtool as run_promtool

RULES = DEPLOY / "prometheus"
Promtool = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture
def promtool() -> Promtool:
    return run_promtool


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--port", "0"), "argument --port: '0' is not a port from 1 to 65535"),
        (("--interval", "0"), "argument --interval: '0' is not a positive number of seconds"),
        (("--max-loops", "many"), "argument --max-loops: 'many' is not a number from 1 to 1000000"),
        (("my.yaml",), "unrecognized arguments: my.yaml"),
    ],
)
async def test_wrong_usage_is_exit_code_3_with_one_sentence(
    mail_loop: Command, arguments: tuple[str, ...], said: str
) -> None:
    ended = await mail_loop("exporter", *arguments)
    assert (ended.code, ended.out) == (3, "")
    assert ended.err.endswith(f"{said}\n")
    assert "Traceback" not in ended.err


async def test_without_a_prefect_server_there_is_nothing_to_export(mail_loop: Command) -> None:
    ended = await mail_loop("exporter", warnings="ignore")
    assert (ended.code, ended.out) == (3, "")
    assert ended.err == (
        "mail-loop: the exporter reads the Prefect server that is configured, and none is: "
        "set PREFECT_API_URL, such as http://127.0.0.1:4200/api\n"
    )


CANNOT = {
    ("--textfile", "metrics.txt"): "--textfile: the node exporter reads files named *.prom only, not metrics.txt",
    ("--textfile", "gone/x.prom"): "--textfile: cannot write gone/x.prom (No such file or directory): check",
    ("--port", "{taken}"): "cannot listen on 127.0.0.1, port {taken} (Address already in use): choose another",
    ("--address", "192.0.2.1"): "cannot listen on 192.0.2.1, port 9797 (Cannot assign requested address): choose",
    ("--address", "a..b"): "cannot listen on a..b, port 9797 (Name or service not known): choose another",
}


async def test_what_it_cannot_do_is_said_in_one_sentence(mail_loop: Command) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        taken = sock.getsockname()[1]
        url = f"http://127.0.0.1:{free_port()}/api"
        commands = [("exporter", option, value.format(taken=taken)) for option, value in CANNOT]
        ends = await forked(mail_loop, commands, PREFECT_API_URL=url)
    for ended, said in zip(ends, CANNOT.values(), strict=True):
        assert (ended.code, ended.out) == (3, "")
        assert ended.err.startswith(f"mail-loop: {said.format(taken=taken)}"), ended
        assert ended.err.count("\n") == 1


async def test_while_prefect_is_down_it_says_so_and_ends_with_0_when_told_to(
    mail_loop: Command, tmp_path: Path
) -> None:
    """Over HTTP, to who asks for its health, and in the textfile, which all may read and which does not outlive it."""
    port, file = free_port(), tmp_path / "mail-loop.prom"
    shown: list[str] = []

    def seen() -> bool:
        try:
            metrics, other, health = (
                httpx.get(f"http://127.0.0.1:{port}{path}") for path in ("/metrics", "/", "/healthz")
            )
            foreign = httpx.get(f"http://127.0.0.1:{port}/metrics", headers={"Host": "evil.test"})
        except httpx.TransportError:
            return False
        assert foreign.status_code == 400
        assert (metrics.status_code, other.status_code, health.status_code) == (200, 404, 503)
        assert file.stat().st_mode & 0o777 == 0o644
        shown[:] = [metrics.text, file.read_text(encoding="utf-8")]
        return all('reads_total{result="failure"} 1.0' in text for text in shown)

    url = f"http://someone:s3cret@127.0.0.1:{free_port()}/api"
    ended = await mail_loop(
        "exporter", "--port", str(port), "--textfile", file, until=seen, warnings="ignore", PREFECT_API_URL=url
    )
    assert ended.code == 0, ended
    assert all("mail_loop_exporter_up 0.0" in text for text in shown)
    assert "mail_loop_up{" not in "".join(shown)
    assert ended.err.endswith("/api cannot be read (ConnectError)\n")
    assert ended.err.count("\n") == 1
    assert not file.exists()
    assert "s3cret" not in ended.out + ended.err + "".join(shown)


async def test_the_rules_and_the_example_are_what_prometheus_takes(promtool: Promtool) -> None:
    code, said = await promtool("check", "config", "--lint-fatal", RULES / "prometheus.yml")
    assert (code, said.count("SUCCESS")) == (0, 3), said


@pytest.mark.long
async def test_each_alert_fires_when_it_should_and_not_before(promtool: Promtool) -> None:
    """As rules_test.yml says, and it speaks of each of them."""
    code, said = await promtool("test", "rules", RULES / "rules_test.yml")
    assert code == 0, said
    rules = (RULES / "rules.yml").read_text(encoding="utf-8").splitlines()
    tested = (RULES / "rules_test.yml").read_text(encoding="utf-8")
    alerts = [line.partition("alert: ")[2] for line in rules if "- alert: " in line]
    assert len(alerts) > 10
    assert [alert for alert in alerts if f'"{alert}"' not in tested] == []
