"""Which header field is whose, and how it is read: pure.

None of these fields is registered. They are read as the documents of the filters and mail that came through them have
them; a field that nobody knows is read by its name, where that says that it is about spam.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from tasks.mail.journey.filters import fields as read
from tasks.mail.journey.filters import products
from tasks.mail.journey.filters.fields import Reader

SPAMASSASSIN, AMAVIS, RSPAMD, STALWART = "SpamAssassin", "Amavis", "rspamd", "Stalwart"
EXCHANGE, BARRACUDA, PROOFPOINT, AMAZON = "Exchange Online Protection", "Barracuda", "Proofpoint", "Amazon SES"
MIMECAST, OVH, VADE, GMX, SOPHOS = "Mimecast", "OVH", "Vade", "GMX", "Sophos"
MAILSCANNER, HMAILSERVER, IRONPORT = "MailScanner", "hMailServer", "Cisco IronPort"
ANY = "a spam filter"  # one that does not say which it is
COMMON = ""  # fields that more than one filter writes

# The first to say a thing is believed: what is more exact stands first.
READERS: Mapping[str, tuple[str, Reader]] = {
    "x-rspamd-action": (RSPAMD, read.rspamd_action),
    "x-spamd-result": (RSPAMD, read.rspamd_result),
    "x-rspamd-score": (RSPAMD, read.score),
    "x-rspamd-report": (RSPAMD, read.report),
    "x-forefront-antispam-report": (EXCHANGE, read.forefront),
    "x-ms-exchange-organization-scl": (EXCHANGE, read.organization_scl),
    "x-microsoft-antispam": (EXCHANGE, read.bulk),
    "x-microsoft-antispam-mailbox-delivery": (EXCHANGE, read.mailbox_delivery),
    "x-barracuda-spam-status": (BARRACUDA, read.barracuda),
    "x-barracuda-spam-report": (BARRACUDA, read.report),
    "x-barracuda-spam-score": (BARRACUDA, read.score),
    "x-barracuda-spam-flag": (BARRACUDA, read.flag),
    "x-proofpoint-spam-details": (PROOFPOINT, read.proofpoint),
    "x-ses-spam-verdict": (AMAZON, read.amazon),
    "x-mimecast-spam-signature": (MIMECAST, read.flag),
    "x-mimecast-spam-score": (MIMECAST, read.score),
    "x-ovh-spam-status": (OVH, read.flag),
    "x-ovh-spam-reason": (OVH, products.ovh_reason),
    "x-gmx-antispam": (GMX, products.gmx),
    "x-ui-filterresults": (GMX, products.ui_results),
    "x-pmx-spam": (SOPHOS, products.sophos),
    "x-perlmx-spam": (SOPHOS, products.sophos),
    "x-sea-spam": (SOPHOS, products.sophos),
    "x-sasi-spamprobability": (SOPHOS, products.probability),
    "x-hmailserver-spam": (HMAILSERVER, read.flag),
    "x-hmailserver-reason-score": (HMAILSERVER, read.score),
    "x-ironport-anti-spam-filtered": (IRONPORT, products.ironport),
    "x-ironport-anti-spam-result": (IRONPORT, products.opaque),
    "x-tm-as-result": ("Trend Micro", read.flag),
    "x-dspam-result": ("DSPAM", read.flag),
    "x-bogosity": ("Bogofilter", read.flag),
    "x-spamexperts-class": ("SpamExperts", read.flag),
    "x-yandex-spam": ("Yandex", products.yandex),
    "x-spam-result": (STALWART, products.spaced_rules),
    "x-spam-status": (COMMON, read.status),
    "x-spam-report": (COMMON, read.report),
    "x-spam-hits": (COMMON, read.report),
    "x-spam-score": (COMMON, read.score),
    "x-spam-flag": (COMMON, read.flag),
    "x-spam": (COMMON, read.flag),
    "x-spamd-bar": (RSPAMD, read.level),
    "x-rspamd-bar": (RSPAMD, read.level),
    "x-spam-level": (COMMON, read.level),
    "x-spam-bar": (COMMON, read.level),
}
# Fields with a part that differs from site to site, and such of products that are not in the table.
PATTERNS: Sequence[tuple[re.Pattern[str], str, Reader]] = (
    (re.compile(r"x-(?:.{1,80}-)?mailscanner-spamcheck"), MAILSCANNER, products.mailscanner),
    (re.compile(r"x-(?:.{1,80}-)?mailscanner-spamscore"), MAILSCANNER, products.bar_or_score),
    (re.compile(r"x-(?:ovh|vr)-spamstate"), OVH, read.flag),
    (re.compile(r"x-(?:ovh|vr)-spamscore"), OVH, read.score),
    (re.compile(r"x-(?:vade|vrc)-spamstate"), VADE, read.flag),
    (re.compile(r"x-(?:vade|vrc)-spamscore"), VADE, read.score),
    (re.compile(r"x-hmailserver-reason-\d{1,3}"), HMAILSERVER, products.hmailserver_reason),
)
LONGEST_NAME = 100
VERDICTS = "flag|status|verdict|result|state|tag|tagged|class|classification|category|check|decision|detected"
BY_NAME = re.compile(
    rf"x-(?:(?P<product>[a-z0-9-]{{1,40}}?)-)?(?:anti-?)?spam-?(?:(?P<verdict>{VERDICTS})|(?P<score>score|rating|points|rate))?"
)
NO_PRODUCTS = {"suspected", "is", "mail", "possible", "probable", "content"}  # X-Suspected-Spam: yes
OWN_WORDS = re.compile(r"required=|tests=|\brequ\b|SA_VERSION|SpamAssassin")


@lru_cache(1024)
def reader_of(name: str) -> tuple[str, Reader] | None:
    """Whose a field is and how it is read; None where it is none of a spam filter's. `name`: plain, see plain()."""
    if (known := READERS.get(name)) is not None:
        return known
    for pattern, product, reader in PATTERNS:
        if pattern.fullmatch(name[:LONGEST_NAME]):
            return product, reader
    if (found := BY_NAME.fullmatch(name[:LONGEST_NAME])) is None:
        return None
    product = found["product"] or ""
    reader = read.score if found["score"] else read.flag
    return (COMMON if not product or product in NO_PRODUCTS else product, reader)


def plain(name: str) -> str:
    """A field's name as it is looked up: Exim's have underscores."""
    return name.strip().lower().replace("_", "-")


def owner(values: Mapping[str, str]) -> str:
    """Whose the fields are that more than one filter writes, by the values of all fields."""
    status = values.get("x-spam-status", "")
    if "tagged_above=" in status:
        return AMAVIS
    telling = ("x-spam-status", "x-spam-report", "x-spam-hits", "x-spam-checker-version")
    if any(OWN_WORDS.search(values.get(name, "")) for name in telling):
        return SPAMASSASSIN
    if "x-spam-result" in values:
        return STALWART
    return RSPAMD if any(name.startswith(("x-rspamd-", "x-spamd-")) for name in values) else ANY
