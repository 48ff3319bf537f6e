"""A port that does not fit its mode of TLS is told with its field, and no other."""

from __future__ import annotations

import pytest

from tasks.mail.config.loop import loop_config
from tasks.mail.verdict.remedies import misfit

ADDRESSES = {"from_addr": "a@a.test", "to_addr": "b@b.test", "subject_prefix": "[x]"}


@pytest.mark.parametrize(
    ("leg", "port", "tls", "told"),
    [
        ("smtp", 465, "starttls", "smtp.port 465 is for TLS from the first byte: set smtp.tls to implicit"),
        ("smtp", 465, "none", "smtp.port 465 is for TLS from the first byte: set smtp.tls to implicit"),
        ("smtp", 587, "implicit", "smtp.port 587 begins in clear: set smtp.tls to starttls"),
        ("smtp", 25, "implicit", "smtp.port 25 begins in clear: set smtp.tls to starttls"),
        ("smtp", 993, "implicit", "smtp.port 993 is one of IMAP, and not of SMTP: correct it"),
        ("smtp", 143, "starttls", "smtp.port 143 is one of IMAP, and not of SMTP: correct it"),
        ("smtp", 995, "implicit", "smtp.port 995 is one of POP3, and not of SMTP: correct it"),
        ("imap", 993, "starttls", "imap.port 993 is for TLS from the first byte: set imap.tls to implicit"),
        ("imap", 993, "none", "imap.port 993 is for TLS from the first byte: set imap.tls to implicit"),
        ("imap", 143, "implicit", "imap.port 143 begins in clear: set imap.tls to starttls"),
        ("imap", 587, "starttls", "imap.port 587 is one of SMTP, and not of IMAP: correct it"),
        ("imap", 110, "none", "imap.port 110 is one of POP3, and not of IMAP: correct it"),
        ("smtp", 465, "implicit", None),
        ("smtp", 587, "starttls", None),
        ("smtp", 25, "none", None),
        ("smtp", 1025, "implicit", None),
        ("imap", 993, "implicit", None),
        ("imap", 143, "none", None),
        ("imap", 10993, "none", None),
    ],
)
def test_a_port_that_does_not_fit_is_told_with_its_field(leg: str, port: int, tls: str, told: str | None) -> None:
    section = {"host": "r.test", "port": port, "tls": tls}
    imap = {"host": "i.test", "username": "u", "password": "s3cret-of-u"}
    smtp = {"host": "r.test", **ADDRESSES}
    loop = loop_config({"name": "x", "smtp": smtp | (section if leg == "smtp" else {}), "imap": imap | section})
    found = loop.smtp if leg == "smtp" else loop.imap
    assert found is not None
    assert misfit(leg, found) == told
