"""What is wrong with a file is told under the name of the check that it describes, where that name is valid."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tasks.mail.config.loading.files import load_any
from tasks.mail.model.errors import ConfigError

WRONG = {"host": "x"}


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ({"name": "office", "smtp": WRONG}, "office"),
        ({"name": "office", "imap": WRONG}, "office"),
        ({"name": "office", "from_addr": "no address"}, "office"),
        ({"name": "office", "senders": {"a": WRONG}, "receivers": {}}, "office"),
        ({"name": "office", "hello": 1}, "office"),
        ({"name": "Office!", "smtp": WRONG}, None),
        ({"name": "office\n", "smtp": WRONG}, None),
        ({"name": "o" * 64, "smtp": WRONG}, None),
        ({"name": 7, "smtp": WRONG}, None),
        ({"name": ["office"], "smtp": WRONG}, None),
        ({"smtp": WRONG}, None),
        (["office"], None),
    ],
)
def test_the_name_of_a_wrong_check_is_its_own_where_it_is_valid(data: object, name: str | None, tmp_path: Path) -> None:
    path = tmp_path / "some-file.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_any(path)
    assert caught.value.check == name
