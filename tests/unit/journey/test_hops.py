"""What each server writes into Received, and what is made of it."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.mail.journey.received.hops import MAX_FIELD_CHARS, hops, queue_ids
from tasks.mail.model.journey_record import HopRecord
from tests.support.mail.strategies import TEXT, stable

WHEN = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
CIPHER = "TLS_AES_256_GCM_SHA384"
TLS = f"TLSv1.3 {CIPHER}"

# Each is the value of one field as it is on the wire, and what it says; what is not listed is "".
SERVERS: dict[str, tuple[str, dict[str, str]]] = {
    "Postfix": (
        "from relay.example.org (mail.example.org [192.0.2.7])\r\n"
        "\tby mx.example.net (Postfix) with ESMTP id 4XyZ12Rb6dz9sV\r\n"
        "\tfor <bob@example.net>; Wed,  4 Mar 2026 05:06:07 +0000 (UTC)",
        {
            "from_": "relay.example.org",
            "peer": "mail.example.org [192.0.2.7]",
            "by": "mx.example.net",
            "with_": "ESMTP",
            "id": "4XyZ12Rb6dz9sV",
            "for_": "bob@example.net",
        },
    ),
    "Postfix with TLS and login": (
        "from laptop.local (unknown [IPv6:2001:db8::7])\r\n"
        "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\r\n"
        "\t key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256)\r\n"
        "\t(Client did not present a certificate)\r\n"
        "\t(Authenticated sender: probe@example.org)\r\n"
        "\tby relay.example.org (Postfix) with ESMTPSA id 0123456789A\r\n"
        "\tfor <bob@example.net>; Wed,  4 Mar 2026 06:06:07 +0100 (CET)",
        {
            "from_": "laptop.local",
            "peer": "[2001:db8::7]",
            "by": "relay.example.org",
            "with_": "ESMTPSA",
            "id": "0123456789A",
            "for_": "bob@example.net",
            "tls": TLS,
        },
    ),
    "Postfix with an older TLS": (
        "from relay.example.org (relay.example.org [192.0.2.7])\r\n"
        "\t(using TLSv1.2 with cipher ECDHE-RSA-AES256-GCM-SHA384 (256/256 bits))\r\n"
        '\t(Client CN "relay.example.org", Issuer "R3" (verified OK))\r\n'
        "\tby mx.example.net (Postfix) with ESMTPS id 7C1A42A0;\r\n\tWed,  4 Mar 2026 00:06:07 -0500 (EST)",
        {
            "from_": "relay.example.org",
            "peer": "relay.example.org [192.0.2.7]",
            "by": "mx.example.net",
            "with_": "ESMTPS",
            "id": "7C1A42A0",
            "tls": "TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384",
        },
    ),
    "Postfix, from sendmail(1)": (
        "by host.example.org (Postfix, from userid 0)\r\n\tid 6F0D1100C2; Wed,  4 Mar 2026 05:06:07 +0000 (UTC)",
        {"by": "host.example.org", "id": "6F0D1100C2"},
    ),
    "amavis": (
        "from mx.example.net ([127.0.0.1])\r\n"
        " by localhost (mx.example.net [127.0.0.1]) (amavis, port 10024) with ESMTP\r\n"
        " id nK3vXo5cJ0aB for <bob@example.net>; Wed,  4 Mar 2026 05:06:07 +0000 (UTC)",
        {
            "from_": "mx.example.net",
            "peer": "[127.0.0.1]",
            "by": "mx.example.net",
            "with_": "ESMTP",
            "id": "nK3vXo5cJ0aB",
            "for_": "bob@example.net",
        },
    ),
    "Exim, a client whose name differs from its HELO": (
        "from mail.example.org ([192.0.2.7]:45678 helo=relay.example.org)\r\n"
        "\tby mx.example.net with esmtps  (TLS1.3) tls TLS_AES_256_GCM_SHA384\r\n"
        "\t(Exim 4.96)\r\n"
        "\t(envelope-from <probe@example.org>)\r\n"
        "\tid 1vyXyZ-000000002xy-5Zab\r\n"
        "\tfor bob@example.net;\r\n"
        "\tWed, 04 Mar 2026 05:06:07 +0000",
        {
            "from_": "relay.example.org",
            "peer": "mail.example.org [192.0.2.7]",
            "by": "mx.example.net",
            "with_": "esmtps",
            "id": "1vyXyZ-000000002xy-5Zab",
            "for_": "bob@example.net",
            "tls": TLS,
        },
    ),
    "Exim, a client without a name": (
        "from [192.0.2.7] (port=45678 helo=[10.0.0.9])\r\n"
        "\tby mx.example.net with esmtpsa (TLS1.2:ECDHE_RSA_AES_256_GCM_SHA384:256)\r\n"
        "\t(Exim 4.92) (envelope-from <probe@example.org>)\r\n"
        "\tid 1kLmNo-0002xy-5Z; Wed, 04 Mar 2026 05:06:07 +0000",
        {
            "from_": "[10.0.0.9]",
            "peer": "[192.0.2.7]",
            "by": "mx.example.net",
            "with_": "esmtpsa",
            "id": "1kLmNo-0002xy-5Z",
            "tls": "TLSv1.2 ECDHE_RSA_AES_256_GCM_SHA384",
        },
    ),
    "Exim, from the same machine": (
        "from root by host.example.org with local (Exim 4.96)\r\n"
        "\t(envelope-from <root@example.org>)\r\n"
        "\tid 1vyXyZ-0002xy-5Z\r\n"
        "\tfor bob@example.net; Wed, 04 Mar 2026 05:06:07 +0000",
        {
            "from_": "root",
            "by": "host.example.org",
            "with_": "local",
            "id": "1vyXyZ-0002xy-5Z",
            "for_": "bob@example.net",
        },
    ),
    "Microsoft 365, at the border": (
        "from relay.example.org (192.0.2.7) by\r\n"
        " AM5EUR02FT012.mail.protection.outlook.com (10.152.8.120) with Microsoft SMTP\r\n"
        " Server (version=TLS1_3, cipher=TLS_AES_256_GCM_SHA384) id 15.20.9700.12\r\n"
        " via Frontend Transport; Wed, 4 Mar 2026 05:06:07 +0000",
        {
            "from_": "relay.example.org",
            "peer": "[192.0.2.7]",
            "by": "AM5EUR02FT012.mail.protection.outlook.com",
            "with_": "Microsoft SMTP Server",
            "id": "15.20.9700.12",
            "tls": TLS,
        },
    ),
    "Microsoft 365, inside": (
        "from AM0PR01MB1234.eurprd01.prod.exchangelabs.com\r\n"
        " (2603:10a6:208:ca::21) by DB9PR01MB5678.eurprd01.prod.exchangelabs.com with\r\n"
        " HTTPS; Wed, 4 Mar 2026 05:06:07 +0000",
        {
            "from_": "AM0PR01MB1234.eurprd01.prod.exchangelabs.com",
            "peer": "[2603:10a6:208:ca::21]",
            "by": "DB9PR01MB5678.eurprd01.prod.exchangelabs.com",
            "with_": "HTTPS",
        },
    ),
    "Microsoft 365, from a mailbox": (
        "from AM0PR01MB1234.eurprd01.prod.exchangelabs.com\r\n"
        " ([fe80::1a2b:3c4d:5e6f:7081]) by AM0PR01MB1234.eurprd01.prod.exchangelabs.com\r\n"
        " ([fe80::1a2b:3c4d:5e6f:7081%6]) with mapi id 15.20.9700.012; Wed, 4 Mar 2026\r\n"
        " 05:06:07 +0000",
        {
            "from_": "AM0PR01MB1234.eurprd01.prod.exchangelabs.com",
            "peer": "[fe80::1a2b:3c4d:5e6f:7081]",
            "by": "AM0PR01MB1234.eurprd01.prod.exchangelabs.com",
            "with_": "mapi",
            "id": "15.20.9700.012",
        },
    ),
    "IIS": (
        "from relay.example.org ([192.0.2.7]) by web.example.net with Microsoft SMTPSVC(10.0.17763.1697);\r\n"
        "\t Wed, 4 Mar 2026 05:06:07 +0000",
        {
            "from_": "relay.example.org",
            "peer": "[192.0.2.7]",
            "by": "web.example.net",
            "with_": "Microsoft SMTPSVC",
        },
    ),
    "Gmail, at the border": (
        "from relay.example.org (mail.example.org. [192.0.2.7])\r\n"
        "        by mx.google.com with ESMTPS id a640c23a62f3a-b9d1c5e7f3asi123456766b.12.2026.03.03.21.06.07\r\n"
        "        for <bob@gmail.com>\r\n"
        "        (version=TLS1_3 cipher=TLS_AES_256_GCM_SHA384 bits=256/256);\r\n"
        "        Tue, 03 Mar 2026 21:06:07 -0800 (PST)",
        {
            "from_": "relay.example.org",
            "peer": "mail.example.org [192.0.2.7]",
            "by": "mx.google.com",
            "with_": "ESMTPS",
            "id": "a640c23a62f3a-b9d1c5e7f3asi123456766b.12.2026.03.03.21.06.07",
            "for_": "bob@gmail.com",
            "tls": TLS,
        },
    ),
    "Gmail, inside": (
        "by 2002:a05:6402:5243:b0:5e4:92ca:34d0 with SMTP id t3csp1234567edd;\r\n"
        "        Tue, 3 Mar 2026 21:06:07 -0800 (PST)",
        {"by": "2002:a05:6402:5243:b0:5e4:92ca:34d0", "with_": "SMTP", "id": "t3csp1234567edd"},
    ),
    "Gmail, by its API": (
        "from 123456789012 named unknown by gmailapi.google.com with HTTPREST; Tue, 3 Mar 2026 21:06:07 -0800",
        {"from_": "123456789012", "by": "gmailapi.google.com", "with_": "HTTPREST"},
    ),
    "qmail": (
        "from unknown (HELO relay.example.org) (192.0.2.7)\n  by mx.example.net with SMTP; 4 Mar 2026 05:06:07 -0000",
        {"from_": "relay.example.org", "peer": "[192.0.2.7]", "by": "mx.example.net", "with_": "SMTP"},
    ),
    "qmail, with the TLS patch": (
        "from mail.example.org (HELO relay.example.org) (probe@example.org@192.0.2.7)\n"
        "  by mx.example.net with (ECDHE-RSA-AES256-GCM-SHA384 encrypted) ESMTPSA; 4 Mar 2026 05:06:07 -0000",
        {
            "from_": "relay.example.org",
            "peer": "mail.example.org [192.0.2.7]",
            "by": "mx.example.net",
            "with_": "ESMTPSA",
            "tls": "ECDHE-RSA-AES256-GCM-SHA384",
        },
    ),
    "qmail, inside": ("(qmail 12345 invoked by uid 89); 4 Mar 2026 05:06:07 -0000", {}),
    "Sendmail": (
        "from relay.example.org (mail.example.org [192.0.2.7] (may be forged))\n"
        "\tby mx.example.net (8.17.1/8.17.1) with ESMTPS id 62456712003456\n"
        "\t(version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 bits=256 verify=NO)\n"
        "\tfor <bob@example.net>; Wed, 4 Mar 2026 05:06:07 GMT",
        {
            "from_": "relay.example.org",
            "peer": "mail.example.org [192.0.2.7]",
            "by": "mx.example.net",
            "with_": "ESMTPS",
            "id": "62456712003456",
            "for_": "bob@example.net",
            "tls": TLS,
        },
    ),
    "Sendmail, from the same machine": (
        "(from root@localhost)\n\tby host.example.org (8.17.1/8.17.1/Submit) id 62456712003455;\n"
        "\tWed, 4 Mar 2026 00:06:07 -0500 (EST)",
        {"from_": "root@localhost", "by": "host.example.org", "id": "62456712003455"},
    ),
    "Sendmail, with an ident": (
        "from relay.example.org (IDENT:root@mail.example.org [192.0.2.7])\n"
        "\tby mx.example.net (8.9.3/8.9.3) with ESMTP id FAA01234; Wed, 4 Mar 2026 05:06:07 GMT",
        {
            "from_": "relay.example.org",
            "peer": "mail.example.org [192.0.2.7]",
            "by": "mx.example.net",
            "with_": "ESMTP",
            "id": "FAA01234",
        },
    ),
    "Dovecot, by LMTP": (
        "from edge.test ([127.0.0.1])\r\n"
        "\tby imap.example.net with LMTP\r\n"
        "\tid iLkqNmfG6WUQAgAAyWfK7w\r\n"
        "\t(envelope-from <probe@example.org>)\r\n"
        "\tfor <bob@example.net>; Wed, 04 Mar 2026 05:06:07 +0000",
        {
            "from_": "edge.test",
            "peer": "[127.0.0.1]",
            "by": "imap.example.net",
            "with_": "LMTP",
            "id": "iLkqNmfG6WUQAgAAyWfK7w",
            "for_": "bob@example.net",
        },
    ),
    "Amazon SES": (
        "from a8-30.smtp-out.amazonses.com (a8-30.smtp-out.amazonses.com [54.240.8.30])\r\n"
        " by inbound-smtp.eu-west-1.amazonaws.com with SMTP id 3kq0vl1h2g3f4e5d6c7b8a9\r\n"
        " for bob@example.net;\r\n"
        " Wed, 04 Mar 2026 05:06:07 +0000 (UTC)",
        {
            "from_": "a8-30.smtp-out.amazonses.com",
            "peer": "a8-30.smtp-out.amazonses.com [54.240.8.30]",
            "by": "inbound-smtp.eu-west-1.amazonaws.com",
            "with_": "SMTP",
            "id": "3kq0vl1h2g3f4e5d6c7b8a9",
            "for_": "bob@example.net",
        },
    ),
    "OpenSMTPD": (
        "from relay.example.org (mail.example.org [192.0.2.7])\r\n"
        "\tby mx.example.net (OpenSMTPD) with ESMTPSA id 1a2b3c4d (TLSv1.3:TLS_AES_256_GCM_SHA384:256:NO)"
        " auth=yes user=probe\r\n"
        "\tfor <bob@example.net>;\r\n"
        "\tWed, 4 Mar 2026 05:06:07 +0000 (UTC)",
        {
            "from_": "relay.example.org",
            "peer": "mail.example.org [192.0.2.7]",
            "by": "mx.example.net",
            "with_": "ESMTPSA",
            "id": "1a2b3c4d",
            "for_": "bob@example.net",
            "tls": TLS,
        },
    ),
    "Cyrus": (
        "from mx.example.net ([unix socket])\r\n"
        "\t by imap.example.net (Cyrus 3.8.1-Debian-3.8.1-1) with LMTPA;\r\n"
        "\t Wed, 04 Mar 2026 05:06:07 +0000",
        {"from_": "mx.example.net", "by": "imap.example.net", "with_": "LMTPA"},
    ),
    "Haraka": (
        "from relay.example.org (mail.example.org [192.0.2.7])\r\n"
        "\tby mx.example.net (Haraka/3.0.3) with ESMTPSA id 0A1B2C3D-4E5F-6071-8293-A4B5C6D7E8F9.1\r\n"
        "\tenvelope-from <probe@example.org>\r\n"
        "\ttls TLS_AES_256_GCM_SHA384 (authenticated bits=0);\r\n"
        "\tWed, 04 Mar 2026 05:06:07 +0000",
        {
            "from_": "relay.example.org",
            "peer": "mail.example.org [192.0.2.7]",
            "by": "mx.example.net",
            "with_": "ESMTPSA",
            "id": "0A1B2C3D-4E5F-6071-8293-A4B5C6D7E8F9.1",
            "tls": CIPHER,
        },
    ),
    "Courier": (
        "from relay.example.org (mail.example.org [::ffff:192.0.2.7])\n"
        "  (TLS: TLSv1.3,256bits,TLS_AES_256_GCM_SHA384)\n"
        "  by mx.example.net with ESMTPS\n"
        "  id 00000000000A1B2C.0000000069A7BF7F.00001234; Wed, 04 Mar 2026 05:06:07 +0000",
        {
            "from_": "relay.example.org",
            "peer": "mail.example.org [192.0.2.7]",
            "by": "mx.example.net",
            "with_": "ESMTPS",
            "id": "00000000000A1B2C.0000000069A7BF7F.00001234",
            "tls": TLS,
        },
    ),
    "Courier, behind a login": (
        "from relay.example.org (mail.example.org [::ffff:192.0.2.7])\n"
        "  (AUTH: PLAIN probe@example.org, TLS: TLS1.3,256bits,TLS_AES_256_GCM_SHA384)\n"
        "  by mx.example.net with ESMTPSA\n"
        "  id 00000000000A1B2C.0000000069A7BF7F.00001234; Wed, 04 Mar 2026 05:06:07 +0000",
        {
            "from_": "relay.example.org",
            "peer": "mail.example.org [192.0.2.7]",
            "by": "mx.example.net",
            "with_": "ESMTPSA",
            "id": "00000000000A1B2C.0000000069A7BF7F.00001234",
            "tls": TLS,
        },
    ),
    "chasquid": (
        "from relay.example.org\n\tby mx.example.net (chasquid) with ESMTPSA\n\ttls TLS_AES_256_GCM_SHA384\n"
        '\t(over submission, TLS-1.3, envelope from "probe@example.org")\n\t; Wed, 04 Mar 2026 05:06:07 +0000',
        {"from_": "relay.example.org", "by": "mx.example.net", "with_": "ESMTPSA", "tls": TLS},
    ),
    "chasquid, in clear": (
        "from relay.example.org (mail.example.org)\n\tby mx.example.net (chasquid) with ESMTP\n"
        '\t(over SMTP, plain text!, envelope from "probe@example.org")\n\t; Wed, 04 Mar 2026 05:06:07 +0000',
        {"from_": "relay.example.org", "by": "mx.example.net", "with_": "ESMTP"},
    ),
    "Kerio": (
        "from relay.example.org ([192.0.2.7])\r\n\t(authenticated user probe@example.org)\r\n"
        "\tby mx.example.net with ESMTPSA\r\n"
        "\t(TLSv1.3/TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384 (256/256 bits));\r\n\tWed, 4 Mar 2026 05:06:07 +0000",
        {
            "from_": "relay.example.org",
            "peer": "[192.0.2.7]",
            "by": "mx.example.net",
            "with_": "ESMTPSA",
            "tls": "TLSv1.3 ECDHE-RSA-AES256-GCM-SHA384",
        },
    ),
    "IIS, a client that gave no name": (
        "from ([192.0.2.7]) by web.example.net with Microsoft SMTPSVC(10.0.17763.1697);\r\n"
        "\t Wed, 4 Mar 2026 05:06:07 +0000",
        {"peer": "[192.0.2.7]", "by": "web.example.net", "with_": "Microsoft SMTPSVC"},
    ),
    "Momentum, a client that gave no name": (
        "from ([192.0.2.7:2525])\r\n\tby mx.example.net (envelope-from <probe@example.org>)\r\n"
        "\t(ecelerity 4.2.38 r(Core:release/4.2)) with ESMTPS (cipher=TLS_AES_256_GCM_SHA384)\r\n"
        "\tid 4A/12-12345-ABCD1276; Wed, 04 Mar 2026 05:06:07 +0000",
        {
            "peer": "[192.0.2.7]",
            "by": "mx.example.net",
            "with_": "ESMTPS",
            "id": "4A/12-12345-ABCD1276",
            "tls": CIPHER,
        },
    ),
    "a client that gave no name, and nothing was seen of it": (
        "from  by mx.example.net with SMTP; Wed, 04 Mar 2026 05:06:07 +0000",
        {"by": "mx.example.net", "with_": "SMTP"},
    ),
    "a client whose name is a keyword": (
        "from by (mail.example.org [192.0.2.7]) by mx.example.net with SMTP; Wed, 04 Mar 2026 05:06:07 +0000",
        {"from_": "by", "peer": "mail.example.org [192.0.2.7]", "by": "mx.example.net", "with_": "SMTP"},
    ),
    "SmarterMail": (
        "from relay.example.org (mail.example.org [192.0.2.7]) by mx.example.net with SMTP\r\n"
        "\t(version=Tls12 cipher=Aes256 bits=256);\r\n\tWed, 4 Mar 2026 05:06:07 +0000",
        {
            "from_": "relay.example.org",
            "peer": "mail.example.org [192.0.2.7]",
            "by": "mx.example.net",
            "with_": "SMTP",
            "tls": "TLSv1.2 Aes256",
        },
    ),
    "a name that only looks like TLS": (
        "from tls1.3.example.org (TLS-1.example.org [192.0.2.7]) by mx.example.net (Postfix) with ESMTP id 4XyZ1\r\n"
        "\t(envelope-from <TLS1.3@example.org>); Wed, 04 Mar 2026 05:06:07 +0000",
        {
            "from_": "tls1.3.example.org",
            "peer": "TLS-1.example.org [192.0.2.7]",
            "by": "mx.example.net",
            "with_": "ESMTP",
            "id": "4XyZ1",
        },
    ),
    "fetchmail": (
        "from pop.example.org [192.0.2.7]\r\n\tby localhost with POP3 (fetchmail-6.4.37)\r\n"
        "\tfor <bob@localhost> (single-drop); Wed, 04 Mar 2026 05:06:07 +0000 (GMT)",
        {
            "from_": "pop.example.org",
            "peer": "[192.0.2.7]",
            "by": "localhost",
            "with_": "POP3",
            "for_": "bob@localhost",
        },
    ),
    "Yahoo": (
        "from 192.0.2.7 (EHLO relay.example.org)\r\n by 10.197.41.95 with SMTPs\r\n"
        " (version=TLS1_3 cipher=TLS_AES_256_GCM_SHA384); Wed, 04 Mar 2026 05:06:07 +0000",
        {"from_": "relay.example.org", "peer": "[192.0.2.7]", "by": "10.197.41.95", "with_": "SMTPs", "tls": TLS},
    ),
    "SendGrid, without a semicolon": (
        "by geopod-ismtpd-5 (SG)\r\n with ESMTP id x2Jd0pQ7RkSmTnUoVpWq\r\n Wed, 04 Mar 2026 05:06:07.123 +0000 (UTC)",
        {"by": "geopod-ismtpd-5", "with_": "ESMTP", "id": "x2Jd0pQ7RkSmTnUoVpWq"},
    ),
    "SendGrid, with its own date": (
        "by filterdrecv-5f8d with SMTP id filterdrecv-5f8d-1-69A7-B\r\n"
        "        2026-03-04 05:06:07.354486452 +0000 UTC m=+12345.678901234",
        {"by": "filterdrecv-5f8d", "with_": "SMTP", "id": "filterdrecv-5f8d-1-69A7-B"},
    ),
    "PowerMTA": (
        "from relay.example.org (192.0.2.7) by mx.example.net (PowerMTA(TM) v5.0r8) id h1abcd0p2xyz"
        " for <bob@example.net>; Wed, 4 Mar 2026 05:06:07 +0000 (envelope-from <probe@example.org>)",
        {
            "from_": "relay.example.org",
            "peer": "[192.0.2.7]",
            "by": "mx.example.net",
            "id": "h1abcd0p2xyz",
            "for_": "bob@example.net",
        },
    ),
    "CommuniGate": (
        "from [192.0.2.7] (account probe@example.org HELO relay.example.org)\r\n"
        "  by mx.example.net (CommuniGate Pro SMTP 6.3.3)\r\n"
        "  with ESMTPSA id 1234567 for bob@example.net; Wed, 04 Mar 2026 05:06:07 +0000",
        {
            "from_": "relay.example.org",
            "peer": "[192.0.2.7]",
            "by": "mx.example.net",
            "with_": "ESMTPSA",
            "id": "1234567",
            "for_": "bob@example.net",
        },
    ),
    "Mimecast": (
        "from relay.example.org (mail.example.org\r\n [192.0.2.7]) by us-mta-12.mimecast.com"
        " with ESMTP with STARTTLS\r\n"
        " (version=TLSv1.3, cipher=TLS_AES_256_GCM_SHA384) id us-mta-12-AbCdEfGhOiJkLmNoPq-1;\r\n"
        " Wed, 04 Mar 2026 00:06:07 -0500",
        {
            "from_": "relay.example.org",
            "peer": "mail.example.org [192.0.2.7]",
            "by": "us-mta-12.mimecast.com",
            "with_": "ESMTP",
            "id": "us-mta-12-AbCdEfGhOiJkLmNoPq-1",
            "tls": TLS,
        },
    ),
    "IronPort": (
        "from unknown (HELO relay.example.org) ([192.0.2.7])\r\n"
        "  by esa5.example.net with ESMTP/TLS/AES256-SHA256; 04 Mar 2026 00:06:07 -0500",
        {
            "from_": "relay.example.org",
            "peer": "[192.0.2.7]",
            "by": "esa5.example.net",
            "with_": "ESMTP/TLS/AES256-SHA256",
            "tls": "AES256-SHA256",
        },
    ),
    "Exim, in the words of a provider": (
        "from [2001:db8::7]; authenticated\r\n"
        "\tby relay.example.org running ExIM with esmtpsa (TLS1.3:ECDHE_RSA_AES_128_GCM_SHA256:128)\r\n"
        "\tid 1odndu-0003bE-3P; Wed, 04 Mar 2026 06:06:07 +0100",
        {
            "from_": "[2001:db8::7]",
            "peer": "[2001:db8::7]",
            "by": "relay.example.org",
            "with_": "esmtpsa",
            "id": "1odndu-0003bE-3P",
            "tls": "TLSv1.3 ECDHE_RSA_AES_128_GCM_SHA256",
        },
    ),
    "Domino": (
        "from relay.example.org ([192.0.2.7])\r\n          by mx.example.net (HCL Domino Release 12.0.2)\r\n"
        "          with ESMTP id 2026030406060712-12345 ;\r\n          Wed, 4 Mar 2026 06:06:07 +0100 ",
        {
            "from_": "relay.example.org",
            "peer": "[192.0.2.7]",
            "by": "mx.example.net",
            "with_": "ESMTP",
            "id": "2026030406060712-12345",
        },
    ),
}


def hop(value: str) -> HopRecord:
    (only,) = hops([value])
    return only


def said(hop: HopRecord) -> dict[str, object]:
    """What a hop says, without what it does not."""
    return {name: value for name, value in asdict(hop).items() if value and name not in ("raw", "at")}


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_is_understood_to_the_last_word(name: str) -> None:
    value, expected = SERVERS[name]
    assert said(hop(value)) == expected
    assert hop(value).at == WHEN
    assert hop(value).raw is None


def test_hops_are_given_oldest_first() -> None:
    values = [f"by {name}.test with SMTP id 1; Wed, 4 Mar 2026 05:06:07 +0000" for name in ("third", "second", "first")]
    assert [hop.by for hop in hops(values)] == ["first.test", "second.test", "third.test"]
    assert hops([]) == ()


def test_queue_ids_say_where_to_look_for_what() -> None:
    """Oldest first and each once; what Exchange writes is its version."""
    names = ("Microsoft 365, at the border", "Microsoft 365, from a mailbox", "qmail", "Dovecot, by LMTP", "Postfix")
    values = [SERVERS[name][0] for name in (*names, "Postfix", "Sendmail", "qmail, inside")]
    assert queue_ids(hops(values)) == (
        ("mx.example.net", "62456712003456"),
        ("mx.example.net", "4XyZ12Rb6dz9sV"),
        ("imap.example.net", "iLkqNmfG6WUQAgAAyWfK7w"),
    )


@pytest.mark.parametrize(
    ("date", "at"),
    [
        ("Wed, 4 Mar 2026 05:06:07 +0000", WHEN),
        ("Wed, 4 Mar 2026 06:06:07 +0100 (CET)", WHEN),
        ("Wed, 04 Mar 2026 10:36:07 +0530", WHEN),
        ("wed, 4 mar 2026 05:06:07 gmt", WHEN),
        ("4 Mar 2026 05:06:07 Z", WHEN),
        ("4 Mar 2026 00:06:07 EST", WHEN),
        ("3 Mar 2026 22:06:07 PDT", WHEN),
        ("4 Mar 26 05:06:07 UT", WHEN),
        ("4 Mar 49 05:06:07 UT", WHEN.replace(year=2049)),
        ("4 Mar 50 05:06:07 UT", WHEN.replace(year=1950)),  # RFC 5322 4.3
        ("Wed (a day), 4 (the fourth) Mar 2026 (now) 05:06:07 (o'clock) +0000 (a (nested) one)", WHEN),
        ("Wed,\t4 Mar 2026\r\n 05 : 06 : 07 +0000", WHEN),
        ("Wed, 4 Mar 2026 05:06:07", WHEN),  # no zone: taken for UTC
        ("Wed, 4 Mar 2026 05:06:07 -0000", WHEN),
        ("Wed, 4 Mar 2026 05:06:07 CET", WHEN),  # unknown by RFC 5322 4.3: taken for UTC
        ("Wed, 4 Mar 2026 06:06:07 +01:00", WHEN),
        ("Wed, 4 Mar 2026 05:06:07.999 +0000", WHEN),
        ("Fri, 4 Mar 2026 05:06:07 +0000", WHEN),  # not a Friday
        ("Wed, 4 Mar 2026 05:06 +0000", WHEN.replace(second=0)),
        ("Wed, 4 Mar 2026 05:06:60 +0000", WHEN.replace(second=59)),
        ("2026-03-04T06:06:07+01:00", WHEN),
        ("Fri, 31 Dec 9999 23:59:59 +0000", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("Fri, 31 Dec 9999 23:59:59 -1200", None),
        ("Mon, 1 Jan 0001 00:00:00 +1200", None),
        ("Mon, 1 Jan 0000 00:00:00 +0000", None),
        ("Wed, 4 Mar 126 05:06:07 +0000", None),
        ("Wed, 4 Mar 20266 05:06:07 +0000", None),
        ("Wed, 30 Feb 2026 05:06:07 +0000", None),
        ("Wed, 4 Mar 2026 25:06:07 +0000", None),
        ("Wed, 4 Mar 2026 05:06:07 +9900", None),
        ("2026-13-04 05:06:07 +0000", None),
        ("2026-00-04 05:06:07 +0000", None),
        ("\u0664 Mar 2026 0\u0665:06:07 +0000", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_a_date_is_understood_or_none(date: str, at: datetime | None) -> None:
    read = hop(f"from a.test by b.test with SMTP id 7; {date}")
    assert read.at == at
    assert read.at is None or read.at.utcoffset() == UTC.utcoffset(None)
    assert (read.by, read.id, read.raw) == ("b.test", "7", None)


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "\r\n",
        ";",
        "()",
        "from",
        "from by with id for ;",
        "this mail was sent by aliens",
        "\x00\x1b[2J",
        "((((",
        "by",
    ],
)
def test_what_cannot_be_read_is_shown_as_it_stands(value: str) -> None:
    read = hop(value)
    assert read.raw is not None
    assert read == HopRecord(raw=read.raw)
    assert (hop(f"x{value}").raw or "").isprintable()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("from a.test (b.test [192.0.2.7] by mx.test id 7; ", {"from_": "a.test", "peer": "[192.0.2.7]"}),
        ("from a.test ((( by mx.test id 7; ", {"from_": "a.test"}),
        ("from a.test ))) by mx.test id 7; ", {"from_": "a.test"}),
        ("from by (by [192.0.2.7]) by mx.test id 7; ", {"from_": "by", "peer": "by [192.0.2.7]"}),
        ("from with by mx.test id 7; ", {"from_": "with"}),
        (r"from a.test (odd \) name [192.0.2.7]) by mx.test id 7; ", {"from_": "a.test"}),
        (
            "from a.test (by evil.test with SMTP id 666; Mon, 2 Mar 2026 00:00:00 +0000) by mx.test id 7; ",
            {"from_": "a.test"},
        ),
        ("from a.test (999.0.2.7) by mx.test id 7; ", {"from_": "a.test"}),
        (
            "from a.test (x [192.0.2.7]) by mx.test id 7 by evil.test id 666; ",
            {"from_": "a.test", "peer": "x [192.0.2.7]"},
        ),
        (
            "from \x1b[31mred (x\u202ey [192.0.2.7]) by mx.test id 7; ",
            {"from_": r"\x1b[31mred", "peer": r"x\u202ey [192.0.2.7]"},
        ),
        ("from b\udcc3\udcbccher.test by mx.test id 7; ", {"from_": "bücher.test"}),
        ("from a\ud800.test by mx.test id 7; ", {"from_": r"a\ud800.test"}),
        ("from a.test 1 Jan 2001 00:00:00 by mx.test id 7; ", {"from_": "a.test"}),
    ],
)
def test_a_stranger_hides_neither_the_server_nor_its_id_nor_its_date(value: str, expected: dict[str, str]) -> None:
    read = hop(value + "Wed, 4 Mar 2026 05:06:07 +0000")
    assert said(read) == {**expected, "by": "mx.test", "id": "7"}
    assert read.at == WHEN
    assert all(str(text).isprintable() for text in said(read).values())


def test_a_date_alone_is_a_hop() -> None:
    assert hop("; Wed, 4 Mar 2026 05:06:07 +0000").at == WHEN
    assert hop("no date but a server by mx.test with SMTP; soon") == HopRecord(by="mx.test", with_="SMTP")


LONG = (
    *("(", ")", "()", "(a", "<", "<a", ">", ";", " ", "from ", "by a ", "\\", "\\(", '"', "[", "1", "1:", "1.2.3.4 "),
    *("4 Mar ", "4 Mar 2026 ", "4 Mar 2026 05:06:07 ", "2026-", "helo=", "(helo=", "HELO HELO ", "(version=", "TLS1."),
    *("\r\n ", "\t", "\x00", "\u202e", "\udcff", "é"),
)


@pytest.mark.parametrize("unit", LONG, ids=ascii)
def test_the_time_is_linear_in_what_is_read(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of values far longer than are read at all."""
    monkeypatch.setattr("tasks.mail.journey.received.hops.MAX_FIELD_CHARS", 2**17)
    long = (unit * 2**16)[: 2**16]
    began = time.process_time()
    hops([long, f"from a by b ({long}", f"from {long}", f"from a ({long})", f"from a by b; {long}"])
    assert time.process_time() - began < 5


