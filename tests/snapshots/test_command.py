"""What `mail-loop` and its verbs offer stays as it is: see test_contract.py."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import pytest

from flows.cli.main import parser
from tests.snapshots.stored import same_as_stored


def test_the_command_offers_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """What help is made of; how it is laid out is up to Python's version."""
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    shown = {}
    for one in commands(parser()):
        told = [*(one.description or "").split("\n"), *(one.epilog or "").split("\n")]
        options = {" ".join(action.option_strings) or action.dest: offered(action) for action in one._actions}
        shown[one.prog] = {"text": told, "layout": type(one._get_formatter()).__name__, "options": options}
    same_as_stored("help", shown)


def commands(top: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The command and its verbs."""
    yield top
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                yield from commands(verb)


def offered(action: argparse.Action) -> dict[str, Any]:
    """An option, an argument, or the choice of a verb, of which each has its line of help."""
    choices = action._choices_actions if isinstance(action, argparse._SubParsersAction) else []
    facts = {name: getattr(action, name) for name in ("help", "metavar", "nargs")}
    return facts | {
        "required": bool(action.option_strings) and action.required,  # of an argument nargs says it
        "default": str(action.default),
        "type": getattr(action.type, "__name__", None),
        "verbs": {one.dest: one.help for one in choices},
    }
