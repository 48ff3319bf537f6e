"""Every malformed configuration is refused with the one sentence of the table, and a file never with anything else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.mail.config.loop import LoopConfig
from tasks.mail.model.errors import ConfigError
from tests.support.checks.check_file import load
from tests.support.malformed import SECRET, SUFFIXES, good, text_of
from tests.support.malformed_files import DENIED, Written, write_all
from tests.support.unprivileged import unprivileged

PORT = 9
LONGEST = 4000  # characters of a message, where ten unknown fields are told with all that are known

stable = settings(derandomize=True, database=None, deadline=None, max_examples=300)


@pytest.fixture(scope="module")
def written() -> Iterator[list[Written]]:
    """All malformed files, in a folder that others may look into, too; some of their paths are relative to it."""
    with TemporaryDirectory(prefix="malformed-", dir="/tmp") as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        folder.chmod(0o755)
        patch.chdir(folder)
        yield list(write_all(folder, PORT))


def test_the_table_is_large_and_reaches_every_format(written: list[Written]) -> None:
    for suffix in SUFFIXES:
        assert sum(case.path.endswith(suffix) for case in written) > 100
    assert len({case.path for case in written}) == len({case.id for case in written}) == len(written)


def refusal(path: str) -> str:
    """What is said of the file. A cause of the error would be logged, with the input."""
    try:
        taken = load(path)
    except ConfigError as error:
        return str(error) if error.__cause__ is None else f"because of {error.__cause__!r}"
    return f"taken as {taken}"


def test_every_malformed_file_is_refused_with_its_sentence(written: list[Written]) -> None:
    said = {}
    for case in written:
        # Python itself may lie where nobody else may read, so only for what needs it.
        with unprivileged() if case.message.endswith(DENIED) else nullcontext():
            said[case.id] = refusal(case.path)
    expected = {case.id: case.message for case in written}
    assert [(said[name], expected[name]) for name in said if said[name] != expected[name]] == []


def test_no_sentence_has_a_second_line_or_a_password_or_no_end(written: list[Written]) -> None:
    for case in written:
        assert case.message.isprintable()
        assert SECRET not in case.message
        assert len(case.message) < LONGEST


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_without_a_fault_the_configuration_is_taken(suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"good{suffix}"
    file.write_text(text_of(good(PORT), suffix) or "", encoding="utf-8")
    config = load(file)
    assert isinstance(config, LoopConfig)
    assert (config.smtp.port, config.limits.max_wait) == (PORT, 5.0)


WORDS = st.sampled_from(
    [
        *(
            "smtp",
            "imap",
            "host",
            "port",
            "name",
            "password",
            ":",
            ": ",
            "\n",
            "\n  ",
            "- ",
            "[",
            "]",
            "{",
            "}",
            ",",
            "=",
        ),
        *('"', "'", "\\", "\\u", "\\ud800", "\\UFFFFFFFF", "&a ", "*a", "<<: ", "!!", "!!int ", "!!float ", "!!bool "),
        *(
            "!!timestamp ",
            "!!binary ",
            "!!set ",
            "!!omap ",
            "!!python/name:x ",
            "? ",
            "| ",
            "> ",
            "---\n",
            "...\n",
            "%YAML ",
        ),
        *("1", "0x", "0b1", "1:59", "1e999", ".inf", ".nan", "~", "null", "true", "2024-13-45", "2024-01-01T00:00:00Z"),
        *("#", "\t", "\0", "\x85", "\ufeff", "\u2028", "[[", "]]", ".", "'''", '"""', "é", "☃"),
    ]
)
CONTENT = (
    st.lists(WORDS | st.text(max_size=4), max_size=30).map("".join).map(lambda text: text.encode(errors="replace"))
)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_whatever_a_file_holds_is_taken_or_refused_in_one_line(suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"a{suffix}"

    @stable
    @given(CONTENT | st.binary(max_size=40))
    def refuse(content: bytes) -> None:
        file.write_bytes(content)
        said = refusal(str(file))
        assert said.isprintable()
        assert said.startswith((f"{file}: ", "taken as "))

    refuse()
