"""What to do about a cause, and who must."""

from collections.abc import Mapping
from typing import NamedTuple

from tasks.mail.config.loop import LoopConfig, SenderSection
from tasks.mail.config.mailbox import MailboxConfig
from tasks.mail.journey.filters.readers import ANY
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import MailboxFailure, SendFailure
from tasks.mail.model.journey_record import FilterRecord
from tasks.mail.model.outcome import ErrorType, Leg
from tasks.mail.verdict.cause import cause_of_unread, misfit, section_of

YOU = "you, who set up this check"
_OWNER = "the owner of the mailbox {to}"
_RUNS = "whoever runs {server}"
_NEXT_HOP = "see how that server reaches the next one"


class Remedy(NamedTuple):
    """What to do, as half a sentence, and who must."""

    words: str
    who: str


# `{server}` is who said so, `{section}` that of its configuration, `{relay}` that of the relay, `{to}` the recipient,
# `{sender}` the sender, `{domain}` and `{to_domain}` are the domains of these two. What has no row says in its sentence
# what there is to do.
REMEDIES: Mapping[Cause, Remedy] = {
    Cause.WRONG_PASSWORD: Remedy("check {section}.username and its password", f"{YOU}, or else {_RUNS}"),
    Cause.ACCOUNT_DISABLED: Remedy(
        "have the account that the check logs in with enabled again", f"the administrator of that account, or {_RUNS}"
    ),
    Cause.PASSWORD_EXPIRED: Remedy("set a new password there, and store it for this check", YOU),
    Cause.LOGIN_METHOD: Remedy(
        "have this way of logging in allowed for that account, or give the check a password for applications",
        f"{YOU}, or the administrator of that account",
    ),
    Cause.LOGIN_REQUIRED: Remedy(
        "set {section}.username and its password, for that server wants a login", f"{YOU}, or else {_RUNS}"
    ),
    Cause.LOGIN_UNAVAILABLE: Remedy(
        "see its login service, which is out of order; the password is not to blame", _RUNS
    ),
    Cause.LOGIN_THROTTLED: Remedy(
        "check more rarely, and see who else logs in with that account so often", f"{YOU}, or else {_RUNS}"
    ),
    Cause.TOKEN_REQUEST_REFUSED: Remedy("check the fields and secrets of {section}.oauth", YOU),
    Cause.TOKEN_REQUEST_FAILED: Remedy("see whether the token endpoint works", "whoever runs the token endpoint"),
    Cause.TOKEN_REJECTED: Remedy(
        "see whether the account has a mailbox, and the application the right to use it",
        f"{YOU}, or the administrator of that account",
    ),
    Cause.CLIENT_CERTIFICATE: Remedy(
        "that server wants a certificate of the client, which a check has not: use another port or server, or have "
        "this machine exempted",
        f"{YOU}, or else {_RUNS}",
    ),
    Cause.TLS_REQUIRED: Remedy(
        "set {section}.tls to starttls or implicit, for that server wants TLS first", f"{YOU}, or else {_RUNS}"
    ),
    Cause.TLS_MODE: Remedy(
        "see whether {section}.port and {section}.tls fit that server: implicit is for 465 and 993, starttls for 587, "
        "25 and 143",
        f"{YOU}, or else {_RUNS}",
    ),
    Cause.TLS_HANDSHAKE: Remedy(
        "see whether it has TLS 1.2 or newer with a cipher of today and wants no certificate of the client, and "
        "{section}.tls is right",
        f"{_RUNS}, or else {YOU}",
    ),
    Cause.CERTIFICATE: Remedy("check its certificate and {section}.tls", f"{YOU}, or else {_RUNS}"),
    Cause.SENDER_NOT_ALLOWED: Remedy(
        "set {relay}.from_addr to an address that this login may send from, or have {sender} allowed for it", YOU
    ),
    Cause.SENDER_DOMAIN: Remedy(
        "see whether {relay}.from_addr is spelt right, and its domain has an MX or address record",
        f"{YOU}, or else whoever keeps the DNS of {{domain}}",
    ),
    Cause.SENDER_AUTHENTICATION: Remedy(
        "see the SPF, DKIM and DMARC records of {domain}, and whether its mail is signed",
        "whoever keeps the DNS of {domain}",
    ),
    Cause.RELAY_DENIED: Remedy(
        "log in with an account of that server ({relay}.username), or have this machine allowed to relay",
        f"{YOU}, or else {_RUNS}",
    ),
    Cause.HELO: Remedy("set {relay}.ehlo_name to the name that this machine has in the DNS", f"{YOU}, or else {_RUNS}"),
    Cause.REVERSE_DNS: Remedy(
        "have the address that sends to it named in the reverse DNS, and that name lead back to it",
        "whoever keeps the reverse DNS of that address",
    ),
    Cause.REPUTATION: Remedy(
        "see which list has the address that sends to it, and have it taken off",
        "whoever runs the server that sends to {server}",
    ),
    Cause.RECIPIENT_UNKNOWN: Remedy("see whether {to} exists, and is spelt right", f"{YOU}, or else {_RUNS}"),
    Cause.RECIPIENT_DOMAIN: Remedy(
        "see whether the domain of {to} is spelt right, and has an MX record",
        f"{YOU}, or else whoever keeps the DNS of {{to_domain}}",
    ),
    Cause.RECIPIENT_DISABLED: Remedy("have the mailbox of {to} enabled again", _RUNS),
    Cause.MAILBOX_FULL: Remedy("the mailbox of {to} is full: make room in it, or raise its quota", _OWNER),
    Cause.FOLDER_NOT_FOUND: Remedy("check {section}.folder, for there is no such folder", f"{YOU}, or else {_RUNS}"),
    Cause.RATE_LIMIT: Remedy("check more rarely, or have the limit raised", f"{YOU}, or else {_RUNS}"),
    Cause.ACCOUNT_LIMIT: Remedy(
        "see what else sends through that account, or have its limit raised", f"{YOU}, or the owner of that account"
    ),
    Cause.TOO_BIG: Remedy("have its size limit raised, for a probe is a small message", _RUNS),
    Cause.GREYLISTED: Remedy(
        "raise {relay}.retries and {relay}.retry_delay, or have the sender exempted from greylisting there",
        f"{YOU}, or {_RUNS}",
    ),
    Cause.CONTENT_REFUSED: Remedy("ask its postmaster which of its rules refuses the message", _RUNS),
    Cause.POLICY: Remedy("ask its postmaster which of its rules refuses the message", _RUNS),
    Cause.SERVER_TROUBLE: Remedy("see whether that server is overloaded or its disk full", _RUNS),
    Cause.MAIL_LOOP: Remedy("see which alias or forward sends the message back to where it came from", _RUNS),
    Cause.EXPIRED: Remedy(_NEXT_HOP, _RUNS),
    Cause.UNREACHABLE: Remedy(_NEXT_HOP, _RUNS),
    Cause.NO_ANSWER: Remedy(_NEXT_HOP, _RUNS),
    Cause.DROPPED: Remedy(_NEXT_HOP, _RUNS),
}

