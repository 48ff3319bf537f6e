"""Why a leg failed, what to do about that, and who must."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tasks.mail.causes.lookup import RETURNED, of_reply, of_token
from tasks.mail.config.loop import LoopConfig, SenderSection
from tasks.mail.config.mailbox import BounceMailbox, MailboxConfig
from tasks.mail.journey.filters.ratings import ANY
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import MailboxFailure, SendFailure
from tasks.mail.model.journey_record import FilterRecord
from tasks.mail.model.outcome import ErrorType, Leg
from tasks.mail.model.result import AttemptRecord, BounceRecord
from tasks.mail.verdict.token_remedies import LOGIN_METHOD, by_words

YOU = "you, who set up this check"


class Remedy(NamedTuple):
    """What to do, as half a sentence, and who must."""

    words: str
    who: str


# By cause, with places for names in braces.
REMEDIES: Mapping[Cause, Remedy] = {
    Cause(name): Remedy(**row)
    for name, row in tomllib.loads(Path(__file__).with_name("remedies.toml").read_text(encoding="utf-8")).items()
}

# What a failure is taken for where nothing more is known of it.
_USUAL = {ErrorType.AUTH: Cause.WRONG_PASSWORD, ErrorType.TLS: Cause.CERTIFICATE}
# Causes that the sentence has words of its own for.
_UNREACHED = frozenset({None, Cause.UNREACHABLE, Cause.NO_ANSWER, Cause.DROPPED, Cause.NAME_NOT_FOUND})

_MUTE = frozenset({Cause.NO_ANSWER, Cause.DROPPED, Cause.TLS_HANDSHAKE})  # as a server that waits for, or gets, TLS
_SPEAKS_FIRST = frozenset({"connect", "tls"})
# By custom (RFC 8314): the ports on which TLS begins with the first byte, and those that begin in clear.
_IMPLICIT = {465: "SMTP", 993: "IMAP", 995: "POP3"}
_IN_CLEAR = {25: "SMTP", 587: "SMTP", 2525: "SMTP", 110: "POP3", 143: "IMAP"}


_SUBMISSION = frozenset({465, 587})
NO_LOGIN = frozenset({None, Cause.LOGIN_METHOD, Cause.TLS_REQUIRED})  # without a reply: none that we can use


def misfit(field: str, section: SenderSection | MailboxConfig) -> str | None:
    """Why the port of a section does not fit, as a sentence with what to do; None where it does, or is anybody's.

    It is noted, not refused. `field` is what the section is called.
    """
    port, protocol, implicit = section.port, section.protocol.upper(), section.tls == "implicit"
    if (usual := (_IMPLICIT | _IN_CLEAR).get(port, protocol)) != protocol:
        return f"{field}.port {port} is one of {usual}, and not of {protocol}: correct it"
    if port in _IMPLICIT and not implicit:
        return f"{field}.port {port} is for TLS from the first byte: set {field}.tls to implicit"
    if port in _IN_CLEAR and implicit:
        return f"{field}.port {port} begins in clear: set {field}.tls to starttls"
    return None


def section_of(mailbox: MailboxConfig) -> str:
    """What its section of the configuration is called."""
    return "bounce_mailbox" if isinstance(mailbox, BounceMailbox) else mailbox.protocol


def cause_of_refusal(relay: SenderSection, error: SendFailure) -> Cause | None:
    """Why the relay did not take the message."""
    if error.code is None:
        return _by_port(Leg.SENDING, relay, error)
    cause = of_reply(error.stage, error.text)
    by_token = error.stage == "auth" and relay.oauth is not None
    return of_token(error.stage, error.text, cause, error.code >= 500) if by_token else cause


def cause_of_attempt(error: AttemptRecord) -> Cause | None:
    """The same of an attempt that another one followed."""
    return of_reply(error.stage, error.error_msg) if error.code is not None else None


def cause_of_unread(mailbox: MailboxConfig, error: MailboxFailure) -> Cause | None:
    """Why a mailbox could not be read."""
    return _by_port(section_of(mailbox), mailbox, error)


def cause_of_notice(notice: BounceRecord) -> Cause | None:
    """Why a message came back, or is delayed: by what the server said, else by the status of the notice."""
    return of_reply(RETURNED, notice.diagnostic) or of_reply(RETURNED, notice.status)


def _by_port(section: str, config: SenderSection | MailboxConfig, error: SendFailure | MailboxFailure) -> Cause | None:
    """What is known without words; a server that says nothing on a port that does not fit `tls` waits for the other."""
    if error.cause in _MUTE and error.stage in _SPEAKS_FIRST and misfit(section, config) is not None:
        return Cause.TLS_MODE
    return error.cause


def whoever_runs(server: str) -> str:
    """Who must act where a server is to blame."""
    return f"whoever runs {server}"


def exempted(loop: LoopConfig) -> str:
    """Whom a relay should not greylist."""
    return "it greylist nobody who logs in" if loop.sender.username else "this machine exempted from greylisting there"


def relay_remedy(cause: Cause | None, loop: LoopConfig, server: str = "") -> Remedy | None:
    """What to do about it where a relay, or a `server` behind it, said so; None where the cause does not say."""
    relay = loop.sender
    fit = misfit(Leg.SENDING, relay) if not server else None
    return _filled(cause, server or relay.host, Leg.SENDING, fit, relay.to_addr, relay.from_addr)


def not_sent(loop: LoopConfig, error: SendFailure, cause: Cause | None) -> Remedy:
    """What to do about a message that the relay did not take: by the cause, else by the kind of failure."""
    relay, runs = loop.sender, whoever_runs(loop.sender.host)
    more_tries = f"raise {relay.protocol}.retries and {relay.protocol}.retry_delay"
    if cause is Cause.GREYLISTED:
        return Remedy(f"{more_tries}, or have {exempted(loop)}", f"{YOU}, or {runs}")
    known = None if cause in _UNREACHED and error.code is None else cause
    if found := _about_tokens(Leg.SENDING, relay, error, cause):
        return found
    over = renewed(error.text, relay.host) if error.error_type is ErrorType.TLS else None
    is_submission = relay.tls != "none" and relay.port in _SUBMISSION
    if error.error_type is ErrorType.AUTH and error.code is None and cause in NO_LOGIN and not is_submission:
        in_clear = f"set {relay.protocol}.tls to starttls or implicit: most relays let nobody log in in clear"
        ports = f"check {relay.protocol}.host and port: a login is for port 587 or 465"
        return Remedy(in_clear if relay.tls == "none" else ports, f"{YOU}, or else {runs}")
    if found := over or relay_remedy(known, loop) or relay_remedy(_USUAL.get(error.error_type), loop):
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
    if found := _about_tokens(section, mailbox, error, cause):
        return found
    cause = _USUAL.get(error.error_type) if cause in _UNREACHED else cause
    fit, account = misfit(section, mailbox), f"{mailbox.username} at {mailbox.host}"
    if found := renewed(error.text, mailbox.host) or _filled(cause, mailbox.host, section, fit, account):
        return found
    if error.error_type is ErrorType.MAILBOX:
        words = f"see the server's log, and check {section}.folder"
        return Remedy(words, f"{YOU}, or else {whoever_runs(mailbox.host)}")
    return _reachable(section, mailbox.host, error)


def _about_tokens(
    section: str, config: SenderSection | MailboxConfig, error: SendFailure | MailboxFailure, cause: Cause | None
) -> Remedy | None:
    """What to do about a token endpoint that gives none, or a server that takes none; None where it is not that."""
    if error.stage == "token":
        said = by_words(error.text) if cause is Cause.TOKEN_REQUEST_REFUSED else None
        words, who = (said.words, said.who) if said else REMEDIES[cause or Cause.TOKEN_REQUEST_FAILED]
    elif config.oauth is not None and cause is Cause.LOGIN_METHOD:
        words, who = LOGIN_METHOD.words, LOGIN_METHOD.who
    else:
        return None
    return Remedy(words.format(section=section, user=config.username), who)


def filter_of(rating: FilterRecord) -> str:
    """Who must act on a rating."""
    name = "the spam filter" if rating.filter == ANY else rating.filter
    return f"whoever runs {name}" + (f" at {rating.server}" if rating.server else "")


def renewed(text: str, host: str) -> Remedy | None:
    """What to do about a certificate that was not accepted because its time is over, by the words of the library."""
    return Remedy("renew that certificate", whoever_runs(host)) if "certificate has expired" in text else None


def _reachable(section: str, host: str, error: SendFailure | MailboxFailure) -> Remedy:
    """What to do about a server that could not be reached, or went away."""
    if error.stage == "connect" and "refused" in error.text.lower():
        look = f"see whether the service on {host} is running, and {section}.port is right"
        return Remedy(look, f"{whoever_runs(host)}, or else {YOU}")
    if error.stage == "dns":
        return Remedy(f"check {section}.host, and the DNS of {host}", f"{YOU}, or else whoever keeps the DNS of {host}")
    network = f"{whoever_runs(host)}, or the network on the way to it"
    return Remedy(f"see whether {host} is up and its port open", network)


def _filled(
    cause: Cause | None, server: str, section: str, fit: str | None, to: str, sender: str = ""
) -> Remedy | None:
    """The row of the cause with its names; `fit`: where port and `tls` do not fit, how they would."""
    if cause is None or cause not in REMEDIES:
        return None
    values = {"server": server, "section": section, "relay": Leg.SENDING, "to": to, "sender": sender}
    values |= {"domain": sender.rpartition("@")[2], "to_domain": to.rpartition("@")[2]}
    words, who = (part.format_map(values) for part in REMEDIES[cause])
    return Remedy(fit if fit is not None and cause is Cause.TLS_MODE else words, who)
