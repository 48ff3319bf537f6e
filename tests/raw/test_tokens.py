"""Tokens on both legs: let in by either mechanism, a fresh one for one that is refused, and why there is none."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from flows.direct import check, check_all
from tasks.mail.config.loop import LoopConfig, inbound_config, loop_config
from tasks.mail.model.cause import Cause
from tasks.mail.model.outcome import ErrorType, Outcome
from tasks.mail.model.result import LoopResult
from tests.support import certificates
from tests.support.command.forks import ROOT
from tests.support.oauth.given import Given
from tests.support.oauth.issuing import Client
from tests.support.oauth.server import Reply, TokenServer, token_server
from tests.support.raw.imap import RawImap
from tests.support.raw.server import CLOSE, DEFAULT, DROP, SILENCE, Action, Line
from tests.support.raw.smtp import RawSmtp

USER, SECRET = "monitor@example.org", "Geheim-nis.der-Anwendung_0815"
MECHANISMS = ("XOAUTH2", "OAUTHBEARER")
QUICK = 1.0  # seconds from the last line of a server to the end of our part, of the 3 that a step may take
AADSTS = {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."}


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> certificates.ServerTls:
    return certificates.good(tmp_path_factory.mktemp("certificates"))


@dataclass
class Way:
    """A relay and a mailbox that let in by token alone, and where tokens come from."""

    tls: certificates.ServerTls
    tokens: TokenServer
    relay: RawSmtp
    mailbox: RawImap
    later: float = 0.0  # seconds that the mail takes
    ended: float = 0.0  # when the check did, in monotonic seconds

    def refuse(self, server: RawSmtp | RawImap, times: int = 1000) -> None:
        """Let a server take no token of the first so many requests."""
        server.logins.tokens = Given(self.tokens, times)

    def loop(
        self, relay: Mapping[str, Any] | None = None, mailbox: Mapping[str, Any] | None = None, name: str = "raw"
    ) -> LoopConfig:
        """The loop, while both servers run; with the fields that are to be different."""
        oauth = {"client_id": "app", "client_secret": SECRET, "token_url": self.tokens.url, "scope": "mail"}
        login = {"host": "localhost", "username": USER, "oauth": oauth, "timeout": 3.0, "ca_file": self.tls.ca_file}
        smtp = {"port": self.relay.port, "tls": "starttls", "retry_delay": 0.1, **login, **(relay or {})}
        smtp |= {"from_addr": "a@a.test", "to_addr": "b@b.test", "subject_prefix": "[x]"}
        imap = {"port": self.mailbox.port, "tls": "implicit", "retry_delay": 0.1, **login, **(mailbox or {})}
        limits = {"max_wait": 4.0, "max_per_hour": 3600}
        return loop_config({"name": name, "smtp": smtp, "imap": imap, "limits": limits})

    async def run(self, relay: Mapping[str, Any] | None = None, mailbox: Mapping[str, Any] | None = None) -> LoopResult:
        async with self.relay, self.mailbox, asyncio.timeout(40):
            later = asyncio.get_running_loop().call_later
            self.relay.deliver = lambda message: later(self.later, self.mailbox.append, message)
            result = await check(self.loop(relay, mailbox))
            self.ended = time.monotonic()
            return result


def way_of(tls: certificates.ServerTls, tokens: TokenServer, mechanism: str = "XOAUTH2", more: str = "SASL-IR") -> Way:
    relay = RawSmtp(tls=tls.context, extensions=[f"AUTH {mechanism}"])
    capabilities = f"IMAP4rev1 LOGINDISABLED IDLE {more} AUTH={mechanism}"
    return Way(tls, tokens, relay, RawImap(tls=tls.context, implicit=True, capabilities=capabilities))


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    with token_server() as server:
        server.issuer.clients["app"] = Client(USER, SECRET)
        yield server


@pytest.mark.parametrize("more", ["SASL-IR", ""])
@pytest.mark.parametrize("padding", [0, 2048])
@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_both_legs_are_let_in_by_one_token(
    mechanism: str, padding: int, more: str, tls: certificates.ServerTls, tokens: TokenServer
) -> None:
    """However long it is: what does not fit into a command is sent when the server asks."""
    tokens.issuer.padding = padding
    way = way_of(tls, tokens, mechanism, more)
    way.refuse(way.relay, 0)
    way.refuse(way.mailbox, 0)
    result = await way.run()
    assert (result.outcome, result.attempts, tokens.count()) == (Outcome.DELIVERED, 1, 1)
    assert [next(iter(result.stages[leg])) for leg in ("smtp", "imap")] == ["token", "token"]
    assert {user for user, _ in way.relay.credentials + way.mailbox.credentials} == {USER}
    assert way.relay.longest < 512
    assert way.mailbox.longest <= 8192


@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_a_refused_token_is_replaced_once_within_the_attempt(
    mechanism: str, tls: certificates.ServerTls, tokens: TokenServer
) -> None:
    way = way_of(tls, tokens, mechanism)
    way.refuse(way.relay, 1)
    way.refuse(way.mailbox, 2)
    result = await way.run()
    assert (result.outcome, result.attempts, tokens.count()) == (Outcome.DELIVERED, 1, 3)
    assert (way.relay.connections, way.relay.count("AUTH"), way.mailbox.connections) == (2, 2, 2)
    assert not result.attempt_errors


ANSWERS = {"XOAUTH2": b"", "OAUTHBEARER": b"\1"}


@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_a_relay_that_refuses_each_token_has_been_shown_two(
    mechanism: str, tls: certificates.ServerTls, tokens: TokenServer
) -> None:
    way = way_of(tls, tokens, mechanism)
    way.refuse(way.relay)
    result = await way.run()
    assert (result.outcome, result.error_type, result.stage) == (Outcome.REJECTED, ErrorType.AUTH, "auth")
    assert (result.cause, result.attempts, result.leg) == (Cause.TOKEN_REJECTED, 1, "smtp")
    assert (way.relay.connections, way.relay.count("AUTH"), tokens.count()) == (2, 2, 2)
    assert way.relay.logins.after_error == [ANSWERS[mechanism]] * 2
    assert len({token for _, token in way.relay.credentials}) == 2


SECOND_TRY: dict[str, tuple[str, Action]] = {
    "421 at the greeting": ("banner", b"421 4.3.2 come back later\r\n"),
    "450 at EHLO": ("ehlo", b"450 4.3.2 not now\r\n"),
    "dropped": ("banner", DROP),
    "closed": ("auth", CLOSE),
    "silence": ("banner", SILENCE),
}


@pytest.mark.parametrize("fault", SECOND_TRY)
async def test_a_refused_token_stays_the_finding_whatever_becomes_of_the_second_try(
    fault: str, tls: certificates.ServerTls, tokens: TokenServer
) -> None:
    """What is temporary about that would have the refused login made again and again."""
    way = way_of(tls, tokens)
    way.refuse(way.relay)
    phase, action = SECOND_TRY[fault]
    way.relay.play(phase, [*[DEFAULT] * (2 if phase == "ehlo" else 1), action])
    result = await way.run({"retries": 3, "timeout": 1.0})
    assert (result.outcome, result.error_type, result.stage) == (Outcome.REJECTED, ErrorType.AUTH, "auth")
    assert (result.cause, result.attempts, way.relay.connections) == (Cause.TOKEN_REJECTED, 1, 2)
    assert "535 5.7.8 Authentication failed" in result.sentence


@pytest.mark.parametrize("fault", ["400", "429", "503", "closed"])
async def test_a_refused_token_stays_the_finding_where_there_is_no_fresh_one(
    fault: str, tls: certificates.ServerTls, tokens: TokenServer
) -> None:
    way = way_of(tls, tokens)
    tokens.script.extend(
        [Reply(200, {"access_token": "refused-0815", "expires_in": 3600, "token_type": "Bearer"}), NO_TOKEN[fault][0]]
    )
    way.refuse(way.relay)
    result = await way.run({"retries": 3})
    assert (result.outcome, result.error_type, result.stage) == (Outcome.REJECTED, ErrorType.AUTH, "auth")
    assert (result.cause, result.attempts, tokens.count()) == (Cause.TOKEN_REJECTED, 1, 2)
    assert "535 5.7.8 Authentication failed" in result.sentence


@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_a_mailbox_that_refuses_each_token_has_been_shown_two(
    mechanism: str, tls: certificates.ServerTls, tokens: TokenServer
) -> None:
    way = way_of(tls, tokens, mechanism)
    way.refuse(way.mailbox)
    result = await way.run()
    assert (result.outcome, result.error_type, result.stage) == (Outcome.UNVERIFIED, ErrorType.AUTH, "login")
    assert (result.cause, result.leg) == (Cause.TOKEN_REJECTED, "imap")
    assert (way.mailbox.connections, tokens.count()) == (2, 2)
    assert way.mailbox.logins.after_error == [ANSWERS[mechanism]] * 2


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("leg", ["smtp", "imap"])
async def test_our_part_of_a_refusal_ends_at_once(
    leg: str, mechanism: str, tls: certificates.ServerTls, tokens: TokenServer
) -> None:
    """A client that waits for what a server does not say before it is answered takes all of its time."""
    way = way_of(tls, tokens, mechanism)
    server = way.relay if leg == "smtp" else way.mailbox
    way.refuse(server)
    result = await way.run()
    assert result.cause is Cause.TOKEN_REJECTED
    assert way.ended - server.last_word < QUICK


REPLIES: list[tuple[str, Outcome, Cause, str, int]] = [
    # What is refused for the token itself is tried once more, and nothing else.
    ("535 5.7.3 Authentication unsuccessful [AM0PR02CA0001.x]", Outcome.REJECTED, Cause.TOKEN_REJECTED, "mailbox", 2),
    (
        "430 4.2.0 STOREDRV; mailbox logon failure; could not establish session",
        Outcome.REJECTED,
        Cause.TOKEN_REJECTED,
        "see whether the account has a mailbox, and the application the right to use it",
        1,
    ),
    (
        "430 4.2.0 STOREDRV; LogonFailed; Failed to logon to mailbox",
        Outcome.REJECTED,
        Cause.TOKEN_REJECTED,
        "see whether the account has a mailbox",
        1,
    ),
    (
        "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox.",
        Outcome.REJECTED,
        Cause.LOGIN_METHOD,
        "have a login with a token allowed for that account",
        1,
    ),
    ("550 5.7.30 Basic authentication is not supported", Outcome.REJECTED, Cause.LOGIN_METHOD, "allowed", 1),
    ("534 5.7.9 Application-specific password required", Outcome.REJECTED, Cause.LOGIN_METHOD, "allowed", 1),
    ("535-5.7.8 Username and Password not accepted. gsmtp", Outcome.REJECTED, Cause.TOKEN_REJECTED, "mailbox", 2),
    ("535 5.7.0 Too many login attempts", Outcome.REJECTED, Cause.LOGIN_THROTTLED, "", 1),
    ("454 4.7.0 Temporary authentication failure", Outcome.DEFERRED, Cause.LOGIN_UNAVAILABLE, "login service", 1),
    ("421 4.7.0 Try again later", Outcome.DEFERRED, Cause.LOGIN_UNAVAILABLE, "login service", 1),
]


@pytest.mark.parametrize(("reply", "outcome", "cause", "sentence", "shown"), REPLIES, ids=[row[0] for row in REPLIES])
async def test_what_a_relay_says_to_a_token(
    reply: str,
    outcome: Outcome,
    cause: Cause,
    sentence: str,
    shown: int,
    tls: certificates.ServerTls,
    tokens: TokenServer,
) -> None:
    way = way_of(tls, tokens)
    way.relay.play("auth", reply.replace("535-5.7.8", "535 5.7.8").encode() + b"\r\n")
    result = await way.run()
    assert (result.outcome, result.error_type, result.cause) == (outcome, ErrorType.AUTH, cause)
    assert sentence in result.sentence
    assert (result.attempts, way.relay.count("AUTH"), tokens.count()) == (1, shown, shown)


BY_PASSWORD = [
    ("550 5.7.30 Basic authentication is not supported for Client Submission", Outcome.REJECTED, Cause.LOGIN_METHOD),
    ("535 5.7.139 Authentication unsuccessful, basic authentication is disabled", Outcome.REJECTED, Cause.LOGIN_METHOD),
    ("535 5.7.3 Authentication unsuccessful", Outcome.REJECTED, Cause.WRONG_PASSWORD),
    ("534 5.7.9 Application-specific password required", Outcome.REJECTED, Cause.LOGIN_METHOD),
]


@pytest.mark.parametrize(("reply", "outcome", "cause"), BY_PASSWORD, ids=[row[0] for row in BY_PASSWORD])
async def test_what_a_relay_says_to_a_password(
    reply: str, outcome: Outcome, cause: Cause, tls: certificates.ServerTls, tokens: TokenServer
) -> None:
    way = way_of(tls, tokens, "PLAIN")
    way.relay.play("auth", f"{reply}\r\n".encode())
    result = await way.run({"oauth": None, "password": "Pa55-of-monitor"})
    assert (result.outcome, result.error_type, result.cause) == (outcome, ErrorType.AUTH, cause)
    assert (way.relay.count("AUTH"), tokens.count()) == (1, 0)
    if cause is Cause.LOGIN_METHOD:
        assert "give the check smtp.oauth, or a password for applications" in result.sentence


MAILBOX_SAYS = [
    ("NO [AUTHENTICATIONFAILED] Authentication failed.", Cause.TOKEN_REJECTED, 2),
    ("NO AUTHENTICATE failed.", Cause.TOKEN_REJECTED, 2),
    ("NO [EXPIRED] gone", Cause.TOKEN_REJECTED, 2),
    ("NO", Cause.TOKEN_REJECTED, 2),
    ("NO [ALERT] IMAP access is disabled for your domain.", Cause.LOGIN_METHOD, 1),
    ("NO [AUTHORIZATIONFAILED] not yours", Cause.ACCOUNT_DISABLED, 1),
]


@pytest.mark.parametrize(("said", "cause", "shown"), MAILBOX_SAYS, ids=[row[0] for row in MAILBOX_SAYS])
async def test_what_a_mailbox_says_to_a_token(
    said: str, cause: Cause, shown: int, tls: certificates.ServerTls, tokens: TokenServer
) -> None:
    way = way_of(tls, tokens)
    way.mailbox.play("authenticate", f"{{tag}} {said}\r\n".encode())
    result = await way.run()
    assert (result.outcome, result.error_type, result.cause) == (Outcome.UNVERIFIED, ErrorType.AUTH, cause)
    assert (way.mailbox.connections, tokens.count()) == (shown, shown)


async def test_a_login_by_token_that_is_put_off_is_tried_once_more_with_the_same(
    tls: certificates.ServerTls, tokens: TokenServer
) -> None:
    way = way_of(tls, tokens)
    way.mailbox.play("authenticate", [b"{tag} NO [UNAVAILABLE] later\r\n", DEFAULT])
    result = await way.run()
    assert (result.outcome, way.mailbox.connections, tokens.count()) == (Outcome.DELIVERED, 2, 1)


BYE = b"* BYE Session invalidated - AccessTokenExpired\r\n"


@pytest.mark.parametrize("phase", ["authenticate", "noop", "examine", "fetch"])
async def test_a_token_that_is_over_by_the_words_of_a_bye_is_replaced(
    phase: str, tls: certificates.ServerTls, tokens: TokenServer
) -> None:
    """What the server says of it counts for more than how long the endpoint said it would last."""
    way = way_of(tls, tokens)
    way.mailbox.play(phase, [BYE])
    way.later = 0.5
    result = await way.run()
    assert (result.outcome, way.mailbox.played) == (Outcome.DELIVERED, {phase})
    assert (result.attempts, tokens.count(), way.mailbox.connections) == (1, 2, 2)
    assert len({token for _, token in way.mailbox.credentials}) == 2


@pytest.mark.parametrize("phase", ["authenticate", "examine"])
async def test_a_mailbox_that_calls_each_token_over_has_been_shown_two(
    phase: str, tls: certificates.ServerTls, tokens: TokenServer
) -> None:
    way = way_of(tls, tokens)
    way.mailbox.play(phase, BYE)
    result = await way.run()
    assert (result.outcome, result.error_type, result.cause) == (
        Outcome.UNVERIFIED,
        ErrorType.AUTH,
        Cause.TOKEN_REJECTED,
    )
    assert (way.mailbox.connections, tokens.count()) == (2, 2)
    assert "AccessTokenExpired" in result.sentence


# --- no token ---

REFUSED = ErrorType.AUTH, Cause.TOKEN_REQUEST_REFUSED
NO_TOKEN: dict[str, tuple[Reply, ErrorType, Cause]] = {
    "400": (Reply(400, {"error": "invalid_grant", "error_description": "AADSTS700082: expired"}), *REFUSED),
    "401": (Reply(401, AADSTS), *REFUSED),
    "403": (Reply(403, {"error": "access_denied"}), *REFUSED),
    "408": (Reply(408, b""), ErrorType.CONNECTION, Cause.TOKEN_REQUEST_FAILED),
    "429": (Reply(429, {"error": "slow_down"}), ErrorType.CONNECTION, Cause.TOKEN_REQUEST_FAILED),
    "503": (Reply(503, b"<html>"), ErrorType.CONNECTION, Cause.TOKEN_REQUEST_FAILED),
    "HTML": (Reply(200, b"<html>log in</html>"), ErrorType.CONNECTION, Cause.TOKEN_REQUEST_FAILED),
    "silence": (Reply(delay=20.0), ErrorType.TIMEOUT, Cause.TOKEN_REQUEST_FAILED),
    "closed": (Reply(drop=True), ErrorType.CONNECTION, Cause.TOKEN_REQUEST_FAILED),
}


@pytest.mark.parametrize("fault", NO_TOKEN)
async def test_without_a_token_nothing_is_sent_and_nothing_is_sent_again(
    fault: str, tls: certificates.ServerTls, tokens: TokenServer
) -> None:
    reply, kind, cause = NO_TOKEN[fault]
    tokens.always = reply
    way = way_of(tls, tokens)
    result = await way.run({"retries": 3})
    outcome = Outcome.REJECTED if kind is ErrorType.AUTH else Outcome.UNSENT
    assert (result.outcome, result.error_type, result.cause) == (outcome, kind, cause)
    assert (result.leg, result.stage, result.attempts, tokens.count()) == ("smtp", "token", 1, 1)
    assert (way.relay.connections, way.mailbox.connections) == (0, 0)
    assert result.sentence.startswith(f"There is no token for the login of {USER} at the relay localhost:")
    assert (result.who_acts or "").startswith("you" if kind is ErrorType.AUTH else "whoever runs the token endpoint")


@pytest.mark.parametrize("fault", NO_TOKEN)
async def test_without_a_token_the_mailbox_is_unverified(
    fault: str, tls: certificates.ServerTls, tokens: TokenServer
) -> None:
    """What the endpoint refuses is not asked for again; while it is out of order the search goes on."""
    reply, kind, cause = NO_TOKEN[fault]
    tokens.always = reply
    way = way_of(tls, tokens, "PLAIN")
    result = await way.run({"oauth": None, "password": "Pa55-of-monitor"}, {"timeout": 1.0})
    assert (result.outcome, result.error_type, result.cause) == (Outcome.UNVERIFIED, kind, cause)
    assert (result.leg, result.stage, way.mailbox.connections) == ("imap", "token", 0)
    assert (tokens.count() == 1) is (kind is ErrorType.AUTH)


@pytest.mark.parametrize("fault", ["401", "429", "503", "closed"])
async def test_an_inbound_check_asks_once_for_its_token(
    fault: str, tls: certificates.ServerTls, tokens: TokenServer
) -> None:
    """A retry looks for a message that has not come yet; an endpoint that is out of order is no matter of its own."""
    tokens.always, kind, cause = NO_TOKEN[fault]
    way = way_of(tls, tokens)
    async with way.relay, way.mailbox, asyncio.timeout(40):
        again = {"retries": 2, "retry_delay": 0.1, "search_subject": "x", "max_age_minutes": 5}
        mailbox = way.loop().imap
        assert mailbox is not None
        result = await check(inbound_config({"name": "asking", "imap": mailbox.model_copy(update=again)}))
    assert (result.outcome, result.error_type, result.cause) == (Outcome.UNVERIFIED, kind, cause)
    assert (result.stage, tokens.count(), way.mailbox.connections) == ("token", 1, 0)


async def test_an_endpoint_that_comes_back_in_time_is_no_failure(
    tls: certificates.ServerTls, tokens: TokenServer
) -> None:
    tokens.script.extend([Reply(503, b"")] * 2)
    way = way_of(tls, tokens, "XOAUTH2 PLAIN")
    way.mailbox.capabilities = "IMAP4rev1 SASL-IR IDLE AUTH=XOAUTH2"
    result = await way.run({"oauth": None, "password": "Pa55-of-monitor"})
    assert (result.outcome, tokens.count()) == (Outcome.DELIVERED, 3)


ENDPOINT_SAYS = {
    "AADSTS7000215: Invalid client secret provided.": ("invalid_client", "the value of the client secret, not its id"),
    "AADSTS700082: The refresh token has expired due to inactivity.": ("invalid_grant", "get a new refresh token"),
    "AADSTS65001: The user or administrator has not consented.": ("invalid_grant", "have an administrator consent"),
    "AADSTS50034: The user account does not exist.": ("invalid_grant", f"see whether {USER} is a user"),
    "AADSTS700016: The application was not found in the directory.": (
        "unauthorized_client",
        "check {leg}.oauth.client_id and {leg}.oauth.tenant",
    ),
    "Token has been expired or revoked.": ("invalid_grant", "get a new refresh token"),
    "Client is unauthorized to retrieve access tokens using this method": (
        "unauthorized_client",
        "Google's service accounts need domain-wide delegation",
    ),
}


@pytest.mark.parametrize("said", ENDPOINT_SAYS)
@pytest.mark.parametrize("leg", ["smtp", "imap"])
async def test_the_words_of_the_endpoint_say_what_to_do(
    leg: str, said: str, tls: certificates.ServerTls, tokens: TokenServer
) -> None:
    code, remedy = ENDPOINT_SAYS[said]
    tokens.always = Reply(400, {"error": code, "error_description": said})
    way = way_of(tls, tokens, "XOAUTH2" if leg == "smtp" else "PLAIN")
    result = await way.run({} if leg == "smtp" else {"oauth": None, "password": "Pa55-of-monitor"})
    outcome = Outcome.REJECTED if leg == "smtp" else Outcome.UNVERIFIED
    assert (result.outcome, result.leg, result.cause) == (outcome, leg, Cause.TOKEN_REQUEST_REFUSED)
    assert said.rstrip(".") in result.sentence
    assert code in result.sentence
    assert remedy.format(leg=leg) in result.sentence


def documented() -> dict[str, str]:
    """What docs/microsoft365.md and docs/gmail.md say of refusals: the server's words, and the cell with the causes."""
    found = {}
    for name in ("microsoft365", "gmail"):
        text = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8").partition("## What a refusal means")[2]
        for said, causes in re.findall(r"^\| ([^|]+) \| ([^|]+) \| [^|]+ \|$", text, re.MULTILINE):
            if "`" in causes:
                found[said.replace("`", "")] = causes
    return found


