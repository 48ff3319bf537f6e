"""The `mail-loop` command."""

import argparse
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Container, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from flows.cli.output import BROKEN, make_lenient
from tasks.mail.config.state_dir import unwritable

_EXIT_SECONDS = 10.0  # from the last word to the end of the process
_TOKEN_SECONDS = 10.0  # more than that, for a refresh token that is on its way: the one before may be spent

# Each is a module beside this one, with `add_arguments(parser)` and `run(arguments)`, which returns the exit code.
VERBS = {
    "check": "run the checks of FILE...",
    "history": "say what the checks of the last days found",
    "exporter": "serve metrics",
    "login": "log in once, in a browser, and keep the refresh token that FILE names",
    "trace": "tell the journey of a message that was saved to a file",
    "validate": "say whether FILE... are right; sends nothing",
    "deploy": "make deployments of the checks of FILE..., each with its schedule",
    "alerts": "who is called when a loop fails, and when none is checked any more",
    "demo": "run a whole check against a mail system of its own",
    "serve": "start a Prefect server, a worker and the deployments of this folder",
    "setup": "give the Prefect server of PREFECT_API_URL what it needs",
    "stop": "end what serve and demo --keep left running",
}

_DESCRIPTION = """\
Sends a real message through an SMTP relay, finds that very message in a mailbox
over IMAP, and says whether mail gets through."""

_EPILOG = """\
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


def parser(given: Container[str] = VERBS) -> argparse.ArgumentParser:
    """The command line. Only the verbs that are among the words given have their arguments: to load them takes time."""
    raw = argparse.RawDescriptionHelpFormatter
    top = _Parser(prog="mail-loop", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=raw)
    top.add_argument("--version", action=_Version, nargs=0, help="show program's version number and exit")
    commands = top.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    for verb, what in VERBS.items():
        command = commands.add_parser(verb, help=what)
        if verb in given:
            module = import_module(f"flows.cli.{verb}")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    make_lenient()
    given = sys.argv[1:] if argv is None else argv
    code = _run(parser(given).parse_args(given))
    if "prefect" in sys.modules:
        # What it still has to report to a server that is gone or locked would keep the process for minutes.
        end = threading.Timer(_EXIT_SECONDS, _end, [code])
        end.daemon = True
        end.start()
    return code


def _end(code: int) -> NoReturn:
    """End the process, whatever its threads do; but what is given once is kept."""
    from tasks.mail.auth.tokens.thread import THREAD

    until = time.monotonic() + _TOKEN_SECONDS
    try:
        for thread in threading.enumerate():
            if thread.name == THREAD and not thread.daemon:
                thread.join(max(0.0, until - time.monotonic()))
    finally:  # after a second Ctrl-C, too
        os._exit(code)


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
            _end(BROKEN)  # its threads would still try for minutes to reach a server that is gone
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
