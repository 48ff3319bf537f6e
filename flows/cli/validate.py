"""`mail-loop validate`: whether files are right, what they hold, and what a worker needs for them."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from flows.cli.output import BROKEN, say
from tasks.mail.config.addresses import endpoint
from tasks.mail.config.fleet import Fleet
from tasks.mail.config.loading.check_file import logins_in
from tasks.mail.config.loading.files import Config, loaded, planned
from tasks.mail.config.loading.secret_list import uses_of
from tasks.mail.config.loop import CheckConfig, InboundConfig
from tasks.mail.config.matrix import Matrix
from tasks.mail.config.secrets import from_environment, secrets_of
from tasks.mail.config.section import without_line_end
from tasks.mail.model.errors import ConfigError
from tasks.mail.model.redaction.traces import LEAST
from tasks.mail.model.safe_text import one_line
from tasks.mail.verdict.remedies import misfit

PREFECT_YAML = "prefect.yaml"
_BLANKS = " \t"
_MAX_NAMED = 5  # loops of a fleet in the line about it, or passwords or ports in notes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Files, and whether their secrets are wanted."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="YAML, JSON or TOML")
    parser.add_argument(
        "--secrets",
        action="store_true",
        help="print what a worker needs in its list of secrets and hosts; prefect.yaml may be among the files",
    )


def run(arguments: argparse.Namespace) -> int:
    """Every file is read, and every problem said: 0 if there is none."""
    right = _say_secrets(arguments.files) if arguments.secrets else _say_whether_right(arguments.files)
    return 0 if right else BROKEN


def _say_whether_right(files: Sequence[str]) -> bool:
    right = True
    for file, found in loaded(files):
        if isinstance(found, ConfigError):
            print(found, file=sys.stderr)
            right = False
        else:
            say(one_line(f"{file}: ok: {route(found)}", None))  # a path may hold anything
            for noted in _notes(found):
                print(one_line(f"{file}: note: {noted}", None), file=sys.stderr)
    return right


def _notes(config: Config) -> list[str]:
    """What is to be noted of a configuration that is right all the same: ports, and passwords."""
    # As far as known here: others only a worker has. One of several lines has a form of its own.
    given = [
        (f"{where}.{secret.where}", value)
        for where, section in logins_in(config)
        for secret in secrets_of(section)
        if secret.is_one_line and (value := secret.value or from_environment(secret.name or ""))
    ]
    sent = [(name, without_line_end(password)) for name, password in given]
    ends = [name for name, password in given if password != without_line_end(password)]
    blank = [name for name, password in sent if password != password.strip(_BLANKS)]
    short = [name for name, password in sent if len(password) < LEAST]
    fits = [fit for where, section in logins_in(config) if (fit := misfit(where, section)) is not None]
    more = [f"and {len(fits) - _MAX_NAMED} more ports that do not fit"] if len(fits) > _MAX_NAMED else []
    noted = (
        (ends, "ends with a line end, which is taken off: store it without"),
        (blank, "begins or ends with a blank, which belongs to the password: see whether it should"),
        (
            short,
            f"has fewer than {LEAST} characters, so it is hidden in servers' texts only where it stands alone: choose "
            "a longer password",
        ),
    )
    return [*fits[:_MAX_NAMED], *more, *(f"{_some(names)}: {what}" for names, what in noted if names)]


def _some(names: list[str]) -> str:
    return ", ".join(names[:_MAX_NAMED]) + (f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else "")


def route(config: Config) -> str:
    """Where the mail of a configuration goes, in a few words."""
    if isinstance(config, Fleet):
        names = [member.config.name for member in config.members]
        shown = ", ".join([*names[:_MAX_NAMED], *(["..."] if len(names) > _MAX_NAMED else [])])
        return f"fleet: {shown} ({len(names)} {'loops' if len(names) > 1 else 'loop'})"
    if isinstance(config, Matrix):
        loops = len(config.pairs())
        ends = f"{', '.join(config.senders)} -> {', '.join(config.receivers)}"
        return f"matrix {config.name}: {ends} ({loops} {'loops' if loops > 1 else 'loop'})"
    box = config.mailbox
    mailbox = f"{box.username} at {endpoint(box.host, box.port)}" if box else "nowhere looked for"
    if isinstance(config, InboundConfig):
        return f"inbound check {config.name}: {mailbox}, {config.mailbox.folder}"
    back = config.bounce_mailbox
    bounces = f", bounces to {back.username} at {endpoint(back.host, back.port)}" if back else ""
    relay = endpoint(config.sender.host, config.sender.port)
    return f"loop {config.name}: {relay} -> {config.sender.to_addr} -> {mailbox}{bounces}"


def _say_secrets(files: Sequence[str]) -> bool:
    """What a worker needs in its list of secrets and hosts for these files, and what is wrong with them.

    A file named prefect.yaml stands for its deployments.
    """
    checks: list[CheckConfig] = []
    problems: list[ConfigError] = []
    for file in files:
        if Path(file).name == PREFECT_YAML:
            from flows.deploy.prefect_yaml import all_checks  # it imports Prefect

            try:
                checks += all_checks(Path(file))
            except ConfigError as error:
                problems.append(error)
            continue
        for _, found in loaded([file]):
            if isinstance(found, ConfigError):
                problems.append(found)
            else:
                checks += [check.config for check in planned(found)]
    for use in uses_of(checks):
        say(use.line)
    for problem in problems:
        print(problem, file=sys.stderr)
    return not problems