@pytest.mark.parametrize("said", documented())
async def test_a_refusal_has_the_cause_that_the_document_names(
    said: str, tls: certificates.ServerTls, tokens: TokenServer
) -> None:
    way = way_of(tls, tokens)
    word = said.split()[0].rstrip(",")
    if word.isdigit():
        way.relay.play("auth", f"{said}\r\n".encode())
    elif word.startswith("AADSTS"):
        tokens.always = Reply(400, {"error": "invalid_request", "error_description": f"{word}: no."})
    else:
        tokens.always = Reply(400, {"error": word})
    result = await way.run()
    assert f"`{result.cause}`" in documented()[said]
    assert result.who_acts


def test_the_documents_name_all_refusals_that_are_known_of() -> None:
    known = ("535 5.7.139", "535 5.7.3", "550 5.7.30", "430 4.2.0 STOREDRV", "534 5.7.9", "AADSTS7000215")
    more = ("AADSTS700082", "AADSTS65001", "AADSTS50034", "invalid_grant", "unauthorized_client")
    assert [one for one in known + more if not any(said.startswith(one) for said in documented())] == []


@pytest.mark.parametrize("offered", ["LOGIN PLAIN", "NTLM"])
@pytest.mark.parametrize("leg", ["smtp", "imap"])
async def test_a_server_that_takes_no_tokens_is_told_with_what_it_offers(
    leg: str, offered: str, tls: certificates.ServerTls, tokens: TokenServer
) -> None:
    way = way_of(tls, tokens)
    way.relay.extensions = [f"AUTH {offered}"] if leg == "smtp" else ["AUTH XOAUTH2"]
    if leg == "imap":
        way.mailbox.capabilities = " ".join(["IMAP4rev1", *(f"AUTH={name}" for name in offered.split())])
    result = await way.run(mailbox={"retry_delay": 0.05})
    assert (result.leg, result.cause, result.error_type) == (leg, Cause.LOGIN_METHOD, ErrorType.AUTH)
    assert f"no AUTH mechanism out of XOAUTH2 and OAUTHBEARER (offered: {offered}" in result.sentence
    assert (
        f"have a login with a token allowed for that account, or use a password in place of {leg}.oauth"
        in result.sentence
    )
    server = way.relay if leg == "smtp" else way.mailbox
    assert server.credentials == []


