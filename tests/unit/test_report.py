"""Reports, and what strangers' text may do in them: nothing."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from markdown_it import MarkdownIt

from tasks.mail.model.outcome import ErrorType, Outcome, Placement, Status
from tasks.mail.model.result import AttemptRecord, LoopResult
from tasks.mail.report.markdown import code, escape
from tasks.mail.report.report import attempts, line, markdown, who_acts

AT = datetime(2026, 11, 22, 12, 0, 0, 250_000, tzinfo=UTC)
RESULT = LoopResult(
    loop="office",
    status=Status.OK,
    outcome=Outcome.DELIVERED,
    sentence="Mail gets through.",
    attempts=2,
    attempt_errors=(
        AttemptRecord(
            attempt=1, error_type=ErrorType.TEMPORARY, smtp_code=450, error_msg="450 4.2.0 later", stage="rcpt"
        ),
    ),
    response_code=250,
    response_message="2.0.0 Ok: queued as 4XyZ12",
    queue_id="4XyZ12",
    token="abcdef",
    probe_id="abcdef" + "0" * 26,
    subject="[loop] 2026-11-22T12:00:00Z abcdef",
    sent_at=AT,
    arrived_at=AT.replace(microsecond=0),
    delivery_seconds=0.12345,
    total_seconds=5.5,
    smtp_stages={"dns": 0.0012, "data": 1.25},
    imap_stages={"login": 0.01},
    folder="INBOX",
    placement=Placement.EXPECTED,
    copies=1,
    matched_uids=(7,),
    notes=("smtp.verify is false: the certificate of relay is not verified.",),
)
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](https://evil.example)",
    "https://evil.example/ and www.evil.example and a@evil.example",
    "**bold** _it_ ~~gone~~ # head `code` | cell | ![i](j)",
    "line\r\n\r\n# forged heading\n| a | b |",
    "\x1b[2J\x1b[31mred\x07\x9b1m",
    "``` fence ```",
    "&lt;b&gt; &#60;b&#62;",
    "right\u202eleft",
]


def rendered(source: str) -> str:
    parser = MarkdownIt("commonmark", {"html": True, "linkify": False}).enable(["table", "strikethrough"])
    return str(parser.render(source))


def test_a_line_has_loop_status_outcome_and_sentence() -> None:
    assert line(RESULT) == "office: ok (delivered): Mail gets through."


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
    for report in (markdown(result, {}), *attempts(result), line(result)):
        assert not any(ord(c) < 32 or 127 <= ord(c) < 160 or c == "\u202e" for c in report.replace("\n", ""))
    for one in (line(result), *attempts(result)):
        assert "\n" not in one
    assert "://" not in re.sub("`[^`]*`", "", escape(hostile))


def test_who_must_act_stands_below_the_sentence() -> None:
    result = RESULT.model_copy(update={"who_acts": "whoever runs relay.example.org"})
    assert "Mail gets through.\n\n**Who acts:** whoever runs relay.example.org.\n" in markdown(result, {})
    assert who_acts(result) == ["who acts: whoever runs relay.example.org"]
    assert who_acts(RESULT) == []


@pytest.mark.parametrize("shown", ["a`b", "`", "``x``", "plain", "a | b", " "])
def test_a_code_span_shows_what_it_was_given(shown: str) -> None:
    html = rendered(f"| h |\n| --- |\n| {code(shown)} |\n")
    assert f"<code>{shown.strip()}</code>" in html or (not shown.strip() and "<code>" not in html)
