"""The files that the command line is given: their checks, told what they are, and run for as long as it says."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tasks.mail.config.addresses import endpoint
from tasks.mail.config.fields import without_line_end
from tasks.mail.config.fleet import Fleet
from tasks.mail.config.loading.environment import from_environment
from tasks.mail.config.loading.files import Config, loaded, planned
from tasks.mail.config.loop import CheckConfig, InboundConfig, SmtpConfig
from tasks.mail.config.mailbox import MailboxConfig
from tasks.mail.config.matrix import Matrix
from tasks.mail.config.secret_hosts import uses_of
from tasks.mail.model.errors import ConfigError
from tasks.mail.model.redaction.redactor import LEAST
from tasks.mail.verdict.ports import misfit

PREFECT = "prefect.yaml"
BLANKS = " \t"
NAMED = 5  # loops of a fleet in the line that tells of it, or passwords or ports in notes
SECTIONS = ("smtp", "imap", "bounce_mailbox")  # with a login


def with_max_wait(config: CheckConfig, seconds: float | None) -> CheckConfig:
    """The loop with another limit; a message that comes after it is lost, so none can be late beyond it."""
    if seconds is None:
        return config
    if isinstance(config, InboundConfig):
        print(f"{config.name}: note: --max-wait does not apply to an inbound check", file=sys.stderr)
        return config
    warn_after = config.limits.warn_after
    limits = {"max_wait": seconds, "warn_after": min(warn_after, seconds) if warn_after is not None else None}
    return config.model_copy(update={"limits": config.limits.model_copy(update=limits)})


def notes(config: Config) -> list[str]:
    """What is to be noted of a configuration that is right all the same: ports, and passwords as far as known here."""
    given = [(f"{where}.{field}", password) for where, field, password in _passwords(config)]
    sent = [(name, without_line_end(password)) for name, password in given]
    ends = [name for name, password in given if password != without_line_end(password)]
    blank = [name for name, password in sent if password != password.strip(BLANKS)]
    short = [name for name, password in sent if len(password) < LEAST]
    fits = [fit for where, section in _logins(config) if (fit := misfit(where, section)) is not None]
    more = [f"and {len(fits) - NAMED} more ports that do not fit"] if len(fits) > NAMED else []
    told = (
        (ends, "ends with a line end, which is taken off: store it without"),
        (blank, "begins or ends with a blank, which belongs to the password: see whether it should"),
        (
            short,
            f"has fewer than {LEAST} characters, so it is hidden in servers' texts only where it stands alone: choose "
            "a longer password",
        ),
    )
    return [*fits[:NAMED], *more, *(f"{_some(names)}: {what}" for names, what in told if names)]


def _some(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _passwords(config: Config) -> Iterator[tuple[str, str, str]]:
    """Each section, the field that its password comes from, and the password, unless only a worker has it."""
    for where, section in _logins(config):
        if section.password is not None:
            yield where, "password", section.password.get_secret_value()
        elif section.password_secret is not None and (value := from_environment(section.password_secret)):
            yield where, "password_secret", value


def _logins(config: Config) -> Iterator[tuple[str, SmtpConfig | MailboxConfig]]:
    if isinstance(config, Matrix):
        yield from config.sections().items()
        return
    if isinstance(config, Fleet):
        checks = [(f"loops.{one.config.name}.", one.config) for one in config.members]
    else:
        checks = [("", config)]
    for where, check in checks:
        for name in SECTIONS:
            if (section := getattr(check, name, None)) is not None:
                yield f"{where}{name}", section


def route(config: Config) -> str:
    """Where the mail of a configuration goes, in a few words."""
    if isinstance(config, Fleet):
        names = [member.config.name for member in config.members]
        shown = ", ".join([*names[:NAMED], *(["..."] if len(names) > NAMED else [])])
        return f"fleet: {shown} ({len(names)} {'loops' if len(names) > 1 else 'loop'})"
    if isinstance(config, Matrix):
        loops = len(config.pairs())
        ends = f"{', '.join(config.senders)} -> {', '.join(config.receivers)}"
        return f"matrix {config.name}: {ends} ({loops} {'loops' if loops > 1 else 'loop'})"
    imap = config.imap
    mailbox = f"{imap.username} at {endpoint(imap.host, imap.port)}" if imap else "nowhere looked for"
    if isinstance(config, InboundConfig):
        return f"inbound check {config.name}: {mailbox}, {config.imap.folder}"
    back = config.bounce_mailbox
    bounces = f", bounces to {back.username} at {endpoint(back.host, back.port)}" if back else ""
    relay = endpoint(config.smtp.host, config.smtp.port)
    return f"loop {config.name}: {relay} -> {config.smtp.to_addr} -> {mailbox}{bounces}"


def secret_lines(files: Iterable[str]) -> tuple[list[str], list[str]]:
    """What a worker needs in its list of secrets and hosts for these files, and what is wrong with them.

    A file named prefect.yaml stands for its deployments.
    """
    checks: list[CheckConfig] = []
    problems: list[str] = []
    for file in files:
        try:
            if Path(file).name == PREFECT:
                from flows.deploy.prefect_yaml import all_checks  # it imports Prefect

                checks += all_checks(Path(file))
                continue
        except ConfigError as error:
            problems.append(str(error))
            continue
        for _, found in loaded([file]):
            if isinstance(found, ConfigError):
                problems.append(str(found))
            else:
                checks += [check.config for check in planned(found)]
    return [use.line for use in uses_of(checks)], problems