async def test_loops_that_share_a_session_share_its_tokens(tls: certificates.ServerTls, tokens: TokenServer) -> None:
    """One of them is refused its token for all, and the session that a fresh one opens sees what comes."""
    way = way_of(tls, tokens)
    way.refuse(way.mailbox, 1)
    async with way.relay, way.mailbox, asyncio.timeout(40):
        way.relay.deliver = way.mailbox.append
        loops = [way.loop(name=f"raw-{number}") for number in range(12)]
        results = await check_all(loops, lambda result: None)
    assert {result.outcome for result in results} == {Outcome.DELIVERED}
    assert (tokens.count(), way.mailbox.connections) == (2, 2)


def repeated(server: RawSmtp | RawImap) -> str:
    """The last token, as a server may write it into its words: as it is, cut, and in what it came in."""
    user, token = server.credentials[-1]
    blob = b64encode(f"user={user}\1auth=Bearer {token}\1\1".encode()).decode()
    said = (token, token[7:90], blob, blob[20:90], blob.lower(), token.upper())
    return " or ".join(one[:900] for one in said)  # a line of SMTP holds no more


class QuotingRelay(RawSmtp):
    """Repeats the token in its refusal."""

    async def reply(self, line: Line, phase: str, default: bytes, tag: bytes = b"") -> bytes:
        said = f"535 5.7.8 what is {repeated(self)}\r\n".encode() if phase == "auth" else default
        return await super().reply(line, phase, said, tag)


