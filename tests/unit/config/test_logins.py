"""Which refresh tokens a configuration needs, of whatever kind it is: each is asked for once."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.mail.config.fleet import fleet_config
from tasks.mail.config.loading.files import Config
from tasks.mail.config.loop import loop_config
from tasks.mail.config.matrix import matrix_config
from tasks.mail.logins import distinct, logins_of
from tasks.mail.model.errors import ConfigError

OAUTH = {"provider": "microsoft365", "tenant": "example.org", "client_id": "app", "refresh_token_secret": "shared"}
OTHER = OAUTH | {"refresh_token_secret": "other"}
ADDRESSES = {"from_addr": "a@example.org", "subject_prefix": "[x]"}
SMTP = {"host": "relay.example", "username": "a", "oauth": OAUTH, **ADDRESSES}
TO = {"to_addr": "b@example.org"}
IMAP = {"host": "imap.example", "username": "b", "oauth": OAUTH}
SEND, READ = "https://outlook.office.com/SMTP.Send", "https://outlook.office.com/IMAP.AccessAsUser.All"

LOOP = loop_config({"name": "one", "smtp": SMTP | TO, "imap": IMAP, "bounce_mailbox": IMAP | {"username": "a"}})
FLEET = fleet_config(
    {
        "defaults": {"smtp": SMTP, "imap": IMAP},
        "loops": {"a": {"smtp": TO}, "b": {"smtp": TO, "imap": {"oauth": OTHER}}, "c": {"smtp": TO, "imap": None}},
    }
)
MATRIX = matrix_config(
    {
        "name": "office",
        "senders": {"main": SMTP, "backup": {**SMTP, "host": "relay2.example", "oauth": OTHER}},
        "receivers": {"own": {**IMAP, "address": "b@example.org"}},
    }
)


@pytest.mark.parametrize(
    ("config", "wanted", "expected"),
    [
        (LOOP, [], {"shared": ("smtp, imap, bounce_mailbox", [SEND, "offline_access", READ], 3)}),
        (LOOP, ["imap"], {"shared": ("smtp, imap, bounce_mailbox", [SEND, "offline_access", READ], 3)}),
        (
            FLEET,
            [],
            {
                "shared": ("a.smtp, a.imap, b.smtp, c.smtp", [SEND, "offline_access", READ], 2),
                "other": ("b.imap", [READ, "offline_access"], 1),
            },
        ),
        (FLEET, ["b.imap"], {"other": ("b.imap", [READ, "offline_access"], 1)}),
        (
            MATRIX,
            [],
            {
                "shared": (
                    "office-main-own.smtp, office-main-own.imap, office-backup-own.imap",
                    [SEND, "offline_access", READ],
                    2,
                ),
                "other": ("office-backup-own.smtp", [SEND, "offline_access"], 1),
            },
        ),
    ],
    ids=["loop", "loop, one section", "fleet", "fleet, one section", "matrix"],
)
def test_each_is_asked_for_once_with_all_scopes_and_tried_once_at_each_server(
    config: Config, wanted: list[str], expected: dict[str, tuple[str, list[str], int]]
) -> None:
    found = {
        one.name: (one.where, one.scopes, len(distinct(one.places))) for one in logins_of(config, "file.yaml", wanted)
    }
    assert found == expected


@pytest.mark.parametrize(
    "other", [{"client_id": "b"}, {"tenant": "b.example"}, {"client_secret_secret": "b"}, {"ca_file": "b.pem"}], ids=str
)
def test_one_secret_is_not_for_two_clients(other: dict[str, Any]) -> None:
    """The second login would take the place of the first."""
    config = loop_config({"name": "one", "smtp": SMTP | TO, "imap": IMAP | {"oauth": OAUTH | other}})
    with pytest.raises(ConfigError, match=r"^file: smtp\.oauth\.refresh_token_secret: is that of imap as well, which"):
        logins_of(config, "file")
