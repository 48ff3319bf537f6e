"""The measure of a public collection of bounces: what it counts, and when it ends with 1."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.notices import left_out, main
from tasks.mail.config.loop import SmtpConfig
from tasks.mail.probe.compose import compose
from tests.support.mail.lookalikes import LOOK_ALIKES
from tests.support.mail.notices import BOUNCES, DELAYS, mail

SMTP = SmtpConfig(host="relay.test", from_addr="probe@example.org", to_addr="nobody@example.net", subject_prefix="x")
MESSAGE = compose("office", SMTP).content


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A collection in which all is as it should be."""
    for place, notice in enumerate(BOUNCES.values()):
        (tmp_path / f"lhost-{place}.eml").write_bytes(notice(MESSAGE))
    (tmp_path / "lhost-delay.eml").write_bytes(DELAYS["postfix"](MESSAGE))
    (tmp_path / "arf-01.eml").write_bytes(LOOK_ALIKES["a spam report"](MESSAGE))
    (tmp_path / "rfc3834-01.eml").write_bytes(LOOK_ALIKES["out of office"](MESSAGE))
    (tmp_path / "rfc3464-28.eml").write_bytes(
        BOUNCES["postfix"](MESSAGE).replace(b"Action: failed", b"Action: relayed")
    )
    return tmp_path


def test_a_collection_that_is_read_well_ends_with_0(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(folder)]) == 0
    assert "17 recognised / 17 with a reason / 17 in all" in capsys.readouterr().out


def test_what_is_not_recognised_is_named_and_ends_with_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "lhost-letter.eml").write_bytes(mail(b"From: ann@example.org\nSubject: x\n", b"See you."))
    assert main([str(folder)]) == 1
    out = capsys.readouterr().out
    assert "17 recognised / 17 with a reason / 18 in all" in out
    assert "not recognised: lhost-letter" in out


def test_what_has_no_reason_is_named_and_ends_with_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = b"From: MAILER-DAEMON@example.net\nSubject: failure notice\n"
    (folder / "lhost-silent.eml").write_bytes(mail(text, b"", MESSAGE))
    assert main([str(folder)]) == 1
    out = capsys.readouterr().out
    assert "18 recognised / 17 with a reason / 18 in all" in out
    assert "without a reason: lhost-silent" in out


@pytest.mark.parametrize("name", ["arf-02", "rfc3464-28", "rfc3834-02"])
def test_what_is_no_bounce_and_taken_for_one_ends_with_1(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (folder / f"{name}.eml").write_bytes(BOUNCES["postfix"](MESSAGE))
    assert main([str(folder)]) == 1
    assert f"taken for a bounce: {name}" in capsys.readouterr().out


def test_a_folder_without_messages_ends_with_1(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 1


def test_each_file_that_is_left_out_has_its_reason() -> None:
    assert len(left_out()) <= 21
    assert all(left_out().values())