# What a failure is taken for where nothing more is known of it.
_USUAL = {ErrorType.AUTH: Cause.WRONG_PASSWORD, ErrorType.TLS: Cause.CERTIFICATE}
# Causes that the sentence has words of its own for.
_UNREACHED = frozenset({None, Cause.UNREACHABLE, Cause.NO_ANSWER, Cause.DROPPED, Cause.NAME_NOT_FOUND})


def whoever_runs(server: str) -> str:
    """Who must act where a server is to blame."""
    return _RUNS.format(server=server)


def exempted(loop: LoopConfig) -> str:
    """Whom a relay should not greylist."""
    return "it greylist nobody who logs in" if loop.sender.username else "this machine exempted from greylisting there"


def relay_remedy(cause: Cause | None, loop: LoopConfig, server: str = "") -> Remedy | None:
    """What to do about it where a relay, or a `server` behind it, said so; None where the cause does not say."""
    relay = loop.sender
    found = _filled(cause, server or relay.host, Leg.SENDING, relay.to_addr, relay.from_addr)
    return found if server else _for_port(cause, found, Leg.SENDING, relay)


def _mailbox_remedy(cause: Cause | None, mailbox: MailboxConfig) -> Remedy | None:
    """The same where a mailbox server said so."""
    section = section_of(mailbox)
    found = _filled(cause, mailbox.host, section, f"{mailbox.username} at {mailbox.host}", "")
    return _for_port(cause, found, section, mailbox)


