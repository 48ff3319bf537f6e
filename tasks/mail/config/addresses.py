"""Host names, mail addresses and slugs: checked, and with international domains as A-labels (IDNA 2008)."""

import ipaddress
import re
import unicodedata
from typing import TypeGuard

import idna
from email_validator import EmailNotValidError, validate_email

LONGEST_LOCAL, LONGEST_ADDRESS = 64, 254  # octets (RFC 5321, 4.5.3.1)
SLUG = r"^[a-z0-9]+(-[a-z0-9]+)*$"
SLUG_LENGTH = 63


def quoted(value: object) -> str:
    """`value` as a message shows it: control characters escaped, and never longer than a line."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


def is_slug(value: object) -> TypeGuard[str]:
    """Whether it is a name as checks have them."""
    return isinstance(value, str) and len(value) <= SLUG_LENGTH and re.fullmatch(SLUG, value) is not None


def slug(text: str) -> str:
    """`text` in lower-case letters, digits and single hyphens; empty where nothing of it can be kept."""
    ascii_text = unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore").decode()
    return "-".join(re.findall(r"[a-z0-9]+", ascii_text.lower()))


def _domain(name: str) -> str:
    """A domain in A-labels. Raises ValueError for anything else, a malformed IPv4 address included."""
    if name.endswith((".", "。")):  # idna would keep the dot, and certificates and addresses never carry it
        raise ValueError(name)
    # UTS 46 only folds case and width here; unlike the standard library's codec it keeps the ß of straße.de.
    ascii_name = idna.encode(name, uts46=True, std3_rules=True).decode()
    if len(ascii_name) > 253 or ascii_name.rpartition(".")[2].isdigit():
        raise ValueError(name)
    return ascii_name


def host_name(value: str) -> str:
    """A host name in A-labels, or an IP address as it stands."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        try:
            return _domain(value)
        except ValueError:
            raise ValueError(
                f"must be a host name or an IP address, without scheme, port or last dot, not {quoted(value)}"
            ) from None
    return value


def endpoint(host: str, port: int) -> str:
    """Host and port as sentences name them: an IPv6 address stands in brackets (RFC 3986)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def ehlo_name(value: str) -> str:
    """What a client may call itself: a host name in A-labels, or an address literal (RFC 5321, 4.1.3)."""
    literal = re.fullmatch(r"\[(?:(IPv6:)(.+)|(.+))\]", value, re.IGNORECASE)
    try:
        if not literal:
            return _domain(value)
        if literal[1]:
            ipaddress.IPv6Address(literal[2])
        else:
            ipaddress.IPv4Address(literal[3])
    except ValueError:
        raise ValueError(
            f"must be a host name, or an IP address as [192.0.2.1] or [IPv6:2001:db8::1], not {quoted(value)}"
        ) from None
    return value


def mail_address(value: str) -> str:
    """One address without a display name, its domain in A-labels; the part before the @ may be non-ASCII."""
    local, at, domain = value.rpartition("@")
    try:
        if not at:
            raise ValueError(value)
        # The domain has its own check, as email-validator refuses .test, .local and localhost.
        checked = validate_email(f"{local}@example.org", check_deliverability=False, strict=True)
        address = f"{checked.local_part}@{_domain(domain)}"
        if len(address.encode()) > LONGEST_ADDRESS:
            raise ValueError(value)
    except (EmailNotValidError, ValueError):
        raise ValueError(
            f"must be one address such as probe@example.org, without a display name, not {quoted(value)}"
        ) from None
    return address


def with_detail(address: str, detail: str) -> str:
    """The same mailbox by another address (RFC 5233): local+detail@domain. Raises ValueError if that is too long."""
    local, _, domain = address.rpartition("@")
    local = f"{local}+{detail}"
    if len(local.encode()) > LONGEST_LOCAL or len(f"{local}@{domain}".encode()) > LONGEST_ADDRESS:
        raise ValueError(address)
    return f"{local}@{domain}"
