"""How many of a public collection of bounces are recognised: `python -m bench.notices FOLDER`, see CONTRIBUTING.md.

A notice counts if it comes as bounces do, if it is read as a bounce or the notice of a delay, and if it is held to be
about the message that it returns or names, where it does either. It has a reason if it says why in words.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path

from tasks.mail.model.result import BounceRecord
from tasks.mail.probe.bounce import is_about
from tasks.mail.probe.bounces.parts import Notice, read_notice
from tasks.mail.probe.bounces.recognise import recognise
from tasks.mail.probe.compose import Probe
from tasks.mail.probe.match import POLICY, comes_as_bounce, decoded

LEFT_OUT = Path(__file__).with_name("left_out.txt")
MOST_LEFT_OUT = 21


@dataclass(frozen=True)
class Collection:
    """Its files, and how many of a hundred must be recognised, and of these have a reason."""

    name: str
    inside: str  # of a checkout
    pattern: str
    recognised: float
    reason: float


COLLECTIONS = (
    Collection("set-of-emails of sisimai", "maildir/bsd", "*.eml", 97.0, 95.0),
    Collection("test data of flufl.bounce", "tests/data", "*.txt", 85.0, 0.0),
)
# Reports of spam, and of a delivery.
NO_BOUNCE = ("arf-", "rfc3464-28")


def message_of(raw: bytes) -> bytes:
    """The message as the sender's server stores it.

    It writes the envelope sender on top, which is none for a notice; some files had that line taken away.
    """
    raw = raw.lstrip(b"\r\n")
    sender = message_from_bytes(raw, policy=POLICY).get("Return-Path")
    return raw if sender is not None and sender.strip() else b"Return-Path: <>\n" + raw


def reported(notice: Notice) -> Probe | None:
    """The message that a notice returns or names, as if it were a probe; None where it does neither."""
    for original in notice.originals:
        if number := " ".join(str(original.get("Message-ID", "")).split()):
            own = str(original.get("X-Mail-Loop-Id", number))
            return Probe(own, "", decoded(original.get("From")), "", "", number, b"")
    number = next(iter(notice.named), "")
    return Probe(number, "", "", "", "", f"<{number}>", b"") if number else None


def recognised(raw: bytes) -> BounceRecord | None:
    message = message_from_bytes(message_of(raw), policy=POLICY)
    if not comes_as_bounce(message):
        return None
    notice = read_notice(message)
    probe, found = reported(notice), recognise(notice)
    return found if probe is None or is_about(notice, probe) else None


def left_out() -> dict[str, str]:
    lines = LEFT_OUT.read_text(encoding="utf-8").splitlines()
    return dict(line.split(maxsplit=1) for line in lines if not line.startswith("#"))


def is_none(path: Path) -> bool:
    return path.stem.startswith(NO_BOUNCE) or path.stem in left_out()


def measure(paths: Sequence[Path], collection: Collection) -> Iterator[str]:
    """Print what was found; yields what is wrong with it."""
    bounces = [path for path in paths if not is_none(path)]
    found = {path.stem: recognised(path.read_bytes()) for path in paths}
    known = {path.stem: notice for path in bounces if (notice := found[path.stem]) is not None}
    told = [name for name, notice in known.items() if notice.diagnostic]
    print(f"{collection.name}: {len(known)} recognised / {len(told)} with a reason / {len(bounces)} in all")
    print("not recognised:", *(path.stem for path in bounces if path.stem not in known))
    print("without a reason:", *(name for name in known if name not in told))
    if not bounces or 100 * len(known) < collection.recognised * len(bounces):
        yield f"less than {collection.recognised:g} % recognised"
    if 100 * len(told) < collection.reason * len(known):
        yield f"less than {collection.reason:g} % of these with a reason"
    if wrong := [path.stem for path in paths if is_none(path) and found[path.stem] is not None]:
        yield f"taken for a bounce: {' '.join(wrong)}"
    if len(left_out()) > MOST_LEFT_OUT:
        yield f"more than {MOST_LEFT_OUT} files are left out"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.notices", description=__doc__)
    parser.add_argument("folder", type=Path, help="set-of-emails, or flufl.bounce, or their folder of messages")
    folder = parser.parse_args(argv).folder
    found = [(one, sorted((folder / place).glob(one.pattern))) for one in COLLECTIONS for place in (one.inside, ".")]
    collection, paths = max(found, key=lambda one: len(one[1]))
    wrong = list(measure(paths, collection))
    print(*wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
