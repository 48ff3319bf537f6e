"""Which Authentication-Results are the receiver's, what they say, and what drifts from what is expected."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.mail.journey.authentication.believed import NONE_FOUND, authentication, drift
from tasks.mail.journey.authentication.results import stated
from tasks.mail.journey.authentication.trust import Field, is_step, is_written_by
from tasks.mail.model.journey_record import AuthenticationRecord, MethodRecord
from tests.support.mail.fields import header

stable = settings(derandomize=True, database=None, deadline=None, max_examples=200)

NAME = "Authentication-Results"


def believed_in(fields: list[Field], found: AuthenticationRecord) -> int:
    """How many of the fields are believed."""
    return sum(name.lower() == NAME.lower() for name, _ in fields) - found.ignored


def results(found: AuthenticationRecord) -> list[tuple[str, str]]:
    return [(method.method, method.result) for method in found.methods]


GMAIL = """\
Delivered-To: inbox@gmail.com
Received: by 2002:a05:7010:1 with SMTP id x1; Wed, 4 Mar 2026 05:06:09 -0800 (PST)
X-Received: by 2002:a05:6000:1 with SMTP id y1; Wed, 4 Mar 2026 05:06:08 -0800 (PST)
ARC-Seal: i=1; a=rsa-sha256; t=1; cv=none; d=google.com; s=arc; b=abc
ARC-Authentication-Results: i=1; mx.google.com; dkim=fail header.i=@example.org; spf=fail; arc=fail
Return-Path: <probe@example.org>
Received: from relay.example.org (relay.example.org. [192.0.2.7]) by mx.google.com with ESMTPS id z1
        for <inbox@gmail.com> (version=TLS1_3); Wed, 04 Mar 2026 05:06:08 -0800 (PST)
Received-SPF: pass (google.com: domain of probe@example.org designates 192.0.2.7) client-ip=192.0.2.7;
Authentication-Results: mx.google.com;
       dkim=pass header.i=@example.org header.s=mail header.b=K/abc+d=;
       spf=pass (google.com: domain of probe@example.org designates 192.0.2.7 as permitted sender)
 smtp.mailfrom=probe@example.org;
       dmarc=pass (p=NONE sp=NONE dis=NONE) header.from=example.org
"""
POSTFIX = """\
Return-Path: <probe@example.org>
Delivered-To: inbox@example.net
Received: from mx.example.net by mx.example.net with LMTP id a1 for <inbox@example.net>; Wed, 4 Mar 2026 05:06:09 +0000
DMARC-Filter: OpenDMARC Filter v1.4.2 mx.example.net 4XyZ
Authentication-Results: mx.example.net; dmarc=pass (p=reject dis=none) header.from=example.org
Authentication-Results: mx.example.net; spf=pass smtp.mailfrom=example.org
DKIM-Filter: OpenDKIM Filter v2.11.0 mx.example.net 4XyZ
Authentication-Results: mx.example.net;
\tdkim=fail reason="signature verification failed" (2048-bit key; unprotected) header.d=example.org
 header.i=@example.org header.a=rsa-sha256 header.s=mail header.b=p9s9prTX;
\tdkim-atps=neutral
Received: from relay.example.org (relay.example.org [192.0.2.7])
\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))
\tby mx.example.net (Postfix) with ESMTPS id 4XyZ for <inbox@example.net>; Wed, 4 Mar 2026 05:06:08 +0000 (UTC)
"""
EXCHANGE = """\
Received: from AS8PR04MB8898.eurprd04.prod.outlook.com (2001:db8:20b:42c::19) by
 PAXPR04MB8749.eurprd04.prod.outlook.com with HTTPS; Wed, 4 Mar 2026 05:06:10 +0000
Received: from DU2PEPF00028D0D.eurprd03.prod.outlook.com (2001:db8:10:552:cafe::b3) by
 AS8PR04MB8898.eurprd04.prod.outlook.com (2001:db8:10:552::23) with Microsoft SMTP Server id 15.20.1
