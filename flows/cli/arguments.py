"""What options of several commands may be."""

import argparse
import re

from tasks.mail.config.addresses import SLUG, quoted


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
    return how_many(text, 65535, "port")


def how_many(text: str, most: int = 1_000_000, what: str = "number") -> int:
    """How many of something."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
        raise argparse.ArgumentTypeError(f"{text!r} is not a {what} from 1 to {most}")
    return int(text)


def loop(text: str) -> str:
    """The name of a loop."""
    if not re.fullmatch(SLUG, text):
        raise argparse.ArgumentTypeError(
            f"{quoted(text)} is not lower-case letters and digits with single hyphens between"
        )
    return text
