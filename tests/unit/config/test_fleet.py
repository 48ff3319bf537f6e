"""A fleet: what each of its checks is, what may be wrong with it, and folders of files."""

from __future__ import annotations

import copy
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.mail.config.fleet import MOST_LOOPS, SINCE, Fleet, anchor, fleet_config
from tasks.mail.config.loading.files import all_planned, load_any, loaded, planned
from tasks.mail.config.loop import InboundConfig, LoopConfig, inbound_config, loop_config
from tasks.mail.config.plan import Planned
from tasks.mail.model.errors import ConfigError

SECRET = "hunter2-never-shown"
SMTP = {
    "host": "a.test",
    "username": "u",
    "password_secret": "relay",
    "from_addr": "probe@example.org",
    "subject_prefix": "[mail-loop]",
}
IMAP = {"host": "m.test", "password_secret": "mailbox"}
GOOD: dict[str, Any] = {
    "defaults": {"every": "15m", "tags": ["prod"], "smtp": SMTP, "imap": IMAP, "limits": {"max_wait": 60}},
    "loops": {
        "office": {"smtp": {"to_addr": "o@example.net"}, "imap": {"username": "o"}},
        "branch": {
            "every": "5m",
            "tags": ["prod", "far"],
            "smtp": {"host": "b.test", "to_addr": "b@example.net"},
            "imap": {"username": "b"},
            "limits": {"warn_after": 5},
        },
    },
}


def with_(path: str, value: object) -> dict[str, Any]:
    """The good fleet with one thing changed."""
    data = copy.deepcopy(GOOD)
    *sections, field = path.split("/")
    inside: dict[str, Any] = data
    for section in sections:
        inside = inside[section]
    inside[field] = value
    return data


def checks(data: dict[str, Any]) -> dict[str, Planned]:
    return {one.config.name: one for one in planned(fleet_config(data))}


def test_a_loop_of_a_fleet_is_the_same_as_one_of_its_own_file() -> None:
    """What it says itself goes before the defaults, field by field; what neither says is as ever."""
    assert checks(GOOD)["branch"].config == loop_config(
        {
            "name": "branch",
            "smtp": SMTP | {"host": "b.test", "to_addr": "b@example.net"},
            "imap": IMAP | {"username": "b"},
            "limits": {"max_wait": 60, "warn_after": 5},
        }
    )


def test_its_interval_goes_before_that_of_all_and_its_tags_are_added() -> None:
    assert [(one.every, one.tags) for one in checks(GOOD).values()] == [("15m", ("prod",)), ("5m", ("prod", "far"))]


def test_null_takes_away_what_the_defaults_say() -> None:
    sending = checks(with_("loops/office/imap", None))["office"].config
    assert isinstance(sending, LoopConfig)
    assert sending.imap is None
    open_relay = checks(with_("loops/office/smtp", {"to_addr": "o@e.test", "username": None, "password_secret": None}))
    assert isinstance(config := open_relay["office"].config, LoopConfig)
    assert (config.smtp.username, config.smtp.host) == (None, "a.test")


def test_without_smtp_it_is_an_inbound_check_and_other_defaults_do_not_concern_it() -> None:
    found = checks(with_("loops/office", {"smtp": None, "imap": {"username": "o", "search_subject": "News"}}))
    assert found["office"].config == inbound_config(
        {"name": "office", "imap": IMAP | {"username": "o", "search_subject": "News"}}
    )


@pytest.mark.parametrize(("default", "own"), [("tls", "tls_mode"), ("tls_mode", "tls")])
def test_the_two_names_of_tls_do_not_contradict_each_other_across_the_defaults(default: str, own: str) -> None:
    data = with_("defaults/imap", IMAP | {default: "implicit"})
    data["loops"]["office"]["imap"][own] = "starttls"
    config = checks(data)["office"].config
    assert config.imap
    assert config.imap.tls == "starttls"


