"""`mail-loop alerts`: the rules of who is called, on the Prefect server that is configured."""

import argparse

from flows.cli.output import quieten_prefect, say
from tasks.mail.config.state_dir import state_home
from tasks.mail.model.safe_text import one_line

PLAYED = ("relay-down", "lost", "bounced", "late", "junked", "silent")  # by `mail-loop alerts test`


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own verbs."""
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    apply = verbs.add_parser("apply", help="make the Prefect server do what FILE says, and nothing else of ours")
    apply.add_argument("file", nargs="?", default="alerts.yaml", metavar="FILE", help="%(default)s")
    apply.set_defaults(verb="apply")
    show = verbs.add_parser("show", help="say which rules are in force, and what somebody has been called for")
    show.set_defaults(verb="show")
    test = verbs.add_parser("test", help="play situations with a mail system of its own, so that the channels ring")
    test.add_argument("situations", nargs="*", type=situation, metavar="SITUATION", help=", ".join(PLAYED))
    test.set_defaults(verb="test")


def situation(text: str) -> str:
    """A situation of `mail-loop alerts test`."""
    if text not in PLAYED:
        raise argparse.ArgumentTypeError(f"must be one of {', '.join(PLAYED)}, not {text[:40]!r}")
    return text


def run(arguments: argparse.Namespace) -> int:
    """0 if all is as it should be, 2 if a channel did not ring. Raises ConfigError, ServerError."""
    quieten_prefect()
    from flows.alerts.apply import apply_rules, show_rules
    from flows.prefect_api.connection import api, in_a_thread
    from tasks.alerts.rules import load_alerts

    alerts = load_alerts(arguments.file) if arguments.verb == "apply" else None
    with api("alerts live on a Prefect server that stays: set PREFECT_API_URL"):
        if alerts is not None:
            in_a_thread(lambda: apply_rules(alerts, say))
        elif arguments.verb == "show":
            in_a_thread(lambda: show_rules(lambda text: say(one_line(text, None))))
        else:
            from flows.alerts.drill import play_situations

            played = arguments.situations or PLAYED
            return 0 if in_a_thread(lambda: play_situations(played, state_home() / "alerts-test", say)) else 2
    return 0
