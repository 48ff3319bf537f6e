"""What servers say of a sender, and of who may send through them. The first row that fits counts."""

from __future__ import annotations

from tasks.mail.causes.phrases import HELLO, MAIL, Row
from tasks.mail.model.cause import Cause

SENDER = (
    Row(
        Cause.POLICY, MAIL, ("RESOLVER RST", "delivery restriction*", "authenticated by organi*")
    ),  # Exchange, of recipients that take no mail from outside their organisation.
    Row(Cause.REPUTATION, MAIL, ("mail/email directly to", "directly to our servers")),  # from a dynamic address
    Row(
        Cause.ACCOUNT_DISABLED,
        MAIL,
        (
            "sending .. suspended/disabled/paused",
            "your account .. suspended/disabled",
            "your domain .. suspended/disabled",
            "your account/domain .. blocked/locked",
            "your account/domain .. hold",
            "account .. pending approval/review",
        ),
    ),
    Row(
        Cause.SENDER_AUTHENTICATION,
        MAIL,
        (
            "spf/dkim/dmarc",
            "sender is? unauthenticated",
            "sender policy framework",
            "sender authentication/id",
            "authentication information/level/checks",
            "message is? not authenticated",
        ),
    ),
    Row(
        Cause.SENDER_DOMAIN,
        MAIL,
        (
            "sender .. domain .. not found/exist",
            "sender .. domain .. not resolve",
            "sender .. domain .. must/invalid/unknown",
            "sender .. doesnt exist/resolve",
            "sender .. does not exist/resolve",
            "domain .. sender .. not found/exist",
            "domain .. sender .. not resolve",
            "sender .. null mx",
            "sender .. nullmx/undeliverable",
            "sender .. unverified",
            "sender verif*",
            "no mx .. from",
            "domain name required",
            "verify/resolve/find the? sender",
            "unroutable/invalid sender",
            "bad/unresolvable sender",
            "invalid/unknown mail from",
            "no mx .. sender",
        ),
    ),
    Row(
        Cause.SENDER_DOMAIN,
        frozenset({"mail"}),
        (
            "domain .. not found/exist/resolve",
            "domain .. doesnt exist/resolve",
            "no such domain",
            "unknown/invalid/bad/nonexistent domain",
        ),
    ),
    Row(Cause.LOGIN_REQUIRED, MAIL, ("unauthenticated sender/senders/email",)),
    Row(
        Cause.SENDER_NOT_ALLOWED,
        MAIL,
        (
            "not owned by",
            "send as",
            "sendas/sendasdenied",
            "on behalf",
            "from/sender .. mismatch",
            "one of your",
            "sender denied",
            "belong to",
            "sender signature",
            "verified sender/domain/identity",
            "address is unverified",
            "identity/identities .. unverified",
            "domain/sender .. is unverified",
            "address/identity .. not verified",
            "identities .. not verified",
            "must/not be .. same/equal/identical",
            "must equal/match",
            "not match .. sender/identity/login/user",
            "disallowed as",
            "not local sender",
            "sender .. not allowed/permitted/authori*",
            "sender .. unauthorized/forbidden",
            "sender .. disallowed",
            "not allowed/authori*/permitted to send",
            "not authori* to perform/use",
            "permission* to send",
            "from .. not allowed/permitted/authori*",
            "from .. not verified",
            "unregistered domain/domains",
            "sandbox subdomains",
        ),
    ),
)

WAY_IN = (
    Row(
        Cause.RELAY_DENIED,
        MAIL,
        (
            "relay* .. denied/prohibited/refused",
            "relay* .. not permitted/allowed/authori*",
            "relay* is? disallowed/disabled/rejected",
            "unable/not/cannot to? relay*",
            "denied/allowed to? relay*",
            "credentials/authori* for/to relay*",
            "rcpthosts",
            "cannot deliver mail for",
            "not a/our? local/accepted/hosted domain",
            "not our customer",
            "non accepted/local domain",
            "user not local",
        ),
    ),
    Row(
        Cause.LOGIN_REQUIRED,
        MAIL,
        (
            "auth* is? required/needed/necessary",
            "not been? authenticated",
            "not logged in",
            "auth/authenticate command? first",
            "must/please/need/to authenticate/login",
            "must/please/need log in",
            "require/requires .. authentication/login",
            "smtp auth* is? required",
            "ehlo and auth",
            "log in first",
        ),
    ),
    Row(
        Cause.HELO,
        MAIL,
        (
            "helo/ehlo .. rejected/invalid",
            "helo/ehlo .. refused/bad",
            "invalid/bad/bogus helo/ehlo",
            "forged/illegal helo/ehlo",
            "helo/ehlo name/hostname/argument*",
            "need fully qualified hostname",
        ),
    ),
    Row(Cause.HELO, HELLO, ("invalid/bad/illegal hostname/domain",)),
    Row(
        Cause.REVERSE_DNS,
        MAIL,
        (
            "reverse dns/lookup/hostname",
            "reverse name/mapping/ip",
            "reversedns/rdns/ptr",
            "forward confirmed",
            "find your reverse? hostname",
            "client host .. no/unknown hostname/name",
            "no/without/missing hostname",
        ),
    ),
)
