"""What our code has to say: its texts, taken from the code and its tables, so that no list of them can be outdated."""

import pkgutil
from collections.abc import Iterator
from functools import cache
from importlib.abc import InspectLoader
from pathlib import Path
from types import CodeType

_ROOT = Path(__file__).parents[2]
_PACKAGE = "tasks.mail"


@cache
def own_words() -> str:
    """All of it in lower case. It takes a while, once; it is asked for only where a password is found in a sentence."""
    tables = (path.read_text(encoding="utf-8") for path in _ROOT.rglob("*.toml"))
    return "\n".join([*tables, *(text for code in _modules() for text in _texts(code))]).casefold()


def _modules() -> Iterator[CodeType]:
    for module in pkgutil.walk_packages([str(_ROOT)], f"{_PACKAGE}."):
        spec = module.module_finder.find_spec(module.name, None)
        if spec and isinstance(spec.loader, InspectLoader) and (code := spec.loader.get_code(module.name)):
            yield code


def _texts(code: CodeType) -> Iterator[str]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _texts(constant)
        elif isinstance(constant, str):
            yield constant
