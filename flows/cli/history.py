"""`mail-loop history`: what the configured Prefect server holds of the checks."""

import argparse
from pathlib import Path

from flows.cli.arguments import loop
from flows.cli.output import quieten_prefect, say
from tasks.history.figures import period_length
from tasks.mail.model.errors import ConfigError

_DESCRIPTION = """\
Availability, delivery times, outages with their cause, placement: from the runs that
Prefect holds, on the server that is configured."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which history, and where to."""
    parser.description = _DESCRIPTION
    parser.add_argument("--loop", type=loop, metavar="NAME", help="this loop only")
    parser.add_argument("--since", type=since, default="7d", help="how far back: 90m, 24h, 7d, 4w (%(default)s)")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write it as one HTML page, too")


def since(text: str) -> str:
    """A length of time, as it stands."""
    try:
        period_length(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix("since: ")) from None
    return text


def run(arguments: argparse.Namespace) -> int:
    """0 if the history could be read, whatever it shows."""
    quieten_prefect()
    from flows.history import show_history

    return show_history(arguments.loop, arguments.since, arguments.html, say)
