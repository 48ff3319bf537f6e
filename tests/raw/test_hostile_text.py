"""What servers and strangers send is shown as text wherever it is shown; it formats, links, moves, forges nothing."""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import trustme
from markdown_it import MarkdownIt

from flows.direct import check
from tasks.mail.config.loop import CheckConfig, LoopConfig
from tasks.mail.model.outcome import Outcome
from tasks.mail.model.result import LoopResult
from tasks.mail.probe.compose import compose
from tasks.mail.report.report import markdown
from tasks.mail.report.svg import text as plain
from tasks.mail.report.svg.timeline import timeline_of
from tasks.mail.report.text import attempts, result_line
from tasks.mail.senders.registry import Attempts
from tasks.parameters import configuration_of
from tasks.steps import send_probe
from tests.support.mail.hostile import HOSTILE, PLAIN
from tests.support.raw.hostile_places import PLACES, Scene, encoded, rejected, scene
from tests.support.raw.imap import RawImap
from tests.support.raw.smtp import RawSmtp

BARE_LINE_ENDS = {"line", "carriage return", "more lines", "terminal"}


class Structure(HTMLParser):
    """The tags of a page, and the text that is not shown as code."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.prose = ""
        self.codes = 0
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        self.codes += tag == "code"

    def handle_endtag(self, tag: str) -> None:
        self.tags.append(f"/{tag}")
        self.codes -= tag == "code"

    def handle_data(self, data: str) -> None:
        self.prose += "" if self.codes else data


def rendered(source: str) -> Structure:
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    return Structure(str(parser.render(source)))


def lines_of(result: LoopResult) -> list[str]:
    """What a terminal, a log and a reader of JSON get."""
    return [
        result_line(result),
        *attempts(result),
        *plain.text(timeline_of(result)),
        *result.notes,
        result.model_dump_json(),
    ]


def harmless(result: LoopResult) -> LoopResult:
    """The same result, with nobody's words in it."""
    texts = {name: PLAIN for name in type(result).model_fields if isinstance(getattr(result, name), str)}
    kept = {"status", "outcome", "error_type", "placement", "stage", "leg"}
    errors = tuple(replace(error, error_msg=PLAIN) for error in result.attempt_errors)
    notes = tuple(PLAIN for _ in result.notes)
    changes = {name: text for name, text in texts.items() if name not in kept and getattr(result, name)}
    return result.model_copy(update={**changes, "attempt_errors": errors, "notes": notes})


def assert_shows_only_text(result: LoopResult, config: CheckConfig) -> None:
    assert [text for text in lines_of(result) if not text.isprintable()] == []
    assert (
        re.search("https?://", result_line(result), re.IGNORECASE) is None
    )  # it is logged, and is the state's message
    report = markdown(result, configuration_of(config))
    assert all(text.isprintable() for text in report.split("\n"))
    shown, honest = rendered(report), rendered(markdown(harmless(result), configuration_of(config)))
    # An address stands in a code span, for else it would become a link.
    code = ("code", "/code")
    assert [tag for tag in shown.tags if tag not in code] == [tag for tag in honest.tags if tag not in code], report
    assert shown.attributes == []
    # What GFM makes a link of without being asked; in a code span it does not.
    assert re.search(r"://|\bwww\.|\S@", shown.prose, re.IGNORECASE) is None, shown.prose


@pytest.mark.parametrize("place", PLACES)
async def test_hostile_text_is_shown_as_text(place: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "tasks")
    play, outcome = PLACES[place]

    async def one_check(text: str) -> tuple[LoopResult, LoopConfig]:
        async with scene() as at:
            play(at, text)
            return await check(at.loop), at.loop

    checked = dict(zip(HOSTILE, await asyncio.gather(*map(one_check, HOSTILE.values())), strict=True))
    for name, (result, config) in checked.items():
        # A line end alone is no SMTP, whatever the place; what follows it is not believed.
        assert result.outcome is outcome or (name in BARE_LINE_ENDS and result.leg == "smtp"), (name, result.sentence)
        assert_shows_only_text(result, config)
    assert all(text.isprintable() for record in caplog.records for text in record.getMessage().split("\n  "))
    shown = " ".join(lines_of(checked["bold"][0]))
    assert "bold" in shown or place == "a greeting"  # it was not left out either


async def test_the_state_of_a_task_shows_text(caplog: pytest.LogCaptureFixture) -> None:
    for text in HOSTILE.values():
        async with scene() as at:
            rejected(at, text)
            smtp = at.loop.smtp
            state: Any = await send_probe.fn(compose("hostile", smtp), smtp, Attempts())
        for shown in (str(state.message), repr(state.data)):  # Prefect logs both
            assert shown.isprintable()
            assert re.search("https?://", shown, re.IGNORECASE) is None


async def test_a_subject_that_a_stranger_wrote_is_shown_as_text() -> None:
    """The inbound check shows subject and Message-ID of whatever carries its text."""
    for text in HOSTILE.values():
        async with scene() as at:
            at.imap.append(
                b"From: %s <a@b>\r\nSubject: [hostile] %s\r\nMessage-ID: <%s>\r\n\r\nx\r\n" % ((encoded(text),) * 3)
            )
            inbound = at.inbound
            result = await check(inbound)
        assert result.outcome is Outcome.DELIVERED, text
        assert str(result.subject).startswith("[hostile] ")
        assert_shows_only_text(result, inbound)


@pytest.mark.parametrize("leg", ["smtp", "imap"])
async def test_the_names_in_a_certificate_are_not_shown(leg: str, tmp_path: Path) -> None:
    text = "**bold** <b>x</b> http://www.evil.test"
    authority = trustme.CA(organization_name=text, organization_unit_name=text)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("www.evil.test", common_name=text, organization_name=text).configure_cert(context)
    trust = {"tls": "starttls", "ca_file": str(tmp_path / "ca.pem")}
    async with RawSmtp(tls=context if leg == "smtp" else None) as smtp, RawImap(tls=context) as imap:
        loop = Scene(smtp, imap).loop
        config = loop.model_copy(update={leg: getattr(loop, leg).model_copy(update=trust)})
        result = await check(config)
    assert (result.leg, result.error_type) == (leg, "tls_error")
    assert "Hostname mismatch" in result.sentence or "IP address mismatch" in result.sentence
    assert "evil" not in " ".join(lines_of(result))
    assert_shows_only_text(result, config)


def test_what_looks_for_markup_finds_it() -> None:
    honest = rendered(f"{PLAIN}\n").tags
    active = {name for name, text in HOSTILE.items() if rendered(f"{text}\n").tags != honest}
    assert active >= {"bold", "heading", "headings below", "link", "script", "frames", "details", "table", "ticks"}
