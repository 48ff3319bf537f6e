"""From the parameters of a flow run, as a person or a deployment gave them, to a checked configuration."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ParamSpec, TypeVar, get_args

from prefect import Flow
from pydantic import ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from tasks.credentials import SecretBlocks
from tasks.mail.config.addresses import SLUG
from tasks.mail.config.fleet import fleet_config
from tasks.mail.config.loading.check_file import check_files, logins_in
from tasks.mail.config.loading.files import Config, all_planned
from tasks.mail.config.loop import (
    CheckConfig,
    ImapConfig,
    InboundConfig,
    Limits,
    LoopConfig,
    SenderSection,
    inbound_config,
    loop_config,
)
from tasks.mail.config.mailbox import BounceMailbox, Expect
from tasks.mail.config.matrix import Matrix, Receiver, matrix_config
from tasks.mail.config.oauth import OAuth
from tasks.mail.config.plan import Planned
from tasks.mail.config.secrets import secrets_of
from tasks.mail.config.section import Section, Strict, secret_fields
from tasks.mail.model.errors import ConfigError
from tasks.mail.model.redaction.redactor import HIDDEN
from tasks.run_context import of_a_deployment, refuse_elsewhere

_P = ParamSpec("_P")
_R = TypeVar("_R")
_Config = TypeVar("_Config", bound=Config)

# Prefect's server reports an error inside a union by repeating the input. Beside the union, the rule that refuses a
# password reports it by the name of the field.
_BESIDE_THE_UNION = Field(json_schema_extra={"propertyNames": ImapConfig.model_json_schema()["propertyNames"]})
OptionalImap = Annotated[ImapConfig | None, _BESIDE_THE_UNION]
OptionalBounceMailbox = Annotated[BounceMailbox | None, _BESIDE_THE_UNION]

_SECTIONS = (SenderSection, Receiver, Limits, BounceMailbox, OAuth, Expect)
_NESTED = frozenset(  # sections within sections
    name
    for section in _SECTIONS
    for name, field in section.model_fields.items()
    for kind in (field.annotation, *get_args(field.annotation))
    if isinstance(kind, type) and issubclass(kind, Section)
)
SHOWN_FIELDS = frozenset(
    field for section in _SECTIONS for field in {*section.model_fields} - {*secret_fields(section)}
)
_SIDES = ("senders", "receivers")  # of a matrix: sections under names
CLEAR = (
    "a deployment never holds a {what} in clear, for its parameters are stored and shown: "
    "name a Prefect Secret block in {field}"
)


class FleetLoop(Strict):
    """A loop in the parameters of a fleet, which have its name."""

    model_config = ConfigDict(title="Loop")

    smtp: SenderSection = Field(description="The relay that the message is handed to")
    imap: OptionalImap = Field(None, description="The mailbox that it should arrive in")
    limits: Limits | SkipJsonSchema[None] = Field(None, description="How long the message may take")
    bounce_mailbox: OptionalBounceMailbox = Field(None, description="The mailbox of the sender, where bounces go")


class CheckFlow(Flow[_P, _R]):
    """A flow that validates its parameters itself, and whose stored parameters hold no password.

    Prefect's own refusal of a parameter would be a crash with the input, and so perhaps with a password, in its text;
    ours is a run that ended "Misconfigured" with one sentence.
    """

    def serialize_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """What Prefect stores and shows of a run: of a section, the fields that it is known to have."""
        given = super().serialize_parameters(parameters)
        show = dict.fromkeys(_SIDES, _side) | {"without": lambda names: names, "loops": _loops}
        return {name: show.get(name, _shown)(value) for name, value in given.items()}


def check_flow(fn: Callable[_P, _R]) -> CheckFlow[_P, _R]:
    """The decorator of our flows. Nothing they return is kept: what is worth keeping is published.

    Never retried, whatever Prefect's settings say: a failed check is a finding, and another one sends another message.
    """
    return CheckFlow(fn, flow_run_name="{name}", validate_parameters=False, persist_result=False, retries=0)


def _shown(value: object) -> object:
    if not isinstance(value, Mapping):
        return value
    return {field: _field(field, content) for field, content in value.items()}


def _field(name: str, content: object) -> object:
    if name not in SHOWN_FIELDS:
        return HIDDEN
    if name not in _NESTED:
        return content
    return _shown(content) if isinstance(content, Mapping) or content is None else HIDDEN


def _side(value: object) -> object:
    if not isinstance(value, Mapping):
        return HIDDEN
    return {name: _shown(one) if isinstance(one, Mapping) or one is None else HIDDEN for name, one in value.items()}


def _loops(value: object) -> object:
    if not isinstance(value, Mapping):
        return None if value is None else HIDDEN
    return {name: _side(sections) for name, sections in value.items()}


def loop_of(name: object, smtp: object, imap: object, limits: object, bounce_mailbox: object = None) -> LoopConfig:
    """The loop that the parameters describe. Raises ConfigError."""
    refuse_elsewhere()
    given = {"name": name, "smtp": smtp, "imap": imap, "limits": limits, "bounce_mailbox": bounce_mailbox}
    return _checked(loop_config({field: value for field, value in given.items() if value is not None}))


def inbound_of(name: object, imap: object) -> InboundConfig:
    """The same for an inbound check."""
    refuse_elsewhere()
    return _checked(inbound_config({"name": name, "imap": imap}))


async def matrix_of(name: object, senders: object, receivers: object, limits: object, without: object) -> Matrix:
    """The same for a matrix, with all its passwords in place, for many of its loops share one."""
    given = {"name": name, "senders": senders, "receivers": receivers, "limits": limits, "without": without}
    matrix = _checked(matrix_config({field: value for field, value in given.items() if value is not None}))
    resolve = SecretBlocks().resolve
    senders = {key: await resolve(sender, f"senders.{key}") for key, sender in matrix.senders.items()}
    receivers = {key: await resolve(mailbox, f"receivers.{key}") for key, mailbox in matrix.receivers.items()}
    return matrix.model_copy(update={"senders": senders, "receivers": receivers})


def fleet_of(name: object, files: object, loops: object) -> Sequence[Planned]:
    """The checks of a fleet. Their passwords are not in place: that one is missing concerns its loop alone."""
    refuse_elsewhere()
    if not isinstance(name, str) or not re.fullmatch(SLUG, name):
        raise ConfigError("name: must be lower-case letters and digits with single hyphens between")
    files = files or []
    if not isinstance(files, list) or not all(isinstance(file, str) for file in files):
        raise ConfigError("files: must be a list of paths")
    if not isinstance(loops or {}, Mapping):
        raise ConfigError("loops: must be a mapping of your names to loops")
    fleet = None
    if isinstance(loops, Mapping) and loops:
        fleet = _checked(fleet_config({"loops": {key: _given(loop) for key, loop in loops.items()}}))
    if not (checks := all_planned(files, fleet)):
        raise ConfigError("files and loops are empty: give one of them")
    return checks


def _checked(config: _Config) -> _Config:
    check_files(config)
    if of_a_deployment() and (clear := clear_passwords(config)):
        raise ConfigError(clear[0])
    return config


def clear_passwords(config: Config) -> list[str]:
    """A sentence for each secret in clear: a deployment's parameters are stored and shown as they are."""
    return [
        f"{where}.{secret.where}: {CLEAR.format(what=secret.words, field=f'{secret.path[-1]}_secret')}"
        for where, section in logins_in(config)
        for secret in secrets_of(section)
        if secret.value is not None
    ]


def _given(loop: object) -> object:
    """The fields of a loop, which may be a model already."""
    return {name: getattr(loop, name) for name in loop.model_fields_set} if isinstance(loop, FleetLoop) else loop


def configuration_of(config: CheckConfig | None) -> dict[str, Mapping[str, object]]:
    """The configuration for a report, section by section, without passwords."""
    if config is None:
        return {}
    sections = {name: getattr(config, name) for name in type(config).model_fields if name != "name"}
    return {name: section.redacted() for name, section in sections.items() if section is not None}
