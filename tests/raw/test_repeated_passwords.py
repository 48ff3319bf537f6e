"""A server repeats the password in any form and place: nobody gets to see it, and words, dates and names stay."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from pydantic import SecretStr

from flows.direct import check
from tasks.mail.config.loop import CheckConfig
from tasks.mail.model.redaction.redactor import HIDDEN
from tasks.mail.report.report import markdown
from tasks.mail.report.svg import text as plain
from tasks.mail.report.svg.timeline import timeline_of
from tasks.mail.report.text import attempts, result_line
from tasks.parameters import configuration_of
from tests.support.raw.hostile_places import Scene, scene
from tests.support.raw.repeating_places import HARMLESS, PASSWORD, PASSWORDS, REPEATING, SPELLINGS, USER, Repeated, left

LOGIN = {"username": USER, "password": SecretStr(PASSWORD)}
CODES = "a response code"  # of capitals and with blanks turned into underscores
UNSEEN = ("a greeting",)  # of a login that was not the last one: told by its stage alone


def config_of(at: Scene, place: str) -> CheckConfig:
    if place == "a subject":
        return at.inbound.model_copy(update={"imap": at.inbound.imap.model_copy(update=LOGIN)})
    assert at.loop.imap is not None
    return at.loop.model_copy(update={"imap": at.loop.imap.model_copy(update=LOGIN)})


async def seen(place: str, said: Repeated) -> dict[str, str]:
    """All that a person, a program or a database gets of a check, by what it is."""
    async with scene() as at:
        REPEATING[place](at, said)
        config = config_of(at, place)
        result = await check(config)
    told: list[Any] = [result_line(result), *attempts(result), *plain.text(timeline_of(result)), *result.notes]
    return {
        "JSON": result.model_dump_json(),
        "report": markdown(result, configuration_of(config)),
        "terminal": "\n".join(told),
    }


@pytest.mark.parametrize("place", REPEATING)
async def test_a_password_is_seen_nowhere(place: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    shown = await seen(place, PASSWORDS)
    assert {where: left(text) for where, text in (shown | {"log": caplog.text}).items() if left(text)} == {}
    assert HIDDEN in shown["JSON"] or place in UNSEEN


@pytest.mark.parametrize("place", REPEATING)
async def test_words_dates_and_names_of_the_password_stay(place: str) -> None:
    shown = await seen(place, HARMLESS)
    assert HIDDEN not in shown["JSON"] + shown["terminal"]
    if place not in (*UNSEEN, CODES):
        assert [word for word in HARMLESS.stays if word.casefold() not in shown["JSON"].casefold()] == []


async def test_a_password_is_no_name_of_a_rule_of_a_spam_filter() -> None:
    """Names of rules are of capitals and digits, and so are some passwords."""
    password = "OSTERN2026_BERT7"
    async with scene() as at:
        spam = f"X-Spam-Status: Yes, score=7.1 required=5.0 tests=BAYES_99,{password}\r\n".encode()
        at.smtp.deliver = lambda raw: at.imap.append(spam + raw)
        assert at.loop.imap is not None
        login = LOGIN | {"password": SecretStr(password)}
        result = await check(at.loop.model_copy(update={"imap": at.loop.imap.model_copy(update=login)}))
    assert result.journey is not None
    assert result.journey.filters[0].reasons.keys() == {"BAYES_99", HIDDEN}
    assert password not in result.model_dump_json()


def test_what_looks_for_the_password_finds_it() -> None:
    for name, one in SPELLINGS.items():
        assert name in left(f"x{one.swapcase()}x")
