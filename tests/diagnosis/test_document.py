"""The document and the table of the tests list the same situations."""

from __future__ import annotations

import re

from tests.diagnosis.document import DOCUMENT, documented
from tests.diagnosis.situations import SITUATIONS


def test_the_document_has_the_situations_that_are_tested_and_no_other() -> None:
    assert list(documented()) == [(situation.title, situation.case) for situation in SITUATIONS]


def test_each_section_has_a_number_and_says_who_acts() -> None:
    sections = re.split(r"^## ", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    assert [section.partition(". ")[0] for section in sections] == [str(n) for n in range(1, len(sections) + 1)]
    assert all(section.count("**Who acts:**") == 1 for section in sections)
