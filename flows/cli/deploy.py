"""`mail-loop deploy`: deployments of the checks of files, on the Prefect server that is configured."""

import argparse

from flows.cli.arguments import how_many, loop
from flows.cli.output import quieten_prefect, say
from tasks.mail.config.addresses import quoted
from tasks.mail.config.fleet import SHORTEST
from tasks.mail.config.loading.files import all_planned
from tasks.mail.config.loading.secret_list import uses_of
from tasks.mail.model.durations import span
from tasks.mail.model.errors import ConfigError
from tasks.mail.model.safe_text import one_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Files, and how their checks are deployed."""
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="files of checks, or folders of them: all of the fleet"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")
    parser.add_argument("--every", type=interval, default="15m", help="for loops that do not say (%(default)s)")
    parser.add_argument("--fleet", type=loop, default="main", metavar="NAME", help="whose deployments (%(default)s)")
    parser.add_argument(
        "--shards", type=how_many, metavar="N", help="many loops in one run: N deployments for each interval"
    )
    parser.add_argument(
        "--brief", action="store_true", help="of shards: task runs and reports for what is not ok alone"
    )


def interval(text: str) -> str:
    """How often a deployment runs."""
    if (length := span(text)) is None or length < SHORTEST:
        raise argparse.ArgumentTypeError(f"{quoted(text)} is not a length of time such as 5m, 2h or 1d")
    return text


def run(arguments: argparse.Namespace) -> int:
    """0 if the server has what the files say, or with --dry-run could have. Raises ConfigError, ServerError."""
    quieten_prefect()
    from flows.alerts.apply import begin_anew
    from flows.deploy.apply import deploy_checks
    from flows.deploy.prefect_yaml import read_template
    from flows.equip import DEPLOYMENTS, allow_at
    from flows.prefect_api.connection import api, in_a_thread

    if arguments.brief and not arguments.shards:
        raise ConfigError("--brief is for shards: give --shards, too")
    checks = all_planned(arguments.files)
    common = read_template(DEPLOYMENTS)
    shape = {"shards": arguments.shards, "brief": arguments.brief, "dry_run": arguments.dry_run}

    def shown(text: str) -> None:
        say(one_line(text, None))

    async def deployed() -> None:
        await begin_anew(await deploy_checks(checks, arguments.every, arguments.fleet, common, shown, **shape))

    with api("deployments live on a Prefect server that stays: set PREFECT_API_URL") as url:
        in_a_thread(deployed)
    allow_at(url, uses_of(check.config for check in checks), shown, dry_run=arguments.dry_run)
    return 0
