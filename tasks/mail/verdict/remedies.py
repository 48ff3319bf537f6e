"""What to do about a cause, and who must: pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tasks.mail.causes.lookup import of_reply
from tasks.mail.model.cause import Cause

YOU = "you, who set up this check"
OWNER = "the owner of the mailbox {to}"
RUNS = "whoever runs {server}"
NEXT_HOP = "see how that server reaches the next one"


class Remedy(NamedTuple):
    """What to do, as half a sentence, and who must."""

    words: str
    who: str


# `{server}` is who said so, `{section}` that of its configuration, `{user}` the login, `{to}` the recipient, `{sender}`
# smtp.from_addr, `{domain}` and `{to_domain}` are the domains of these two. What has no row says in its sentence what
# there is to do.
REMEDIES: Mapping[Cause, Remedy] = {
    Cause.WRONG_PASSWORD: Remedy("check {section}.username and its password", f"{YOU}, or else {RUNS}"),
    Cause.ACCOUNT_DISABLED: Remedy(
        "have the account that the check logs in with enabled again", f"the administrator of that account, or {RUNS}"
    ),
    Cause.PASSWORD_EXPIRED: Remedy("set a new password there, and store it for this check", YOU),
    Cause.LOGIN_METHOD: Remedy(
        "have this way of logging in allowed for that account, or give the check a password for applications",
        f"{YOU}, or the administrator of that account",
    ),
    Cause.LOGIN_REQUIRED: Remedy(
        "set {section}.username and its password, for that server wants a login", f"{YOU}, or else {RUNS}"
    ),
    Cause.LOGIN_UNAVAILABLE: Remedy("see its login service, which is out of order; the password is not to blame", RUNS),
    Cause.LOGIN_THROTTLED: Remedy(
        "check more rarely, and see who else logs in with that account so often", f"{YOU}, or else {RUNS}"
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
        f"{YOU}, or else {RUNS}",
    ),
    Cause.TLS_REQUIRED: Remedy(
        "set {section}.tls to starttls or implicit, for that server wants TLS first", f"{YOU}, or else {RUNS}"
    ),
    Cause.TLS_MODE: Remedy(
        "see whether {section}.port and {section}.tls fit that server: implicit is for 465 and 993, starttls for 587, "
        "25 and 143",
        f"{YOU}, or else {RUNS}",
    ),
    Cause.TLS_HANDSHAKE: Remedy(
        "see whether it has TLS 1.2 or newer with a cipher of today and wants no certificate of the client, and "
        "{section}.tls is right",
        f"{RUNS}, or else {YOU}",
    ),
    Cause.CERTIFICATE: Remedy("check its certificate and {section}.tls", f"{YOU}, or else {RUNS}"),
    Cause.SENDER_NOT_ALLOWED: Remedy(
        "set smtp.from_addr to an address that this login may send from, or have {sender} allowed for it", YOU
    ),
    Cause.SENDER_DOMAIN: Remedy(
        "see whether smtp.from_addr is spelt right, and its domain has an MX or address record",
        f"{YOU}, or else whoever keeps the DNS of {{domain}}",
    ),
    Cause.SENDER_AUTHENTICATION: Remedy(
        "see the SPF, DKIM and DMARC records of {domain}, and whether its mail is signed",
        "whoever keeps the DNS of {domain}",
    ),
    Cause.RELAY_DENIED: Remedy(
        "log in with an account of that server (smtp.username), or have this machine allowed to relay",
        f"{YOU}, or else {RUNS}",
    ),
    Cause.HELO: Remedy("set smtp.ehlo_name to the name that this machine has in the DNS", f"{YOU}, or else {RUNS}"),
    Cause.REVERSE_DNS: Remedy(
        "have the address that sends to it named in the reverse DNS, and that name lead back to it",
        "whoever keeps the reverse DNS of that address",
    ),
    Cause.REPUTATION: Remedy(
        "see which list has the address that sends to it, and have it taken off",
        "whoever runs the server that sends to {server}",
    ),
    Cause.RECIPIENT_UNKNOWN: Remedy("see whether {to} exists, and is spelt right", f"{YOU}, or else {RUNS}"),
    Cause.RECIPIENT_DOMAIN: Remedy(
        "see whether the domain of {to} is spelt right, and has an MX record",
        f"{YOU}, or else whoever keeps the DNS of {{to_domain}}",
    ),
    Cause.RECIPIENT_DISABLED: Remedy("have the mailbox of {to} enabled again", RUNS),
    Cause.MAILBOX_FULL: Remedy("the mailbox of {to} is full: make room in it, or raise its quota", OWNER),
    Cause.FOLDER_NOT_FOUND: Remedy("check {section}.folder, for there is no such folder", f"{YOU}, or else {RUNS}"),
    Cause.RATE_LIMIT: Remedy("check more rarely, or have the limit raised", f"{YOU}, or else {RUNS}"),
    Cause.ACCOUNT_LIMIT: Remedy(
        "see what else sends through that account, or have its limit raised", f"{YOU}, or the owner of that account"
    ),
    Cause.TOO_BIG: Remedy("have its size limit raised, for a probe is a small message", RUNS),
    Cause.GREYLISTED: Remedy(
        "raise smtp.retries and smtp.retry_delay, or have the sender exempted from greylisting there",
        f"{YOU}, or {RUNS}",
    ),
    Cause.CONTENT_REFUSED: Remedy("ask its postmaster which of its rules refuses the message", RUNS),
    Cause.POLICY: Remedy("ask its postmaster which of its rules refuses the message", RUNS),
    Cause.SERVER_TROUBLE: Remedy("see whether that server is overloaded or its disk full", RUNS),
    Cause.MAIL_LOOP: Remedy("see which alias or forward sends the message back to where it came from", RUNS),
    Cause.EXPIRED: Remedy(NEXT_HOP, RUNS),
    Cause.UNREACHABLE: Remedy(NEXT_HOP, RUNS),
    Cause.NO_ANSWER: Remedy(NEXT_HOP, RUNS),
    Cause.DROPPED: Remedy(NEXT_HOP, RUNS),
}


def whoever_runs(server: str) -> str:
    """Who must act where a server is to blame."""
    return RUNS.format(server=server)


def is_greylisting(reply: str, stage: str = "rcpt") -> bool:
    """Whether a server refuses for now because it has not seen the sender before."""
    return of_reply(stage, reply) is Cause.GREYLISTED
