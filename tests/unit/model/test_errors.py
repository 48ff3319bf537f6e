"""Errors: what they say of themselves, and what becomes of one that nobody foresaw."""

from __future__ import annotations

import pickle

import pytest

from tasks.mail.model.errors import ConfigError, MailboxFailure, SendFailure, as_mailbox_failure
from tasks.mail.model.outcome import ErrorType


def test_an_unforeseen_error_becomes_a_failure_of_the_imap_leg(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(MailboxFailure) as caught, as_mailbox_failure():
        raise KeyError("x\x1b[2J")
    assert (caught.value.error_type, caught.value.permanent) == (ErrorType.UNEXPECTED, True)
    assert caught.value.text == "KeyError: 'x\\x1b[2J'"
    assert "Traceback (most recent call last)" in caplog.text  # without the error itself, whose frames hold all


@pytest.mark.parametrize("error", [MailboxFailure(ErrorType.AUTH, "login", "no"), ConfigError("wrong")])
def test_a_foreseen_error_stays_what_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, as_mailbox_failure():
        raise error
    assert caught.value is error


def test_a_reply_is_taken_apart() -> None:
    failure = SendFailure(ErrorType.TEMPORARY, "rcpt", "450 4.2.0 later", 450)
    assert (failure.reply, failure.enhanced_code, failure.temporary) == ("4.2.0 later", "4.2.0", True)
    assert repr(failure) == "SendFailure: 450 4.2.0 later"
    lost = SendFailure(ErrorType.CONNECTION, "rcpt", "the connection failed")
    assert (lost.reply, lost.enhanced_code, lost.temporary) == (None, None, False)


@pytest.mark.parametrize(
    "error",
    [SendFailure(ErrorType.AUTH, "auth", "535 no", 535), MailboxFailure(ErrorType.MAILBOX, "select", "no")],
    ids=lambda error: type(error).__name__,
)
def test_a_failure_survives_being_stored(error: SendFailure | MailboxFailure) -> None:
    """Prefect may pickle the data of a state."""
    stored = pickle.loads(pickle.dumps(error))
    assert (stored.error_type, stored.stage, stored.text) == (error.error_type, error.stage, error.text)
