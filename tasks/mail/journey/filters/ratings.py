"""What the spam filters thought of a message, how near it came to be junk, and which header field is whose.

None of the fields is registered. They are read as the documents of the filters and mail that came through them have
them; a field that nobody knows is read by its name, where that says that it is about spam.

Many filters append their fields at the end of the header (rspamd, Exim, Exchange), where a sender, or the filter of the
service that sent the message, may have put the like. What stands above every Received field by which the message may
have come in is the receiver's for certain (see `trust`); the rest is read too, and said to be uncertain. Of two fields
of one name the upper one counts: a filter replaces what it finds, or writes above it.

Of a FilterRecord `spam` is the filter's own verdict, `action` what it says was done, and `threshold` the score that it
states for spam, with rspamd for rejection. `reasons` are the rules that raised the score, the one that did so most
first. `certain`: it stands where only the receiver writes, and then `server` is where the filter ran, as far as the
place of its fields tells.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from tasks.mail.journey.authentication.trust import Field, Written, border_of, with_writers
from tasks.mail.journey.filters import fields as read
from tasks.mail.journey.filters import products
from tasks.mail.journey.filters.fields import FieldReader, Said
from tasks.mail.model.journey_record import FilterRecord

SPAMASSASSIN, _AMAVIS, _RSPAMD, _STALWART = "SpamAssassin", "Amavis", "rspamd", "Stalwart"
_EXCHANGE, _BARRACUDA, _PROOFPOINT, _AMAZON = "Exchange Online Protection", "Barracuda", "Proofpoint", "Amazon SES"
_MIMECAST, _OVH, _VADE, _GMX, _SOPHOS = "Mimecast", "OVH", "Vade", "GMX", "Sophos"
_MAILSCANNER, _HMAILSERVER, _IRONPORT = "MailScanner", "hMailServer", "Cisco IronPort"
ANY = "a spam filter"  # one that does not say which it is
_COMMON = ""  # fields that more than one filter writes

# The first to say a thing is believed: what is more exact stands first.
READERS: Mapping[str, tuple[str, FieldReader]] = {
    "x-rspamd-action": (_RSPAMD, read.rspamd_action),
    "x-spamd-result": (_RSPAMD, read.rspamd_result),
    "x-rspamd-score": (_RSPAMD, read.score),
    "x-rspamd-report": (_RSPAMD, read.report),
    "x-forefront-antispam-report": (_EXCHANGE, read.forefront),
    "x-ms-exchange-organization-scl": (_EXCHANGE, read.organization_scl),
    "x-microsoft-antispam": (_EXCHANGE, read.bulk),
    "x-microsoft-antispam-mailbox-delivery": (_EXCHANGE, read.mailbox_delivery),
    "x-barracuda-spam-status": (_BARRACUDA, read.barracuda),
    "x-barracuda-spam-report": (_BARRACUDA, read.report),
    "x-barracuda-spam-score": (_BARRACUDA, read.score),
    "x-barracuda-spam-flag": (_BARRACUDA, read.flag),
    "x-proofpoint-spam-details": (_PROOFPOINT, read.proofpoint),
    "x-ses-spam-verdict": (_AMAZON, read.amazon),
    "x-mimecast-spam-signature": (_MIMECAST, read.flag),
    "x-mimecast-spam-score": (_MIMECAST, read.score),
    "x-ovh-spam-status": (_OVH, read.flag),
    "x-ovh-spam-reason": (_OVH, products.ovh_reason),
    "x-gmx-antispam": (_GMX, products.gmx),
    "x-ui-filterresults": (_GMX, read.flag),  # of GMX, WEB.DE and IONOS: `notjunk:1;...`, `junk:10;...`
    "x-pmx-spam": (_SOPHOS, products.sophos),
    "x-perlmx-spam": (_SOPHOS, products.sophos),
    "x-sea-spam": (_SOPHOS, products.sophos),
    "x-sasi-spamprobability": (_SOPHOS, products.probability),
    "x-hmailserver-spam": (_HMAILSERVER, read.flag),
    "x-hmailserver-reason-score": (_HMAILSERVER, read.score),
    "x-ironport-anti-spam-filtered": (_IRONPORT, products.ironport),
    "x-ironport-anti-spam-result": (_IRONPORT, products.opaque),
    "x-tm-as-result": ("Trend Micro", read.flag),
    "x-dspam-result": ("DSPAM", read.flag),
    "x-bogosity": ("Bogofilter", read.flag),
    "x-spamexperts-class": ("SpamExperts", read.flag),
    "x-yandex-spam": ("Yandex", products.yandex),
    "x-spam-result": (_STALWART, products.spaced_rules),
    "x-spam-status": (_COMMON, read.spam_status),
    "x-spam-report": (_COMMON, read.report),
    "x-spam-hits": (_COMMON, read.report),
    "x-spam-score": (_COMMON, read.score),
    "x-spam-flag": (_COMMON, read.flag),
    "x-spam": (_COMMON, read.flag),
    "x-spamd-bar": (_RSPAMD, read.level),
    "x-rspamd-bar": (_RSPAMD, read.level),
    "x-spam-level": (_COMMON, read.level),
    "x-spam-bar": (_COMMON, read.level),
}
# Fields with a part that differs from site to site, and such of products that are not in the table.
_PATTERNS: Sequence[tuple[re.Pattern[str], str, FieldReader]] = (
    (re.compile(r"x-(?:.{1,80}-)?mailscanner-spamcheck"), _MAILSCANNER, products.mailscanner),
    (re.compile(r"x-(?:.{1,80}-)?mailscanner-spamscore"), _MAILSCANNER, products.bar_or_score),
    (re.compile(r"x-(?:ovh|vr)-spamstate"), _OVH, read.flag),
    (re.compile(r"x-(?:ovh|vr)-spamscore"), _OVH, read.score),
    (re.compile(r"x-(?:vade|vrc)-spamstate"), _VADE, read.flag),
    (re.compile(r"x-(?:vade|vrc)-spamscore"), _VADE, read.score),
    (re.compile(r"x-hmailserver-reason-\d{1,3}"), _HMAILSERVER, products.hmailserver_reason),
)
_MAX_NAME_CHARS = 100
_VERDICTS = "flag|status|verdict|result|state|tag|tagged|class|classification|category|check|decision|detected"
_BY_NAME = re.compile(
    rf"x-(?:(?P<product>[a-z0-9-]{{1,40}}?)-)?(?:anti-?)?spam-?(?:(?P<verdict>{_VERDICTS})|(?P<score>score|rating|points|rate))?"
)
_NO_PRODUCTS = {"suspected", "is", "mail", "possible", "probable", "content"}  # X-Suspected-Spam: yes
_OWN_WORDS = re.compile(r"required=|tests=|\brequ\b|SA_VERSION|SpamAssassin")

MAX_REASONS = 5
# The threshold that rspamd states is that of rejection, 15 unless configured. It junks before that, at 6.
_JUNKS_AT = {_RSPAMD: 6 / 15}
# Rules of SpamAssassin and rspamd that lower a score, or do not count.
_LOWERING = re.compile(
    r"BAYES_(?:00|05|20|40|HAM)|DKIM_(?:VALID|SIGNED|VERIFIED)|R_DKIM_ALLOW|R_SPF_ALLOW|DMARC_(?:PASS|POLICY_ALLOW)"
    r"|SPF_(?:HELO_)?PASS|ARC_(?:VALID|SIGNED|ALLOW|NA)|ALL_TRUSTED|NO_RELAYS|T_|__|NICE_REPLY"
    r"|RCVD_IN_(?:DNSWL|MSPIKE_(?:H|WL)|IADB|VALIDITY_(?:CERTIFIED|SAFE|RPBL_BLOCKED))|(?:USER|DEF|ENV)_\w*(?:WHITE|WELCOME)LIST"
    r"|ENV_AND_HDR_SPF_MATCH|MAILING_LIST_MULTI|MIME_GOOD|\w*(?:WHITELIST|WELCOMELIST|_GOOD|_HAM)\b|LANGUAGES"
    r"|AWL\b|TXREP\b|\w+_BLOCKED\b",
)
_ORDER = {name: place for place, name in enumerate(READERS)}


def junks_at(rating: FilterRecord) -> float | None:
    """The score from which mail is junked, as far as it is known: rspamd's is an estimate from its defaults."""
    return None if rating.threshold is None else rating.threshold * _JUNKS_AT.get(rating.filter, 1.0)


