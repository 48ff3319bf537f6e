"""A dialogue answers each challenge at once, and believes no agreement that comes too early."""

from base64 import b64encode

import pytest

from tasks.mail.auth.exchange import CANCEL, Dialogue, ExchangeError
from tasks.mail.auth.sasl import Credentials, cram_md5, plain, prompted, xoauth2

TIM = Credentials("tim", "secret", token="good")


def test_an_initial_response_that_was_not_sent_answers_the_first_challenge() -> None:
    exchange = plain(TIM)
    dialogue = Dialogue(exchange, initial_sent=False)
    assert dialogue.answer("") == exchange.initial
    dialogue.check(accepted=True)


def test_an_initial_response_that_was_sent_is_not_sent_again() -> None:
    dialogue = Dialogue(plain(TIM), initial_sent=True)
    assert dialogue.answer("") == CANCEL
    with pytest.raises(ExchangeError, match="the server asks for more than PLAIN has"):
        dialogue.check(accepted=False)


def test_the_error_of_a_token_is_answered_once_and_a_refusal_is_none_of_ours() -> None:
    dialogue = Dialogue(xoauth2(TIM), initial_sent=True)
    assert dialogue.answer(b64encode(b'{"status":"401"}').decode()) == b""
    dialogue.check(accepted=False)
    assert dialogue.answer("") == CANCEL


def test_a_token_may_be_taken_without_a_question() -> None:
    Dialogue(xoauth2(TIM), initial_sent=True).check(accepted=True)
    with pytest.raises(ExchangeError, match="agreed before XOAUTH2 was at its end"):
        Dialogue(xoauth2(TIM), initial_sent=False).check(accepted=True)


def test_a_login_is_not_over_before_the_password_was_asked_for() -> None:
    with pytest.raises(ExchangeError, match="agreed before LOGIN was at its end"):
        Dialogue(prompted(TIM), initial_sent=True).check(accepted=True)


def test_what_is_no_challenge_ends_the_login_and_nothing_more_is_said() -> None:
    dialogue = Dialogue(cram_md5(TIM), initial_sent=False)
    assert [dialogue.answer("no base64 at all"), dialogue.answer("PDEuMkB4Pg==")] == [CANCEL, CANCEL]
    with pytest.raises(ExchangeError, match="Invalid CRAM-MD5 challenge from server: 'no base64 at all'"):
        dialogue.check(accepted=False)
