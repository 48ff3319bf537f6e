"""Some thirty results, made from facts by the functions that judge: each outcome, and each kind of note."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from tasks.mail.config.loop import CheckConfig, LoopConfig, inbound_config
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import MailboxFailure, SendFailure
from tasks.mail.model.facts import Arrival, Hit, Quota, Receipt
from tasks.mail.model.header import Header, Ref
from tasks.mail.model.journey_record import SignatureRecord, TlsRecord
from tasks.mail.model.moment import Tried
from tasks.mail.model.outcome import DELAYED, ErrorType, Reported
from tasks.mail.model.result import AttemptRecord, EarlierProbe, LoopResult
from tasks.mail.search.inbound import Recent
from tasks.mail.verdict.ends import broken, conclude_inbound, misconfigured, skipped
from tests.support.checks.facts import (
    BOUNCE,
    DOUBT,
    JUNK,
    LOST,
    OTHER,
    REFUSED,
    RUN,
    START,
    arrival,
    concluded,
    hit,
    loop,
    moment,
    probe,
    sent,
)

_Proven = TypeVar("_Proven", Arrival, Receipt)

LATER = AttemptRecord(1, ErrorType.TEMPORARY, 451, "451 4.7.1 Greylisted, try again", "rcpt")
BUSY = [AttemptRecord(n, ErrorType.TEMPORARY, 421, "421 4.3.2 too many connections", "connect") for n in (1, 2, 3)]
EARLIER = EarlierProbe(
    probe_id="e" * 32,
    token="eeeeee",
    flow_run_id=RUN,
    sent_at=START - timedelta(hours=1),
    arrived_at=START - timedelta(minutes=23),
    delivery_seconds=2221.0,
    reported=Reported.LOST,
    folder="INBOX",
    uidvalidity=1,
    uid=3,
)
RECEIVED = (
    "from mx.example.net (mx.example.net [192.0.2.2]) by store.example.net with LMTP id abc; "
    "Sun, 22 Nov 2026 12:00:{last:02} +0000",
    "from relay.example.org (relay.example.org [192.0.2.1]) by mx.example.net (Postfix) with ESMTPS id 4XX "
    "for <b@example.net>; Sun, 22 Nov 2026 12:{minute:02}:{last:02} +0000",
    "from pc (pc [10.0.0.1]) by relay.example.org (Postfix) with ESMTPSA id 4XyZ12; Sun, 22 Nov 2026 12:00:01 +0000",
)
SPAM = "X-Spam-Status: Yes, score=7.1 required=5.0 tests=[BAYES_99=3.5,URIBL_ABUSE=3.6] autolearn=spam"
NEAR = SPAM.replace("Yes, score=7.1", "No, score=4.6")
PASSED = "Authentication-Results: mx.example.net; spf=pass; dkim=pass header.d=example.org; dmarc=pass"
FAILED = PASSED.replace("dkim=pass", "dkim=fail")
EXPECTING = loop({"authserv_id": "mx.example.net", "expect": {"dkim": "pass", "spf": "pass"}})
SLOW = loop(limits={"warn_after": 20.0, "max_wait": 300.0})
ALONE = loop(with_imap=False)
BOUNCES = {"host": "imap.example.org", "username": "a", "password": "y"}
INBOUND = inbound_config(
    {
        "name": "newsletter",
        "imap": {"host": "imap.example.net", "username": "b", "password": "x", "search_subject": "News"},
    }
)


OAUTH = {"provider": "microsoft365", "tenant": "example.org", "client_id": "app", "client_secret": "x"}
BY_TOKEN = loop({"password": None, "oauth": OAUTH}, smtp={"username": "a", "oauth": OAUTH})
NO_CLIENT = (
    "no token from login.microsoftonline.com: HTTP 401, invalid_client: AADSTS7000215: Invalid client secret provided."
)
NO_ANSWER = "no token from login.microsoftonline.com: HTTP 503 with no JSON object, but 6 octets of type text/html"


def tls(days: float) -> TlsRecord:
    return TlsRecord("TLSv1.3", "TLS_AES_256_GCM_SHA384", "Example CA", START + timedelta(days=days))


def way(*above: str, found: Hit | None = None, footer: bytes = b"", minute: int = 0, last: int = 2) -> Arrival:
    """Arrived, as a message with its Received fields and these above them, and with what both legs measured."""
    head, _, body = probe(loop()).content.partition(b"\r\n\r\n")
    received = [f"Received: {text}".format(last=last, minute=minute).encode() for text in RECEIVED]
    message = b"\r\n".join([*(text.encode() for text in above), *received, head, b"", body + footer])
    stages = {"dns": 0.001, "connect": 0.01, "tls": 0.02, "login": 0.03, "select": 0.5, "search": 0.25}
    seen = found or hit(at=last)
    return replace(arrival(seen, seen=last + 0.5), message=message, stages=stages, tls=tls(90))


def handed(days: float = 90) -> Receipt:
    return replace(sent(), stages={"dns": 0.001, "connect": 0.01, "ehlo": 0.002, "data": 0.06}, tls=tls(days))


def refused(kind: ErrorType, stage: str, text: str, code: int | None = None, cause: Cause | None = None) -> SendFailure:
    failure = SendFailure(kind, stage, text, code, cause)
    failure.stages = {"dns": 0.001, "connect": 0.01, stage: 0.02} if stage != "token" else {stage: 0.02}
    return failure


def by_token(proven: _Proven) -> _Proven:
    """The same, having asked for a token first."""
    return replace(proven, stages={"token": 0.2, **proven.stages})


def without_token() -> MailboxFailure:
    failure = MailboxFailure(ErrorType.CONNECTION, "token", NO_ANSWER, cause=Cause.TOKEN_REQUEST_FAILED)
    failure.stages = {"token": 0.02}
    return failure


def newest(age: float) -> Recent:
    head = b"Subject: =?utf-8?q?News_of_today?=\r\nMessage-ID: <n@example.org>\r\nFrom: n@example.org\r\n\r\n"
    header = Header(Ref("INBOX", 1, 7), START - timedelta(seconds=age), head)
    once = Tried(1, moment(0), moment(0), moment(0.5))
    return Recent(
        (header, replace(header, ref=Ref("INBOX", 1, 5))), moment(0), moment(0.5), {"login": 0.03, "search": 0.1}, once
    )


NO_NEWS = MailboxFailure(
    ErrorType.NO_MESSAGE, "search", "no message with 'News' in its subject, not older than 60 minutes"
)
NO_NEWS.tried = Tried(3, moment(0), moment(20.25), moment(20.5))
LOOSE = loop({"verify": False}, smtp={"tls": "none", "username": "a", "password": "z"})
DELAYED_THERE = replace(BOUNCE, action=DELAYED, status="4.7.1", diagnostic="451 4.7.1 Greylisted.")

Case = tuple[CheckConfig | None, LoopResult]


def judged(
    found: Arrival | MailboxFailure | None,
    outcome: Receipt | SendFailure | None = None,
    config: LoopConfig | None = None,
    errors: Sequence[AttemptRecord] = (),
    notes: tuple[str, ...] = (),
) -> Case:
    config = config or loop()
    return config, concluded(found, outcome, config, errors, notes)


def inbound(found: Recent | MailboxFailure) -> Case:
    return INBOUND, conclude_inbound(INBOUND, found, RUN)


CASES: Mapping[str, Case] = {
    "delivered": judged(way(), handed()),
    "delivered, with a slow hop and a changed body": judged(way(footer=b"\r\n-- \r\nScanned\r\n", last=42)),
    "delivered on attempt 2, greylisted": judged(way(), sent(accepted=1.5), errors=[LATER]),
    "delivered, in doubt": judged(arrival(hit()), sent(DOUBT)),
    "delivered, and bounced": judged(arrival(hit(), bounce=BOUNCE)),
    "delivered after a notice of delay": judged(replace(arrival(hit()), delay=DELAYED_THERE)),
    "delivered, certificate expires": judged(way(), handed(days=5)),
    "delivered, near to junk": judged(way(NEAR)),
    "delivered, as expected": judged(way(PASSED), config=EXPECTING),
    "delivered, dkim fails": judged(way(FAILED), config=EXPECTING),
    "delivered, dkim fails and dkim itself is valid": judged(
        replace(way(FAILED), signatures=(SignatureRecord("example.org", "key", True),)), config=EXPECTING
    ),
    "delivered, server's clock is fast": judged(arrival(hit(at=602))),
    "delivered, a hop's clock is fast": judged(way(minute=59, last=2)),
    "delivered, no security": judged(arrival(hit()), config=LOOSE, notes=("Another note.",)),
    "delivered, and an earlier probe": judged(replace(arrival(hit()), earlier=(EARLIER,))),
    "accepted, without a mailbox": judged(None, config=ALONE),
    "accepted, no bounce": judged(arrival(), config=loop(with_imap=False, bounce_mailbox=BOUNCES)),
    "late": judged(way(last=42), config=SLOW),
    "junked": judged(way(SPAM, found=JUNK)),
    "junked, critical": judged(arrival(JUNK), config=loop({"junked_severity": "critical"})),
    "misplaced": judged(arrival(OTHER)),
    "late, and nobody knows where": judged(arrival(hit(at=30), seen=30.5), config=SLOW),
    "duplicated": judged(replace(way(), hits=(hit(), hit(uid=8)), copy=way().message)),
    "lost": judged(arrival()),
    "lost, mailbox full": judged(replace(arrival(), quotas=(Quota("STORAGE", 1000, 1000),))),
    "lost, delayed": judged(replace(arrival(), delay=DELAYED_THERE)),
    "bounced": judged(arrival(bounce=BOUNCE)),
    "rejected": judged(None, refused(ErrorType.RECIPIENT, "rcpt", "550 5.1.1 no such user", 550)),
    "rejected, login": judged(None, refused(ErrorType.AUTH, "auth", "535 5.7.8 bad credentials", 535), config=LOOSE),
    "rejected, no token": judged(
        None, refused(ErrorType.AUTH, "token", NO_CLIENT, cause=Cause.TOKEN_REQUEST_REFUSED), config=BY_TOKEN
    ),
    "rejected, token": judged(
        None, refused(ErrorType.AUTH, "auth", "535 5.7.3 Authentication unsuccessful", 535), config=BY_TOKEN
    ),
    "deferred": judged(
        None, refused(ErrorType.TEMPORARY, "connect", "421 4.3.2 too many connections", 421), errors=BUSY
    ),
    "unsent, connection": judged(None, refused(ErrorType.CONNECTION, "connect", "connection refused")),
    "unsent, certificate": judged(None, refused(ErrorType.TLS, "tls", "certificate has expired")),
    "unsent, in doubt": judged(arrival(), sent(DOUBT)),
    "unverified, connection": judged(LOST),
    "unverified, login": judged(REFUSED),
    "unverified, no token": judged(without_token(), config=BY_TOKEN),
    "delivered, with a token": judged(by_token(way()), by_token(handed()), config=BY_TOKEN),
    "unverified, broken": (None, broken("office", RuntimeError("no idea"))),
    "misconfigured": (None, misconfigured("office", "smtp.port: must be a whole number", RUN)),
    "skipped": (loop(), skipped("office", "another check of this loop is running", RUN)),
    "inbound, delivered": inbound(newest(90)),
    "inbound, lost": inbound(NO_NEWS),
    "inbound, unverified": inbound(REFUSED),
}
