"""What each command does. Each imports what it needs itself: --help has no use for it, and would be slow."""

from __future__ import annotations

import argparse
import sys

from tasks.mail.config.state_dir import state_home

BROKEN = 3  # the configuration is wrong, or the tool itself failed
EXPORTER_PORT = 9797


def run_check(arguments: argparse.Namespace) -> int:
    """`mail-loop check`: the exit code of the worst check."""
    from flows.cli.check import run_check

    return run_check(arguments)


def run_trace(arguments: argparse.Namespace) -> int:
    """`mail-loop trace`."""
    from flows.cli.trace import run_trace

    return run_trace(arguments)


def run_validate(arguments: argparse.Namespace) -> int:
    """`mail-loop validate`: every file is read, and every problem said."""
    from flows.cli.check import say
    from flows.cli.describe import notes, route, secret_lines
    from tasks.mail.config.loading.files import loaded
    from tasks.mail.model.errors import ConfigError
    from tasks.mail.model.safe_text import one_line

    if arguments.secrets:
        lines, problems = secret_lines(arguments.files)
        for text in lines:
            say(text)
        for text in problems:
            print(text, file=sys.stderr)
        return BROKEN if problems else 0
    worst = 0
    for file, found in loaded(arguments.files):
        if isinstance(found, ConfigError):
            print(found, file=sys.stderr)
            worst = BROKEN
        else:
            say(one_line(f"{file}: ok: {route(found)}", None))  # a path may hold anything
            for noted in notes(found):
                print(one_line(f"{file}: note: {noted}", None), file=sys.stderr)
    return worst


def run_history(arguments: argparse.Namespace) -> int:
    """`mail-loop history`: 0 if the history could be read, whatever it tells."""
    from flows.cli.check import quieten_prefect, say

    quieten_prefect()
    from flows.history import history

    return history(arguments.loop, arguments.since, arguments.html, say)


def run_deploy(arguments: argparse.Namespace) -> int:
    """`mail-loop deploy`: 0 if the server has what the files say, or with --dry-run could have."""
    from flows.cli.check import quieten_prefect, say

    quieten_prefect()
    from flows.cli.deploy import run

    shape = {"shards": arguments.shards, "brief": arguments.brief, "dry_run": arguments.dry_run}
    return run(arguments.files, arguments.every, arguments.fleet, say, **shape)


def run_alerts(arguments: argparse.Namespace) -> int:
    """`mail-loop alerts`: 0 if all is as it should be, 2 if a channel did not ring."""
    from flows.cli.check import quieten_prefect, say

    quieten_prefect()
    from flows.cli.alerts import run

    return run(arguments.verb, getattr(arguments, "file", ""), getattr(arguments, "situations", []), say)


def run_exporter(arguments: argparse.Namespace) -> int:
    """`mail-loop exporter`: until a signal, and then 0."""
    from flows.cli.check import quieten_prefect, say

    quieten_prefect()
    from flows.cli.exporter import exporter
    from tasks.alerts.rules import TRIAL

    with_http = arguments.port or not arguments.textfile
    listen = (arguments.address, arguments.port or EXPORTER_PORT) if with_http else None
    exclude = [TRIAL, *arguments.exclude]  # the loop of `mail-loop alerts test` is none of the operator's
    return exporter(
        listen, arguments.textfile, arguments.interval, arguments.max_loops, exclude, say, arguments.trusted_host
    )


def run_demo(arguments: argparse.Namespace) -> int:
    """`mail-loop demo`."""
    from flows.cli.demo import demo

    return demo(arguments.home, keep=arguments.keep)


def run_serve(arguments: argparse.Namespace) -> int:
    """`mail-loop serve`."""
    from flows.cli.serve import serve

    return serve(arguments.home, arguments.port)


def run_setup(_: argparse.Namespace) -> int:
    """`mail-loop setup`."""
    from flows.setup.bootstrap import setup

    return setup()


def run_stop(arguments: argparse.Namespace) -> int:
    """`mail-loop stop`."""
    from flows.cli.serve import stop

    # In the state folder itself a check of a former version may have left its server.
    return stop(arguments.home or [state_home() / "demo", state_home() / "serve", state_home()])
