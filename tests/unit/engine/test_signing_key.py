"""The key that signs probes without Prefect is made once, for its user alone, and no check fails for want of it."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.mail.signing_key import key_in_state
from tests.support.checks.bounds import PROGRAM_SECONDS
from tests.support.unprivileged import unprivileged


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "mail-loop"


def test_it_is_made_once_and_for_its_user_alone(state: Path) -> None:
    key = key_in_state()
    assert len(key) == 32
    assert key_in_state() == key
    (file,) = state.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_checks_that_begin_together_have_the_same() -> None:
    code = "from tasks.mail.signing_key import key_in_state; print(key_in_state().hex())"
    running = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert len({process.communicate(timeout=PROGRAM_SECONDS)[0] for process in running}) == 1


@pytest.mark.parametrize("kind", ["link", "folder", "nonsense", "empty"])
def test_what_is_no_key_is_none_and_stays_as_it_is(
    state: Path, tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A link is not followed: what it leads to may be anybody's."""
    state.mkdir()
    file, other = state / "signing-key", tmp_path / "other"
    other.write_text("ab" * 32)
    if kind == "link":
        file.symlink_to(other)
    elif kind == "folder":
        file.mkdir()
    else:
        file.write_text({"nonsense": "secret", "empty": ""}[kind])
    assert key_in_state() == b""
    assert str(file) in caplog.text
    assert "secret" not in caplog.text
    assert other.read_text() == "ab" * 32


def test_a_folder_that_cannot_be_written_to_keeps_no_check_from_its_mail(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tmp_path.chmod(0o555)
    with unprivileged():
        assert key_in_state() == b""
    assert "Probes are not signed" in caplog.text
