"""Each mechanism says what its standard has in its example, and the first that is offered and can be used is taken."""

from base64 import b64decode, b64encode
from itertools import combinations

import pytest

from tasks.mail.auth.sasl import (
    Credentials,
    choose,
    cram_md5,
    external,
    not_offered,
    oauthbearer,
    plain,
    prompted,
    xoauth2,
)

TIM = Credentials("tim", "tanstaaftanstaaf")


def test_plain_says_all_at_once() -> None:
    assert plain(TIM).initial == b64encode(b"\0tim\0tanstaaftanstaaf")  # RFC 4616, 4
    assert plain(TIM).answers == ()


def test_login_gives_the_password_at_a_prompt_encoded_or_not() -> None:
    exchange = prompted(Credentials("tim", "schlüssel"))
    assert exchange.initial == b64encode(b"tim")
    assert [[answer(prompt) for answer in exchange.answers] for prompt in ("UGFzc3dvcmQ6", "Password:")] == [
        [b64encode("schlüssel".encode())]
    ] * 2


def test_cram_md5_answers_a_challenge_without_the_password() -> None:
    exchange = cram_md5(TIM)
    assert exchange.initial is None
    (answer,) = exchange.answers
    said = answer("PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+")  # RFC 2195, 2
    assert b64decode(said) == b"tim b913a602c7eda7a495b4e6e7334d3890"
    for challenge in ("no base64 at all", "\udcff"):
        with pytest.raises(ValueError, match=r".*"):
            answer(challenge)


def test_xoauth2_has_the_token_and_answers_an_error_with_an_empty_line() -> None:
    token = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"  # of Google's example
    exchange = xoauth2(Credentials("someuser@example.com", token=token))
    assert exchange.initial == (
        b"dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0"
        b"Q2cBAQ=="
    )
    assert [answer("eyJzdGF0dXMiOiI0MDEifQ==") for answer in exchange.answers] == [b""]


def test_oauthbearer_names_the_server_and_answers_an_error_with_one_octet() -> None:
    token = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="  # of RFC 7628, 4.1
    exchange = oauthbearer(Credentials("user@example.com", token=token, host="server.example.com", port=143))
    assert exchange.initial == (
        b"bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52"
        b"YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB"
    )
    assert [answer("eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=") for answer in exchange.answers] == [b"AQ=="]


def test_a_name_with_the_marks_of_oauthbearer_is_escaped() -> None:
    said = b64decode(oauthbearer(Credentials("a,b=c", token="x")).initial or b"")
    assert said.startswith(b"n,a=a=2Cb=3Dc,\1")


def test_external_names_the_user_that_the_certificate_is_for() -> None:
    assert external(Credentials("tim")).initial == b64encode(b"tim")
    assert external(Credentials("")).initial == b""


OFFERED = ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "XOAUTH2", "OAUTHBEARER", "EXTERNAL", "NTLM")
ENCRYPTED, CLEAR = Credentials("tim", "x"), Credentials("tim", "x", in_clear=True)
TOKEN, CERTIFICATE = Credentials("tim", token="x"), Credentials("tim", by_certificate=True)


@pytest.mark.parametrize(
    ("credentials", "order"),
    [
        (ENCRYPTED, "PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5"),
        (CLEAR, "SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN"),
        (TOKEN, "XOAUTH2 OAUTHBEARER"),
        (CERTIFICATE, "EXTERNAL"),
    ],
    ids=["password", "password in clear", "token", "certificate"],
)
def test_the_first_that_is_offered_and_can_be_used_is_taken(credentials: Credentials, order: str) -> None:
    for number in range(len(OFFERED) + 1):
        for offered in combinations(OFFERED, number):
            wanted = next((name for name in order.split() if name in offered), None)
            chosen = choose(offered, credentials)
            assert (chosen and chosen.mechanism) == wanted


def test_what_is_missing_is_named_with_what_there_is() -> None:
    assert not_offered({"NTLM", "GSSAPI"}, TOKEN) == (
        "no AUTH mechanism out of XOAUTH2 and OAUTHBEARER (offered: GSSAPI NTLM)"
    )
    assert not_offered(set(), CERTIFICATE) == "no AUTH mechanism EXTERNAL (offered: none)"


@pytest.mark.parametrize("mechanism", OFFERED[:-1])
def test_what_is_secret_shows_in_no_repr(mechanism: str) -> None:
    login = Credentials("tim", "hidden", in_clear=True)
    if mechanism in ("XOAUTH2", "OAUTHBEARER"):
        login = Credentials("tim", token="hidden")
    exchange = choose({mechanism}, login if mechanism != "EXTERNAL" else CERTIFICATE)
    assert exchange is not None
    for shown in (repr(login), repr(exchange)):
        assert "hidden" not in shown
        assert (exchange.initial or b"nothing").decode() not in shown