Authentication-Results: spf=pass (sender IP is 192.0.2.7)
 smtp.mailfrom=example.org; tenant.example; dkim=pass (signature was
 verified) header.d=example.org;dmarc=pass action=none
 header.from=example.org;compauth=pass reason=100
Received-SPF: Pass (protection.outlook.com: domain of example.org designates 192.0.2.7 as permitted sender)
Received: from relay.example.org (192.0.2.7) by
 DU2PEPF00028D0D.mail.protection.outlook.com (10.167.242.21) with Microsoft SMTP Server id 15.20.1
"""
YAHOO = """\
Received: from 10.222.142.150
 by atlas206.free.mail.ne1.yahoo.com with HTTPS; Wed, 4 Mar 2026 05:06:10 +0000
Return-Path: <probe@example.org>
Authentication-Results: atlas206.free.mail.ne1.yahoo.com;
 dkim=pass header.i=@example.org header.s=default;
 spf=softfail smtp.mailfrom=example.org arc_overridden_status=NOT_OVERRIDDEN;
 dmarc=pass(p=NONE,sp=QUARANTINE) header.from=example.org;
Received: from 192.0.2.7 (EHLO relay.example.org) by 10.222.142.150 with SMTPs; Wed, 4 Mar 2026 05:06:09 +0000
"""
FASTMAIL = """\
Received: from phl-compute-01.internal by sloti1d1t1 (Cyrus 3.11) with LMTPA; Wed, 04 Mar 2026 00:06:10 -0500
Received: from phl-mx-05.messagingengine.com ([10.202.2.204]) by phl-compute-01.internal (MEProxy)
Authentication-Results: phl-mx-05.messagingengine.com;
    arc=none (no signatures found);
    bimi=skipped (DMARC Policy is not at enforcement);
    dkim=pass (2048-bit rsa key sha256) header.d=example.org header.i=@example.org header.s=mail;
    dkim=neutral (invalid key) header.d=relay.example header.s=old;
    dmarc=pass policy.published-domain-policy=none policy.applied-disposition=none header.from=example.org;
    iprev=pass smtp.remote-ip=192.0.2.7 (relay.example.org);
    spf=pass smtp.mailfrom=probe@example.org smtp.helo=relay.example.org;
    x-aligned-from=pass (Address match);
    x-ptr=pass smtp.helo=relay.example.org policy.ptr=relay.example.org
Received: from relay.example.org (relay.example.org [192.0.2.7]) by phl-mx-05.messagingengine.com (Postfix) with ESMTPS
"""
RSPAMD = """\
Authentication-Results: mx.example.net;
\tdkim=pass header.d=example.org header.s=mail header.b="K/abc+d=";
\tdmarc=pass (policy=none) header.from=example.org;
\tspf=pass (mx.example.net: domain of probe@example.org designates 192.0.2.7 as permitted sender)
 smtp.mailfrom=probe@example.org;
\tarc=pass ("example.com:s=arc:i=1")
Received: from relay.example.org (relay.example.org [192.0.2.7]) by mx.example.net (Postfix) with ESMTPS id 4XyZ
"""
EXIM = """\
Authentication-Results: mx.example.net;
\tiprev=pass (relay.example.org) smtp.remote-ip=192.0.2.7;
\tspf=pass smtp.mailfrom=example.org;
\tdkim=pass header.d=example.org header.s=mail header.a=rsa-sha256;
\tdmarc=pass header.from=example.org
Received: from relay.example.org ([192.0.2.7]:50626)
\tby mx.example.net with esmtps (TLS1.3) (Exim 4.98) (envelope-from <probe@example.org>) id 1vX-0001-AB
"""
AMAZON = """\
Return-Path: <probe@example.org>
Received: from relay.example.org (relay.example.org [192.0.2.7])
 by inbound-smtp.eu-west-1.amazonaws.com with SMTP id abc for inbox@example.net; Wed, 04 Mar 2026 05:06:09 +0000 (UTC)
X-SES-Spam-Verdict: PASS
Authentication-Results: amazonses.com;
 spf=pass (spfCheck: domain of example.org designates 192.0.2.7 as permitted sender) client-ip=192.0.2.7;
 envelope-from=probe@example.org; helo=localhost;
 dkim=pass header.i=@example.org;
 dmarc=pass header.from=example.org;
