"""What to do where the token endpoint gives no token: by what it says, for one cause has many reasons there."""

import re
import tomllib
from pathlib import Path
from typing import NamedTuple


class TokenRemedy(NamedTuple):
    """What to do where one of `said` stands in a refusal, and who must."""

    said: tuple[str, ...]
    words: str
    who: str

    def fits(self, text: str) -> bool:
        return any(re.search(rf"(?<![\w]){re.escape(one)}(?![\w])", text) for one in self.said)


_TABLE = tomllib.loads(Path(__file__).with_name("token_remedies.toml").read_text(encoding="utf-8"))
LOGIN_METHOD = TokenRemedy((), **_TABLE["login_method"])
TOKEN_REMEDIES = tuple(TokenRemedy(tuple(row["said"]), row["words"], row["who"]) for row in _TABLE["refused"])


def by_words(text: str) -> TokenRemedy | None:
    """The first row that fits."""
    return next((row for row in TOKEN_REMEDIES if row.fits(text)), None)
