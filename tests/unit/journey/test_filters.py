"""What spam filters say in their fields, whose words count, and when a message came near to be junk."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.mail.journey.authentication.trust import Field
from tasks.mail.journey.filters.ratings import MAX_REASONS, READERS, filters, is_near, raises
from tasks.mail.model.journey_record import FilterRecord
from tests.support.mail.fields import header

stable = settings(derandomize=True, database=None, deadline=None, max_examples=200)

BORDER = ("Received", "from relay.example.org (relay.example.org [192.0.2.7]) by mx.example.net (Postfix) with ESMTPS")


Reasons = dict[str, float | None]


def reasons(**scores: float | None) -> Reasons:
    return scores


def rated(
    name: str,
    score: float | None = None,
    threshold: float | None = None,
    spam: bool | None = None,
    reasons: Reasons | None = None,
    action: str = "",
    certain: bool = False,
    server: str = "",
) -> FilterRecord:
    """What a filter thought, in the order in which it says so."""
    return FilterRecord(name, server, score, threshold, spam, action, reasons or {}, certain)


TABLE: list[tuple[str, str, FilterRecord]] = [
    (
        "SpamAssassin with scores",
        "X-Spam-Status: No, score=1.2 required=5.0 tests=[A=0.1,B=1.1,C=-0.5,D=0]\n\tautolearn=ham version=4.0.1",
        rated("SpamAssassin", 1.2, 5.0, False, reasons(B=1.1, A=0.1)),
    ),
    (
        "SpamAssassin without scores",
        "X-Spam-Checker-Version: SpamAssassin 4.0.1 (2024-03-26) on mx\n"
        "X-Spam-Level: ****\n"
        "X-Spam-Status: No, score=4.6 required=5.0 tests=BAYES_50,DKIM_SIGNED,\n"
        "\tHTML_MESSAGE autolearn=no autolearn_force=no version=4.0.1",
        rated("SpamAssassin", 4.6, 5.0, False, reasons(BAYES_50=None, HTML_MESSAGE=None)),
    ),
    (
        "SpamAssassin with a report",
        "X-Spam-Flag: YES\n"
        "X-Spam-Status: Yes, score=7.1 required=5.0 tests=BAYES_99,URIBL_ABUSE autolearn=spam\n"
        "X-Spam-Report:\n"
        "\t*  3.5 BAYES_99 BODY: Bayes spam probability is 99 to 100%\n"
        "\t*      [score: 1.0000]\n"
        "\t*  3.6 URIBL_ABUSE Contains 3 URLS listed\n"
        "\t* -0.0 NO_RELAYS Informational: message was not relayed",
        rated("SpamAssassin", 7.1, 5.0, True, reasons(URIBL_ABUSE=3.6, BAYES_99=3.5)),
    ),
    ("no test", "X-Spam-Status: No, hits=0.0 required=8.0 tests=none", rated("SpamAssassin", 0.0, 8.0, False)),
    (
        "Amavis",
        "X-Spam-Flag: NO\n"
        "X-Spam-Score: -1.9\n"
        "X-Spam-Level:\n"
        "X-Spam-Status: No, score=-1.899 tagged_above=-9999 required=6.31\n"
        "\ttests=[BAYES_00=-1.9, HTML_MESSAGE=0.001] autolearn=ham",
        rated("Amavis", -1.899, 6.31, False, reasons(HTML_MESSAGE=0.001)),
    ),
    (
        "Exim",
        "X-Spam_score_int: 46\nX-Spam_score: 4.6\nX-Spam_bar: ++++\n"
        "X-Spam_report: (4.6 / 5.0 requ) BAYES_50=0.8, RDNS_NONE=3.8 autolearn=no",
        rated("SpamAssassin", 4.6, 5.0, None, reasons(RDNS_NONE=3.8, BAYES_50=0.8)),
    ),
    ("a score with a bar", "X-Spam-Score: 1.2 (+)", rated("a spam filter", 1.2)),
    ("a level alone", "X-Spam-Level: ***", rated("a spam filter", 3.0)),
    ("a flag alone", "X-Spam-Flag: YES", rated("a spam filter", spam=True)),
    (
        "Fastmail",
        "X-Spam-score: 0.5\nX-Spam-hits: BAYES_50 0.8, ME_NOAUTH 0.01, LANGUAGES en, SA_VERSION 3.4.6",
        rated("SpamAssassin", 0.5, None, None, reasons(BAYES_50=0.8, ME_NOAUTH=0.01)),
    ),
    (
        "rspamd",
        "X-Rspamd-Queue-Id: 4XyZ\n"
        "X-Spamd-Result: default: False [1.40 / 15.00];\n"
        "\tSUSPICIOUS_RECIPS(1.50)[];\n"
        "\tR_MISSING_CHARSET(0.50)[];\n"
        "\tFORGED(0.40)[evil.example FAKE(99.00)];\n"
        "\tDMARC_POLICY_ALLOW(-0.50)[example.org,reject];\n"
        "\tR_SPF_ALLOW(-0.20)[+ip4:192.0.2.7:c];\n"
        "\tMIME_GOOD(-0.10)[text/plain];\n"
        "\tARC_NA(0.00)[]\n"
        "X-Rspamd-Server: mx\n"
        "X-Rspamd-Action: no action\n"
        "X-Rspamd-Score: 1.40\n"
        "X-Spamd-Bar: +",
        rated(
            "rspamd",
            1.4,
            15.0,
            False,
            reasons(SUSPICIOUS_RECIPS=1.5, R_MISSING_CHARSET=0.5, FORGED=0.4),
            "no action",
        ),
    ),
    (
        "rspamd that junks below its threshold",
        "X-Spamd-Result: default: False [7.20 / 15.00]; BAYES_SPAM(5.10)[]; HFILTER_HELO(2.10)[]\nX-Spam: Yes",
        rated("rspamd", 7.2, 15.0, True, reasons(BAYES_SPAM=5.1, HFILTER_HELO=2.1)),
    ),
    (
        "rspamd with the common fields",
        "X-Spam-Status: No, score=-0.50\nX-Spamd-Bar: /\nX-Rspamd-Server: mx",
        rated("rspamd", -0.5, None, False),
    ),
    (
        "Haraka",
        "X-Rspamd-Bar: ++++\nX-Rspamd-Report: URI_COUNT_ODD(1) FUZZY_DENIED(10.348733) BAYES_HAM(-2.9)\n"
        "X-Rspamd-Score: 4.314971",
        rated("rspamd", 4.314971, None, None, reasons(FUZZY_DENIED=10.348733, URI_COUNT_ODD=1.0)),
    ),
    (
        "Exchange",
        "X-MS-Exchange-Organization-SCL: 1\nX-Microsoft-Antispam: BCL:0;ARA:13230040|43022699015;\n"
        "X-Forefront-Antispam-Report:\n"
        " CIP:192.0.2.7;CTRY:US;LANG:en;SCL:1;SRV:;IPV:NLI;SFV:NSPM;H:relay.example.org;PTR:;CAT:NONE;\n"
        " SFS:(13230040)(376014);DIR:INB;",
        rated("Exchange Online Protection", 1.0, 5.0, False),
    ),
    (
        "Exchange with phishing",
        "X-Forefront-Antispam-Report: CIP:192.0.2.7; SCL:8; SFV:SPM; H:a;SCL:1; CAT:HPHSH; DIR:INB;\n"
        "X-Microsoft-Antispam: BCL:6;\nX-Microsoft-Antispam-Mailbox-Delivery: ucf:0;jmr:0;auth:0;dest:J;ENG:(1);",
        rated(
            "Exchange Online Protection",
            8.0,
            5.0,
            True,
            {"BCL": 6.0, "CAT:HPHSH": None, "SFV:SPM": None},
            "junk folder",
        ),
    ),
    (
        "Exchange's level alone",
        "X-MS-Exchange-Organization-SCL: 6",
        rated("Exchange Online Protection", 6.0, 5.0, True),
    ),
    (
        "Barracuda",
        "X-Barracuda-Spam-Score: 1.09\n"
        "X-Barracuda-Spam-Status: No, SCORE=1.09 using global scores of TAG_LEVEL=1000.0 QUARANTINE_LEVEL=9.0"
        " KILL_LEVEL=7.0 tests=DATE_IN_PAST_03_06, NO_REAL_NAME\n"
        "X-Barracuda-Spam-Report: Code version 3.2, rules version 3.2.3.45577\n"
        "\tRule breakdown below\n\t pts rule name              description\n"
        "\t---- ---------------------- --------------------------------------------------\n"
        "\t0.00 NO_REAL_NAME           From: does not include a real name\n"
        "\t1.09 DATE_IN_PAST_03_06     Date: is 3 to 6 hours before Received: date",
        rated("Barracuda", 1.09, 7.0, False, reasons(DATE_IN_PAST_03_06=1.09)),
    ),
    (
        "Proofpoint",
        "X-Proofpoint-Spam-Details: rule=notspam policy=default score=12 suspectscore=9 malwarescore=0\n"
        " phishscore=3 bulkscore=0 mlxlogscore=858 classifier=spam adjust=0 reason=mlx scancount=1",
        rated("Proofpoint", 12.0, None, False, reasons(suspect=9.0, phish=3.0), "notspam"),
    ),
    ("Amazon", "X-SES-Spam-Verdict: FAIL", rated("Amazon SES", spam=True, action="fail")),
]


@pytest.mark.parametrize(("text", "rating"), [row[1:] for row in TABLE], ids=[name for name, *_ in TABLE])
def test_what_a_filter_says_becomes_one_rating(text: str, rating: FilterRecord) -> None:
    found = filters([BORDER, *header(text)])
    assert found == (rating,)
    assert list(found[0].reasons) == list(rating.reasons)


OUTBOUND = [
    "X-Forefront-Antispam-Report: CIP:255.255.255.255;SCL:1;SRV:;IPV:NLI;SFV:NSPM;CAT:NONE;DIR:OUT;SFP:1101;",
    "X-Proofpoint-Spam-Details: rule=outbound_notspam policy=outbound score=0 spamscore=0",
    "X-Forefront-Antispam-Report-Untrusted: CIP:192.0.2.7;SCL:9;SFV:SPM;DIR:INB;",
]
SILENT = ["X-Spam-Status: maybe", "X-Spamd-Result: nonsense", "X-Spam-Level:", "X-Spam-Level: ** x", "Subject: x"]


@pytest.mark.parametrize("text", OUTBOUND + SILENT)
def test_a_filter_of_the_sending_service_and_a_field_that_says_nothing_are_no_rating(text: str) -> None:
    assert filters([BORDER, *header(text)]) == ()


SPAM = "X-Spam-Status: Yes, score=7.0 required=5.0 tests=A=7.0"
HAM = "X-Spam-Status: No, score=-9.0 required=5.0 tests=B=-9.0\nX-Spam-Score: -9.0\nX-Spam-Report: -9.0 B"


def test_what_stands_above_the_border_is_certain_and_not_changed_by_what_a_sender_wrote() -> None:
    (rating,) = filters([*header(SPAM), BORDER, *header(HAM)])
    expected = rated("SpamAssassin", 7.0, 5.0, True, reasons(A=7.0), certain=True, server="mx.example.net")
    assert rating == expected


def test_the_next_server_below_a_field_wrote_it_where_that_is_certain() -> None:
    store = ("Received", "by store.example.net (Dovecot) with LMTP")
    (at_store,) = filters([*header(SPAM), store, BORDER])
    (at_border,) = filters([store, *header(SPAM), BORDER])
    (before,) = filters([store, BORDER, *header(SPAM), ("Received", "from a by b with ESMTP")])
    assert [rating.server for rating in (at_store, at_border, before)] == ["store.example.net", "mx.example.net", ""]


def test_a_filter_that_seems_to_have_run_on_two_servers_is_on_neither() -> None:
    store = ("Received", "by store.example.net (Dovecot) with LMTP")
    (rating,) = filters([("X-Spam-Score", "7.0"), store, ("X-Spam-Flag", "YES"), BORDER])
    assert (rating.score, rating.spam, rating.server) == (7.0, True, "")


def test_steps_on_the_receivers_own_host_are_above_the_border() -> None:
    steps = header(
        "Received: from mx.example.net by imap.example.net with LMTP id 1\n"
        "Received: from localhost (localhost [127.0.0.1]) by mx.example.net (Postfix) with ESMTP id 2"
    )
    (rating,) = filters([*steps, *header(SPAM), BORDER, *header(HAM)])
    assert (rating.certain, rating.score) == (True, 7.0)


def test_of_two_fields_below_the_border_the_upper_one_counts() -> None:
    (rating,) = filters([BORDER, *header(SPAM), *header(HAM.partition("\n")[0])])
    assert (rating.certain, rating.score) == (False, 7.0)


def test_each_filter_has_a_rating_of_its_own_and_the_certain_ones_come_first() -> None:
    found = filters([*header(SPAM), BORDER, *header("X-Spamd-Result: default: False [1.00 / 15.00]; A(1.00)[]")])
    assert [(rating.filter, rating.certain) for rating in found] == [("SpamAssassin", True), ("rspamd", False)]


NEAR: list[tuple[bool, FilterRecord]] = [
    (False, rated("SpamAssassin", 3.9, 5.0, False)),
    (True, rated("SpamAssassin", 4.0, 5.0, False)),
    (True, rated("SpamAssassin", 4.9, 5.0, None)),
    (True, rated("SpamAssassin", 6.0, 5.0, False)),
    (False, rated("SpamAssassin", 6.0, 5.0, True)),
    (False, rated("SpamAssassin", 4.9, None, False)),
    (False, rated("SpamAssassin", None, 5.0, False)),
    (False, rated("SpamAssassin", 4.0, 0.0, False)),
    (False, rated("SpamAssassin", -4.0, -5.0, False)),
    (False, rated("rspamd", 4.7, 15.0, False, action="no action")),
    (True, rated("rspamd", 4.8, 15.0, False, action="no action")),
    (True, rated("rspamd", 4.1, 15.0, False, action="greylist")),
    (False, rated("rspamd", 7.0, 15.0, True, action="add header")),
    (True, rated("Exchange Online Protection", 4.0, 5.0, False)),
    (False, rated("Exchange Online Protection", 1.0, 5.0, False)),
]


@pytest.mark.parametrize(("near", "rating"), NEAR, ids=range(len(NEAR)))
def test_a_score_that_drifts_towards_the_threshold_is_near_before_mail_is_junked(
    near: bool, rating: FilterRecord
) -> None:
    assert is_near(rating) is near


def test_how_near_is_near_can_be_said() -> None:
    assert is_near(rated("SpamAssassin", 2.5, 5.0, False), share=0.5)
    assert not is_near(rated("SpamAssassin", 4.4, 5.0, False), share=0.9)


# The fields that products write, as their documents or mail that came through them have them.
MARKED: list[tuple[str, str, FilterRecord]] = [
    (
        "a flag that says what it is",
        "X-Spam-Flag: YES\nX-Spam-Checker-Version: SpamAssassin 4.0.1 on mx",
        rated("SpamAssassin", spam=True),
    ),
    ("a flag in another word", "X-Spam-Flag: spam", rated("a spam filter", spam=True)),
    ("a verdict", "X-Spam-Verdict: Spam (high)", rated("a spam filter", spam=True)),
    ("suspected", "X-Suspected-Spam: true", rated("a spam filter", spam=True)),
    ("not suspected", "X-Suspected-Spam: false", rated("a spam filter", spam=False)),
    (
        "Amavis",
        "X-Spam-Status: Yes, score=7.0 tagged_above=2 required=5 tests=[URIBL_BLACK=7.0]",
        rated("Amavis", 7.0, 5.0, True, reasons(URIBL_BLACK=7.0)),
    ),
    ("rspamd's action", "X-Rspamd-Action: add header", rated("rspamd", spam=True, action="add header")),
    (
        "rspamd, rewritten",
        "X-Rspamd-Action: rewrite subject\nX-Rspamd-Score: 8.5",
        rated("rspamd", 8.5, spam=True, action="rewrite subject"),
    ),
    (
        "Exchange",
        "X-Forefront-Antispam-Report: CIP:192.0.2.7;SCL:9;SFV:SPM;DIR:INB;",
        rated("Exchange Online Protection", 9.0, 5.0, True, {"SFV:SPM": None}),
    ),
    (
        "Exim, over the threshold",
        "X-Spam_report: (7.1 / 5.0 requ) RDNS_NONE=3.8",
        rated("SpamAssassin", 7.1, 5.0, True, reasons(RDNS_NONE=3.8)),
    ),
    ("Mimecast", "X-Mimecast-Spam-Score: 7\nX-Mimecast-Spam-Signature: yes", rated("Mimecast", 7.0, spam=True)),
    (
        "Mimecast, no spam",
        "X-Mimecast-Spam-Score: 0\nX-Mimecast-Spam-Signature: no",
        rated("Mimecast", 0.0, spam=False),
    ),
    (
        "OVH",
        "X-Ovh-Spam-Status: SPAM\nX-Ovh-Spam-Reason: vr: SPAM; dkim: disabled; spf: disabled",
        rated("OVH", spam=True, reasons={"vr: SPAM": None}),
    ),
    ("OVH, no spam", "X-Ovh-Spam-Status: OK\nX-Ovh-Spam-Reason: vr: OK; dkim: disabled", rated("OVH", spam=False)),
    (
        "OVH, its filter",
        "X-VR-SPAMSTATE: SPAM\nX-VR-SPAMSCORE: 450\nX-VR-SPAMCAUSE: gggruggvucft",
        rated("OVH", 450.0, spam=True),
    ),
    ("Vade", "X-VADE-SPAMSTATE: spam:high\nX-VADE-SPAMSCORE: 500", rated("Vade", 500.0, spam=True)),
    (
        "GMX",
        "X-GMX-Antispam: 6 (nemesis text pattern profiler); Detail=V3;",
        rated("GMX", spam=True, reasons={"nemesis text pattern profiler": None}),
    ),
    ("GMX, no spam", "X-GMX-Antispam: 0 (Mail was not recognized as spam); Detail=V3;", rated("GMX", spam=False)),
    ("GMX, newer", "X-UI-Filterresults: junk:10;V03:K0:abc", rated("GMX", spam=True)),
    ("GMX, newer, no spam", "X-UI-Filterresults: notjunk:1;V03:K0:abc", rated("GMX", spam=False)),
    (
        "Sophos",
        "X-PMX-Spam: Gauge=XXXXXXXXX, Probability=99%, Report='\n URI_BAD 3.5, HTML_90 0.1, __HAS_FROM 0, SAFE -2.0'",
        rated("Sophos", 99.0, 50.0, True, reasons(URI_BAD=3.5, HTML_90=0.1)),
    ),
    (
        "Sophos, no spam",
        "X-PMX-Spam: Gauge=IIIIIIII, Probability=8%, Report='HTML_90 0.1'",
        rated("Sophos", 8.0, 50.0, None, reasons(HTML_90=0.1)),
    ),
    (
        "MailScanner",
        "X-Site-MailScanner-SpamCheck: spam, SpamAssassin (not cached, score=7.1,\n"
        "\trequired 6, BAYES_99 3.50, DKIM_VALID -0.10)\nX-Site-MailScanner-SpamScore: sssssss",
        rated("MailScanner", 7.1, 6.0, True, reasons(BAYES_99=3.5)),
    ),
    (
        "MailScanner, no spam",
        "X-MailScanner-SpamCheck: not spam, SpamAssassin (score=1.2, required 6)",
        rated("MailScanner", 1.2, 6.0, False),
    ),
    ("MailScanner, a bar", "X-MailScanner-SpamScore: sss", rated("MailScanner", 3.0)),
    (
        "hMailServer",
        "X-hMailServer-Spam: YES\nX-hMailServer-Reason-1: Tagged as Spam by SpamAssassin - (Score: 5)\n"
        "X-hMailServer-Reason-Score: 5",
        rated("hMailServer", 5.0, spam=True, reasons={"Tagged as Spam by SpamAssassin": 5.0}),
    ),
    (
        "IronPort",
        "X-IronPort-Anti-Spam-Filtered: true\nX-IronPort-Anti-Spam-Result: AvsEAPxyz",
        rated("Cisco IronPort", action="scanned"),
    ),
    (
        "Stalwart",
        "X-Spam-Status: Yes, score=6.50\nX-Spam-Result: BAYES_SPAM (3.00),\n\tDKIM_ALLOW (-0.20),\n\tRDNS_NONE (1.00)",
        rated("Stalwart", 6.5, None, True, reasons(BAYES_SPAM=3.0, RDNS_NONE=1.0)),
    ),
    (
        "Barracuda's flag",
        "X-Barracuda-Spam-Flag: YES\nX-Barracuda-Spam-Score: 6.2",
        rated("Barracuda", 6.2, spam=True),
    ),
    ("Bogofilter", "X-Bogosity: Spam, tests=bogofilter, spamicity=0.999", rated("Bogofilter", spam=True)),
    ("DSPAM", "X-DSPAM-Result: Innocent", rated("DSPAM", spam=False)),
    ("Yandex", "X-Yandex-Spam: 4", rated("Yandex", spam=True)),
    ("Kaspersky", "X-KLMS-AntiSpam-Status: not_detected\nX-KLMS-AntiSpam-Rate: 0", rated("klms", 0.0, spam=False)),
    ("one that nobody knows", "X-Acme-Spam-Flag: yes\nX-Acme-Spam-Score: 12", rated("acme", 12.0, spam=True)),
]


@pytest.mark.parametrize(("text", "rating"), [row[1:] for row in MARKED], ids=[row[0] for row in MARKED])
def test_each_product_is_read_in_its_own_form(text: str, rating: FilterRecord) -> None:
    found = filters([BORDER, *header(text)])
    assert found == (rating,)
    assert list(found[0].reasons) == list(rating.reasons)


@pytest.mark.parametrize(
    "text",
    [
        "X-Spam-Checked: yes",
        "X-Spam-Processed: mx, Sun, 29 Nov 2026",
        "X-Spam-Checker-Version: SpamAssassin 4.0.1 on mx",
        "X-Antispam-Engine: yes",
        "X-IronPort-Anti-Spam-Result: true",
        "X-Bogosity: Unsure, tests=bogofilter",
        "X-Spam-Flag: maybe",
        "X-Spam-Languages: no",
        "X-Notspam: yes",
        "X-Yandex-Spam: 7",
        "X-Microsoft-Antispam-Message-Info: yes",
        "X-Forefront-Antispam-Report-Untrusted: SFV:SPM;SCL:9",
        "X-UI-Out-Filterresults: junk:10;V03:K0",
        "X-GMX-Antispam: none",
    ],
)
def test_a_field_that_says_nothing_of_spam_is_no_verdict(text: str) -> None:
    assert filters([BORDER, *header(text)]) == ()


def test_what_lowered_a_score_is_no_reason_for_it() -> None:
    assert [raises(*rule) for rule in (("A", 1.0), ("B", -3.0), ("C", 0.0))] == [True, False, False]
    names = ("BAYES_00", "DKIM_VALID_AU", "SPF_PASS", "RCVD_IN_DNSWL_MED", "ALL_TRUSTED", "R_SPF_ALLOW", "MIME_GOOD")
    unscored = [name for name in ("URIBL_BLACK", *names, "BAYES_99", "SPF_FAIL") if raises(name, None)]
    assert unscored == ["URIBL_BLACK", "BAYES_99", "SPF_FAIL"]


SIZE = 65536
UNITS = [
    *(
        "[",
        "]",
        "[a",
        "(",
        "A",
        "A_",
        "A(",
        "A=1,",
        "A(1.0)[",
        "1",
        "1.",
        "1.0 ",
        "1.0 A ",
        "-",
        "+",
        " ",
        "\r\n\t",
        ";",
    ),
    *("SCL:1;", "a=b ", "tests=", "score=1 ", " autolearn=", "TAG_LEVEL=", "(1 / 1 ", "default: ", "*", "é", "\\", '"'),
]


@pytest.mark.parametrize("unit", UNITS, ids=range(len(UNITS)))
def test_hostile_fields_take_linear_time(unit: str) -> None:
    """64 KiB of anything in each field, within what a quadratic loop would need for a fraction of it."""
    long = unit * (SIZE // len(unit))
    begun = time.process_time()
    for start in ("", "No, tests=", "default: False [1 / 2];"):
        filters([BORDER, *((name, start + long) for name in READERS)])
    filters([(name, unit) for name in READERS] * 500)
    assert time.process_time() - begun < 10


TEXT = st.lists(st.sampled_from([*UNITS, "Yes", "no", "True", "rule=", "DIR:INB;"]) | st.text(max_size=5), max_size=25)
NAMES = st.sampled_from([*READERS, "Received", "X-Spam_Score", "x"])
FIELDS = st.lists(st.tuples(NAMES, TEXT.map("".join)), max_size=8)
GENUINE = [text for _, text, rating in TABLE]


@stable
@given(FIELDS, st.floats(0, 1))
def test_every_header_is_read(fields: list[Field], share: float) -> None:
    found = filters(fields)
    assert len({rating.filter for rating in found}) == len(found)
    for rating in found:
        assert rating.filter
        assert len(rating.reasons) <= MAX_REASONS
        scores = [score for score in rating.reasons.values() if score is not None]
        assert scores == sorted(scores, reverse=True)
        shown = [rating.action, *rating.reasons]
        assert all(text.isprintable() and len(text) <= 64 for text in shown)
        assert not (is_near(rating, share) and rating.spam)


@stable
@given(st.sampled_from(GENUINE), FIELDS)
def test_no_sender_changes_what_stands_above_the_border(text: str, message: list[Field]) -> None:
    honest = filters(header(text))
    assert honest
    assert all(rating.certain for rating in honest)
    found = filters([*header(text), BORDER, *message])
    certain = [replace(rating, server="") for rating in found if rating.certain]
    assert tuple(certain) == honest
    assert {rating.server for rating in found if rating.certain} == {"mx.example.net"}
