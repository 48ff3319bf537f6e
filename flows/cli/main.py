"""The `mail-loop` command."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from flows.cli.argument_types import PLAYED, how_many, interval, loop, port, positive, since, situation
from flows.cli.commands import (
    BROKEN,
    EXPORTER_PORT,
    run_alerts,
    run_check,
    run_demo,
    run_deploy,
    run_exporter,
    run_history,
    run_serve,
    run_setup,
    run_stop,
    run_trace,
    run_validate,
)
from flows.cli.streams import make_lenient
from tasks.mail.config.state_dir import state_home, unwritable

EXIT_SECONDS = 10.0  # from the last word to the end of the process

DESCRIPTION = """\
Sends a real message through an SMTP relay, finds that very message in a mailbox
over IMAP, and says whether mail gets through."""

EPILOG = """\
first steps:
  mail-loop demo                  see a whole check work, on a mail system of its own
  mail-loop validate my.yaml      is the configuration right? (sends nothing)
  mail-loop check my.yaml         run it
  mail-loop history               what the runs of the last 7 days have found

a configuration, my.yaml:
  smtp:
    host: relay.example.org
    username: monitor
    password_secret: relay-password     # Prefect Secret block, or variable RELAY_PASSWORD
    from_addr: monitor@example.org
    to_addr: probe@example.net
    subject_prefix: "[mail-loop]"
  imap:
    host: imap.example.net
    username: probe
    password_secret: mailbox-password   # or variable MAILBOX_PASSWORD

exit codes: 0 ok, 1 warning, 2 error, 3 misconfigured or the tool itself failed;
of several files the worst."""

CHECK = """\
Runs the check of each file, all at the same time, as Prefect flow runs on the server
that is configured; where none is, without Prefect, and nothing is recorded.
A file holds a loop (smtp and imap), one half of it, a matrix of loops (senders and
receivers), a fleet (defaults and loops), or NyxMon's check.data; a folder stands for
the files in it. Of several loops, the last line says which relay or mailbox their
failures point to, where they do."""

HISTORY = """\
Availability, delivery times, outages with their cause, placement: from the runs that
Prefect holds, on the server that is configured."""

EXPORTER = """\
Metrics for Prometheus, from the runs and events that the configured Prefect server
holds: over HTTP at /metrics (and /healthz), or in a file for the node exporter, or both.
Runs until it is told to end. docs/metrics.md has the metrics, rules and a dashboard."""


SETUP = """\
Makes the work pool (one that is there stays as it is), the deployments of this folder's
prefect.yaml and the automation for runs whose process was killed, on the Prefect server
that is configured, as soon as it answers. For servers and workers that something else
starts; serve does it by itself."""


class _Parser(argparse.ArgumentParser):
    """Wrong usage is the tool not doing its work: exit code 3, for 2 says that mail is broken."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(BROKEN, f"{self.prog}: {message}\n")


