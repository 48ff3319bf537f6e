"""Which optional extras are installed."""

from importlib.util import find_spec


def can_verify() -> bool:
    """Whether signatures can be verified: the extra `dkim` is installed."""
    return find_spec("dkim") is not None
