"""A matrix: its loops, what may be wrong with it, and its results as a table."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from markdown_it import MarkdownIt
from pydantic import TypeAdapter

from tasks.correlation.tables import matrix_markdown, summary
from tasks.mail.config.loading.files import load_any, planned
from tasks.mail.config.loop import ImapConfig, LoopConfig, SmtpConfig
from tasks.mail.config.matrix import MOST_PAIRS, Matrix, Receiver, Sender, matrix_config
from tasks.mail.model.errors import ConfigError
from tasks.mail.model.result import LoopResult

SECRET = "hunter2-never-shown"
RELAY = {
    "host": "a.test",
    "username": "u",
    "password_secret": "relay-password",
    "from_addr": "probe@example.org",
    "subject_prefix": "[mail-loop]",
}
MAILBOX = {"address": "m@example.net", "host": "m.test", "username": "m", "password_secret": "mailbox-password"}
GOOD: dict[str, Any] = {
    "name": "office",
    "senders": {"main": RELAY, "backup": RELAY | {"host": "b.test", "port": 465, "tls": "implicit"}},
    "receivers": {"own": MAILBOX, "outside": MAILBOX | {"address": "n@example.net", "host": "n.test"}},
    "limits": {"max_wait": 60},
    "without": {"backup": ["own"]},
}


def with_(path: str, value: object) -> dict[str, Any]:
    """The good matrix with one thing changed; None takes it out."""
    data = copy.deepcopy(GOOD)
    *sections, field = path.split(".")
    inside: dict[str, Any] = data
    for section in sections:
        inside = inside[section]
    if value is None:
        del inside[field]
    else:
        inside[field] = value
    return data


def test_every_pair_is_a_loop_but_those_left_out() -> None:
    loops = matrix_config(GOOD).loops()
    assert [
        (pair, loop.name, loop.smtp.host, loop.smtp.to_addr, loop.imap and loop.imap.host)
        for pair, loop in loops.items()
    ] == [
        (("main", "own"), "office-main-own", "a.test", "m@example.net", "m.test"),
        (("main", "outside"), "office-main-outside", "a.test", "n@example.net", "n.test"),
        (("backup", "outside"), "office-backup-outside", "b.test", "n@example.net", "n.test"),
    ]


def test_a_loop_of_a_matrix_is_the_same_as_one_of_its_own_file() -> None:
    loop = matrix_config(GOOD).loops()["backup", "outside"]
    alone = LoopConfig.model_validate(
        {
            "name": "office-backup-outside",
            "smtp": GOOD["senders"]["backup"] | {"to_addr": "n@example.net"},
            "imap": {key: value for key, value in GOOD["receivers"]["outside"].items() if key != "address"},
            "limits": GOOD["limits"],
        }
    )
    assert loop == alone
    assert (type(loop.smtp), type(loop.imap)) == (SmtpConfig, ImapConfig)


SLUG = "must be lower-case letters and digits with single hyphens between, at most 63 characters"


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("senders", None, "senders: is required: the relays, each under a name of yours"),
        ("senders", {}, "senders: must not be empty: give one or more, each under a name of yours"),
        ("senders", [RELAY], "senders: must be a mapping of your names to sections smtp"),
        ("senders", {"host": "a.test"}, "senders.host: must be a mapping of fields such as host"),
        ("receivers", "x", "receivers: must be a mapping of your names to sections imap, each with its address"),
        ("receivers.Own Mailbox", MAILBOX, f"receivers.'Own Mailbox': {SLUG}; did you mean own-mailbox?"),
        ("senders.main.host", None, "senders.main.host: is required: host name or IP address of the SMTP server"),
        ("senders.main.hots", "x", "senders.main.hots: unknown field; did you mean host?"),
        (
            "senders.main.to_addr",
            "x@example.net",
            "senders.main.to_addr: is the address of each receiver in turn: leave it out",
        ),
        (
            "senders.main.port",
            "587",
            "senders.main.port: must be a whole number from 1 to 65535, without quotes",
        ),
        (
            "senders.main.password",
            SECRET,
            "senders.main.password: must not be set together with password_secret: keep one of them",
        ),
        (
            "receivers.own.address",
            None,
            "receivers.own.address: is required: address that leads to the mailbox, such as inbox@example.net",
        ),
        (
            "receivers.own.address",
            "own",
            "receivers.own.address: must be one address such as probe@example.org, without a display name, not 'own'",
        ),
        (
            "receivers.own.search_subject",
            "other",
            "main to own: imap.search_subject: 'other' is not part of smtp.subject_prefix '[mail-loop]', so no probe "
            "would match it: leave it out",
        ),
        ("limits.max_wait", 0, "limits.max_wait: must be a number of seconds above 0, at most 604800, without quotes"),
        ("name", "Office", f"name: {SLUG}; did you mean office?"),
        (
            "name",
            "x" * 51,
            f"the loop {'x' * 51}-main-outside would have 64 characters in its name, and 63 are the most: shorten the "
            "name of the matrix, of the sender or of the receiver",
        ),
        (
            "receivers",
            {f"r{number}": MAILBOX for number in range(MOST_PAIRS)},
            f"senders and receivers make {2 * MOST_PAIRS} pairs, each a message of its own, and {MOST_PAIRS} are the "
            "most: split the matrix",
        ),
        ("without", ["own"], "without: must be a mapping of names of senders to lists of names of receivers"),
        ("without.backup", "own", "without.backup: must be a list of texts, such as [own, outside]"),
        ("without.backup", ["owm"], "without: there is no receiver 'owm'; did you mean own?"),
        ("without.zzz", ["own"], "without: there is no sender 'zzz' among the senders"),
        (
            "without",
            {"main": ["own", "outside"], "backup": ["own", "outside"]},
            "without: leaves no pair: leave out fewer",
        ),
        ("smtp", {}, "smtp: unknown field; known are name, senders, receivers, limits, without"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_a_remedy(path: str, value: object, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        matrix_config(with_(path, value) if path != "receivers" else with_(path, value) | {"without": {}}, "my.yaml")
    assert str(caught.value) == f"my.yaml: {said}"
    assert SECRET not in str(caught.value)


def test_two_pairs_that_would_be_one_loop_are_refused() -> None:
    data = GOOD | {"senders": {"a": RELAY, "a-b": RELAY}, "receivers": {"b-c": MAILBOX, "c": MAILBOX}, "without": {}}
    with pytest.raises(
        ConfigError, match="a to b-c and a-b to c would both be the loop office-a-b-c: rename one of them"
    ):
        matrix_config(data)


@pytest.mark.parametrize("suffix", [".yaml", ".json"])
def test_a_file_holds_a_matrix_and_gives_it_its_name(suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"My Matrix{suffix}"
    data = with_("name", None)
    file.write_text(yaml.safe_dump(data, sort_keys=False) if suffix == ".yaml" else json.dumps(data), encoding="utf-8")
    matrix = load_any(file)
    assert isinstance(matrix, Matrix)
    names = ["my-matrix-main-own", "my-matrix-main-outside", "my-matrix-backup-outside"]
    assert [one.config.name for one in planned(matrix)] == names


def test_toml_holds_a_matrix_too(tmp_path: Path) -> None:
    lines = []
    for side in ("senders", "receivers"):
        for name, section in GOOD[side].items():
            lines += [f"[{side}.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in section.items())]
    (tmp_path / "office.toml").write_text("\n".join([*lines, "[without]", 'backup = ["own"]']), encoding="utf-8")
    matrix = load_any(tmp_path / "office.toml")
    assert matrix == matrix_config(with_("limits", {}))


def test_a_file_without_senders_and_receivers_is_a_check_as_ever(tmp_path: Path) -> None:
    file = tmp_path / "my.json"
    file.write_text(json.dumps({"smtp": RELAY | {"to_addr": "a@example.net"}}), encoding="utf-8")
    assert isinstance(load_any(file), LoopConfig)


def test_a_ca_file_is_relative_to_the_file_and_must_be_there(tmp_path: Path) -> None:
    file = tmp_path / "my.json"
    file.write_text(json.dumps(with_("senders.main.ca_file", "no-ca.pem")), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_any(file)
    assert str(caught.value) == (
        f"{file}: senders.main.ca_file: cannot read '{tmp_path / 'no-ca.pem'}' (No such file or directory): "
        "check the path"
    )


@pytest.mark.parametrize(("model", "good"), [(Sender, RELAY), (Receiver, MAILBOX)])
def test_the_form_takes_a_named_password_only(model: type[Sender | Receiver], good: dict[str, object]) -> None:
    """The schema that Prefect's server refuses parameters by, before it stores them."""
    form = Draft202012Validator(TypeAdapter(dict[str, model]).json_schema())  # type: ignore[valid-type]
    assert form.is_valid({"main": good})
    assert not form.is_valid({"main": good | {"password": SECRET}})
    assert not form.is_valid({"main": good | {"to_addr": "a@example.net"}})
    assert not form.is_valid({"main": {key: value for key, value in good.items() if key != "host"}})


