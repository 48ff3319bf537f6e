"""Which folders a probe is looked for in."""

from __future__ import annotations

import pytest

from tasks.mail.config.loop import ImapConfig
from tasks.mail.mailboxes.folders import MOST_FOLDERS, Place, places
from tasks.mail.mailboxes.imap.responses import Folder
from tasks.mail.model.outcome import Placement


def folder(name: str, *attributes: str) -> Folder:
    return Folder(name, frozenset(attributes), name.encode())


def config(**fields: object) -> ImapConfig:
    base = {"host": "imap.example.org", "username": "probe", "password": "secret"}
    return ImapConfig.model_validate(base | fields)


def names(folders: list[Folder], **fields: object) -> tuple[str, str | None, list[str]]:
    expected, junk, others = places(folders, config(**fields))
    return expected.folder, junk.folder if junk else None, [place.folder for place in others]


INBOX, JUNK, WORK = folder("INBOX"), folder("Junk"), folder("Work")


def test_each_folder_has_its_placement_and_only_the_expected_one_must_be_readable() -> None:
    assert places([INBOX, JUNK, WORK], config()) == (
        Place("INBOX", Placement.EXPECTED, optional=False),
        Place("Junk", Placement.JUNK, optional=True),
        [Place("Work", Placement.OTHER, optional=True)],
    )


def test_a_mailbox_may_have_nothing_but_the_expected_folder() -> None:
    """Listed or not."""
    assert names([INBOX]) == ("INBOX", None, [])
    assert names([]) == ("INBOX", None, [])


@pytest.mark.parametrize("name", ["inbox", "Inbox", "INBOX"])
def test_the_case_of_inbox_does_not_matter(name: str) -> None:
    assert names([INBOX, WORK], folder=name) == (name, None, ["Work"])


def test_the_case_of_other_folders_does() -> None:
    assert names([INBOX, WORK, folder("work")], folder="work") == ("work", None, ["INBOX", "Work"])


def test_special_use_finds_junk_whatever_its_name() -> None:
    assert names([INBOX, JUNK, folder("Werbung", r"\JUNK")]) == ("INBOX", "Werbung", ["Junk"])


@pytest.mark.parametrize(
    "name", ["Junk", "SPAM", "INBOX.Junk", "INBOX/spam", "[Gmail]/Spam", "Junk E-mail", "Junk-E-Mail", "INBOX\\Junk"]
)
def test_without_special_use_a_usual_name_is_junk(name: str) -> None:
    assert names([INBOX, WORK, folder(name)]) == ("INBOX", name, ["Work"])


@pytest.mark.parametrize("name", ["Junkyard", "Junk/Invoices", "No spam"])
def test_a_name_that_merely_resembles_is_a_folder_like_others(name: str) -> None:
    assert names([INBOX, folder(name)]) == ("INBOX", None, [name])


def test_a_configured_junk_folder_is_taken_even_before_it_exists() -> None:
    assert names([INBOX, JUNK, WORK], junk_folder="Work") == ("INBOX", "Work", ["Junk"])
    assert names([INBOX, JUNK], junk_folder="Later") == ("INBOX", "Later", ["Junk"])


def test_the_expected_folder_is_not_looked_at_as_junk_too() -> None:
    assert names([INBOX, JUNK], folder="Junk") == ("Junk", None, ["INBOX"])
    assert names([INBOX, folder("Spam", r"\JUNK")], folder="Spam") == ("Spam", None, ["INBOX"])
    assert names([INBOX, WORK], junk_folder="inbox") == ("INBOX", None, ["Work"])


def test_a_folder_that_holds_no_mail_is_not_looked_at() -> None:
    assert names([INBOX, folder("[Gmail]", r"\NOSELECT"), folder("Gone", r"\NONEXISTENT")]) == ("INBOX", None, [])
    assert names([INBOX, folder("Spam", r"\NOSELECT")]) == ("INBOX", None, [])


@pytest.mark.parametrize("attribute", [r"\SENT", r"\DRAFTS", r"\ALL", r"\FLAGGED", r"\IMPORTANT"])
def test_the_senders_own_copy_is_no_arrival(attribute: str) -> None:
    assert names([INBOX, folder("Somewhere", attribute)]) == ("INBOX", None, [])


@pytest.mark.parametrize("name", ["Sent", "INBOX.Sent", "Sent Items", "Gesendet", "Drafts"])
def test_nor_is_it_where_the_server_knows_no_special_use(name: str) -> None:
    """A submission server that keeps the copy itself may put Received fields into it, so these names are left out."""
    assert names([INBOX, folder(name)]) == ("INBOX", None, [])


def test_the_expected_folder_may_be_any() -> None:
    """Even one that is otherwise left out."""
    assert names([INBOX, folder("Sent", r"\SENT")], folder="Sent") == ("Sent", None, ["INBOX"])


@pytest.mark.parametrize("attribute", [r"\TRASH", r"\ARCHIVE"])
def test_a_filter_rule_may_have_chosen_trash_or_archive(attribute: str) -> None:
    assert names([INBOX, folder("Elsewhere", attribute)]) == ("INBOX", None, ["Elsewhere"])


def test_very_many_folders_are_not_all_looked_at() -> None:
    many = [folder(f"List {number}") for number in range(MOST_FOLDERS + 1)]
    assert len(names([INBOX, JUNK, *many])[2]) == MOST_FOLDERS
