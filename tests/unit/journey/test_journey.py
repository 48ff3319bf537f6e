"""The journey of a probe: what a message tells, what is judged of it, and how it is shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tasks.mail.config.loop import LoopConfig, loop_config
from tasks.mail.journey.journey import Body, Journey, Known, journey
from tasks.mail.model.facts import Arrival, Hit, Receipt
from tasks.mail.model.header import Ref
from tasks.mail.model.journey_record import JourneyRecord, TlsRecord
from tasks.mail.model.moment import Moment
from tasks.mail.model.outcome import Outcome, Placement, Status
from tasks.mail.probe.compose import checksum, compose
from tasks.mail.report.report import markdown
from tasks.mail.report.svg.bars import hop_bars
from tasks.mail.report.svg.timeline import hop_timeline
from tasks.mail.report.text import journey_lines
from tasks.mail.verdict.judge import Verdict, judge
from tasks.mail.verdict.observe import Checked, observe
from tasks.mail.verdict.warnings import find_concerns
from tests.support.checks.facts import arrival, concluded, hit
from tests.support.mail.bombs import bombs

START = datetime(2026, 11, 24, 10, 0, 0, tzinfo=UTC)
FOUND_AFTER = 310.0  # seconds from the sending to the detection
HOPS = (
    "from mx.example.net (mx.example.net [192.0.2.2]) by store.example.net with LMTP id abc; "
    "Tue, 24 Nov 2026 10:05:02 +0000",
    "from relay.example.org (relay.example.org [192.0.2.1]) by mx.example.net (Postfix) with ESMTPS id 4XX "
    "for <x@example.net>; Tue, 24 Nov 2026 10:05:01 +0000",
    "from pc (pc [10.0.0.1]) by relay.example.org (Postfix) with ESMTPSA id 4YY; Tue, 24 Nov 2026 10:00:01 +0000",
)
EXPECT = {"dkim": "pass", "spf": "pass"}


def loop(imap: dict[str, object] | None = None, **limits: object) -> LoopConfig:
    smtp = {"host": "relay.example.org", "from_addr": "a@example.org", "to_addr": "b@example.net"}
    mailbox = {"host": "imap.example.net", "username": "b", "password": "secret", **(imap or {})}
    return loop_config(
        {"name": "office", "smtp": smtp | {"subject_prefix": "[loop]"}, "imap": mailbox, "limits": limits}
    )


PROBE = compose("office", loop().smtp, START)
BODY = PROBE.content.partition(b"\r\n\r\n")[2]


def moment(seconds: float) -> Moment:
    return Moment(START + timedelta(seconds=seconds), 1000.0 + seconds)


def tls(days: float) -> TlsRecord:
    return TlsRecord("TLSv1.3", "TLS_AES_256_GCM_SHA384", "Example CA", START + timedelta(days=days))


def arrived(*above: str, body: bytes = BODY, without: bytes = b"") -> bytes:
    """The probe as it lies in the mailbox, with these fields above its own."""
    head = PROBE.content.partition(b"\r\n\r\n")[0]
    kept = [line for line in head.split(b"\r\n") if not without or not line.startswith(without)]
    added = [f"Received: {hop}".encode() for hop in HOPS]
    return b"\r\n".join([*(text.encode() for text in above), *added, *kept, b"", body])


def read(raw: bytes, authserv_id: str | None = None) -> Journey:
    known = Known(START, START + timedelta(seconds=FOUND_AFTER), START + timedelta(seconds=1.5), None, BODY)
    found = journey(raw, known, authserv_id)
    assert found is not None
    return found


def judged(raw: bytes, config: LoopConfig, placement: Placement = Placement.EXPECTED, days: float = 90.0) -> Verdict:
    folder = "INBOX" if placement is Placement.EXPECTED else "Junk"
    hit = Hit(Ref(folder, 1, 7), placement, START + timedelta(seconds=303), own=True)
    sent = Receipt("f" * 32, "ffffff", moment(0), moment(1.5), 250, "2.0.0 Ok", queue_id="4YY", tls=tls(days))
    found = Arrival((hit,), None, moment(FOUND_AFTER), message=raw, tls=tls(90))
    assert config.imap is not None
    return judge(config, sent, found, journey=read(raw, config.imap.authserv_id))


def test_the_hops_are_told_oldest_first_with_their_times() -> None:
    steps = read(arrived()).record.hops
    assert [(step.by, step.id) for step in steps] == [
        ("relay.example.org", "4YY"),
        ("mx.example.net", "4XX"),
        ("store.example.net", "abc"),
    ]
    assert [step.delay_seconds for step in steps[1:]] == [pytest.approx(300, abs=1), pytest.approx(1, abs=1)]
    assert [step.slow for step in steps] == [False, True, False]


def test_a_late_message_names_the_slow_hop_and_what_to_look_for() -> None:
    verdict = judged(arrived(), loop(warn_after=60.0, max_wait=600.0))
    assert (verdict.status, verdict.outcome) == (Status.WARNING, Outcome.LATE)
    assert "; 300 s went by between relay.example.org and mx.example.net: " in verdict.sentence
    assert verdict.sentence.endswith("; follow 4YY in the log of relay.example.org.")


@pytest.mark.parametrize(
    ("body", "state"),
    [
        (BODY, Body.INTACT),
        (BODY.rstrip() + b"  \r\n\r\n", Body.INTACT),
        (BODY + b"\r\n-- \r\nScanned by a gateway\r\n", Body.CHANGED),
        (b"", Body.CHANGED),
    ],
    ids=["as it was sent", "blanks behind it", "a footer", "nothing left"],
)
def test_a_body_that_was_added_to_is_recognised(body: bytes, state: Body) -> None:
    found = read(arrived(body=body))
    assert found.record.body == state.value
    sentence = judged(arrived(body=body), loop()).sentence
    assert ("changed its body" in sentence) is (state is Body.CHANGED)
    assert ('("Scanned by a gateway" is not ours), which breaks signatures' in sentence) is (b"Scanned" in body)


def test_a_part_that_was_added_is_a_change_too() -> None:
    text = BODY.decode()
    mixed = f'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\n{text}\r\n--b\r\n\r\nfooter\r\n--b--\r\n'
    found = journey(f"X-Mail-Loop-Body: {checksum(BODY)}\r\n{mixed}".encode())
    assert found is not None
    assert found.record.body == Body.CHANGED.value


def test_header_fields_that_a_gateway_removed_are_named() -> None:
    raw = arrived(without=b"X-Mail-Loop")
    assert read(raw).record.stripped == ("X-Mail-Loop-Id", "X-Mail-Loop-Name")
    assert "removed X-Mail-Loop-Id and X-Mail-Loop-Name from its header" in judged(raw, loop()).sentence


RESULTS = "Authentication-Results: mx.example.net; dkim=fail (bad signature) header.d=example.org; spf=pass"


def test_a_drift_makes_an_ok_a_warning_or_an_error_and_says_what_to_do() -> None:
    verdict = judged(arrived(RESULTS), loop({"expect": EXPECT}))
    assert (verdict.status, verdict.outcome) == (Status.WARNING, Outcome.DELIVERED)
    assert "but DKIM is fail (bad signature) instead of pass (as stated by mx.example.net): see the" in verdict.sentence
    assert judged(arrived(RESULTS), loop({"expect": EXPECT, "drift_severity": "critical"})).status is Status.ERROR
    assert judged(arrived(RESULTS), loop({"expect": {"spf": "pass"}})).status is Status.OK
    assert judged(arrived(RESULTS), loop()).status is Status.OK


def test_what_others_state_is_not_believed() -> None:
    forged = RESULTS.replace("dkim=fail (bad signature)", "dkim=pass").replace("mx.example.net", "elsewhere.test")
    config = loop({"expect": {"dkim": "pass"}, "authserv_id": "mx.example.net"})
    verdict = judged(arrived(forged), config)
    assert verdict.status is Status.WARNING
    assert "there is no result of DKIM, which should be pass" in verdict.sentence


@pytest.mark.parametrize(("days", "when"), [(13.5, "in 13 days"), (1.5, "in a day"), (0.5, "within a day")])
def test_a_certificate_that_is_about_to_expire_makes_an_ok_a_warning(days: float, when: str) -> None:
    verdict = judged(arrived(), loop(), days=days)
    assert (verdict.status, verdict.outcome) == (Status.WARNING, Outcome.DELIVERED)
    assert f"but the certificate of relay.example.org:587 expires {when}, on " in verdict.sentence
    assert verdict.sentence.endswith(": renew it.")
    assert judged(arrived(), loop(cert_warn_days=0), days=days).status is Status.OK


def test_the_worst_comes_first_and_the_others_are_notes() -> None:
    verdict = judged(arrived(RESULTS), loop({"expect": EXPECT, "drift_severity": "critical"}), days=3)
    assert verdict.status is Status.ERROR
    assert "but DKIM is fail" in verdict.sentence
    assert "(and 1 more, in the notes)" in verdict.sentence
    (note,) = verdict.notes
    assert note.startswith("The certificate of relay.example.org:587 expires in 3 days, on ")


SPAM = "X-Spam-Status: {}, score={} required=5.0 tests=[BAYES_99=3.5,MISSING_MID=0.7]"


def test_a_score_near_the_threshold_warns_before_mail_is_junked() -> None:
    near = judged(arrived(SPAM.format("No", 4.2)), loop())
    assert near.status is Status.WARNING
    scored = "SpamAssassin at store.example.net scored it 4.2 of 5, for BAYES_99 3.5, MISSING_MID 0.7"
    assert f"but {scored}, which is near to junk" in near.sentence
    assert near.who_acts == "whoever runs SpamAssassin at store.example.net"
    assert judged(arrived(SPAM.format("No", 1.2)), loop()).status is Status.OK


def test_junk_tells_the_score_and_the_reasons() -> None:
    verdict = judged(arrived(SPAM.format("Yes", 7.9)), loop(), Placement.JUNK)
    assert verdict.outcome is Outcome.JUNKED
    scored = "SpamAssassin at store.example.net scored it 7.9 of 5, for BAYES_99 3.5, MISSING_MID 0.7"
    assert f"{scored}: take that up" in verdict.sentence
    assert verdict.who_acts == "whoever runs SpamAssassin at store.example.net"


def test_an_outbound_check_has_a_certificate_to_warn_of() -> None:
    config = loop_config({"name": "office", "smtp": loop().smtp})
    sent = Receipt("f" * 32, "ffffff", moment(0), moment(1.5), 250, "2.0.0 Ok", tls=tls(2))
    verdict = judge(config, sent, None)
    assert (verdict.status, verdict.outcome) == (Status.WARNING, Outcome.DELIVERED)
    checked = Checked(config, sent)
    (concern,) = find_concerns(checked, observe(checked))
    assert concern.words.startswith("the certificate of relay.example.org:587 expires in 2 days")


def record(*above: str) -> JourneyRecord:
    return read(arrived(*above)).record


def test_the_bars_of_the_hops_begin_where_the_relay_took_the_message() -> None:
    bars = hop_bars(record(), 1.5)
    assert [bar.label for bar in bars] == [
        "relay.example.org -> mx.example.net",
        "mx.example.net -> store.example.net",
    ]
    assert bars[0].start == 1.5
    assert bars[0].end == bars[1].start == pytest.approx(301, abs=1.5)
    assert [bar.kind for bar in hop_timeline(record()).bars] == ["slow", "step"]


def test_as_text_each_fact_is_a_line() -> None:
    told = list(journey_lines(record(RESULTS, SPAM.format("No", 4.2))))
    assert told[1].startswith("hop 2: mx.example.net took it from relay.example.org with ESMTPS as 4XX at 2026-11-24")
    assert told[1].endswith("<- slow")
    assert "authentication, as stated by mx.example.net, the top-most: dkim fail (bad signature), spf pass" in told
    assert "spam filter: SpamAssassin 4.2 of 5, no spam (BAYES_99 3.5, MISSING_MID 0.7)" in told
    assert "body: intact" in told


def test_a_hop_of_a_client_without_a_name_is_told_by_its_address_with_its_tls() -> None:
    """In the lines of `mail-loop trace` and in the report."""
    found = journey(
        b"Received: from ([192.0.2.7])\r\n (AUTH: PLAIN a@b, TLS: TLS1.3,256bits,TLS_AES_256_GCM_SHA384)\r\n"
        b" by web.example.net with ESMTPSA; Tue, 24 Nov 2026 10:00:01 +0000\r\n\r\nhello\r\n"
    )
    assert found is not None
    told = found.record
    assert next(journey_lines(told)).startswith(
        "hop 1: web.example.net took it from [192.0.2.7] with ESMTPSA (TLSv1.3 TLS_AES_256_GCM_SHA384) at 2026-11-24"
    )
    row = "| 1 | `web.example.net` | `[192.0.2.7]` | `ESMTPSA TLSv1.3 TLS_AES_256_GCM_SHA384` |"
    shown = concluded(arrival(hit())).model_copy(update={"journey": told})
    assert row in markdown(shown, {})


@pytest.mark.parametrize(
    "raw", [b"", b"\0", b"Received: \xff\xfe\r\n\r\n", b"Content-Type: multipart/x; boundary=\r\n" * 99]
)
def test_whatever_a_message_is_it_is_read_or_left(raw: bytes) -> None:
    found = journey(raw)
    assert found is None or found.record.model_dump_json()


def test_dates_that_nothing_can_be_added_to_are_told_all_the_same() -> None:
    found = journey(b"Received: from a.test by b.test with SMTP id 7; Fri, 31 Dec 9999 23:59:59 +0000\r\n\r\nhello\r\n")
    assert found is not None
    assert [step.by for step in found.record.hops] == ["b.test"]


def test_the_way_of_a_bomb_is_told() -> None:
    """Of which no more is parsed than a tenth of a second is enough for."""
    head = b"Received: from a.test by b.test with SMTP id 7; Mon, 2 Mar 2026 00:00:00 +0000\r\n"
    for bomb in bombs(2**20, "inbox@example.net"):
        found = journey(head + bomb * 20)
        assert found is not None
        assert [step.by for step in found.record.hops] == ["b.test"]


def test_a_header_that_was_cut_off_says_nothing_of_the_body() -> None:
    sent = compose("office", loop().smtp).content
    head, _, body = sent.partition(b"\r\n\r\n")
    known = Known(START, START + timedelta(seconds=1), body=body)
    cut, whole = journey(head + b"\r\n", known), journey(sent, known)
    assert cut is not None
    assert whole is not None
    assert (cut.record.body, cut.record.stripped) == (Body.UNKNOWN.value, ())
    assert whole.record.body == Body.INTACT.value
