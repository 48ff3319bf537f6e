"""What to do about a token endpoint goes by the most telling of its words."""

from __future__ import annotations

import pytest

from tasks.mail.verdict.token_remedies import TOKEN_REMEDIES, by_words


@pytest.mark.parametrize("said", [said for row in TOKEN_REMEDIES for said in row.said])
def test_each_word_finds_its_row(said: str) -> None:
    text = f"no token from login.test: HTTP 400, {said}: words"
    assert by_words(text) is next(row for row in TOKEN_REMEDIES if said in row.said)
    for nothing in (f"X{said}", f"{said}0", f"{said}_x"):
        found = by_words(nothing)
        assert found is None or said not in found.said


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("invalid_client: AADSTS7000215: Invalid client secret provided.", "AADSTS7000215"),
        ("invalid_grant: AADSTS700082: The refresh token has expired.", "AADSTS700082"),
        ("invalid_grant: AADSTS65001: no consent", "AADSTS65001"),
        ("unauthorized_client: AADSTS700016: Application not found", "AADSTS700016"),
        ("invalid_grant: Token has been expired or revoked.", "invalid_grant"),
        ("invalid_grant (AADSTS50034)", "AADSTS50034"),
    ],
)
def test_a_number_says_more_than_a_code(text: str, row: str) -> None:
    found = by_words(text)
    assert found is not None
    assert row in found.said


def test_words_that_are_not_known_are_for_the_row_of_the_cause() -> None:
    assert by_words("no token from login.test: HTTP 400, server_says_no") is None