def filters(headers: Sequence[Field]) -> tuple[FilterRecord, ...]:
    """What each filter thought that left fields in the header (top first); those that are certain first."""
    border, fields = border_of(headers), with_writers(headers)
    certain = [replace(rating, certain=True) for rating in _ratings(fields[:border])]
    known = {rating.filter for rating in certain}
    others = [replace(rating, server="") for rating in _ratings(fields[border:]) if rating.filter not in known]
    return (*certain, *others)


def is_near(rating: FilterRecord, share: float = 0.8) -> bool:
    """Whether a message that is not spam came near: to `share` of the score that junks mail, or to be greylisted."""
    if rating.spam:
        return False
    if rating.action == "greylist":
        return True
    limit = junks_at(rating)
    return rating.score is not None and limit is not None and 0 < round(limit * share, 6) <= rating.score


def raises(rule: str, score: float | None) -> bool:
    """Whether a rule counts against the message. Of one without a score only its name says that it is for it."""
    return score > 0 if score is not None else not _LOWERING.match(rule)


def _ratings(fields: Sequence[Written]) -> Iterator[FilterRecord]:
    values: dict[str, Written] = {}
    for field in fields:
        values.setdefault(field.name.strip().lower().replace("_", "-"), field)  # Exim's have underscores
    common = _owner({name: field.value for name, field in values.items()})
    said: dict[str, list[tuple[Said, str]]] = {}
    for name in sorted(values, key=lambda name: _ORDER.get(name, len(_ORDER))):
        if (known := _reader_of(name)) is None:
            continue
        found = known[1](" ".join(values[name].value.split()))
        if found is not None and found != Said():
            said.setdefault(known[0] or common, []).append((found, values[name].writer))
    for filter_name, parts in said.items():
        servers = {server for _, server in parts}
        server = servers.pop() if len(servers) == 1 else ""
        yield replace(_merged(filter_name, [part for part, _ in parts]), server=server)


