"""`mail-loop trace`: the journey of any message that a person saved."""

import argparse
import sys
from pathlib import Path

from flows.cli.output import drawn_for, say
from tasks.mail.config.mailbox import can_verify
from tasks.mail.journey.authentication.signatures import signatures
from tasks.mail.journey.journey import journey
from tasks.mail.journey.saved import MAX_MESSAGE_OCTETS, as_received, is_message
from tasks.mail.model.errors import ConfigError
from tasks.mail.model.journey_record import JourneyRecord
from tasks.mail.report.svg.timeline import hop_timeline
from tasks.mail.report.text import journey_lines

_WHOLE = "save it as it is, with all its header fields"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A message, and how it is read."""
    parser.add_argument("file", metavar="FILE.eml", help="the message as it is, - for standard input")
    parser.add_argument("--authserv-id", metavar="NAME", help="name under which the receiver states the authentication")
    parser.add_argument("--dkim", action="store_true", help="verify the DKIM signatures, too: needs dkimpy and the DNS")
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """0 when the message could be read. Raises ConfigError."""
    found = journey_of(_read(arguments.file), arguments.authserv_id, verify_dkim=arguments.dkim)
    if arguments.json:
        say(found.model_dump_json())
        return 0
    for text in journey_lines(found):
        say(text)
    for text in drawn_for(sys.stdout, hop_timeline(found)):
        say(text)
    return 0


def journey_of(raw: bytes, authserv_id: str | None = None, *, verify_dkim: bool = False) -> JourneyRecord:
    """What the message shows of its way. Raises ConfigError where it is none, or cannot be verified as wanted."""
    if verify_dkim and not can_verify():
        raise ConfigError("--dkim needs the package dkimpy: install mail-loop-check[dkim]")
    raw = as_received(raw)
    if not raw.strip():
        raise ConfigError("the file is empty: save the message as it is, with all its header fields")
    found = journey(raw, authserv_id=authserv_id)
    if found is None or not (found.record.hops or is_message(raw)):
        raise ConfigError(f"the file holds no message that can be read: {_WHOLE}")
    if not found.record.hops:
        raise ConfigError(
            "the message has no Received field, so no server has told of it: "
            "save it in the mailbox that it arrived in, with all its header fields"
        )
    return found.record.model_copy(update={"signatures": signatures(raw)}) if verify_dkim else found.record


def _read(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read(MAX_MESSAGE_OCTETS)
    try:
        with Path(file).open("rb") as opened:
            return opened.read(MAX_MESSAGE_OCTETS)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror}): check the path") from None
    except ValueError:  # a NUL in the path
        raise ConfigError("the path of the file holds a NUL: check it") from None
