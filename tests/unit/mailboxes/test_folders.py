"""A probe is looked for in the expected folder, in Junk by whatever name, and never where the sender's copy lies."""

from __future__ import annotations

import unicodedata

import pytest

from tasks.mail.config.loop import ImapConfig
from tasks.mail.mailboxes.folders import BY_LANGUAGE, Place, junk_rank, places
from tasks.mail.mailboxes.imap.encoding import folder_name
from tasks.mail.mailboxes.imap.responses import listed_folder as listed
from tasks.mail.mailboxes.mailbox import Folder
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
    assert names([INBOX, folder("[Gmail]", r"\NOSELECT"), folder("Gone", r"\NONEXISTENT")]) == (
        "INBOX",
        None,
        [],
    )
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


def test_all_of_very_many_folders_are_looked_at() -> None:
    assert len(names([INBOX, JUNK, *(folder(f"List {number}") for number in range(1000))])[2]) == 1000


def from_server(name: str, delimiter: str | None = "/", *, utf8: bool = False, attributes: str = "") -> Folder:
    """A folder as a server lists it, in modified UTF-7 or in UTF-8."""
    between = b"NIL" if delimiter is None else b'"%s"' % delimiter.replace("\\", "\\\\").encode()
    wire = folder_name(name, utf8).replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    found = listed((b'LIST (%s) %s "%s"' % (attributes.encode(), between, wire),), utf8)
    assert found is not None
    return found


@pytest.mark.parametrize("language", BY_LANGUAGE)
def test_junk_is_known_by_its_names_in_some_thirty_languages(language: str) -> None:
    """However the server encodes it, in whatever case and below whatever parent."""
    for name in BY_LANGUAGE[language].junk:
        for found in (
            from_server(name),
            from_server(name, utf8=True),
            from_server(name.upper()),
            from_server(name.replace(" ", "-")),
            from_server(unicodedata.normalize("NFD", name), utf8=True),
            from_server(f"INBOX.{name.replace('.', '')}", "."),
            from_server(f"INBOX/{name}"),
            from_server(f"[Gmail]/{name}"),
            from_server(f"[Google Mail]/{name}"),
            from_server(f"INBOX\\{name}", "\\"),
        ):
            assert names([INBOX, WORK, found]) == ("INBOX", found.name, ["Work"]), found


@pytest.mark.parametrize("language", BY_LANGUAGE)
def test_so_is_sent_mail(language: str) -> None:
    for name in BY_LANGUAGE[language].sent:
        for found in (
            from_server(name),
            from_server(name, utf8=True),
            from_server(name.upper()),
            from_server(f"INBOX.{name.replace('.', '')}", "."),
            from_server(f"[Google Mail]/{name}"),
        ):
            assert names([INBOX, WORK, found]) == ("INBOX", None, ["Work"]), found


# As providers and programs are known to call them; not read from the table.
@pytest.mark.parametrize(
    "wire",
    [
        b'LIST (\\HasNoChildren) "/" "&BCEEPwQwBDw-"',
        b'LIST () "|" "&BCEEPwQwBDw-"',
        b'LIST () "/" "&V4NXPpCuTvY-"',
        b'LIST () "." "INBOX.&V4NXPpCuTvY-"',
        b'LIST () "/" "Courrier ind&AOk-sirable"',
        b'LIST () "/" "Nevy&AX4A4Q-dan&AOE- po&AWE-ta"',
        b'LIST () "/" "Junk E-Mail"',
        b'LIST () "/" "Bulk Mail"',
        b'LIST () "/" "Bulk"',
        b'LIST () "/" "Spamverdacht"',
        b'LIST () "/" "[Gmail]/&j,dg0TDhMPww6w-"',
        b'LIST () NIL "spam"',
    ],
)
def test_junk_of_real_servers_is_known(wire: bytes) -> None:
    found = listed((wire,))
    assert found is not None
    assert names([INBOX, found])[1] == found.name


@pytest.mark.parametrize(
    ("name", "delimiter"),
    [
        ("2026.spam", "/"),
        ("No.junk", "/"),
        ("Spam/2026", "/"),
        ("INBOX.Junk", "/"),
        ("Orders/Bulk", "/"),
        ("Bulk orders", "/"),
        ("Lixo", "/"),
        ("Werbung", "/"),
        ("Reklama", "/"),
        ("Trash", "/"),
        ("垃圾箱", "/"),
        ("INBOX/Spam", None),
        ("Other Users/bob/Junk", "/"),
        ("Public/Spam", "/"),
        ("user.bob.Junk", "."),
    ],
)
def test_a_word_that_means_something_else_is_no_junk(name: str, delimiter: str | None) -> None:
    found = from_server(name, delimiter)
    assert names([INBOX, found]) == ("INBOX", None, [found.name])


@pytest.mark.parametrize(("name", "delimiter"), [("Invoices/Sent", "/"), ("2026.Sent", "/"), ("Sent to press", "/")])
def test_nor_sent_mail(name: str, delimiter: str) -> None:
    """A rule may have filed the message there: a false lost would be worse."""
    assert names([INBOX, from_server(name, delimiter)]) == ("INBOX", None, [name])


def test_the_surest_of_several_is_junk_and_what_lies_in_the_others_is_no_less_so() -> None:
    both = [from_server("Spam"), from_server("Spamverdacht"), from_server("Projects/Spam"), from_server("Bulk")]
    _, junk, others = places([INBOX, *both], config())
    assert junk is not None
    assert junk.folder == "Spam"
    assert [(place.folder, place.placement) for place in others] == [
        ("Spamverdacht", Placement.JUNK),
        ("Projects/Spam", Placement.OTHER),
        ("Bulk", Placement.OTHER),
    ]
    assert junk_rank("Bulk", "/") is not None


def test_the_junk_of_somebody_else_is_not_ours_though_it_is_marked() -> None:
    theirs = from_server("Other Users/bob/Junk", attributes=r"\Junk")
    assert names([INBOX, theirs, from_server("Werbung", attributes=r"\Junk")])[1] == "Werbung"
