"""Reports, and what strangers' text may do in them: nothing."""

from __future__ import annotations

import re

import pytest
from markdown_it import MarkdownIt

from tasks.mail.model.cause import Cause
from tasks.mail.report.formats import code_span, escape
from tasks.mail.report.report import markdown
from tasks.mail.report.text import attempts, result_line, who_acts
from tests.support.checks.results import HOSTILE, RESULT


def rendered(source: str) -> str:
    parser = MarkdownIt("commonmark", {"html": True, "linkify": False}).enable(["table", "strikethrough"])
    return str(parser.render(source))


def test_a_line_has_loop_status_outcome_and_sentence() -> None:
    assert result_line(RESULT) == "office: ok (delivered): Mail gets through."


def test_attempts_show_the_failed_and_the_accepted() -> None:
    assert attempts(RESULT) == [
        "attempt 1: temporary_failure at rcpt: 450 4.2.0 later",
        "attempt 2: accepted: 250 2.0.0 Ok: queued as 4XyZ12",
    ]


def test_the_markdown_report_begins_with_loop_verdict_and_time_and_ends_in_the_configuration() -> None:
    report = markdown(RESULT, {"smtp": {"host": "relay.example.org", "password": "********"}})
    assert report.startswith("**office: ok (delivered)**, 2026-11-22 12:00:00 UTC\n\nMail gets through.\n")
    html = rendered(report)
    headings = ["Attempts", "Times", "Where it landed", "The message", "Stages", "Configuration"]
    assert re.findall("<h3>(.*?)</h3>", html) == headings
    assert "<td>sent</td>\n<td>2026-11-22 12:00:00.250 UTC</td>" in html
    assert "<td>smtp.host</td>\n<td><code>relay.example.org</code></td>" in html


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_strangers_text_is_shown_and_does_nothing(hostile: str) -> None:
    """In a paragraph and in a table cell, escaped and as code: no markup, link, new line or control character."""
    result = RESULT.model_copy(
        update={"sentence": hostile, "folder": hostile, "response_message": hostile, "notes": (hostile,)}
    )
    honest, forged = rendered(markdown(RESULT, {})), rendered(markdown(result, {}))
    tags = ["<script", "<img", "<a ", "<em>", "<del>", "<strong>", "<pre>"]
    tags += ["<h1>", "<h2>", "<h3>", "<table>", "<tr>", "<td>"]
    assert {tag: forged.count(tag) for tag in tags} == {tag: honest.count(tag) for tag in tags}
    for report in (markdown(result, {}), *attempts(result), result_line(result)):
        assert not any(ord(c) < 32 or 127 <= ord(c) < 160 or c == "\u202e" for c in report.replace("\n", ""))
    for one in (result_line(result), *attempts(result)):
        assert "\n" not in one
    assert "://" not in re.sub("`[^`]*`", "", escape(hostile))


def test_who_must_act_stands_below_the_sentence() -> None:
    result = RESULT.model_copy(update={"who_acts": "whoever runs relay.example.org"})
    assert "Mail gets through.\n\n**Who acts:** whoever runs relay.example.org.\n" in markdown(result, {})
    assert who_acts(result) == ["who acts: whoever runs relay.example.org"]
    assert who_acts(RESULT) == []


def test_the_cause_stands_below_who_must_act() -> None:
    result = RESULT.model_copy(update={"who_acts": "whoever runs relay.example.org", "cause": Cause.RATE_LIMIT})
    assert "**Who acts:** whoever runs relay.example.org.\n\n**Cause:** `rate_limit`\n" in markdown(result, {})
    assert who_acts(result) == ["who acts: whoever runs relay.example.org", "cause: rate_limit"]
    assert "Cause:" not in markdown(RESULT, {})


@pytest.mark.parametrize("shown", ["a`b", "`", "``x``", "plain", "a | b", " "])
def test_a_code_span_shows_what_it_was_given(shown: str) -> None:
    html = rendered(f"| h |\n| --- |\n| {code_span(shown)} |\n")
    assert f"<code>{shown.strip()}</code>" in html or (not shown.strip() and "<code>" not in html)
