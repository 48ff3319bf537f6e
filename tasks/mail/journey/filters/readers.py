"""Which header field is whose, and how it is read.

None of these fields is registered. They are read as the documents of the filters and mail that came through them have
them; a field that nobody knows is read by its name, where that says that it is about spam.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from tasks.mail.journey.filters import fields as read
from tasks.mail.journey.filters import products
from tasks.mail.journey.filters.fields import FieldReader

SPAMASSASSIN, _AMAVIS, RSPAMD, _STALWART = "SpamAssassin", "Amavis", "rspamd", "Stalwart"
_EXCHANGE, _BARRACUDA, _PROOFPOINT, _AMAZON = "Exchange Online Protection", "Barracuda", "Proofpoint", "Amazon SES"
_MIMECAST, _OVH, _VADE, _GMX, _SOPHOS = "Mimecast", "OVH", "Vade", "GMX", "Sophos"
_MAILSCANNER, _HMAILSERVER, _IRONPORT = "MailScanner", "hMailServer", "Cisco IronPort"
ANY = "a spam filter"  # one that does not say which it is
_COMMON = ""  # fields that more than one filter writes

# The first to say a thing is believed: what is more exact stands first.
READERS: Mapping[str, tuple[str, FieldReader]] = {
    "x-rspamd-action": (RSPAMD, read.rspamd_action),
    "x-spamd-result": (RSPAMD, read.rspamd_result),
    "x-rspamd-score": (RSPAMD, read.score),
    "x-rspamd-report": (RSPAMD, read.report),
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
    "x-ui-filterresults": (_GMX, products.ui_results),
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
    "x-spamd-bar": (RSPAMD, read.level),
    "x-rspamd-bar": (RSPAMD, read.level),
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


@lru_cache(1024)
def reader_of(name: str) -> tuple[str, FieldReader] | None:
    """Whose a field is and how it is read; None where it is none of a spam filter's. `name`: plain, see plain()."""
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


def plain_name(name: str) -> str:
    """A field's name as it is looked up: Exim's have underscores."""
    return name.strip().lower().replace("_", "-")


def owner(values: Mapping[str, str]) -> str:
    """Whose the fields are that more than one filter writes, by the values of all fields."""
    status = values.get("x-spam-status", "")
    if "tagged_above=" in status:
        return _AMAVIS
    telling = ("x-spam-status", "x-spam-report", "x-spam-hits", "x-spam-checker-version")
    if any(_OWN_WORDS.search(values.get(name, "")) for name in telling):
        return SPAMASSASSIN
    if "x-spam-result" in values:
        return _STALWART
    return RSPAMD if any(name.startswith(("x-rspamd-", "x-spamd-")) for name in values) else ANY