"""
SENDER = """\
DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=mail; b=abc
Received: from office (office.example.org [192.0.2.9]) by relay.example.org (Postfix) with ESMTPSA id 1
From: probe@example.org
To: inbox@example.net
Subject: [mail-loop]
"""

PASSED = [("dkim", "pass"), ("spf", "pass"), ("dmarc", "pass")]
REAL: list[tuple[str, str, str, list[tuple[str, str]], int]] = [
    ("Gmail", GMAIL, "mx.google.com", PASSED, 1),
    (
        "Postfix with OpenDKIM and OpenDMARC",
        POSTFIX,
        "mx.example.net",
        [("dmarc", "pass"), ("spf", "pass"), ("dkim", "fail"), ("dkim-atps", "neutral")],
        3,
    ),
    ("Exchange", EXCHANGE, "", [("spf", "pass"), ("dkim", "pass"), ("dmarc", "pass"), ("compauth", "pass")], 1),
    (
        "Yahoo",
        YAHOO,
        "atlas206.free.mail.ne1.yahoo.com",
        [("dkim", "pass"), ("spf", "softfail"), ("dmarc", "pass")],
        1,
    ),
    (
        "Fastmail",
        FASTMAIL,
        "phl-mx-05.messagingengine.com",
        [
            *(("arc", "none"), ("bimi", "skipped"), ("dkim", "pass"), ("dkim", "neutral"), ("dmarc", "pass")),
            *(("iprev", "pass"), ("spf", "pass"), ("x-aligned-from", "pass"), ("x-ptr", "pass")),
        ],
        1,
    ),
    ("rspamd", RSPAMD, "mx.example.net", [("dkim", "pass"), ("dmarc", "pass"), ("spf", "pass"), ("arc", "pass")], 1),
    ("Exim", EXIM, "mx.example.net", [("iprev", "pass"), ("spf", "pass"), ("dkim", "pass"), ("dmarc", "pass")], 1),
    ("Amazon", AMAZON, "amazonses.com", [("spf", "pass"), ("dkim", "pass"), ("dmarc", "pass")], 1),
]
NAMES = [name for name, *_ in REAL]


@pytest.mark.parametrize(("text", "authserv_id", "expected", "believed"), [row[1:] for row in REAL], ids=NAMES)
def test_what_real_receivers_write_is_read(
    text: str, authserv_id: str, expected: list[tuple[str, str]], believed: int
) -> None:
    """Without a configured id that of the top-most field is taken, and it is said so; a configured one in any case."""
    fields = header(text + SENDER)
    found = authentication(fields)
    assert (found.authserv_id, found.assumed, found.ignored) == (authserv_id, True, 0)
    assert believed_in(fields, found) == believed
    assert results(found) == expected
    found = authentication(fields, f" {authserv_id.upper()}. ".replace(" . ", ""))
    assert (found.assumed, believed_in(fields, found)) == (False, believed)
    assert results(found) == expected


def method(text: str, name: str) -> MethodRecord:
    return next(method for method in authentication(header(text)).methods if method.method == name)


def test_reasons_and_properties_are_kept() -> None:
    dkim = method(POSTFIX, "dkim")
    assert dkim.reason == "signature verification failed"
    assert dkim.properties == {
        "header.d": "example.org",
        "header.i": "@example.org",
        "header.a": "rsa-sha256",
        "header.s": "mail",
        "header.b": "p9s9prTX",
    }
    assert method(GMAIL, "dkim").properties["header.b"] == "K/abc+d="
    assert method(RSPAMD, "dkim").properties["header.b"] == "K/abc+d="
    assert method(GMAIL, "dmarc").reason == "p=NONE sp=NONE dis=NONE"
    assert method(YAHOO, "dmarc").reason == "p=NONE,sp=QUARANTINE"
    assert method(EXCHANGE, "compauth").reason == "100"
    assert method(EXCHANGE, "dmarc").properties == {"action": "none", "header.from": "example.org"}
    assert method(AMAZON, "spf").properties == {
        "client-ip": "192.0.2.7",
        "envelope-from": "probe@example.org",
        "helo": "localhost",
    }


GRAMMAR: list[tuple[str, str, list[tuple[str, str]]]] = [
    ("example.org 1; spf=pass", "example.org", [("spf", "pass")]),
    ("example.org; none", "example.org", []),
    ("example.org 1; none", "example.org", []),
    ("example.org", "example.org", []),
    ("", "", []),
    (" ;;; ", "", []),
    ("(before) example.org (amavisd-new (nested (twice)) \\) still) 1 (x); spf=pass", "example.org", [("spf", "pass")]),
    ('"example.org" ; spf=pass', "example.org", [("spf", "pass")]),
    ("example.org;\r\n\tSPF=Pass\r\n\tsmtp.mailfrom=a@b", "example.org", [("spf", "pass")]),
    ("example.org; dkim/1=pass; spf / 1 = fail", "example.org", [("dkim", "pass"), ("spf", "fail")]),
    (
        "example.org; auth=pass (cram-md5) smtp.auth=x; sender-id=hardfail",
        "example.org",
        [("auth", "pass"), ("sender-id", "hardfail")],
    ),
    (
        'example.org; dkim=fail reason="bad; spf=pass (x"; dmarc=none',
        "example.org",
        [("dkim", "fail"), ("dmarc", "none")],
    ),
    ("example.org; dkim=fail (a; spf=pass); dmarc=none", "example.org", [("dkim", "fail"), ("dmarc", "none")]),
    ("example.org; spf=pass (never closed; dkim=pass", "example.org", [("spf", "pass")]),
    ('example.org; spf=pass smtp.mailfrom="never closed; dkim=pass', "example.org", [("spf", "pass")]),
    ('example.org; spf=fail smtp.mailfrom="a; dkim=pass"@x.example', "example.org", [("spf", "fail")]),
    ("example.org; =pass; spf=; dkim==pass; dmarc; a b=c d", "example.org", [("b", "c")]),
    ("example.org; spf=p@ss; dk!m=pass; dkim=pass)", "example.org", []),
    ("i=1; mx.google.com; dkim=pass", "", [("dkim", "pass")]),
]


@pytest.mark.parametrize(("value", "authserv_id", "expected"), GRAMMAR, ids=[value[:30] for value, *_ in GRAMMAR])
def test_the_grammar_is_read_leniently(value: str, authserv_id: str, expected: list[tuple[str, str]]) -> None:
    found = stated(value)
    assert (found.authserv_id, [(m.method, m.result) for m in found.methods]) == (authserv_id, expected)


def test_white_space_and_comments_may_stand_anywhere_in_a_property() -> None:
    (found,) = stated(
        "x; dkim (a) = (b) pass (why) header (c) . d (d) = (e) example.org (f) header.s= header.b=x="
    ).methods
    assert found == MethodRecord("dkim", "pass", "why", {"header.d": "example.org", "header.s": "", "header.b": "x="})


FORGED = (
    "Authentication-Results: {id}; dkim=pass header.d=bank.example; spf=pass; dmarc=pass; arc=pass; x-forged=pass\n"
)


@pytest.mark.parametrize("text", [POSTFIX, EXCHANGE, YAHOO, FASTMAIL, RSPAMD, EXIM], ids=range(6))
@pytest.mark.parametrize("configured", [True, False])
def test_what_a_sender_forges_adds_nothing_where_the_receiver_writes_above_its_received(
    text: str, configured: bool
) -> None:
    """Whatever the sender writes into his message, be it Received fields of the receiver or of the local host."""
    honest = authentication(header(text + SENDER))
    own = honest.authserv_id
    local = "Received: from localhost (localhost [127.0.0.1]) by mx.example.net (Postfix) with ESMTP id 1\n"
    forged = FORGED.format(id=own.upper()).replace(" ; ", " ")
    for inserted in (forged, local + forged, f"Received: from a by {own}\n" + forged, "Received: by x\n" + forged * 3):
        found = authentication(header(text + inserted + SENDER), own if configured else None)
        assert found.methods == honest.methods
        assert found.ignored == inserted.count(NAME)


@pytest.mark.parametrize("text", [GMAIL, AMAZON], ids=["Gmail", "Amazon"])
def test_what_a_sender_forges_changes_nothing_where_the_receiver_writes_below_its_received(text: str) -> None:
    """What is stated stays; methods that the receiver is silent about can be added, if it does not remove them."""
    own = authentication(header(text)).authserv_id
    failed = header(text.replace("=pass", "=fail"))
    found = authentication([*failed, *header(FORGED.format(id=own) + SENDER)], own)
    assert results(found)[:-2] == [(name, "fail") for name, _ in results(authentication(failed, own))]
    assert results(found)[-2:] == [("arc", "pass"), ("x-forged", "pass")]


def test_where_the_receiver_says_none_nothing_below_counts() -> None:
    text = "Received: from x (y [192.0.2.7]) by mx.example.net\nAuthentication-Results: mx.example.net 1; none\n"
    fields = header(text + FORGED.format(id="mx.example.net") + SENDER)
    found = authentication(fields, "mx.example.net")
    assert (found.methods, believed_in(fields, found), found.ignored) == ((), 1, 1)


def test_results_that_an_own_server_wrote_when_the_message_went_out_are_not_those_of_its_arrival() -> None:
    """The message left by mx.example.net, was forwarded elsewhere, and came back, while its filter was down."""
    text = """\
