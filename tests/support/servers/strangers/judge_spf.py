"""Debian's policyd-spf, unchanged, but for the name server: a zone file takes its place.

Run by Postfix's spawn(8), with Debian's Python: judge_spf.py ZONE CONFIGURATION
"""

from __future__ import annotations

import sys
from pathlib import Path

import spf
from spf_engine.policyd_spf import main

ZONE = [line.split(maxsplit=2) for line in Path(sys.argv.pop(1)).read_text(encoding="ascii").splitlines()]


def lookup(
    name: str, qtype: str, tcpfallback: bool = True, timeout: float = 30
) -> list[tuple[tuple[str, str], list[bytes]]]:
    """What pyspf's own lookup returns."""
    return [
        ((name, qtype), [value.encode()])
        for kind, owner, value in ZONE
        if kind == qtype and owner == name.lower().rstrip(".")
    ]


spf.DNSLookup = lookup
main()