def test_what_is_longer_than_honest_is_shown_cut_and_costs_nothing() -> None:
    began = time.process_time()
    read = hops(["from a by b with SMTP id (" + "(x" * 2**15] * 500)
    assert time.process_time() - began < 1
    assert {len(hop.raw or "") for hop in read} == {MAX_FIELD_CHARS}
    assert all(hop == HopRecord(raw=hop.raw) for hop in read)


WORDS = (
    "from |by |with |id |for |tls |via |;|(|)|<|>|[|]|\\\\| |HELO |helo=|192.0.2.7|[2001:db8::7]|mx.test|unknown"
    "|localhost|@|using |version=TLS1_3| cipher=|TLSv1.3:|4 Mar 2026 05:06:07 |+0000|2026-03-04 |\r\n\t"
)
RECEIVED = st.lists(st.sampled_from(WORDS.split("|")) | TEXT, max_size=30).map("".join)


@stable
@given(st.lists(RECEIVED, max_size=5))
def test_whatever_stands_there_is_one_hop_each_of_printable_lines(values: list[str]) -> None:
    read = hops(values)
    assert len(read) == len(values)
    for hop in read:
        texts = [value for value in asdict(hop).values() if isinstance(value, str)]
        assert all(text.isprintable() and len(text) <= MAX_FIELD_CHARS * 10 for text in texts)
        assert hop.raw is None or hop == HopRecord(raw=hop.raw)
        assert hop.at is None or hop.at.utcoffset() == UTC.utcoffset(None)
    assert all(host and number for host, number in queue_ids(read))


@stable
@given(st.sampled_from([value for value, _ in SERVERS.values()]), st.integers(0, 400), st.integers(0, 60), TEXT)
def test_a_damaged_field_is_still_a_hop_or_shown(value: str, place: int, length: int, insert: str) -> None:
    read = hop(value[:place] + insert + value[place + length :])
    assert all(str(text).isprintable() for text in asdict(read).values())
    assert read.raw is None or read == HopRecord(raw=read.raw)


@stable
@given(st.datetimes(datetime(1900, 1, 2), datetime(9999, 12, 30)), st.integers(-23 * 60, 23 * 60))
def test_every_date_with_a_zone_is_that_instant(local: datetime, minutes: int) -> None:
    sign, east = "-" if minutes < 0 else "+", f"{abs(minutes) // 60:02}{abs(minutes) % 60:02}"
    text = f"{local.day} {local:%b} {local.year:04} {local:%H:%M:%S} {sign}{east}"
    expected = datetime.strptime(f"{local:%d %m} {local.year:04} {local:%H%M%S} {sign}{east}", "%d %m %Y %H%M%S %z")
    assert hop(f"by a.test; {text}").at == expected
