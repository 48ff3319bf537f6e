"""Certificates and keys in files: what is wrong with one is said at its field, before anything is sent."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tasks.mail.config.loading.check_file import check_files
from tasks.mail.config.loading.files import load_any
from tasks.mail.config.loop import LoopConfig
from tasks.mail.config.matrix import Matrix
from tasks.mail.model.errors import ConfigError

SMTP = {"host": "a.test", "username": "u", "from_addr": "a@a.test", "to_addr": "b@b.test", "subject_prefix": "[x]"}
IMAP = {"host": "m.test", "username": "u"}
OAUTH = {"provider": "google", "service_account_secret": "account"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Some files as they should be, and some that are not."""
    authority, (one, other) = trustme.CA(), (tmp_path / "one", tmp_path / "other")
    for place in (one, other):
        place.mkdir()
        issued = authority.issue_cert("client.test")
        issued.cert_chain_pems[0].write_to_path(place / "cert.pem")
        issued.private_key_pem.write_to_path(place / "key.pem")
        issued.private_key_and_cert_chain_pem.write_to_path(place / "both.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    key = load_pem_private_key((one / "key.pem").read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"passphrase")
    (one / "locked.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
    )
    (tmp_path / "text.pem").write_text("no certificate\n", encoding="utf-8")
    return tmp_path


def written(folder: Path, **sections: Any) -> Path:
    path = folder / "loop.json"
    path.write_text(json.dumps(sections), encoding="utf-8")
    return path


GOOD: list[dict[str, str]] = [
    {"cert_file": "one/both.pem"},
    {"cert_file": "one/cert.pem", "key_file": "one/key.pem"},
    {"cert_file": "one/both.pem", "key_file": "one/key.pem"},
]


@pytest.mark.parametrize("files", GOOD, ids=str)
def test_a_certificate_has_its_key_in_the_same_file_or_in_another_beside_the_configuration(
    folder: Path, files: dict[str, str]
) -> None:
    config = load_any(written(folder, smtp=SMTP | files, imap=IMAP | files, bounce_mailbox=IMAP | files))
    assert isinstance(config, LoopConfig)
    for section in (config.smtp, config.imap, config.bounce_mailbox):
        assert section is not None
        placed = {"cert_file": section.cert_file, "key_file": section.key_file}
        assert placed == {name: str(folder / files[name]) if name in files else None for name in placed}


BELONGS = "must hold the private key of the certificate in cert_file: see which files belong together"
PASSPHRASE = "holds a key with a passphrase, which nobody is there to type: store it without"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"cert_file": "none.pem"}, "cert_file: cannot read '{}/none.pem' (No such file or directory): check the path"),
        ({"cert_file": "one"}, "cert_file: must be a PEM file, and '{}/one' is no regular file"),
        (
            {"cert_file": "text.pem"},
            "cert_file: must be a PEM file with the client's certificate, and '{}/text.pem' is not",
        ),
        (
            {"cert_file": "one/key.pem"},
            "cert_file: must be a PEM file with the client's certificate, and '{}/one/key.pem' is not",
        ),
        ({"cert_file": "one/cert.pem"}, f"cert_file: '{{}}/one/cert.pem' {BELONGS}"),
        (
            {"cert_file": "one/cert.pem", "key_file": "none.pem"},
            "key_file: cannot read '{}/none.pem' (No such file or directory): check the path",
        ),
        (
            {"cert_file": "one/cert.pem", "key_file": "other/key.pem"},
            f"key_file: '{{}}/other/key.pem' {BELONGS}",
        ),
        ({"cert_file": "one/cert.pem", "key_file": "text.pem"}, f"key_file: '{{}}/text.pem' {BELONGS}"),
        ({"cert_file": "one/cert.pem", "key_file": "one/locked.pem"}, f"key_file: '{{}}/one/locked.pem' {PASSPHRASE}"),
        (
            {"oauth": OAUTH | {"ca_file": "none.pem"}},
            "oauth.ca_file: cannot read '{}/none.pem' (No such file or directory): check the path",
        ),
        (
            {"oauth": OAUTH | {"ca_file": "text.pem"}},
            "oauth.ca_file: must be a PEM file with at least one certificate, and '{}/text.pem' is not",
        ),
    ],
)
def test_what_cannot_be_read_or_does_not_belong_together_is_said_and_nobody_is_asked_for_a_passphrase(
    folder: Path, files: dict[str, Any], said: str
) -> None:
    path = written(folder, smtp=SMTP | {"cert_file": "one/both.pem"}, imap=IMAP | files)
    with pytest.raises(ConfigError) as caught:
        load_any(path)
    assert str(caught.value) == f"{path}: imap.{said.format(folder)}"


def test_in_matrices_and_fleets_too_where_one_file_is_told_of_once(folder: Path) -> None:
    smtp = {name: value for name, value in SMTP.items() if name != "to_addr"} | {"cert_file": "none.pem"}
    receivers = {"b": IMAP | {"address": "b@b.test", "oauth": OAUTH | {"ca_file": "ca.pem"}}}
    path = written(folder, senders={"a": smtp}, receivers=receivers)
    with pytest.raises(ConfigError, match=r"senders\.a\.cert_file: cannot read '/"):
        load_any(path)
    matrix = load_any(written(folder, senders={"a": smtp | {"cert_file": "one/both.pem"}}, receivers=receivers))
    assert isinstance(matrix, Matrix)
    assert matrix.receivers["b"].oauth is not None
    assert matrix.receivers["b"].oauth.ca_file == str(folder / "ca.pem")
    fleet = written(folder, defaults={"smtp": SMTP | {"cert_file": "none.pem"}}, loops={"a": {}, "b": {}})
    with pytest.raises(ConfigError) as caught:
        load_any(fleet)
    assert str(caught.value).count("cert_file: cannot read") == 1


def test_a_certificate_that_is_over_is_for_the_server_to_refuse(folder: Path) -> None:
    """Its clock counts, and it says so."""
    over = datetime.now(UTC) - timedelta(days=1)
    both = folder / "over.pem"
    trustme.CA().issue_cert("client.test", not_after=over).private_key_and_cert_chain_pem.write_to_path(both)
    check_files(load_any(written(folder, smtp=SMTP | {"cert_file": "over.pem"})))