class _Version(argparse.Action):
    """Like argparse's own, but the version is looked up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *rest: Any) -> NoReturn:
        from importlib.metadata import version

        print(f"{parser.prog} {version('mail-loop-check')}")
        parser.exit()


def parser() -> argparse.ArgumentParser:
    """The command line; each command sets `run`, which takes the arguments and returns the exit code."""
    raw = argparse.RawDescriptionHelpFormatter
    top = _Parser(prog="mail-loop", description=DESCRIPTION, epilog=EPILOG, formatter_class=raw)
    top.add_argument("--version", action=_Version, nargs=0, help="show program's version number and exit")
    commands = top.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)

    check = commands.add_parser("check", help="run the checks of FILE...", description=CHECK, formatter_class=raw)
    check.add_argument("files", nargs="+", metavar="FILE", help="YAML, JSON or TOML")
    check.add_argument("--json", action="store_true", help="one JSON object per check on stdout, all else on stderr")
    check.add_argument("--max-wait", type=positive, metavar="S", help="seconds to wait, instead of limits.max_wait")
    check.add_argument("--direct", action="store_true", help="without Prefect: no server, no record of the run")
    check.set_defaults(run=run_check)

    history = commands.add_parser("history", help="say what the checks of the last days found", description=HISTORY)
    history.add_argument("--loop", type=loop, metavar="NAME", help="this loop only")
    history.add_argument("--since", type=since, default="7d", help="how far back: 90m, 24h, 7d, 4w (%(default)s)")
    history.add_argument("--html", type=Path, metavar="FILE", help="write it as one HTML page, too")
    history.set_defaults(run=run_history)

    exporter = commands.add_parser("exporter", help="serve metrics", description=EXPORTER, formatter_class=raw)
    exporter.add_argument("--port", type=port, help=f"port to listen on ({EXPORTER_PORT}; none with --textfile alone)")
    exporter.add_argument("--address", default="127.0.0.1", help="address to listen on (%(default)s)")
    exporter.add_argument(
        "--trusted-host", action="append", default=[], metavar="NAME", help="a name by which it may be asked, too"
    )
    exporter.add_argument("--textfile", type=Path, metavar="FILE.prom", help="write them to this file at each read")
    exporter.add_argument("--interval", type=positive, default=15.0, metavar="S", help="seconds between reads (15)")
    exporter.add_argument("--max-loops", type=how_many, default=5000, metavar="N", help="at the most (%(default)s)")
    exporter.add_argument(
        "--exclude", action="append", default=[], metavar="PATTERN", help="leave out, such as 'test-*'"
    )
    exporter.set_defaults(run=run_exporter)

    trace = commands.add_parser("trace", help="tell the journey of a message that was saved to a file")
    trace.add_argument("file", metavar="FILE.eml", help="the message as it is, - for standard input")
    trace.add_argument("--authserv-id", metavar="NAME", help="name under which the receiver states the authentication")
    trace.add_argument("--dkim", action="store_true", help="verify the DKIM signatures, too: needs dkimpy and the DNS")
    trace.add_argument("--json", action="store_true", help="as one JSON object")
    trace.set_defaults(run=run_trace)

    validate = commands.add_parser("validate", help="say whether FILE... are right; sends nothing")
    validate.add_argument("files", nargs="+", metavar="FILE", help="YAML, JSON or TOML")
    validate.add_argument(
        "--secrets",
        action="store_true",
        help="print what a worker needs in its list of secrets and hosts; prefect.yaml may be among the files",
    )
    validate.set_defaults(run=run_validate)

    deploy = commands.add_parser("deploy", help="make deployments of the checks of FILE..., each with its schedule")
    deploy.add_argument(
        "files", nargs="+", metavar="FILE", help="files of checks, or folders of them: all of the fleet"
    )
    deploy.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")
    deploy.add_argument("--every", type=interval, default="15m", help="for loops that do not say (%(default)s)")
    deploy.add_argument("--fleet", type=loop, default="main", metavar="NAME", help="whose deployments (%(default)s)")
    deploy.add_argument(
        "--shards", type=how_many, metavar="N", help="many loops in one run: N deployments for each interval"
    )
    deploy.add_argument(
        "--brief", action="store_true", help="of shards: task runs and reports for what is not ok alone"
    )
    deploy.set_defaults(run=run_deploy)

    _alerts(commands.add_parser("alerts", help="who is called when a loop fails, and when none is checked any more"))

    demo = commands.add_parser("demo", help="run a whole check against a mail system of its own")
    demo.add_argument("--keep", action="store_true", help="leave the Prefect server and the mail system running")
    demo.add_argument("--home", type=Path, default=state_home() / "demo", help="folder for its state (%(default)s)")
    demo.set_defaults(run=run_demo)

    serve = commands.add_parser("serve", help="start a Prefect server, a worker and the deployments of this folder")
    serve.add_argument("--port", type=port, default=4200, help="of the Prefect server, on loopback (%(default)s)")
    serve.add_argument("--home", type=Path, default=state_home() / "serve", help="folder for its state (%(default)s)")
    serve.set_defaults(run=run_serve)

    setup = commands.add_parser(
        "setup", help="give the Prefect server of PREFECT_API_URL what it needs", description=SETUP
    )
    setup.set_defaults(run=run_setup)

    stop = commands.add_parser("stop", help="end what serve and demo --keep left running")
    stop.add_argument("--home", type=Path, action="append", metavar="DIR", help="as given to serve or demo")
    stop.set_defaults(run=run_stop)
    return top


def _alerts(alerts: argparse.ArgumentParser) -> None:
    verbs = alerts.add_subparsers(metavar="VERB", required=True)
    apply = verbs.add_parser("apply", help="make the Prefect server do what FILE says, and nothing else of ours")
    apply.add_argument("file", nargs="?", default="alerts.yaml", metavar="FILE", help="%(default)s")
    apply.set_defaults(run=run_alerts, verb="apply")
    show = verbs.add_parser("show", help="say which rules are in force, and what somebody has been called for")
    show.set_defaults(run=run_alerts, verb="show")
    test = verbs.add_parser("test", help="play situations with a mail system of its own, so that the channels ring")
    test.add_argument("situations", nargs="*", type=situation, metavar="SITUATION", help=", ".join(PLAYED))
    test.set_defaults(run=run_alerts, verb="test")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    make_lenient()
    code = _run(parser().parse_args(argv))
    if "prefect" in sys.modules:
        # What it still has to tell a server that is gone or locked would keep the process for minutes.
        end = threading.Timer(EXIT_SECONDS, os._exit, [code])
        end.daemon = True
        end.start()
    return code


def _run(arguments: argparse.Namespace) -> int:
    run: Callable[[argparse.Namespace], int] = arguments.run
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores one of them, and so do we then
            signal.signal(number, signal.default_int_handler)  # like Ctrl-C: what was started is ended
    try:
        return run(arguments)
    except KeyboardInterrupt:
        print("mail-loop: interrupted", file=sys.stderr, flush=True)
        if "prefect" in sys.modules:
            os._exit(BROKEN)  # its threads would still try for minutes to reach a server that is gone
    except Exception as error:
        from tasks.mail.model.errors import MailLoopError

        if isinstance(error, MailLoopError):
            print(f"mail-loop: {error}", file=sys.stderr)
        elif isinstance(error, OSError):
            home = getattr(arguments, "home", None)
            print(f"mail-loop: {unwritable(error, home if isinstance(home, Path) else None)}", file=sys.stderr)
        else:
            # Python's own exit code would be 1, which says that mail is slow.
            traceback.print_exc()
    return BROKEN


if __name__ == "__main__":
    sys.exit(main())
