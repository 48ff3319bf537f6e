"""The signature of a probe: who saw one cannot make another that counts. Pure.

It is an HMAC-SHA256 over what a later run goes by: the id, the Date and the name of the loop.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime

FIELD = "X-Mail-Loop-Signature"


def signature(key: bytes, probe_id: str, date: datetime, loop: str) -> str:
    """In hex. Of `date` the instant counts, to the second: servers write the same one in other forms."""
    text = f"{probe_id}\n{date.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}\n{loop}"
    return hmac.digest(key, text.encode(), hashlib.sha256).hex()
