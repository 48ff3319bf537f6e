"""What the spam filters thought of a message, and how near it came to be junk. Pure.

Many filters append their fields at the end of the header (rspamd, Exim, Exchange), where a sender, or the filter of the
service that sent the message, may have put the like. What stands above every Received field by which the message may
have come in is the receiver's for certain (see `trust`); the rest is read too, and said to be uncertain. Of two fields
of one name the upper one counts: a filter replaces what it finds, or writes above it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tasks.mail.journey.authentication.trust import Field, entry
from tasks.mail.journey.filters import fields as filter_fields
from tasks.mail.journey.filters.fields import Reader, Reason, Said
from tasks.mail.journey.owner import Written, with_writers

SPAMASSASSIN, AMAVIS, RSPAMD = "SpamAssassin", "Amavis", "rspamd"
EXCHANGE, BARRACUDA, PROOFPOINT, AMAZON = "Exchange Online Protection", "Barracuda", "Proofpoint", "Amazon SES"
COMMON = ""  # fields that more than one filter writes

# The first to say a thing is believed: what is more exact stands first.
READERS: Mapping[str, tuple[str, Reader]] = {
    "x-rspamd-action": (RSPAMD, filter_fields.rspamd_action),
    "x-spamd-result": (RSPAMD, filter_fields.rspamd_result),
    "x-rspamd-score": (RSPAMD, filter_fields.score),
    "x-rspamd-report": (RSPAMD, filter_fields.report),
    "x-forefront-antispam-report": (EXCHANGE, filter_fields.forefront),
    "x-ms-exchange-organization-scl": (EXCHANGE, filter_fields.organization_scl),
    "x-microsoft-antispam": (EXCHANGE, filter_fields.bulk),
    "x-microsoft-antispam-mailbox-delivery": (EXCHANGE, filter_fields.mailbox_delivery),
    "x-barracuda-spam-status": (BARRACUDA, filter_fields.barracuda),
    "x-barracuda-spam-report": (BARRACUDA, filter_fields.report),
    "x-barracuda-spam-score": (BARRACUDA, filter_fields.score),
    "x-proofpoint-spam-details": (PROOFPOINT, filter_fields.proofpoint),
    "x-ses-spam-verdict": (AMAZON, filter_fields.amazon),
    "x-spam-status": (COMMON, filter_fields.status),
    "x-spam-report": (COMMON, filter_fields.report),
    "x-spam-hits": (COMMON, filter_fields.report),
    "x-spam-score": (COMMON, filter_fields.score),
    "x-spam-flag": (COMMON, filter_fields.flag),
    "x-spam": (COMMON, filter_fields.flag),
    "x-spamd-bar": (RSPAMD, filter_fields.level),
    "x-rspamd-bar": (RSPAMD, filter_fields.level),
    "x-spam-level": (COMMON, filter_fields.level),
    "x-spam-bar": (COMMON, filter_fields.level),
}
MOST_REASONS = 5
# The threshold that rspamd states is that of rejection, 15 unless configured. It junks before that, at 6.
JUNKS_AT = {RSPAMD: 6 / 15}


@dataclass(frozen=True, slots=True)
class Rating:
    """What one filter thought. `spam` is its own verdict, `action` what it says was done.

    `threshold` is the score that it states for spam, with rspamd for rejection. `reasons` are the rules that moved the
    score, the one most for spam first. `certain`: stands where only the receiver writes, and then `server` is where the
    filter ran, as far as the place of its fields tells.
    """

    filter: str
    score: float | None = None
    threshold: float | None = None
    spam: bool | None = None
    reasons: tuple[Reason, ...] = ()
    action: str = ""
    certain: bool = False
    server: str = ""

    @property
    def junks_at(self) -> float | None:
        """The score from which mail is junked, as far as it is known: rspamd's is an estimate from its defaults."""
        return None if self.threshold is None else self.threshold * JUNKS_AT.get(self.filter, 1.0)


def filters(headers: Sequence[Field]) -> tuple[Rating, ...]:
    """What each filter thought that left fields in the header (top first); those that are certain first."""
    border, fields = entry(headers), with_writers(headers)
    certain = [replace(rating, certain=True) for rating in _ratings(fields[:border])]
    known = {rating.filter for rating in certain}
    others = [replace(rating, server="") for rating in _ratings(fields[border:]) if rating.filter not in known]
    return (*certain, *others)


def is_near(rating: Rating, share: float = 0.8) -> bool:
    """Whether a message that is not spam came near: to `share` of the score that junks mail, or to be greylisted."""
    if rating.spam:
        return False
    if rating.action == "greylist":
        return True
    if rating.score is None or rating.junks_at is None:
        return False
    return 0 < round(rating.junks_at * share, 6) <= rating.score


def _ratings(fields: Sequence[Written]) -> Iterator[Rating]:
    values: dict[str, Written] = {}
    for field in fields:
        plain = field.name.strip().lower().replace("_", "-")  # Exim's have underscores
        if plain in READERS and plain not in values:
            values[plain] = field
    owner = _owner({plain: field.value for plain, field in values.items()})
    said: dict[str, list[tuple[Said, str]]] = {}
    for plain, (filter_name, read) in READERS.items():
        if (written := values.get(plain)) is None:
            continue
        if (found := read(" ".join(written.value.split()))) is not None and found != Said():
            said.setdefault(filter_name or owner, []).append((found, written.writer))
    for filter_name, parts in said.items():
        servers = {server for _, server in parts}
        server = servers.pop() if len(servers) == 1 else ""
        yield replace(_merged(filter_name, [part for part, _ in parts]), server=server)


def _owner(values: Mapping[str, str]) -> str:
    """Whose the fields are that more than one filter writes."""
    status = values.get("x-spam-status", "")
    if "tagged_above=" in status:
        return AMAVIS
    if "required=" in status or "tests=" in status:
        return SPAMASSASSIN
    return RSPAMD if any(name.startswith(("x-rspamd-", "x-spamd-")) for name in values) else SPAMASSASSIN


def _merged(writer: str, parts: Sequence[Said]) -> Rating:
    return Rating(
        filter=writer,
        score=next((part.score for part in parts if part.score is not None), None),
        threshold=next((part.threshold for part in parts if part.threshold is not None), None),
        spam=_spam(parts),
        reasons=_top(parts),
        action=next((part.action for part in parts if part.action), ""),
    )


def _spam(parts: Sequence[Said]) -> bool | None:
    """Spam if one field says so: that others do not may mean less, as with rspamd, where it was not rejected."""
    said = [part.spam for part in parts if part.spam is not None]
    return any(said) if said else None


def _top(parts: Sequence[Said]) -> tuple[Reason, ...]:
    """The rules that moved the score most towards spam. Where two fields name one, the one with a score is taken."""
    scores: dict[str, float | None] = {}
    for reason in (reason for part in parts for reason in part.reasons):
        if scores.get(reason.name) is None:
            scores[reason.name] = reason.score
    moved = [Reason(name, score) for name, score in scores.items() if score != 0]
    moved.sort(key=lambda reason: (reason.score is None, -(reason.score or 0.0)))
    return tuple(moved[:MOST_REASONS])
