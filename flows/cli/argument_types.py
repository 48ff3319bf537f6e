"""What the options of the command line may be. What it takes to check one is loaded when that one is given."""

from __future__ import annotations

import argparse
import re

PLAYED = ("relay-down", "lost", "bounced", "late", "junked", "silent")  # by `mail-loop alerts test`


def positive(text: str) -> float:
    """A number of seconds."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number of seconds")
    return seconds


def port(text: str) -> int:
    """A TCP port."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 1 to 65535")
    return int(text)


def how_many(text: str) -> int:
    """How many of something."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 1_000_000):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 1000000")
    return int(text)


def since(text: str) -> str:
    """A length of time, as it stands."""
    from tasks.history.window import duration
    from tasks.mail.model.errors import ConfigError

    try:
        duration(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix("since: ")) from None
    return text


def interval(text: str) -> str:
    """How often a deployment runs."""
    from tasks.mail.config.addresses import quoted
    from tasks.mail.config.fleet import SHORTEST
    from tasks.mail.model.intervals import span

    if (length := span(text)) is None or length < SHORTEST:
        raise argparse.ArgumentTypeError(f"{quoted(text)} is not a length of time such as 5m, 2h or 1d")
    return text


def loop(text: str) -> str:
    """The name of a loop."""
    from tasks.mail.config.addresses import SLUG, quoted

    if not re.fullmatch(SLUG, text):
        raise argparse.ArgumentTypeError(
            f"{quoted(text)} is not lower-case letters and digits with single hyphens between"
        )
    return text


def situation(text: str) -> str:
    """A situation of `mail-loop alerts test`."""
    if text not in PLAYED:
        raise argparse.ArgumentTypeError(f"must be one of {', '.join(PLAYED)}, not {text[:40]!r}")
    return text
