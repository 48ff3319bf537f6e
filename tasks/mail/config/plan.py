"""The two ends of a loop, and what to call them.

A sender is an account at a relay: host, port and user name. A receiver is a mailbox: host and user name; of a loop
without one it is the recipient's address. A matrix has names for both; two names are two ends, even of one account.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.mail.config.addresses import endpoint
from tasks.mail.config.loop import CheckConfig, LoopConfig

Identity = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """A check that is to be run, with the names that a matrix has for its ends, where it comes from one.

    `every`, `tags` and `vantage` are what a fleet says of its deployments: how often one runs, None where the file does
    not say, and the places that it is checked from, each a work queue; without any it is checked from wherever.
    """

    config: CheckConfig
    matrix: str | None = None
    sender: str | None = None
    receiver: str | None = None
    every: str | None = None
    tags: tuple[str, ...] = ()
    vantage: tuple[str, ...] = ()


def ends(planned: Sequence[Planned]) -> list[tuple[str, str] | None]:
    """For each check the names of its sender and receiver: short, and each of one sender or receiver only.

    None for an inbound check: nobody knows who sent what it finds.
    """
    loops = [(one, one.config) for one in planned if isinstance(one.config, LoopConfig)]
    senders = _names([(_given(one, one.sender), *_account(loop)) for one, loop in loops])
    receivers = _names([(_given(one, one.receiver), *_mailbox(loop)) for one, loop in loops])
    named = iter(zip(senders, receivers, strict=True))
    return [next(named) if isinstance(one.config, LoopConfig) else None for one in planned]


def _given(one: Planned, name: str | None) -> tuple[str, str] | None:
    return (name, one.matrix or "") if name is not None else None


def _account(loop: LoopConfig) -> tuple[Identity, list[str]]:
    """What identifies the account, and what it may be called."""
    relay = loop.sender
    at, user = endpoint(relay.host, relay.port), f"{relay.username} at " if relay.username else ""
    names = [relay.host, relay.from_addr, f"{user}{relay.host}", at, f"{user}{at}"]
    return (relay.host, relay.port, relay.username), names


def _mailbox(loop: LoopConfig) -> tuple[Identity, list[str]]:
    """The same of the mailbox."""
    address, mailbox = loop.sender.to_addr, loop.mailbox
    if mailbox is None:
        return (address,), [address, f"{address} (no mailbox)"]
    return (mailbox.host, mailbox.username), [mailbox.host, address, f"{mailbox.username} at {mailbox.host}"]


def _names(found: Sequence[tuple[tuple[str, str] | None, Identity, list[str]]]) -> list[str]:
    """One name for each, the same for the same end: the first of its names that no other end could have."""
    by_matrix: defaultdict[Identity, set[tuple[str, str]]] = defaultdict(set)
    for given, identity, _ in found:
        if given is not None:
            by_matrix[identity].add(given)
    keys: list[Identity] = []
    possible: dict[Identity, list[str]] = {}
    for given, identity, derived in found:
        if given is None and len(by_matrix[identity]) == 1:
            (given,) = by_matrix[identity]  # a file of its own for what a matrix has a name for
        key = ("named", *given) if given is not None else ("derived", *identity)
        names = [given[0], f"{given[0]} of {given[1]}"] if given is not None else derived
        # A name that not all loops of an end agree on, such as one of several addresses, is none.
        possible[key] = [name for name in possible[key] if name in names] if key in possible else names
        keys.append(key)
    claims = Counter(name for names in possible.values() for name in dict.fromkeys(names))
    shown = {key: next((n for n in names if claims[n] == 1), names[-1]) for key, names in possible.items()}
    return [shown[key] for key in keys]
