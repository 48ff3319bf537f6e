"""What the receiver's own servers found of SPF, DKIM, DMARC and ARC: Authentication-Results (RFC 8601).

Anybody can write such a field, so it is believed only where the receiver writes. Going down from the top of the header:

- Only fields count that begin with the receiver's own authserv-id. Where none is configured, that of the top-most field
  is taken, for a receiver writes above what others wrote before it; but it is a guess, and said to be one.
- The first of them begins what the receiver states. That ends at the next Received field by which a message may come
  in from elsewhere (see `trust`). Should there be nothing until then, it ends at the one that follows the receiver's
  own; and in any case at From, where the message itself begins. A server writes above its own Received field (Postfix
  with milters, Exchange, Fastmail) or right below it (Gmail), so all it writes is within.
- A method has the results of the top-most field that states it, and nothing counts below a field that states `none`.

So a sender can never change what the receiver states, wherever they write. Where the receiver writes above its Received
field they can add nothing at all. Where it writes below they can add a method on which the receiver is silent, unless
such fields are removed as section 5 demands: nothing in the header would tell the two apart.

ARC is what the receiver says of it (`arc=pass`): ARC-Authentication-Results (RFC 8617) are the words of those before.
The library authres is not used: it refuses Exchange's fields, which have no authserv-id, and it has not changed since
2019; and what is believed is decided here all the same.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from tasks.mail.journey.authentication.results import MOST_RESULTS, Stated, stated
from tasks.mail.journey.authentication.trust import Field, is_step, is_written_by
from tasks.mail.model.journey_record import AuthenticationRecord, MethodRecord
from tasks.mail.model.safe_text import one_line

_FIELD = "authentication-results"
NONE_FOUND = "none found"


@dataclass(frozen=True, slots=True)
class Drift:
    """A method that did not give what is expected of it. `found` may be `none found`: the receiver says nothing."""

    method: str
    expected: str
    found: str
    reason: str = ""

    @property
    def words(self) -> str:
        """The half sentence, such as `DKIM is fail (bad signature) instead of pass`."""
        because = f" ({self.reason})" if self.reason else ""
        if self.found == NONE_FOUND:
            return f"there is no result of {self.method.upper()}, which should be {self.expected}{because}"
        return f"{self.method.upper()} is {self.found}{because} instead of {self.expected}"


def is_stated(fields: Sequence[Field]) -> bool:
    """Whether any field of the header states results, by whatever writer."""
    return any(name.lower() == _FIELD for name, _ in fields)


def authentication(fields: Sequence[Field], authserv_id: str | None = None) -> AuthenticationRecord:
    """What the receiver states in the header `fields` (top first).

    A configured `authserv_id` may be several with blanks between, since some receivers write under several: OpenDMARC
    beside the name of the host, or one for each method (iCloud). `*.example.org` is any below example.org.

    In what is returned `authserv_id` is that of the believed fields, empty where they have none (Exchange); `ignored`
    counts the fields of others, and those that others may have written.
    """
    ids = None if authserv_id is None else set(map(_plain, authserv_id.split())) or {""}
    total = sum(name.lower() == _FIELD for name, _ in fields)
    begun = next((place for place, (name, _) in enumerate(fields) if name.lower() == "from"), len(fields))
    added = fields[:begun]  # where the message itself begins
    if ids is None:
        top = next((value for name, value in added if name.lower() == _FIELD), None)
        ids = set() if top is None else {_plain(stated(top).authserv_id)}
    believed = _believed(added, ids)
    methods: list[MethodRecord] = []
    above: set[str] = set()
    for field in believed:
        methods += [method for method in field.methods if method.method not in above]
        above |= {method.method for method in field.methods}
    return AuthenticationRecord(
        authserv_id=one_line(believed[0].authserv_id if believed else authserv_id or ""),
        assumed=authserv_id is None and bool(believed),
        methods=tuple(methods[:MOST_RESULTS]),
        ignored=total - len(believed),
    )


def _believed(fields: Sequence[Field], ids: Collection[str]) -> list[Stated]:
    """The fields that the receiver wrote, top first: see above."""
    believed: list[Stated] = []
    hosts = {own.removeprefix("*.") for own in ids}
    passed = False  # whether a Received field of the receiver stands above
    for name, value in fields:
        if name.lower() == _FIELD:
            field = stated(value)
            if _is_one_of(_plain(field.authserv_id), ids):
                believed.append(field)
                if not field.methods:
                    break
        elif name.lower() == "received" and not is_step(value):
            own = is_written_by(value, hosts)
            if believed or (passed and not own):
                break
            passed = passed or own
    return believed


def _is_one_of(stated_id: str, ids: Collection[str]) -> bool:
    return any(stated_id == own or (own.startswith("*.") and stated_id.endswith(own[1:])) for own in ids)


def _plain(authserv_id: str) -> str:
    return authserv_id.strip().lower().rstrip(".")


def drift(found: AuthenticationRecord, expect: Mapping[str, str]) -> tuple[Drift, ...]:
    """Where the methods did not give what is expected of them. One of several results is enough.

    Where `none` is expected of a method, saying nothing about it is as good.
    """
    drifts = []
    for name, expected in expect.items():
        wanted = expected.strip().lower()
        results = [method for method in found.methods if method.method == name.strip().lower()]
        if any(method.result == wanted for method in results) or (not results and wanted == "none"):
            continue
        said = ", ".join(dict.fromkeys(method.result for method in results))
        reason = next((method.reason for method in results if method.reason), "")
        drifts.append(Drift(name.strip().lower(), wanted, said or NONE_FOUND, reason))
    return tuple(drifts)