SLUG = "must be lower-case letters and digits with single hyphens between, at most 63 characters"
SPAN = "must be a length of time of a minute or more, such as 5m, 2h or 1d, not"


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (
            "loops",
            {},
            "loops: must be a mapping of your names to loops, each with the fields that the defaults leave open",
        ),
        (
            "loops",
            [{"name": "x"}],
            "loops: must be a mapping of your names to loops, each with the fields that the defaults leave open",
        ),
        (
            "loops",
            {str(number): {} for number in range(1001)},
            f"loops: 1001 of them are in one file, and {MOST_LOOPS} are the most: split it",
        ),
        ("loops/Main Office", {}, f"loops.'Main Office': {SLUG}; did you mean main-office?"),
        ("loops/5", {"smpt": {}}, "loops.5.smpt: unknown field; did you mean smtp?"),
        ("loops/office", "a.test", "loops.office: must be a mapping of fields such as smtp"),
        ("loops/office/smtp", "a.test", "loops.office.smtp: must be a mapping of fields such as host"),
        ("loops/office/smtp/hots", "x", "loops.office.smtp.hots: unknown field; did you mean host?"),
        ("loops/office/smtp/to_addr", 5, "loops.office.smtp.to_addr: must be text: put it in quotes"),
        (
            "loops/office/smtp/password",
            SECRET,
            "loops.office.smtp.password: must not be set together with password_secret: keep one of them",
        ),
        ("loops/office/every", "30s", f"loops.office.every: {SPAN} '30s'"),
        ("loops/office/every", 5, f"loops.office.every: {SPAN} 5"),
        ("loops/office/tags", "prod", "loops.office.tags: must be a list of texts, such as [production, germany]"),
        (
            "loops/office/tags",
            ["mail-loop-fleet"],
            "loops.office.tags: must not begin with mail-loop-fleet, by which "
            "our deployments are known: choose another",
        ),
        (
            "loops/office/imap/search_subject",
            "other",
            "loops.office.imap.search_subject: 'other' is not part of "
            "smtp.subject_prefix '[mail-loop]', so no probe would match it: leave it out",
        ),
        (
            "loops/office/limits",
            {"warn_after": 61},
            "loops.office.limits.warn_after: must not exceed max_wait (60 s), but is 61 s",
        ),
        ("defaults", [SMTP], "defaults: must be a mapping of fields such as smtp"),
        ("defaults/evry", "5m", "defaults.evry: unknown field; did you mean every?"),
        ("defaults/every", "1y", f"defaults.every: {SPAN} '1y'"),
        ("defaults/limits", 60, "defaults.limits: must be a mapping of fields such as max_wait"),
        ("default", {}, "default: unknown field; did you mean defaults?"),
        ("senders", {}, "senders and receivers are a matrix: put it into a file of its own, in the same folder"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_a_remedy(path: str, value: object, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        fleet_config(with_(path, value), "loops.yaml")
    assert str(caught.value) == f"loops.yaml: {said}"
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("port", "25", "must be a whole number from 1 to 65535, without quotes"),
        ("hots", "x", "unknown field; did you mean host?"),
    ],
)
def test_what_is_wrong_with_the_defaults_is_told_once_and_there(field: str, value: object, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        fleet_config(with_(f"defaults/smtp/{field}", value))
    assert str(caught.value) == f"defaults.smtp.{field}: {said}"


def test_what_neither_says_is_missing_in_the_loop() -> None:
    data = with_("defaults/smtp", {})
    data["loops"] = {f"l{number}": {"smtp": SMTP} for number in range(12)}
    with pytest.raises(ConfigError) as caught:
        fleet_config(data)
    text = str(caught.value)
    assert text.startswith("loops.l0.smtp.to_addr: is required: recipient address of the probes")
    assert text.endswith("; and 14 more")
    with pytest.raises(ConfigError, match=r"^loops\.l0: describes no check: give it a section smtp or imap"):
        fleet_config({"loops": {"l0": None}})


@pytest.mark.parametrize("suffix", [".yaml", ".json"])
def test_a_file_holds_a_fleet(suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"loops{suffix}"
    file.write_text(yaml.safe_dump(GOOD) if suffix == ".yaml" else json.dumps(GOOD), encoding="utf-8")
    found = load_any(file)
    assert isinstance(found, Fleet)
    assert {one.config.name for one in found.members} == {"office", "branch"}


def test_a_ca_file_is_relative_to_the_file_and_one_that_is_missing_is_told_once(tmp_path: Path) -> None:
    file = tmp_path / "loops.json"
    file.write_text(json.dumps(with_("defaults/smtp/ca_file", "no-ca.pem")), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_any(file)
    assert str(caught.value) == (
        f"{file}: loops.office.smtp.ca_file: cannot read '{tmp_path / 'no-ca.pem'}' (No such file or directory): "
        "check the path"
    )


def test_a_folder_is_the_files_in_it_and_one_that_is_wrong_hides_no_other(tmp_path: Path) -> None:
    (tmp_path / "b-loops.json").write_text(json.dumps(GOOD), encoding="utf-8")
    (tmp_path / "c.yaml").write_text("smpt: {}", encoding="utf-8")
    alone = {"smtp": SMTP | {"to_addr": "a@example.net"}}
    (tmp_path / "d.json").write_text(json.dumps(alone), encoding="utf-8")
    for other in ("notes.txt", ".e.yaml", "f.yaml~"):
        (tmp_path / other).write_text("no configuration", encoding="utf-8")
    (tmp_path / "deeper.yaml").mkdir()
    found = [(Path(file).name, type(what)) for file, what in loaded([tmp_path])]
    assert found == [("b-loops.json", Fleet), ("c.yaml", ConfigError), ("d.json", LoopConfig)]


def test_a_folder_without_files_is_told_as_such(tmp_path: Path) -> None:
    ((_, error),) = loaded([tmp_path])
    assert str(error) == f"{tmp_path}: is a directory: name a file in it"


def test_the_example_has_each_kind_of_check() -> None:
    example = Path(__file__).resolve().parents[3] / "examples" / "loops.yaml"
    kinds = [(type(one.config), bool(one.config.imap), one.every) for one in planned(load_any(example))]
    assert kinds == [
        (LoopConfig, True, "15m"),
        (LoopConfig, True, "5m"),
        (LoopConfig, False, "15m"),
        (InboundConfig, True, "1d"),
    ]


def test_loops_are_due_at_moments_of_their_own_spread_over_the_interval() -> None:
    """The moment of one does not move when others come and go, so it is reckoned from its name alone."""
    every = timedelta(minutes=5)
    due = [(anchor(f"site-{number}", every) - SINCE).total_seconds() for number in range(200)]
    assert all(0 <= at < 300 for at in due)
    busiest = max(sum(start <= at < start + 30 for at in due) for start in range(0, 300, 30))
    assert busiest <= 30  # of 200 in a tenth of the time
    assert anchor("office", every) == SINCE + timedelta(seconds=292)
    assert anchor("office", every) != anchor("office", timedelta(hours=1))


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ("other.json", "has a check named office, and so has {first}: keep one of them"),
        (None, "does not exist: check the path"),
    ],
)
def test_of_several_files_what_is_wrong_with_any_is_told(second: str | None, said: str, tmp_path: Path) -> None:
    first = tmp_path / "loops.json"
    first.write_text(json.dumps(GOOD), encoding="utf-8")
    other = tmp_path / (second or "nowhere.json")
    if second:
        alone = {"loops": {"office": {"smtp": SMTP | {"to_addr": "a@b.test"}}}}
        other.write_text(json.dumps(alone), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        all_planned([first, other])
    assert str(caught.value) == f"{other}: {said.format(first=first)}"
