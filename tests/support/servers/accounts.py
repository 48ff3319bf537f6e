"""Who the servers run as: Debian's accounts where the tests run as root, else ourselves."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path
from typing import NamedTuple

from tests.support.servers import IS_ROOT


class Account(NamedTuple):
    """A user and group, by name and number."""

    user: str
    group: str
    uid: int
    gid: int

    def own(self, path: Path) -> None:
        """Give the file or folder to this account."""
        os.chown(path, self.uid, self.gid)


def account(name: str) -> Account:
    """The named account as root, else our own."""
    entry = pwd.getpwnam(name) if IS_ROOT else pwd.getpwuid(os.geteuid())
    return Account(entry.pw_name, grp.getgrgid(entry.pw_gid).gr_name, entry.pw_uid, entry.pw_gid)
