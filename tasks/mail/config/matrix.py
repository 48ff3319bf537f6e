"""A matrix: every sender to every receiver, from one configuration. Pure."""

import difflib
from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from tasks.mail.config.addresses import SLUG_LENGTH, quoted
from tasks.mail.config.loop import ImapConfig, Limits, LoopConfig, SenderSection
from tasks.mail.config.messages import explain, problem
from tasks.mail.config.section import Address, Slug, Strict, validated, without_secrets
from tasks.mail.model.errors import ConfigError

Cell = tuple[str, str]  # sender and receiver

MOST_PAIRS = 400  # one message each


def _sender_schema(schema: dict[str, Any]) -> None:
    without_secrets(schema)
    schema["properties"].pop("to_addr", None)


def _receiver_schema(schema: dict[str, Any]) -> None:
    without_secrets(schema)
    schema["properties"] = {"address": schema["properties"].pop("address"), **schema["properties"]}


class Sender(SenderSection):
    """A relay of a matrix: the section smtp without `to_addr`, which is the address of each receiver in turn."""

    model_config = ConfigDict(title="Sender", json_schema_extra=_sender_schema)

    to_addr: Address = Field("nobody@receiver.invalid", exclude=True, repr=False)

    @field_validator("to_addr", mode="before")
    @classmethod
    def _has_no_recipient(cls, given: object) -> object:
        raise problem("is the address of each receiver in turn: leave it out")

    def to(self, address: str) -> SenderSection:
        """The relay as one loop has it."""
        return SenderSection.model_validate(_set(self) | {"to_addr": address})


class Receiver(ImapConfig):
    """A mailbox of a matrix: the section imap with the address that leads to it."""

    model_config = ConfigDict(title="Receiver", json_schema_extra=_receiver_schema)

    address: Address = Field(description="Address that leads to the mailbox, such as inbox@example.net")

    def mailbox(self) -> ImapConfig:
        """The mailbox as a loop has it."""
        return ImapConfig.model_validate({name: value for name, value in _set(self).items() if name != "address"})


def _set(section: SenderSection | ImapConfig) -> dict[str, object]:
    return {name: getattr(section, name) for name in section.model_fields_set}


class Matrix(Strict):
    """Loops from every sender to every receiver, but those left out; each is named <name>-<sender>-<receiver>."""

    name: Slug = Field(description="Name of the matrix, such as office")
    senders: dict[Slug, Sender] = Field(description="The relays, each under a name of yours")
    receivers: dict[Slug, Receiver] = Field(description="The mailboxes, each under a name of yours")
    limits: Limits = Field(default_factory=Limits, description="How long a probe may take")
    without: dict[str, list[str]] = Field(
        default_factory=dict, description="What is left out: for a sender the receivers that it does not send to"
    )

    @field_validator("senders", "receivers")
    @classmethod
    def _not_empty(cls, given: dict[str, Any]) -> dict[str, Any]:
        if not given:
            raise problem("must not be empty: give one or more, each under a name of yours")
        return given

    @field_validator("without")
    @classmethod
    def _names_what_there_is(cls, without: dict[str, list[str]], info: ValidationInfo) -> dict[str, list[str]]:
        if not {"senders", "receivers"} <= info.data.keys():  # they are wrong already
            return without
        for sender, receivers in without.items():
            _known("sender", sender, info.data["senders"])
            for receiver in receivers:
                _known("receiver", receiver, info.data["receivers"])
        return without

    @model_validator(mode="after")
    def _makes_loops(self) -> "Matrix":
        pairs = self.pairs()
        if not pairs:
            raise problem("leaves no pair: leave out fewer", at="without")
        if len(pairs) > MOST_PAIRS:
            raise problem(
                f"senders and receivers make {len(pairs)} pairs, each a message of its own, and {MOST_PAIRS} are the "
                "most: split the matrix"
            )
        known: dict[str, Cell] = {}
        for pair in pairs:
            name = self.loop_name(*pair)
            if len(name) > SLUG_LENGTH:
                raise problem(
                    f"the loop {name} would have {len(name)} characters in its name, and {SLUG_LENGTH} are the most: "
                    "shorten the name of the matrix, of the sender or of the receiver"
                )
            if (other := known.setdefault(name, pair)) != pair:
                raise problem(
                    f"{' to '.join(other)} and {' to '.join(pair)} would both be the loop {name}: rename one of them"
                )
        return self

    def pairs(self) -> list[Cell]:
        """Sender and receiver of each loop, in the order of the configuration."""
        return [(s, r) for s in self.senders for r in self.receivers if r not in self.without.get(s, ())]

    def sections(self) -> Mapping[str, SenderSection | ImapConfig]:
        """Every sender and receiver, under the path that an error gives."""
        senders: dict[str, SenderSection | ImapConfig] = {
            f"senders.{name}": sender for name, sender in self.senders.items()
        }
        return senders | {f"receivers.{name}": receiver for name, receiver in self.receivers.items()}

    def loop_name(self, sender: str, receiver: str) -> str:
        return f"{self.name}-{sender}-{receiver}"

    def loops(self, source: str = "") -> dict[Cell, LoopConfig]:
        """The loop of each pair. Raises ConfigError where a sender and a receiver do not go together."""
        return {pair: self._loop(*pair, source) for pair in self.pairs()}

    def _loop(self, sender: str, receiver: str, source: str) -> LoopConfig:
        address, mailbox = self.receivers[receiver].address, self.receivers[receiver].mailbox()
        try:
            return LoopConfig(
                name=self.loop_name(sender, receiver),
                smtp=self.senders[sender].to(address),
                imap=mailbox,
                limits=self.limits,
            )
        except ValidationError as error:
            text = explain(error, LoopConfig, f"{sender} to {receiver}")
        raise ConfigError(f"{source}: {text}" if source else text)  # out of the except clause: see validated()


def matrix_config(data: Mapping[str, object], source: str = "") -> Matrix:
    """A matrix from its fields, which make loops. `source` begins the error text."""
    matrix = validated(Matrix, data, source)
    matrix.loops(source)
    return matrix


def _known(kind: str, name: str, names: Mapping[str, object]) -> None:
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        raise problem(
            f"there is no {kind} {quoted(name)}" + (f"; did you mean {near[0]}?" if near else f" among the {kind}s")
        )
