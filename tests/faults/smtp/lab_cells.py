"""The SMTP leg: a proxy in front of the real relay, with its real mailboxes behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tasks.mail.model.outcome import ErrorType, Outcome
from tasks.mail.model.result import LoopResult
from tests.faults.cells import Cell, Expected, Ground
from tests.faults.harms import ARRIVES, MOST, faults, timeout_for
from tests.faults.proxy import Harm, Proxy
from tests.faults.scripted import AMPLE, delivered
from tests.faults.smtp.scripted import failed
from tests.support.servers.lab import Situation
from tests.support.servers.loops import loop

GONE = 1.0  # seconds to wait for what does not arrive

# By stage of the table: what the client sends when it begins, and the stage that is reported.
SECURE = {
    "banner": (b"", "connect"),
    "EHLO": (b"EHLO ", "ehlo"),
    "STARTTLS": (b"STARTTLS\r\n", "tls"),
    "TLS handshake": (b"\x16\x03\x01", "tls"),
    "EHLO in TLS": (b"\x17\x03\x03", "ehlo"),
}
CLEAR = {
    "AUTH": (b"AUTH ", "auth"),
    "MAIL": (b"MAIL FROM:", "mail"),
    "RCPT": (b"RCPT TO:", "rcpt"),
    "DATA": (b"DATA\r\n", "data"),
    "after the dot": (b"\r\n.\r\n", None),
    "QUIT": (b"QUIT\r\n", None),
}
FAULTS = faults(garbage=ErrorType.SMTP)
GREETING_OF_TLS = b"220 2.0.0 Ready to start TLS\r\n"


@dataclass(frozen=True)
class Proxied:
    """A whole loop through the laboratory, with the proxy before its relay."""

    harm: Harm | None = None
    tls: str = "starttls"
    timeout: float = AMPLE
    arrives: bool = False
    rewrite: Mapping[bytes, bytes] = field(default_factory=dict)
    situation: Situation | None = None
    service: str = ""
    smtp: Mapping[str, Any] = field(default_factory=dict)

    async def __call__(self, ground: Ground) -> LoopResult:
        lab, user = ground.lab, ground.lab.fresh_user()
        service = self.service or ("submissions" if self.tls == "implicit" else "submission")
        async with Proxy(lab.relay.endpoints[service], self.harm, rewrite=self.rewrite) as proxy:
            way = {"host": proxy.host, "port": proxy.port, "tls": self.tls, "timeout": self.timeout}
            smtp = way | {"retries": 1, "retry_delay": 0.0} | dict(self.smtp)
            to = user.plus(self.situation) if self.situation else None
            max_wait = ARRIVES if self.arrives else GONE
            result = await ground.check(loop(lab, user, to, smtp=smtp, max_wait=max_wait))
        assert proxy.harm is None or proxy.harmed, "nothing was harmed"
        if self.tls != "none":
            assert not [verb for verb in (b"AUTH ", b"MAIL FROM:") if verb in proxy.sent], "something went in clear"
        assert lab.mailbox(user) == [], "a message was left in the mailbox"
        return result


def cells() -> list[Cell]:
    """Faults between the check and the real relay; further in than TLS they need a dialogue in clear."""
    return [*_before_tls(), *_in_clear(), *_body(), *_real_refusals(), *_alive()]


def _cell(stage: str, fault: str, expected: Expected, run: Proxied) -> Cell:
    return Cell("smtp", stage, f"Postfix: {fault}", expected, run, needs_lab=True)


def _before_tls() -> Iterator[Cell]:
    for stage, (on, reported) in SECURE.items():
        for fault, (harm, kind) in FAULTS.items():
            # In the handshake every end is one of TLS but silence; behind it only what is no TLS is.
            breaks = kind is not ErrorType.TIMEOUT if stage == "TLS handshake" else fault == "garbage"
            wanted = ErrorType.TLS if breaks and stage in ("TLS handshake", "EHLO in TLS") else kind
            harmed = replace(harm, on=on)
            yield _cell(stage, fault, failed(reported, wanted), Proxied(harmed, timeout=timeout_for(kind)))
    stripped = Proxied(rewrite={b"250-STARTTLS\r\n": b""})
    yield _cell("STARTTLS", "stripped", failed("tls", ErrorType.TLS), stripped)
    behind = Proxied(rewrite={GREETING_OF_TLS: GREETING_OF_TLS + b"250-relay.test\r\n250 AUTH LOGIN\r\n"})
    yield _cell("STARTTLS", "bytes pipelined behind it", failed("tls", ErrorType.SMTP), behind)
    for flaw in ("expired", "wrong-name"):
        for mode, service in (("starttls", flaw), ("implicit", f"{flaw}-implicit")):
            bad = Proxied(tls=mode, service=service)
            yield _cell(f"TLS handshake ({mode})", flaw, failed("tls", ErrorType.TLS), bad)


def _in_clear() -> Iterator[Cell]:
    for stage, (on, reported) in CLEAR.items():
        for fault, (harm, kind) in FAULTS.items():
            harmed = replace(harm, on=on)
            expected = failed(reported, kind) if reported else delivered(within=MOST)
            yield _cell(stage, fault, expected, Proxied(harmed, "none", timeout_for(kind), arrives=reported is None))


def _body() -> Iterator[Cell]:
    """The relay never gets the whole message, and it does not arrive."""
    for fault, (harm, kind) in FAULTS.items():
        if fault != "garbage":  # it would be a part of the message
            harmed = replace(harm, on=b"DATA\r\n", after=200, toward="server")
            yield _cell("body", fault, failed("data", kind), Proxied(harmed, "none", timeout_for(kind)))


def _real_refusals() -> Iterator[Cell]:
    """What Postfix itself says no with."""
    smtp, later = ErrorType.SMTP, ErrorType.TEMPORARY
    wrong = Proxied(smtp={"password": "not the password"})
    yield _cell("AUTH", "wrong password", failed("auth", ErrorType.AUTH, Outcome.REJECTED), wrong)
    refused = failed("rcpt", ErrorType.RECIPIENT, Outcome.REJECTED)
    yield _cell("RCPT", "5xx", refused, Proxied(situation="refused"))
    yield _cell("RCPT", "4xx", failed("rcpt", later, Outcome.DEFERRED, 2), Proxied(situation="deferred"))
    yield _cell("after the dot", "5xx", failed("data", smtp, Outcome.REJECTED), Proxied(situation="unwanted"))
    yield _cell("after the dot", "4xx", failed("data", later, Outcome.DEFERRED, 2), Proxied(situation="busy"))


def _alive() -> Iterator[Cell]:
    """What is slow but gets there is no failure."""
    expected = delivered(within=MOST)
    yield _cell("all", "no fault", expected, Proxied(arrives=True))
    yield _cell("all", "no fault, implicit TLS", expected, Proxied(tls="implicit", arrives=True))
    yield _cell("all", "slow, but alive", expected, Proxied(Harm("slow", pause=0.001), arrives=True))
    for stage in ("banner", "EHLO", "STARTTLS", "TLS handshake"):
        late = Proxied(Harm("delay", on=SECURE[stage][0], pause=0.5), arrives=True)
        yield _cell(stage, "late, but alive", expected, late)