def test_what_is_stored_of_a_matrix_makes_it_again() -> None:
    """A run that is started anew from its parameters."""
    matrix = matrix_config(GOOD)
    stored = matrix.model_dump(mode="json")
    assert "to_addr" not in stored["senders"]["main"]
    assert matrix_config(stored).loops() == matrix.loops()


def result(loop: str, status: str, outcome: str, **fields: Any) -> LoopResult:
    return LoopResult.model_validate(
        {"loop": loop, "status": status, "outcome": outcome, "sentence": f"It is {outcome}."} | fields
    )


RESULTS = {
    ("main", "own"): result("office-main-own", "ok", "delivered", delivery_seconds=1.234, copies=1),
    ("main", "outside"): result("office-main-outside", "warning", "late", delivery_seconds=75.0, copies=1),
    ("backup", "outside"): result(
        "office-backup-outside", "error", "rejected", stage="rcpt", sentence="550 <b>no</b> | [x](http://evil.test)"
    ),
}


def test_the_table_has_a_sign_a_word_and_a_time_in_each_cell() -> None:
    keys = {cell: f"mail-loop-{one.loop}" for cell, one in RESULTS.items()}
    text = matrix_markdown(RESULTS, "only backup to outside fails", keys)
    first, said, table, *rest = text.split("\n\n")
    assert first == "**error: 1 of 3 loops ok, 1 rejected, 1 late**"
    assert said == "Only backup to outside fails."
    assert table.splitlines() == [
        "| from / to | own | outside |",
        "| --- | --- | --- |",
        "| **main** | ✓ delivered, 1.23 s | &#33; late, 75.00 s |",
        "| **backup** | left out | ✗ rejected, at rcpt |",
    ]
    html = MarkdownIt("commonmark").enable("table").render("\n\n".join(rest))
    assert "<b>" not in html
    assert 'href="http://evil.test"' not in html
    assert 'href="/v2/artifacts/key/mail-loop-office-main-own"' in html


