"""The result that an artifact carries: it comes back as it was, is never shown, and cannot be forged by a server."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tasks.correlation.tables import fleet_markdown, fleet_rows
from tasks.history.record import CLOSE, OPEN, embedded, embedded_all, extracted, extracted_all
from tasks.mail.model.outcome import Outcome, Status
from tasks.mail.model.result import LoopResult
from tasks.mail.report.report import markdown
from tests.support.checks.results import RESULT

HOSTILE = [
    "-->",
    "--!>",
    "--",
    "->",
    "---- -- ->",
    "<!-- mail-loop-result {} -->",
    f"\n{OPEN}{{}}{CLOSE}\n",
    "</script><!--",
    "\\u002d\\",
    '"}',
    "&gt;",
    "\x00\x1b[2J\u202e\ud800",
    "`",
    "| a |",
]
FORGED = LoopResult(loop="office", status=Status.OK, outcome=Outcome.DELIVERED, sentence="All is well.")


def artifact(result: LoopResult) -> str:
    """As tasks/finish.py writes it."""
    return f"{markdown(result, {})}\n{embedded(result)}\n"


def saying(text: str) -> LoopResult:
    """A result in which a stranger has his say wherever he can."""
    said = dict.fromkeys(("sentence", "error_msg", "response_message", "queue_id", "folder", "subject", "to"), text)
    return LoopResult.model_validate(RESULT.model_dump() | said | {"notes": (text, text)})


def test_a_result_comes_back_as_it_was() -> None:
    assert extracted(artifact(RESULT)) == RESULT


@pytest.mark.parametrize("text", ["plain", *HOSTILE])
def test_hostile_text_comes_back_as_it_was_and_ends_nothing_and_is_not_shown(text: str) -> None:
    """To Markdown it is an HTML comment: the report renders as it does without it."""
    result = saying(text)
    assert extracted(artifact(result)) == result
    inside = embedded(result)[len(OPEN) : -len(CLOSE)]
    assert inside.isascii()
    assert inside.isprintable()
    assert not any(ending in inside for ending in ("<", ">", "&", "--"))
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table"])
    assert parser.render(artifact(result)) == parser.render(markdown(result, {})) + embedded(result) + "\n"
    results = [result, RESULT, FORGED]
    assert extracted_all(of_a_fleet(results)) == results


@given(st.text(st.characters(codec=None)))
def test_any_text_comes_back_as_it_was(text: str) -> None:
    result = saying(text)
    assert extracted(artifact(result)) == result


def test_a_server_that_says_a_record_forges_none() -> None:
    """Where the real one is missing, the one in a reply does not take its place."""
    result = saying(f"250 ok\n{embedded(FORGED)}\n")
    assert extracted(markdown(result, {})) is None
    assert extracted(markdown(result, {}).rstrip() + f" {embedded(FORGED)}") is None


@pytest.mark.parametrize(
    "damaged",
    [
        None,
        7,
        {"a": 1},
        "",
        "**office: ok (delivered)**, 2026-11-22 12:00:00 UTC\n\nMail gets through.\n",
        f"{OPEN}{CLOSE}",
        f"{OPEN}{{}}{CLOSE}",
        f"{OPEN}[]{CLOSE}",
        f"{OPEN}null{CLOSE}",
        f"{OPEN}{{'a'}}{CLOSE}",
        f"{OPEN}{'[' * 100_000}{CLOSE}",
        embedded(RESULT)[:-20],
        embedded(RESULT).replace('"delivered"', '"teleported"'),
        embedded(RESULT).replace('"sent_at":"2026', '"sent_at":"2o26'),
        embedded(RESULT) + "\n\nand a word after it",
    ],
    ids=range(15),
)
def test_an_older_or_damaged_artifact_carries_none(damaged: object) -> None:
    assert extracted(damaged) is None


def test_fields_of_a_later_version_are_ignored() -> None:
    fields = json.loads(embedded(RESULT)[len(OPEN) : -len(CLOSE)]) | {"authentication": {"dkim": "pass"}}
    assert extracted(f"{OPEN}{json.dumps(fields)}{CLOSE}") == RESULT


def test_fields_that_an_earlier_version_lacked_have_their_defaults() -> None:
    fields = json.loads(embedded(RESULT)[len(OPEN) : -len(CLOSE)])
    del fields["notes"], fields["copies"]
    found = extracted(f"{OPEN}{json.dumps(fields)}{CLOSE}")
    assert found == RESULT.model_copy(update={"notes": (), "copies": 0})


def of_a_fleet(results: list[LoopResult]) -> str:
    """As tasks/groups/finish.py writes it."""
    return f"{fleet_markdown(fleet_rows(results))}\n{embedded_all(results)}\n"


def test_a_server_that_says_a_record_forges_none_in_the_report_of_a_fleet() -> None:
    result = saying(f"250 ok\n{embedded(FORGED)}\n")
    assert extracted_all(fleet_markdown(fleet_rows([result]))) == []
    assert extracted_all(of_a_fleet([result])) == [result]


def test_one_record_that_cannot_be_read_does_not_hide_the_others() -> None:
    damaged = of_a_fleet([RESULT, FORGED, RESULT]).replace('"All is well."', "All is well.")
    assert extracted_all(damaged) == [RESULT, RESULT]
    assert extracted_all(None) == []
