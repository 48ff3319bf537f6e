"""A message that a person saved, with its header as it arrived."""

from __future__ import annotations

SAVED = b"""\
Received: from mx.example.net (mx.example.net [192.0.2.2]) by store.example.net (Dovecot) with LMTP id abc;
\tTue, 24 Nov 2026 10:05:01 +0000
Authentication-Results: mx.example.net; dkim=pass header.d=example.org; spf=fail smtp.mailfrom=example.org
Received: from relay.example.org (relay.example.org [192.0.2.1]) by mx.example.net (Postfix) with ESMTPS id 4XX
\tfor <x@example.net>; Tue, 24 Nov 2026 10:05:00 +0000
X-Spam-Status: No, score=4.2 required=5.0 tests=[A=2,B=2.2]
Received: by \x1b[31m aliens \xff
Received: from pc (pc [10.0.0.1]) by relay.example.org (Postfix) with ESMTPSA id 4YY;
\tTue, 24 Nov 2026 10:00:01 +0000
From: a@example.org
Subject: hello

hello
"""
