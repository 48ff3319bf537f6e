"""What a spam filter says counts wherever the message lies; what was moved is no second copy; doubt is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from tasks.mail.journey.journey import Journey, Known, journey
from tasks.mail.model.cause import Cause
from tasks.mail.model.facts import Arrival
from tasks.mail.model.outcome import Outcome, Placement, Status
from tasks.mail.verdict.judge import Verdict, judge
from tests.support.checks.facts import JUNK, OTHER, START, arrival, hit, loop, probe, sent
from tests.support.mail.wrapping import WRAPPERS

PROBE = probe(loop())
RECEIVED = b"Received: from relay.example.org by mx.example.net with ESMTPS id 7; Sun, 22 Nov 2026 12:00:01 +0000\r\n"
STATUS = "X-Spam-Status: Yes, score=7.1 required=5.0 tests=[BAYES_99=3.5,URIBL_BLACK=2.5,DKIM_VALID=-0.1]"
INBOX, LATE = arrival(hit()), arrival(hit(at=100), seen=100)


def read(raw: bytes) -> Journey:
    body = PROBE.content.partition(b"\r\n\r\n")[2]
    found = journey(raw, Known(START, START + timedelta(seconds=3), body=body, number=PROBE.id))
    assert found is not None
    return found


def judged(
    field: str, found: Arrival = INBOX, imap: Mapping[str, object] | None = None, raw: bytes = PROBE.content
) -> Verdict:
    head = field.replace("\n", "\r\n").encode() + b"\r\n" if field else b""
    return judge(loop(imap, {"warn_after": 60.0}), sent(), found, journey=read(head + RECEIVED + raw))


MARKS = {
    "X-Spam-Flag: YES": "a spam filter at mx.example.net marked it as spam",
    STATUS: "SpamAssassin at mx.example.net scored it 7.1 of 5, for BAYES_99 3.5, URIBL_BLACK 2.5, and so marked it",
    "X-Rspamd-Action: add header": "rspamd at mx.example.net marked it as spam (add header)",
    "X-Spamd-Result: default: False [7.20 / 15.00]; BAYES_SPAM(5.10)[]\nX-Rspamd-Action: rewrite subject": (
        "rspamd at mx.example.net scored it 7.2 of 6 (rewrite subject), for BAYES_SPAM 5.1, and so marked it as spam"
    ),
    "X-Spamd-Result: default: False [4.5 / 15]; A(4.5)[]\nX-Rspamd-Action: add header": "scored it 4.5 (add header)",
    "X-Forefront-Antispam-Report: CIP:192.0.2.7;SCL:9;SFV:SPM;CAT:HSPM;DIR:INB;": "scored it 9 of 5, for CAT:HSPM",
    "X-MS-Exchange-Organization-SCL: 6": "Exchange Online Protection at mx.example.net scored it 6 of 5",
    "X-Spam-Status: Yes, score=7.0 tagged_above=2 required=5 tests=[A=7.0]": "Amavis at mx.example.net scored it 7 of",
    "X-Ovh-Spam-Status: SPAM": "OVH at mx.example.net marked it as spam",
    "X-Acme-Spam-Flag: yes": "acme at mx.example.net marked it as spam",
}


@pytest.mark.parametrize("field", MARKS)
def test_spam_in_the_inbox_is_delivered_and_as_bad_as_junk(field: str) -> None:
    """With the filter, its score, its threshold and the rules that raised it."""
    verdict = judged(field)
    assert (verdict.status, verdict.outcome, verdict.cause) == ("warning", "delivered", "marked_as_spam")
    assert MARKS[field] in verdict.sentence
    assert "DKIM_VALID" not in verdict.sentence
    assert "at mx.example.net" in str(verdict.who_acts)
    critical = judged(field, imap={"junked_severity": "critical"})
    assert (critical.status, critical.outcome, critical.cause) == ("error", "delivered", "marked_as_spam")


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        (LATE, Outcome.LATE),
        (arrival(OTHER), Outcome.MISPLACED),
        (arrival(hit(), hit(uid=8)), Outcome.DUPLICATED),
        (arrival(JUNK), Outcome.JUNKED),
    ],
)
def test_spam_counts_wherever_it_lies(found: Arrival, outcome: Outcome) -> None:
    for severity, status in (("warning", Status.WARNING), ("critical", Status.ERROR)):
        verdict = judged(STATUS, found, {"junked_severity": severity})
        assert (verdict.status, verdict.outcome, verdict.cause) == (status, outcome, Cause.MARKED_AS_SPAM)
        assert "scored it 7.1 of 5, for BAYES_99 3.5" in verdict.sentence
        assert "whoever runs SpamAssassin at mx.example.net" in str(verdict.who_acts)
    clean = judged("X-Spam-Status: No, score=1.0 required=5.0", found)
    assert (clean.status, clean.outcome, clean.cause) == (Status.WARNING, outcome, None)


def test_a_score_near_the_threshold_stays_a_warning_without_a_cause() -> None:
    verdict = judged("X-Spam-Status: No, score=4.8 required=5.0", imap={"junked_severity": "critical"})
    assert (verdict.status, verdict.outcome, verdict.cause) == (Status.WARNING, Outcome.DELIVERED, None)
    assert "which is near to junk" in verdict.sentence


def test_what_no_filter_marked_is_ok() -> None:
    for field in ("", "X-Spam-Flag: NO", "X-Rspamd-Action: no action", "X-IronPort-Anti-Spam-Filtered: true"):
        assert judged(field).status is Status.OK


@pytest.mark.parametrize(("placement", "outcome"), [(Placement.JUNK, "junked"), (Placement.OTHER, "misplaced")])
def test_what_was_moved_says_from_where_and_that_a_rule_or_a_client_did_it(placement: Placement, outcome: str) -> None:
    found = replace(arrival(hit(placement, folder="Elsewhere")), moved_from="INBOX", junk_folder="Junk")
    verdict = judged("", found)
    assert (verdict.status, verdict.outcome, verdict.cause) == ("warning", outcome, "moved")
    assert "arrived in INBOX 1.5 s after" in verdict.sentence
    assert "moved to Elsewhere, by a rule or a client: see which one of b at imap.example.net" in verdict.sentence
    assert judged(STATUS, found).cause is Cause.MARKED_AS_SPAM


@pytest.mark.parametrize(
    ("field", "junk", "imap", "told"),
    [
        ("", "", {}, True),
        ("", "Junk", {}, False),
        (STATUS, "Junk", {}, True),
        ("", "", {"junk_folder": "Werbung"}, False),
    ],
)
def test_where_it_is_in_doubt_which_folder_is_junk_the_field_is_named(
    field: str, junk: str, imap: Mapping[str, object], told: bool
) -> None:
    verdict = judged(field, replace(arrival(OTHER), junk_folder=junk), imap)
    assert ("if Lists is where junk goes, name it in imap.junk_folder" in verdict.sentence) is told


def test_lost_says_that_there_are_folders_that_nobody_looked_at() -> None:
    some = judge(loop(), sent(), replace(arrival(), not_looked_at=("a", "b")))
    one = judge(loop(), sent(), replace(arrival(), not_looked_at=("a",)))
    assert "it lies in one of 2 folders that were not looked at (see the notes), it waits in a queue" in some.sentence
    assert "it lies in the folder that was not looked at" in one.sentence
    assert "not looked at" not in judge(loop(), sent(), arrival()).sentence


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_wrapped_message_is_named_as_such_and_not_as_changed(name: str) -> None:
    verdict = judged("", raw=WRAPPERS[name](PROBE.content))
    assert verdict.outcome is Outcome.DELIVERED
    assert (
        "it came wrapped: a filter or a gateway put it, as an attachment, into a message of its own" in verdict.sentence
    )
    assert "footer" not in verdict.sentence
    assert "removes fields" not in verdict.sentence
    assert (verdict.cause is Cause.MARKED_AS_SPAM) is not name.startswith(("a gateway", "Amavis"))


def test_the_way_of_a_wrapped_message_goes_on_where_the_wrapper_begins() -> None:
    inner = (
        b"Received: from us by relay.example.org with ESMTPSA id 1; Sun, 22 Nov 2026 12:00:00 +0000\r\n" + PROBE.content
    )
    raw = RECEIVED + WRAPPERS["SpamAssassin, report_safe 1"](inner)
    assert [hop.by for hop in read(raw).record.hops] == ["relay.example.org", "mx.example.net"]
    assert read(raw).record.stripped == ()