def test_without_a_pattern_the_table_comes_at_once() -> None:
    fine = {("main", "own"): RESULTS["main", "own"]}
    text = matrix_markdown(fine, None, {("main", "own"): "mail-loop-office-main-own"})
    assert text.startswith("**ok: 1 of 1 loops ok**\n\n| from / to |")
    assert "Not ok" not in text


@pytest.mark.parametrize(
    ("outcomes", "whole"),
    [
        (["ok delivered", "ok delivered"], "ok delivered: 2 of 2 loops ok"),
        (
            ["warning late", "error unverified", "error lost"],
            "error lost: 0 of 3 loops ok, 1 lost, 1 unverified, 1 late",
        ),
        (["error unverified", "warning junked"], "error unverified: 0 of 2 loops ok, 1 unverified, 1 junked"),
        (["warning lost", "error misconfigured"], "error misconfigured: 0 of 2 loops ok, 1 lost, 1 misconfigured"),
        (["warning skipped", "ok delivered"], "ok delivered: 1 of 2 loops ok, 1 skipped"),
        (["warning skipped", "warning skipped"], "warning skipped: 0 of 2 loops ok, 2 skipped"),
    ],
)
def test_a_matrix_is_as_good_as_its_worst_loop(outcomes: list[str], whole: str) -> None:
    """The worst status decides, and within it what says most; a skipped loop is no finding."""
    found = [result("x", *one.split()) for one in outcomes]
    status, outcome, text = summary(found)
    assert f"{status} {outcome}: {text}" == whole
