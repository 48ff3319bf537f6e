"""`mail-loop exporter`: what Prefect holds of the checks, as metrics for Prometheus."""

import argparse
from pathlib import Path

from flows.cli.arguments import how_many, port, positive
from flows.cli.output import quieten_prefect, say

_PORT = 9797

_DESCRIPTION = """\
Metrics for Prometheus, from the runs and events that the configured Prefect server
holds: over HTTP at /metrics (and /healthz), or in a file for the node exporter, or both.
Runs until it is told to end. docs/metrics.md has the metrics, rules and a dashboard."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the metrics go, and of which loops they are."""
    parser.description, parser.formatter_class = _DESCRIPTION, argparse.RawDescriptionHelpFormatter
    parser.add_argument("--port", type=port, help=f"port to listen on ({_PORT}; none with --textfile alone)")
    parser.add_argument("--address", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument(
        "--trusted-host", action="append", default=[], metavar="NAME", help="a name by which it may be asked, too"
    )
    parser.add_argument("--textfile", type=Path, metavar="FILE.prom", help="write them to this file at each read")
    parser.add_argument("--interval", type=positive, default=15.0, metavar="S", help="seconds between reads (15)")
    parser.add_argument("--max-loops", type=how_many, default=5000, metavar="N", help="at the most (%(default)s)")
    parser.add_argument("--exclude", action="append", default=[], metavar="PATTERN", help="leave out, such as 'test-*'")


def run(arguments: argparse.Namespace) -> int:
    """Until a signal, and then 0."""
    quieten_prefect()
    from flows.exporter import serve_metrics
    from tasks.alerts.rules import TRIAL

    with_http = arguments.port or not arguments.textfile
    listen = (arguments.address, arguments.port or _PORT) if with_http else None
    exclude = [TRIAL, *arguments.exclude]  # the loop of `mail-loop alerts test` is none of the operator's
    return serve_metrics(
        listen, arguments.textfile, arguments.interval, arguments.max_loops, exclude, say, arguments.trusted_host
    )