Received: from forwarder.example (forwarder.example [192.0.2.9]) by mx.example.net (Postfix) with ESMTPS id 3
Received: from mx.example.net (mx.example.net [192.0.2.1]) by forwarder.example (Postfix) with ESMTPS id 2
Authentication-Results: mx.example.net; auth=pass smtp.auth=probe; dkim=pass
Received: from office (office [192.0.2.9]) by mx.example.net (Postfix) with ESMTPSA id 1
"""
    assert authentication(header(text + SENDER), "mx.example.net").methods == ()


def test_a_content_filter_on_the_same_host_parts_nothing() -> None:
    text = """\
Received: from mx.example.net (localhost [IPv6:::1]) by mx.example.net (Postfix) with ESMTP id 3
Authentication-Results: mx.example.net (amavisd-new); dkim=pass header.d=example.org
Received: from mx.example.net ([127.0.0.1]) by localhost (mx.example.net [127.0.0.1]) (amavisd-new, port 10024)
Authentication-Results: mx.example.net; spf=pass smtp.mailfrom=example.org; dkim=neutral
Received: from relay.example.org (relay.example.org [192.0.2.7]) by mx.example.net (Postfix) with ESMTPS id 1
"""
    assert results(authentication(header(text + SENDER))) == [("dkim", "pass"), ("spf", "pass")]


def test_results_of_others_are_ignored_and_counted() -> None:
    other = f"{NAME}: lists.example; dkim=pass\n{NAME}: mx.example.net.evil.example; spf=pass\n"
    fields = header(other + POSTFIX + SENDER)
    found = authentication(fields, "mx.example.net")
    assert (believed_in(fields, found), found.ignored, ("dkim", "pass") in results(found)) == (3, 2, False)
    assert authentication(header(POSTFIX), "example.net").methods == ()


def test_several_ids_and_all_below_a_domain_can_be_configured() -> None:
    text = "Authentication-Results: OpenDMARC; dmarc=pass\nAuthentication-Results: mx.example.net; dkim=pass\n"
    assert results(authentication(header(text + SENDER), "opendmarc mx.example.net")) == [
        ("dmarc", "pass"),
        ("dkim", "pass"),
    ]
    found = authentication(header(text + SENDER), "*.example.net")
    assert (results(found), found.authserv_id) == ([("dkim", "pass")], "mx.example.net")
    fields = header(FASTMAIL)
    assert believed_in(fields, authentication(fields, "*.messagingengine.com")) == 1


def test_what_the_sending_side_appended_below_the_message_is_not_the_receivers() -> None:
    """rspamd appends, and our own relay may use it; the receiver here writes nothing."""
    text = "Received: from x (y [192.0.2.7]) by mx.example.net\n" + SENDER
    found = authentication(header(text + "Authentication-Results: relay.example.org;\n\tnone\n"))
    assert found == AuthenticationRecord("", assumed=False, methods=(), ignored=1)


def test_arc_results_of_those_before_are_not_believed() -> None:
    found = authentication(header("ARC-Authentication-Results: i=1; mx.google.com; arc=pass; dkim=pass\n" + SENDER))
    assert (found.methods, found.ignored) == ((), 0)


STEPS = [
    (True, "by 2002:a05:7010:1 with SMTP id x1; Wed, 4 Mar 2026 05:06:09 -0800"),
    (True, "(qmail 1128 invoked from network); 18 Apr 2024 00:11:42 -0000"),
    (True, "from localhost (localhost [127.0.0.1]) by mx.example.net (Postfix) with ESMTP id 1"),
    (True, "from mx.example.net (localhost [IPv6:::1])\r\n\tby mx.example.net (Postfix) with ESMTP id 1"),
    (True, "from mx.example.net by imap.example.net with LMTP id 1 for <inbox@example.net>"),
    (True, "from a.internal by b (Cyrus 3.11) with LMTPA; Wed, 04 Mar 2026 00:06:10 -0500"),
    (False, "from localhost (evil.example [192.0.2.6]) by mx.example.net (Postfix) with ESMTP id 1"),
    (False, "from localhost (192.0.2.6) by mx.example.net with Microsoft SMTP Server"),
    (False, "from [127.0.0.1] by mx.example.net with ESMTP"),
    (False, "from [127.0.0.1] (evil.example [192.0.2.6]) by mx.example.net with ESMTP"),
    (False, "from unknown (HELO [127.0.0.1]) (192.0.2.6) by mx.example.net with SMTP"),
    (False, "from unknown (helo=[127.0.0.1] [IPv6:2001:db8::1]) by mx.example.net with SMTP"),
    (False, "from x (y [10.0.0.1]) by mx.example.net with ESMTP"),
    (False, "from x (with LMTP) by mx.example.net with ESMTP (with LMTP)"),
    (False, "from x"),
]


@pytest.mark.parametrize(("step", "value"), STEPS, ids=range(len(STEPS)))
def test_only_the_address_that_a_server_saw_makes_a_step_within_it(step: bool, value: str) -> None:
    assert is_step(value) is step


def test_who_wrote_a_received_field_is_not_taken_from_comments() -> None:
    forged = "from x (by mx.example.net) (y [192.0.2.6] by mx.example.net) by relay.example.org (by mx.example.net)"
    assert not is_written_by(forged, {"mx.example.net", "example.net"})
    assert is_written_by(forged, {"example.org"})
    assert not is_written_by("from x by mx.example.net.evil.example", {"example.net", ""})


def methods(*pairs: tuple[str, str, str]) -> AuthenticationRecord:
    return AuthenticationRecord("mx", False, tuple(MethodRecord(*pair) for pair in pairs))


FOUND = methods(
    ("spf", "pass", ""),
    ("dkim", "fail", "bad signature"),
    ("dkim", "pass", ""),
    ("dmarc", "fail", "p=reject"),
    ("dmarc", "fail", ""),
)
DRIFTS: list[tuple[dict[str, str], list[str]]] = [
    ({}, []),
    ({"spf": "pass", "dkim": "pass"}, []),
    ({"SPF": " Pass "}, []),
    ({"dkim": "fail"}, []),
    ({"dmarc": "pass"}, ["DMARC is fail (p=reject) instead of pass"]),
    ({"dkim": "neutral"}, ["DKIM is fail, pass (bad signature) instead of neutral"]),
    ({"arc": "pass"}, ["there is no result of ARC, which should be pass"]),
    ({"arc": "none"}, []),
    ({"spf": "none"}, ["SPF is pass instead of none"]),
    (
        {"arc": "pass", "dmarc": "pass"},
        ["there is no result of ARC, which should be pass", "DMARC is fail (p=reject) instead of pass"],
    ),
]


@pytest.mark.parametrize(("expect", "words"), DRIFTS, ids=[str(expect) for expect, _ in DRIFTS])
def test_a_drift_is_told_in_words(expect: dict[str, str], words: list[str]) -> None:
    assert [found.words for found in drift(FOUND, expect)] == words


def test_a_method_without_a_result_is_a_drift() -> None:
    (found,) = drift(methods(), {"dkim": "pass"})
    assert (found.method, found.expected, found.found, found.reason) == ("dkim", "pass", NONE_FOUND, "")


def test_what_a_stranger_writes_is_shown_printable_and_short() -> None:
    hostile = f'x\x1b[2J; dkim=fail reason="\u202e{"A" * 2000}" header.d=\x07{"b" * 2000} \x00{"c" * 2000}=1'
    found = authentication([(NAME, hostile)])
    (dkim,) = found.methods
    shown = [found.authserv_id, dkim.reason, *dkim.properties, *dkim.properties.values()]
    assert len(shown) == 6
    assert all(text.isprintable() and len(text) <= 300 for text in shown)


SIZE = 65536
UNITS = [
    *("(", ")", "((a)", "\\", '"', '\\"', '"\\', "=", ";", "a=b;", "a=b ", "a=b c.d=e;", "a.", " . ", "/ ", " ", "()"),
    *("x=pass;helo=1 a=b;", "spf=pass (", " by ", " from", "[127.0.0.1]", ":", "1.", "f:", "with LMTP", "\r\n\t", "é"),
]


@pytest.mark.parametrize("unit", UNITS, ids=range(len(UNITS)))
def test_hostile_fields_take_linear_time(unit: str) -> None:
    """64 KiB of anything, as one field or as many, within what a quadratic loop would need for a tenth of it."""
    long = unit * (SIZE // len(unit))
    begun = time.process_time()
    authentication([("Received", f"from x ({long}"), (NAME, long), (NAME, f"x; dkim=pass reason={long}")], "x")
    authentication([(NAME, f"x; m{number}={unit}pass") for number in range(SIZE // 16)])
    assert time.process_time() - begun < 5


TEXT = st.lists(
    st.sampled_from(
        [*UNITS, "mx.example.net", "pass", "dkim", "none", "reason", "header.d", "by mx.example.net ", "from "]
    )
    | st.text(max_size=5),
    max_size=25,
).map("".join)
FORGERIES = st.sampled_from(
    [(NAME, FORGED.format(id=own).partition(":")[2]) for _, _, own, *_ in REAL]
    + [("Received", f"from localhost (localhost [127.0.0.1]) by {own}") for _, _, own, *_ in REAL]
    + [("Received", f"from x (y [192.0.2.6]) by {own}") for _, _, own, *_ in REAL]
)
ANY = st.tuples(st.sampled_from([NAME, NAME.lower(), "Received", "From", "Subject"]), TEXT)
FIELDS = st.lists(FORGERIES | ANY, max_size=8)
IDS = st.none() | st.sampled_from(["mx.example.net", "", "*.example.net", "a b"]) | st.text(max_size=8)


@stable
@given(FIELDS, IDS)
def test_every_header_is_read(fields: list[Field], authserv_id: str | None) -> None:
    found = authentication(fields, authserv_id)
    assert found.ignored >= 0
    assert believed_in(fields, found) > 0 or (believed_in(fields, found) == 0 and not found.methods)
    for method in found.methods:
        assert method.method.isascii()
        assert method.result.isascii()
        assert all(text.isprintable() for text in (method.reason, *method.properties, *method.properties.values()))
    assert drift(found, {method.method: method.result for method in found.methods}) == ()
    assert len(drift(found, {"never-stated": "pass"})) == 1


@stable
@given(st.sampled_from([text for _, text, *_ in REAL]), FIELDS, st.booleans())
def test_no_sender_changes_what_a_receiver_states(text: str, message: list[Field], configured: bool) -> None:
    honest = authentication(header(text))
    found = authentication([*header(text), *message], honest.authserv_id if configured else None)
    stated_methods = {method.method for method in honest.methods}
    assert [method for method in found.methods if method.method in stated_methods] == list(honest.methods)
    if text not in (GMAIL, AMAZON):
        assert found.methods == honest.methods
