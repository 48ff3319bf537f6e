"""The document and the table of the tests list the same situations."""

from __future__ import annotations

import re

from tasks.mail.model.cause import Cause
from tasks.mail.model.outcome import Leg
from tasks.mail.verdict.remedies import REMEDIES
from tasks.mail.verdict.token_remedies import TOKEN_REMEDIES
from tests.diagnosis.document import DOCUMENT, documented
from tests.diagnosis.situations import SITUATIONS


def test_the_document_has_the_situations_that_are_tested_and_no_other() -> None:
    assert list(documented()) == [(situation.title, situation.case) for situation in SITUATIONS]


def test_each_section_has_a_number_and_says_who_acts() -> None:
    sections = re.split(r"^## ", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    *sections, causes = sections
    assert causes.startswith("Causes\n")
    assert [section.partition(". ")[0] for section in sections] == [str(n) for n in range(1, len(sections) + 1)]
    assert all(section.count("**Who acts:**") == 1 for section in sections)


def test_the_document_has_all_causes_with_remedy_and_person_as_the_code_has_them() -> None:
    """*name* in the document is {name} in the code, which has {relay} for the section of the sender: smtp."""
    text = DOCUMENT.read_text(encoding="utf-8").partition("\n## Causes\n")[2]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| `")]
    assert [row[0].strip("`") for row in rows] == list(Cause)
    for name, means, *told in rows:
        remedy = REMEDIES.get(Cause(name.strip("`")))
        expected = list(remedy) if remedy else ["as the sentence says"] * 2
        shown = [part.replace("{relay}", Leg.SENDING) for part in expected]
        assert [re.sub(r"\*(\w+)\*", r"{\1}", part) for part in told] == shown
        assert means.endswith(".")


def test_the_document_has_what_to_do_about_each_refusal_of_a_token_endpoint() -> None:
    """In the order that counts; *name* as above."""
    text = DOCUMENT.read_text(encoding="utf-8").partition("\n| the endpoint says ")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[2:]]
    told = [(said, re.sub(r"\*(\w+)\*", r"{\1}", words), who) for said, words, who in rows]
    assert told == [(", ".join(row.said), row.words, row.who) for row in TOKEN_REMEDIES]