class QuotingMailbox(RawImap):
    """The same."""

    async def reply(self, line: Line, phase: str, default: bytes, tag: bytes = b"") -> bytes:
        said = tag + f" NO [X-SAID] what is {repeated(self)}\r\n".encode() if phase == "authenticate" else default
        return await super().reply(line, phase, said, tag)


async def test_two_hundred_loops_that_begin_together_ask_once(tls: certificates.ServerTls, tokens: TokenServer) -> None:
    """Counted at the endpoint, which is slow, and at the relay, which everyone logs in to."""
    tokens.delay = 0.2
    way = way_of(tls, tokens)
    way.refuse(way.relay, 0)
    async with way.relay, way.mailbox, asyncio.timeout(120):
        loops = [way.loop(name=f"raw-{number}").model_copy(update={"imap": None}) for number in range(200)]
        results = await check_all(loops, lambda result: None)
    assert {result.outcome for result in results} == {Outcome.DELIVERED}
    assert (len(results), way.relay.count("AUTH"), tokens.count()) == (200, 200, 1)


@pytest.mark.parametrize("leg", ["smtp", "imap"])
@pytest.mark.parametrize("padding", [0, 2048])
async def test_a_server_that_repeats_a_token_does_not_get_it_into_a_result_or_a_log(
    leg: str, padding: int, tls: certificates.ServerTls, tokens: TokenServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    tokens.issuer.padding = padding
    way = way_of(tls, tokens)
    if leg == "smtp":
        way.relay = QuotingRelay(tls=tls.context, extensions=["AUTH XOAUTH2"])
    else:
        way.mailbox = QuotingMailbox(tls=tls.context, implicit=True, capabilities="IMAP4rev1 SASL-IR AUTH=XOAUTH2")
    result = await way.run()
    assert (result.leg, result.cause) == (leg, Cause.TOKEN_REJECTED)
    assert "what is ********" in result.sentence
    seen = (result.model_dump_json() + repr(result) + caplog.text).lower()
    server = way.relay if leg == "smtp" else way.mailbox
    for user, token in server.credentials:
        blob = b64encode(f"user={user}\1auth=Bearer {token}\1\1".encode()).decode()
        for secret in (token, blob):
            assert not [
                part for part in (secret[i : i + 24] for i in range(40, len(secret) - 24)) if part.lower() in seen
            ]
