"""Each mechanism says what its standard has in its example, and the first in order that is offered is taken."""

from base64 import b64decode, b64encode
from binascii import Error

import pytest

from tasks.mail.auth.sasl import choose, cram_md5, login, plain


def test_plain_says_all_at_once() -> None:
    assert plain("tim", "tanstaaftanstaaf").initial == b64encode(b"\0tim\0tanstaaftanstaaf")  # RFC 4616, 4
    assert plain("tim", "x").answers == ()


def test_login_gives_the_password_at_a_prompt_encoded_or_not() -> None:
    exchange = login("tim", "schlüssel")
    assert exchange.initial == b64encode(b"tim")
    assert [[answer(prompt) for answer in exchange.answers] for prompt in ("UGFzc3dvcmQ6", "Password:")] == [
        [b64encode("schlüssel".encode())]
    ] * 2


def test_cram_md5_answers_a_challenge_without_the_password() -> None:
    exchange = cram_md5("tim", "tanstaaftanstaaf")
    assert exchange.initial == b""
    (answer,) = exchange.answers
    said = answer("PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+")  # RFC 2195, 2
    assert b64decode(said) == b"tim b913a602c7eda7a495b4e6e7334d3890"
    for challenge in ("no base64 at all", "\udcff"):
        with pytest.raises((Error, UnicodeError)):
            answer(challenge)


def test_the_first_in_order_that_is_offered_is_taken() -> None:
    order = ("CRAM-MD5", "PLAIN", "LOGIN")
    chosen = [choose(offered, order, "tim", "x") for offered in ({"LOGIN", "PLAIN", "GSSAPI"}, {"LOGIN"}, {"GSSAPI"})]
    assert [one and one.mechanism for one in chosen] == ["PLAIN", "LOGIN", None]


def test_what_is_secret_shows_in_no_repr() -> None:
    for exchange in (plain("tim", "hidden"), login("tim", "hidden"), cram_md5("tim", "hidden")):
        assert "hidden" not in repr(exchange)
        assert b64encode(b"\0tim\0hidden").decode() not in repr(exchange)
