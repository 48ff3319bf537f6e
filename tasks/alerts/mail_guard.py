"""Mail as a channel: refused where the call would travel by the mail that it is about."""

from collections.abc import Collection, Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

from tasks.alerts.rules import Channel
from tasks.mail.config.secrets import LOGINS

_MAIL_BLOCKS = {"sendgrid-email"}
_MAIL_SCHEMES = {"mailto", "mailtos"}
_MAIL_SERVICES = {"brevo", "mailgun", "resend", "sendgrid", "sendpulse", "ses", "smtp2go", "sparkpost"}


def way_of(channel: Channel, url: str) -> frozenset[str] | None:
    """The hosts and domains that a channel's mail goes by, as far as its URL says; None if the channel is no mail."""
    if channel.block is not None:
        return frozenset() if channel.block.partition("/")[0] in _MAIL_BLOCKS else None
    if urlsplit(url).scheme.lower() not in _MAIL_SCHEMES | _MAIL_SERVICES:
        return None
    parts = urlsplit(url)
    query = [(name.lower(), value) for name, value in parse_qsl(parts.query)]
    texts = [parts.hostname or "", *unquote(parts.path).strip("/").replace(",", "/").split("/")]
    texts += [one for name, value in query if name in ("smtp", "to", "from", "cc", "bcc") for one in value.split(",")]
    return frozenset(text.rpartition("@")[2].strip(" <>").lower() for text in texts if "." in text)


def hosts_of(parameters: Mapping[str, object]) -> frozenset[str]:
    """The hosts and domains that the mail of a loop goes by, from the parameters of its deployment."""
    found = set()
    for section in LOGINS:
        fields = parameters.get(section)
        if isinstance(fields, Mapping):
            found.add(str(fields.get("host", "")))
            found |= {str(fields.get(name, "")).rpartition("@")[2] for name in ("from_addr", "to_addr", "username")}
    return frozenset(host.lower() for host in found if "." in host)


def shared(one: Collection[str], other: Collection[str]) -> str | None:
    """A domain that both go by; None where they have none in common. A host counts with those below its domain."""
    for host in sorted(one):
        for another in sorted(other):
            domain, longer = sorted((_site(host), _site(another)), key=len)
            if longer == domain or longer.endswith(f".{domain}"):
                return domain
    return None


def _site(host: str) -> str:
    """The domain that a host is taken to belong to: its last two labels; an address is itself."""
    labels = host.split(".")
    return host if labels[-1].isdigit() else ".".join(labels[-2:])
