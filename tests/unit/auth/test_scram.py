"""SCRAM as in the examples of its RFCs, and no agreement of a server that does not know the password."""

from base64 import b64decode, b64encode
from dataclasses import dataclass

import pytest

from tasks.mail.auth.exchange import CANCEL, Dialogue, ExchangeError
from tasks.mail.auth.scram import saslname, saslprep, scram
from tasks.mail.model.cause import Cause


@dataclass(frozen=True)
class Example:
    """One login as the RFC has it: what the client says after `n,,`, the server, the client, and the server."""

    hash_name: str
    nonce: str
    server_first: str
    client_final: str
    server_final: str


RFC_5802 = Example(
    "sha1",
    "fyko+d2lbbFgONRv9qkxdawL",
    "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
    "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
    "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
)
RFC_7677 = Example(
    "sha256",
    "rOprNGfwEbeRWgbNEkqO",
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
)


def encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


def begun(example: Example = RFC_7677) -> Dialogue:
    return Dialogue(scram(example.hash_name, "user", "pencil", example.nonce), initial_sent=True)


@pytest.mark.parametrize("example", [RFC_5802, RFC_7677], ids=["RFC 5802", "RFC 7677"])
def test_the_examples_of_the_rfcs(example: Example) -> None:
    exchange = scram(example.hash_name, "user", "pencil", example.nonce)
    assert b64decode(exchange.initial or b"") == f"n,,n=user,r={example.nonce}".encode()
    dialogue = Dialogue(exchange, initial_sent=True)
    assert b64decode(dialogue.answer(encoded(example.server_first))) == example.client_final.encode()
    assert dialogue.answer(encoded(example.server_final)) == b""
    dialogue.check(accepted=True)


def test_a_server_that_agrees_without_its_signature_is_not_believed() -> None:
    dialogue = begun()
    dialogue.answer(encoded(RFC_7677.server_first))
    with pytest.raises(ExchangeError, match="agreed before SCRAM-SHA-256 was at its end"):
        dialogue.check(accepted=True)


def test_a_wrong_signature_ends_the_login() -> None:
    dialogue = begun()
    dialogue.answer(encoded(RFC_7677.server_first))
    assert dialogue.answer(encoded("v=" + encoded("x" * 32))) == CANCEL
    with pytest.raises(ExchangeError, match="cannot prove that it knows the password"):
        dialogue.check(accepted=True)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (RFC_7677.server_first.replace("r=rOp", "r=another"), "does not continue ours"),
        ("r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "does not continue ours"),
        (RFC_7677.server_first.replace("i=4096", "i=4095"), "asks for 4095 iterations"),
        (RFC_7677.server_first.replace("i=4096", "i=200001"), "asks for 200001 iterations"),
        (RFC_7677.server_first.replace("i=4096", "i=99999999999999999999"), "Invalid"),
        ("m=needed," + RFC_7677.server_first, "Invalid"),
        ("nonsense", "Invalid"),
    ],
    ids=["another nonce", "no nonce of its own", "too few", "too many", "endless", "extension", "nonsense"],
)
def test_a_server_that_does_not_keep_to_scram_gets_no_proof(said: str, text: str) -> None:
    dialogue = begun()
    assert dialogue.answer(encoded(said)) == CANCEL
    with pytest.raises(ExchangeError, match=text):
        dialogue.check(accepted=False)


@pytest.mark.parametrize(
    ("error", "cause"),
    [("invalid-proof", Cause.WRONG_PASSWORD), ("unknown-user", Cause.WRONG_PASSWORD), ("x", Cause.LOGIN_UNAVAILABLE)],
)
def test_an_error_of_the_server_has_its_cause(error: str, cause: Cause) -> None:
    dialogue = begun()
    dialogue.answer(encoded(RFC_7677.server_first))
    assert dialogue.answer(encoded(f"e={error}")) == CANCEL
    with pytest.raises(ExchangeError, match=error) as caught:
        dialogue.check(accepted=False)
    assert caught.value.cause is cause


def test_no_nonce_is_used_twice() -> None:
    assert len({scram("sha1", "user", "pencil").initial for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("text", "prepared"),
    [
        ("I\u00adX", "IX"),
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("a\u00a0b", "a b"),
        ("\u0007", "\u0007"),  # prohibited
        ("\u0627\u0031", "\u0627\u0031"),  # of two directions
        ("\u0627\u0031\u0628", "\u0627\u0031\u0628"),
        ("Stra\u00dfe\u0301", "Stra\u00dfe\u0301".replace("e\u0301", "\u00e9")),
        ("\U0001f511 key", "\U0001f511 key"),  # of a later Unicode
        ("", ""),
    ],
)
def test_saslprep_as_in_rfc_4013_and_what_it_prohibits_stays(text: str, prepared: str) -> None:
    assert saslprep(text) == prepared


def test_a_name_between_commas_is_escaped() -> None:
    assert saslname("a,b=c") == "a=2Cb=3Dc"
    assert b"n=a=2Cb=3Dc," in b64decode(scram("sha1", "a,b=c", "x").initial or b"")
