"""DKIM signatures, verified by ourselves with dkimpy, against keys that the test answers for the DNS."""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tasks.mail.config.loop import loop_config
from tasks.mail.journey.authentication.believed import authentication
from tasks.mail.journey.authentication.signatures import MOST_SIGNATURES, disagreement, signatures
from tasks.mail.journey.journey import journey
from tasks.mail.model.errors import ConfigError
from tasks.mail.model.journey_record import SignatureRecord
from tasks.mail.report.text import journey_lines

MESSAGE = b"From: a@example.org\r\nTo: b@example.net\r\nSubject: hello\r\n\r\nA few words.\r\n"
KEY = rsa.generate_private_key(65537, 2048)
PUBLIC = base64.b64encode(
    KEY.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
)
RECORD = b"v=DKIM1; k=rsa; p=" + PUBLIC
Answer = Callable[..., bytes | None]


def signed(message: bytes = MESSAGE, domain: bytes = b"example.org") -> bytes:
    pem = KEY.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    return bytes(dkim.sign(message, b"key", domain, pem, include_headers=[b"from", b"subject"])) + message


def answering(record: bytes | None) -> Answer:
    return lambda name, timeout=5: record


def test_a_good_signature_is_valid() -> None:
    (found,) = signatures(signed(), answering(RECORD))
    assert (found.domain, found.selector, found.valid, found.reason) == ("example.org", "key", True, "")


@pytest.mark.parametrize(
    ("old", "new", "record"),
    [
        (b"few", b"lot", RECORD),
        (b"hello", b"buy", RECORD),
        (b"", b"", None),
        (b"", b"", b"v=DKIM1; p="),
        (b"", b"", b"\xff" * 100),
    ],
    ids=["body changed", "header changed", "no key", "key revoked", "no key but octets"],
)
def test_whatever_breaks_a_signature_is_told(old: bytes, new: bytes, record: bytes | None) -> None:
    (found,) = signatures(signed().replace(old, new) if old else signed(), answering(record))
    assert found.valid is False
    assert found.reason


def test_a_silent_dns_says_nothing_about_the_signature() -> None:
    def silent(name: bytes, timeout: int = 5) -> bytes:
        raise dkim.DnsTimeoutError

    (found,) = signatures(signed(), silent)
    assert (found.valid, found.reason) == (None, "the DNS did not answer")


def test_each_signature_is_told_but_not_any_number() -> None:
    twice = signatures(signed(signed(), b"example.com"), answering(RECORD))
    assert [(one.domain, one.valid) for one in twice] == [("example.com", True), ("example.org", True)]
    assert signatures(MESSAGE, answering(RECORD)) == ()
    found = signatures(b"DKIM-Signature: v=1; d=\x1b[31m; s=\r\n" * 99 + MESSAGE, answering(RECORD))
    assert len(found) == MOST_SIGNATURES
    assert all(one.domain.isprintable() and one.reason.isprintable() for one in found)


@pytest.mark.parametrize(
    ("stated", "record", "half"),
    [
        ("dkim=pass", RECORD, None),
        ("dkim=fail", None, None),
        ("spf=pass", RECORD, None),
        (
            "dkim=pass",
            None,
            "the receiver states that DKIM is pass, but the signature of example.org is not valid here",
        ),
        ("dkim=fail", RECORD, "the receiver states that DKIM is fail, but the signature of example.org is valid here"),
    ],
    ids=["pass", "fail", "spf alone", "pass, invalid here", "fail, valid here"],
)
def test_where_the_receiver_says_otherwise_both_are_told(stated: str, record: bytes | None, half: str | None) -> None:
    results = authentication([("Authentication-Results", f"mx.example.net; {stated}"), ("From", "a@example.org")])
    told = disagreement(signatures(signed(), answering(record)), results)
    assert told is None if half is None else half in (told or "")


def test_the_journey_tells_what_was_verified() -> None:
    found = journey(signed())
    assert found is not None
    record = found.record
    assert record.signatures == ()
    valid = SignatureRecord(domain="example.org", selector="key", valid=True)
    verified = record.model_copy(update={"signatures": (valid,)})
    assert "DKIM signature of example.org (key), verified here: valid" in list(journey_lines(verified))


def test_without_dkimpy_it_cannot_be_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """None in sys.modules is Python's own way to say that a module is not to be had."""
    monkeypatch.setitem(sys.modules, "dkim", None)
    smtp = {"host": "relay.example", "from_addr": "a@example.org", "to_addr": "b@example.net", "subject_prefix": "[x]"}
    imap = {"host": "imap.example", "username": "b", "password": "secret", "verify_dkim": True}
    with pytest.raises(ConfigError, match=r"imap\.verify_dkim: needs the package dkimpy"):
        loop_config({"name": "office", "smtp": smtp, "imap": imap})