def not_sent(loop: LoopConfig, error: SendFailure, cause: Cause | None) -> Remedy:
    """What to do about a message that the relay did not take: by the cause, else by the kind of failure."""
    relay, runs = loop.sender, whoever_runs(loop.sender.host)
    more_tries = f"raise {relay.protocol}.retries and {relay.protocol}.retry_delay"
    if cause is Cause.GREYLISTED:
        return Remedy(f"{more_tries}, or have {exempted(loop)}", f"{YOU}, or {runs}")
    known = None if cause in _UNREACHED and error.code is None else cause
    over = renewed(error.text, relay.host) if error.error_type is ErrorType.TLS else None
    usual = _USUAL.get(error.error_type)
    found = _login_offered(relay, error) or over or relay_remedy(known, loop) or relay_remedy(usual, loop)
    if found is not None:
        return found
    match error.error_type:
        case ErrorType.TEMPORARY:
            return Remedy(f"see its log for the reason, or {more_tries}", runs)
        case ErrorType.TIMEOUT:
            return Remedy("see whether it is overloaded or its port filtered", f"{runs}, or the network before it")
        case ErrorType.CONNECTION:
            return _reachable(Leg.SENDING, relay.host, error)
        case ErrorType.UNEXPECTED:
            return Remedy("see the log of this run", YOU)
        case _ if error.code is not None and error.code >= 500:
            return Remedy("ask its postmaster", runs)
        case _:
            return Remedy(f"check {relay.protocol}.host, port and tls", f"{YOU}, or else {runs}")


def unread(mailbox: MailboxConfig, error: MailboxFailure) -> Remedy:
    """What to do about a mailbox that could not be read."""
    section, cause = section_of(mailbox), cause_of_unread(mailbox, error)
    if error.error_type is ErrorType.UNEXPECTED:
        return Remedy("see the log of this run", YOU)
    cause = _USUAL.get(error.error_type) if cause in _UNREACHED else cause
    if found := renewed(error.text, mailbox.host) or _mailbox_remedy(cause, mailbox):
        return found
    if error.error_type is ErrorType.MAILBOX:
        words = f"see the server's log, and check {section}.folder"
        return Remedy(words, f"{YOU}, or else {whoever_runs(mailbox.host)}")
    return _reachable(section, mailbox.host, error)


def filter_of(rating: FilterRecord) -> str:
    """Who must act on a rating."""
    name = "the spam filter" if rating.filter == ANY else rating.filter
    return f"whoever runs {name}" + (f" at {rating.server}" if rating.server else "")


def renewed(text: str, host: str) -> Remedy | None:
    """What to do about a certificate that was not accepted because its time is over, by the words of the library."""
    expired = "certificate has expired" in text
    return Remedy("renew that certificate", whoever_runs(host)) if expired else None


def _login_offered(relay: SenderSection, error: SendFailure) -> Remedy | None:
    """What to do where no login is offered that a check can make use of."""
    if error.error_type is not ErrorType.AUTH or error.code is not None:
        return None
    in_clear = f"set {relay.protocol}.tls to starttls or implicit: most relays let nobody log in in clear"
    ports = f"check {relay.protocol}.host and port: a login is for port 587 or 465"
    return Remedy(in_clear if relay.tls == "none" else ports, f"{YOU}, or else {whoever_runs(relay.host)}")


def _reachable(section: str, host: str, error: SendFailure | MailboxFailure) -> Remedy:
    """What to do about a server that could not be reached, or went away."""
    if error.stage == "connect" and "refused" in error.text.lower():
        look = f"see whether the service on {host} is running, and {section}.port is right"
        return Remedy(look, f"{whoever_runs(host)}, or else {YOU}")
    if error.stage == "dns":
        return Remedy(f"check {section}.host, and the DNS of {host}", f"{YOU}, or else whoever keeps the DNS of {host}")
    return Remedy(
        f"see whether {host} is up and its port open", f"{whoever_runs(host)}, or the network on the way to it"
    )


def _for_port(
    cause: Cause | None, found: Remedy | None, section: str, config: SenderSection | MailboxConfig
) -> Remedy | None:
    """Where port and `tls` do not fit it is said how they would."""
    fit = misfit(section, config) if found is not None and cause is Cause.TLS_MODE else None
    return found._replace(words=fit) if found is not None and fit is not None else found


def _filled(cause: Cause | None, server: str, section: str, to: str, sender: str) -> Remedy | None:
    if cause is None or cause not in REMEDIES:
        return None
    values = {"server": server, "section": section, "relay": Leg.SENDING, "to": to, "sender": sender}
    values |= {"domain": sender.rpartition("@")[2], "to_domain": to.rpartition("@")[2]}
    return Remedy(*(part.format_map(values) for part in REMEDIES[cause]))
