"""Certificates as files, which is how Postfix and Dovecot want them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

from tests.support.servers.dovecot import EXPIRED_HOST, EXPIRING_HOST
from tests.support.servers.processes import HOST

DAYS_LEFT = 5  # of the one that is expiring


def issue_certificates(folder: Path) -> Path:
    """Write {good,expired,expiring,wrong-name}.pem, key and chain together; return the authority's file."""
    authority = trustme.CA()
    now = datetime.now(UTC)
    yesterday = now - timedelta(days=1)
    good = authority.issue_cert("localhost", HOST)
    expired = authority.issue_cert(
        "localhost", HOST, EXPIRED_HOST, not_before=yesterday - timedelta(days=30), not_after=yesterday
    )
    # An hour more, or they would be four days and some hours.
    expiring = authority.issue_cert(
        "localhost", HOST, EXPIRING_HOST, not_after=now + timedelta(days=DAYS_LEFT, hours=1)
    )
    wrong_name = authority.issue_cert("mail.elsewhere.test")
    issued = {"good": good, "expired": expired, "expiring": expiring, "wrong-name": wrong_name}
    for name, certificate in issued.items():
        certificate.private_key_and_cert_chain_pem.write_to_path(folder / f"{name}.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    authority.private_key_pem.write_to_path(folder / "ca-key.pem")
    return folder / "ca.pem"


def of_client(folder: Path, name: str) -> Path:
    """A certificate for a client of this name, with its key, by the authority whose files are in the folder."""
    authority = trustme.CA.from_pem((folder / "ca.pem").read_bytes(), (folder / "ca-key.pem").read_bytes())
    path = folder / f"client-{name}.pem"
    authority.issue_cert(f"{name}@inbox.test", common_name=name).private_key_and_cert_chain_pem.write_to_path(path)
    return path
