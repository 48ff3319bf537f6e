"""Certificates as files, which is how Postfix and Dovecot want them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

from tests.servers.dovecot import EXPIRED_HOST
from tests.servers.processes import HOST


def issue_certificates(folder: Path) -> Path:
    """Write good.pem, expired.pem and wrong-name.pem, key and chain together; return the authority's file."""
    authority = trustme.CA()
    yesterday = datetime.now(UTC) - timedelta(days=1)
    good = authority.issue_cert("localhost", HOST)
    expired = authority.issue_cert(
        "localhost", HOST, EXPIRED_HOST, not_before=yesterday - timedelta(days=30), not_after=yesterday
    )
    wrong_name = authority.issue_cert("mail.elsewhere.test")
    for name, certificate in (("good", good), ("expired", expired), ("wrong-name", wrong_name)):
        certificate.private_key_and_cert_chain_pem.write_to_path(folder / f"{name}.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    return folder / "ca.pem"
