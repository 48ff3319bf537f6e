"""The table of causes: what a server says, and who must act on it, whatever its name is."""

from __future__ import annotations

import pytest

from tasks.mail.causes.codes import CODES, CODES_LOGIN
from tasks.mail.causes.lookup import SPECIAL, TOKEN, VAGUE, compiled, is_put_off, of_mailbox, of_reply, of_token
from tasks.mail.model.cause import Cause
from tasks.mail.model.outcome import LEG_STAGES
from tests.support.replies import GIVEN, MORE, Said, others

MAX_PHRASE_CHARS = 40  # what needs more knows one text, and not what servers say
REPLIES = [said for said in (*GIVEN, *MORE) if said.put_off is None]
LOGINS = [said for said in MORE if said.put_off is not None]


@pytest.mark.parametrize("said", REPLIES, ids=lambda said: said.name or said.reply[:40])
def test_a_reply_has_its_cause_and_the_same_with_other_hosts_addresses_links_and_tickets(said: Said) -> None:
    """All lines of cases/replies.jsonl, and more of their kinds."""
    assert of_reply(said.where, said.text) == said.cause
    assert of_reply(said.where, others(said.text)) == said.cause


@pytest.mark.parametrize("said", LOGINS, ids=lambda said: f"{said.code} {said.reply[:40]}")
def test_a_login_at_a_mailbox_has_its_cause_and_is_put_off_or_refused(said: Said) -> None:
    assert of_mailbox("login", said.code, said.reply) == said.cause
    assert is_put_off(said.code, said.reply) is said.put_off


def test_no_phrase_of_the_table_is_longer_than_it_may_be() -> None:
    phrases = [phrase for row in (*SPECIAL, *VAGUE, *TOKEN) for phrase in row.phrases]
    assert len(phrases) > 300
    assert [phrase for phrase in phrases if len(phrase) > MAX_PHRASE_CHARS] == []
    assert len(set(phrases)) > len(phrases) / 2


def test_each_row_of_the_table_is_about_stages_that_there_are() -> None:
    """A cause or a group of stages that there is not is an error when the table is read."""
    stages = {"returned", *(stage for leg in LEG_STAGES.values() for stage in leg)}
    assert [row for row in (*SPECIAL, *VAGUE, *TOKEN) if not row.at or not row.at <= stages or not row.phrases] == []


@pytest.mark.parametrize("text", ["550 no", "554", "450 4.0.0 no", "451", "5.0.0", "", "\0", "999 hello"])
def test_a_digit_alone_accuses_nobody(text: str) -> None:
    stages = ("mail", "rcpt", "data", "connect", "returned")
    assert [stage for stage in stages if of_reply(stage, text) is not None] == []
    assert not {"550", "553", "554", "450"} & (CODES.keys() | CODES_LOGIN.keys())


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        ("550 5.1.1 <a@b>: mailbox full", "mailbox_full"),  # rather than its enhanced code
        ("452 5.1.1 no", "recipient_unknown"),  # rather than its code
        ("452 no", "server_trouble"),
        ("smtp; 550 5.1.1 no", "recipient_unknown"),
        ("550 no such rule (#5.1.1)", "recipient_unknown"),  # as qmail writes it
    ],
)
def test_words_come_before_the_enhanced_code_and_that_before_the_code(reply: str, cause: str) -> None:
    assert of_reply("returned", reply) == cause


def test_the_same_words_mean_another_thing_at_another_stage() -> None:
    assert of_reply("auth", "454 4.7.0 Temporary failure") == "login_unavailable"
    assert of_reply("data", "451 4.3.0 Temporary failure") == "server_trouble"
    assert of_reply("rcpt", "550 rejected by the anti spam engine") == "reputation"
    assert of_reply("data", "550 rejected by the anti spam engine") == "content_refused"
    assert of_reply("mail", "550 Domain does not exist") == "sender_domain"
    assert of_reply("rcpt", "550 Domain does not exist") == "recipient_domain"


@pytest.mark.parametrize(
    ("phrase", "there", "not_there"),
    [
        ("a b", "x A, b y", "ab"),
        ("a/b c", "b c", "a b"),
        ("a* c", "abc c", "ba c"),
        ("a b? c", "a c", "a d c"),
        ("a .. c", "a 1 2 3 4 c", "a 1 2 3 4 5 c"),
        ("in #", "in 10", "in a"),
    ],
)
def test_the_language_of_the_table(phrase: str, there: str, not_there: str) -> None:
    assert compiled((phrase,)).search(there)
    assert not compiled((phrase,)).search(not_there)


@pytest.mark.parametrize(
    ("code", "text", "cause"),
    [
        ("NONEXISTENT", "no", "folder_not_found"),
        (None, "Unknown Mailbox: Junk (Failure)", "folder_not_found"),
        (None, "Mailbox doesn't exist: Junk", "folder_not_found"),
        (None, "User is authenticated but not connected.", "server_trouble"),
        ("LIMIT", "no", "rate_limit"),
        ("UNAVAILABLE", "no", "server_trouble"),
        (None, "no", None),
    ],
)
def test_a_folder_that_cannot_be_opened_has_its_cause(code: str | None, text: str, cause: str | None) -> None:
    assert of_mailbox("select", code, text) == cause


@pytest.mark.parametrize(
    ("text", "cause", "final", "expected"),
    [
        ("535 5.7.3 Authentication unsuccessful", Cause.WRONG_PASSWORD, True, Cause.TOKEN_REJECTED),
        ("430 4.2.0 STOREDRV; mailbox logon failure", Cause.ACCOUNT_DISABLED, False, Cause.TOKEN_REJECTED),
        ("no", Cause.PASSWORD_EXPIRED, True, Cause.TOKEN_REJECTED),
        ("no", None, True, Cause.TOKEN_REJECTED),
        ("no", None, False, None),
        ("454 4.7.0 later", Cause.LOGIN_UNAVAILABLE, False, Cause.LOGIN_UNAVAILABLE),
        ("535 5.7.139 disabled", Cause.LOGIN_METHOD, True, Cause.LOGIN_METHOD),
        ("535 5.7.13 disabled", Cause.ACCOUNT_DISABLED, True, Cause.ACCOUNT_DISABLED),
    ],
)
def test_what_is_said_of_a_password_is_said_of_a_token(
    text: str, cause: Cause | None, final: bool, expected: Cause | None
) -> None:
    assert {of_token(stage, text, cause, final) for stage in ("auth", "login")} == {expected}
