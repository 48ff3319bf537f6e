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
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 1 to 65535")
    return int(text)


def how_many(text: str) -> int:
    """How many of something."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 1_000_000):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 1000000")
    return int(text)


def loop(text: str) -> str:
    """The name of a loop."""
    if not re.fullmatch(SLUG, text):
        raise argparse.ArgumentTypeError(
            f"{quoted(text)} is not lower-case letters and digits with single hyphens between"
        )
    return text
