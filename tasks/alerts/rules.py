"""What alerts.yaml says: channels, when a call is made through them, and how long a loop may be silent.

A channel that is mail is refused where the call would travel by the mail that it is about.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import AfterValidator, Field, model_validator

from tasks.mail.config.loading.check_file import read
from tasks.mail.config.messages import problem
from tasks.mail.config.section import Slug, Strict, validated
from tasks.mail.model.durations import span
from tasks.mail.model.errors import ConfigError

TRIAL = "alerts-test"  # the loop of `mail-loop alerts test`: every rule holds for it
_MIN_WITHIN = timedelta(minutes=1)
_BLOCK_NAME = r"^[a-z0-9]+(-[a-z0-9]+)*/[a-z0-9]+(-[a-z0-9]+)*$"

LONGER = ("3h", "26h", "8d", "33d")  # of loops that are due more rarely than their rule says: each an automation more
ALLOWED = timedelta(minutes=5)  # from the moment a check is due to its verdict, or its interval, if that is less
UNWATCHED = "longer"  # in place of a span where no span is long enough
_NAME = r"^[A-Za-z0-9_-]{1,255}$"
_MAIL_BLOCKS = {"sendgrid-email"}
_MAIL_SCHEMES = {"mailto", "mailtos"}
_MAIL_SERVICES = {"brevo", "mailgun", "resend", "sendgrid", "sendpulse", "ses", "smtp2go", "sparkpost"}
Count = Annotated[int, Field(ge=1, le=100)]


def _checked_span(text: str) -> str:
    if (length := span(text)) is None or length < _MIN_WITHIN:
        raise problem(f"must be a length of time of a minute or more, such as 45m, 2h or 1d, not {text[:20]!r}")
    return text


def _secret(name: str) -> str:
    if not re.fullmatch(_NAME, name):
        raise problem("must be the name of a secret that holds the URL, not the URL")
    return name


SecretName = Annotated[str, AfterValidator(_secret)]


class Channel(Strict):
    """Where a call goes: one of the three fields."""

    webhook: SecretName | None = Field(
        None, description="Name of the secret that holds the URL to which subject and text are posted as JSON"
    )
    apprise: SecretName | None = Field(None, description="Name of the secret that holds a URL as Apprise knows them")
    block: Annotated[str, Field(pattern=_BLOCK_NAME)] | None = Field(
        None, description="A notification block that is in Prefect already, such as slack-webhook/operators"
    )

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if sum(value is not None for value in (self.webhook, self.apprise, self.block)) != 1:
            raise problem("must have one of webhook, apprise and block")
        return self


class Rule(Strict):
    """When somebody is called, and through which channels.

    A failing loop has had `checks` errors in a row, a degraded one so many warnings; `recovered_after` good checks in a
    row end that. A silent one has a schedule, but has had no good check within so long although one was due, nor an
    error that a failing rule has called for.
    """

    when: Literal["failing", "degraded", "silent"] = Field(description="What calls: failing, degraded or silent")
    channels: tuple[Slug, ...] = Field(strict=False, min_length=1, description="Names of channels")
    checks: Count = Field(1, description="So many checks in a row")
    recovered_after: Count = Field(2, description="So many good checks in a row are a recovery")
    within: Annotated[str, AfterValidator(_checked_span)] | None = Field(None, description="For silent: such as 45m")
    loops: tuple[Slug, ...] | None = Field(None, strict=False, min_length=1, description="Loops; without it, all")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        given = self.model_fields_set
        if self.when == "silent" and self.within is None:
            raise problem("needs within where when is silent: for how long no good check may come, such as 45m")
        if self.when != "silent" and self.within is not None:
            raise problem(f"has within, which is for silent alone: with {self.when}, give checks")
        if self.when == "silent" and given & {"checks", "recovered_after"}:
            raise problem("has checks or recovered_after, which a silent rule does not have: one good check ends it")
        return self

    @property
    def silence(self) -> timedelta:
        """For how long no good check may come; zero where that is not what the rule is about."""
        return span(self.within or "") or timedelta()

    def holds_for(self, loop: str) -> bool:
        """Whether the loop is one of its."""
        return self.loops is None or loop in self.loops or loop == TRIAL

    def misses(self, loop: str) -> bool:
        """Whether it is about silence, and that of this loop; that of the trial is missed by copies made for it."""
        if self.when != "silent":
            return False
        return self.loops == (TRIAL,) if loop == TRIAL else self.holds_for(loop)


class Alerts(Strict):
    """The whole file."""

    channels: dict[Slug, Channel] = Field(min_length=1, description="A mapping of your names to channels")
    rules: dict[Slug, Rule] = Field(min_length=1, description="A mapping of your names to rules")

    @model_validator(mode="after")
    def _knows_its_channels(self) -> Self:
        for name, rule in self.rules.items():
            if unknown := [channel for channel in rule.channels if channel not in self.channels]:
                raise problem(f"has no channel {unknown[0]}, which rules.{name} names: add it, or correct the name")
        return self

    def pairs(self) -> Iterator[tuple[str, Rule, str]]:
        """Each rule with each of its channels."""
        for name, rule in self.rules.items():
            yield from ((name, rule, channel) for channel in dict.fromkeys(rule.channels))


def load_alerts(path: str | Path) -> Alerts:
    """The rules in the file at `path`; a failure is a ConfigError that begins with the path as given."""
    source, data = read(path, "channels and rules")
    if not data.keys() & {"channels", "rules"}:
        raise ConfigError(f"{source}: holds no alerts: give the sections channels and rules")
    return validated(Alerts, data, source)


def spans(within: str) -> tuple[str, ...]:
    """All spans that a rule may take, the shortest first: its own, and longer ones."""
    own = span(within) or timedelta()
    return (within, *(one for one in LONGER if (span(one) or own) > own))


def span_for(within: str, needed: timedelta | None) -> str | None:
    """The shortest of them that is no shorter than what a loop needs; None where there is none, or nothing is due."""
    if needed is None:
        return None
    return next((one for one in spans(within) if (span(one) or timedelta()) >= needed), None)


def tolerated_silence(until_due: timedelta, interval: timedelta) -> timedelta:
    """For how long a loop is silent that is well: until its next check is due, and has had the time to find mail."""
    return until_due + min(interval, ALLOWED)


def way_of(channel: Channel, url: str) -> frozenset[str] | None:
    """The hosts and domains that a channel's mail goes by, as far as its URL says; None if the channel is no mail."""
    if channel.block is not None:
        return frozenset() if channel.block.partition("/")[0] in _MAIL_BLOCKS else None
    if (parts := urlsplit(url)).scheme.lower() not in _MAIL_SCHEMES | _MAIL_SERVICES:
        return None
    query = [(name.lower(), value) for name, value in parse_qsl(parts.query)]
    texts = [parts.hostname or "", *unquote(parts.path).strip("/").replace(",", "/").split("/")]
    texts += [one for name, value in query if name in ("smtp", "to", "from", "cc", "bcc") for one in value.split(",")]
    return frozenset(text.rpartition("@")[2].strip(" <>").lower() for text in texts if "." in text)


def hosts_of(parameters: Mapping[str, object]) -> frozenset[str]:
    """The hosts and domains that the mail of a loop goes by, from the parameters of its deployment."""
    sections = [section for section in parameters.values() if isinstance(section, Mapping)]
    texts = [section.get(name) for section in sections for name in ("host", "from_addr", "to_addr", "username")]
    hosts = [text.rpartition("@")[2].lower() for text in texts if isinstance(text, str)]
    return frozenset(host for host in hosts if "." in host)


def shared(one: Collection[str], other: Collection[str]) -> str | None:
    """A domain that both go by; None where they have none in common. A host counts with those below its domain."""
    pairs = (sorted((_site(host), _site(another)), key=len) for host in sorted(one) for another in sorted(other))
    return next((domain for domain, longer in pairs if f".{longer}".endswith(f".{domain}")), None)


def _site(host: str) -> str:
    """The domain that a host is taken to belong to: its last two labels; an address is itself."""
    labels = host.split(".")
    return host if labels[-1].isdigit() else ".".join(labels[-2:])