def _merged(writer: str, parts: Sequence[Said]) -> FilterRecord:
    score = next((part.score for part in parts if part.score is not None), None)
    threshold = next((part.threshold for part in parts if part.threshold is not None), None)
    spam = _spam(parts)
    if spam is None and score is not None and threshold is not None and writer not in _JUNKS_AT:
        spam = True if score >= threshold else None
    action = next((part.action for part in parts if part.action), "")
    return FilterRecord(filter=writer, score=score, threshold=threshold, spam=spam, reasons=_top(parts), action=action)


def _spam(parts: Sequence[Said]) -> bool | None:
    """Spam if one field says so: that others do not may mean less, as with rspamd, where it was not rejected."""
    said = [part.spam for part in parts if part.spam is not None]
    return any(said) if said else None


def _top(parts: Sequence[Said]) -> dict[str, float | None]:
    """The rules that moved the score most towards spam. Where two fields name one, the one with a score is taken."""
    scores: dict[str, float | None] = {}
    for reason in (reason for part in parts for reason in part.reasons):
        if scores.get(reason.name) is None:
            scores[reason.name] = reason.score
    moved = [(name, score) for name, score in scores.items() if score != 0]
    moved.sort(key=lambda rule: (rule[1] is None, -(rule[1] or 0.0)))
    return {name: score for name, score in moved[:MAX_REASONS] if raises(name, score)}


_DELAYED = re.compile(r"\s*delayed\b", re.IGNORECASE)


def greylisting(fields: Sequence[Field]) -> frozenset[str]:
    """Their names."""
    return frozenset(
        field.writer
        for field in with_writers(fields)
        if field.name.lower() == "x-greylist" and field.writer and _DELAYED.match(field.value)
    )


@lru_cache(1024)
def _reader_of(name: str) -> tuple[str, FieldReader] | None:
    """Whose a field is and how it is read; None where it is none of a spam filter's. `name`: lower-case."""
    if (known := READERS.get(name)) is not None:
        return known
    for pattern, product, reader in _PATTERNS:
        if pattern.fullmatch(name[:_MAX_NAME_CHARS]):
            return product, reader
    if (found := _BY_NAME.fullmatch(name[:_MAX_NAME_CHARS])) is None:
        return None
    product = found["product"] or ""
    reader = read.score if found["score"] else read.flag
    return (_COMMON if not product or product in _NO_PRODUCTS else product, reader)


def _owner(values: Mapping[str, str]) -> str:
    """Whose the fields are that more than one filter writes, by the values of all fields."""
    status = values.get("x-spam-status", "")
    if "tagged_above=" in status:
        return _AMAVIS
    telling = ("x-spam-status", "x-spam-report", "x-spam-hits", "x-spam-checker-version")
    if any(_OWN_WORDS.search(values.get(name, "")) for name in telling):
        return SPAMASSASSIN
    if "x-spam-result" in values:
        return _STALWART
    return _RSPAMD if any(name.startswith(("x-rspamd-", "x-spamd-")) for name in values) else ANY
