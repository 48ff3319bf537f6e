"""The secrets of a section: put in place, hidden, bound to hosts, and refused in clear, all by one list of them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from flows.cli.main import parser
from tasks.credentials import SecretBlocks
from tasks.mail.config.loading.secret_list import LIST_VARIABLE, uses_of
from tasks.mail.config.loop import LoopConfig, SmtpConfig, loop_config
from tasks.mail.config.matrix import matrix_config
from tasks.mail.config.secrets import (
    EnvironmentPasswords,
    login_sections,
    redactor,
    redactor_of,
    secrets_of,
    unresolved,
    with_known_secrets,
)
from tasks.mail.engine import with_passwords
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import ConfigError
from tasks.mail.model.redaction.redactor import HIDDEN
from tasks.mail.verdict.notes import configuration_notes
from tasks.parameters import CheckFlow, clear_passwords, matrix_of
from tests.support.canaries import CORE, KEY, OAUTH_SECRETS, seen_in

Fields = dict[str, Any]

ADDRESSES: Fields = {"from_addr": "a@a.test", "to_addr": "b@b.test", "subject_prefix": "[x]"}
APP: Fields = {"provider": "microsoft365", "tenant": "t.test", "client_id": "app"}
# Of each secret what `oauth` has beside it, and those that it may be together with.
WAYS: Mapping[str, Fields] = {
    "client_secret": APP,
    "private_key": APP,
    "refresh_token": APP | {"client_secret_secret": "beside"},
    "service_account": {"provider": "google"},
}


def smtp(oauth: Fields, **fields: Any) -> SmtpConfig:
    section = {"host": "relay.test", "username": "u", "oauth": oauth, **ADDRESSES, **fields}
    return SmtpConfig.model_validate(section)


def loop(oauth: Fields, **imap: Any) -> LoopConfig:
    login = imap or {"password_secret": "box"}
    return loop_config({"name": "x", "smtp": smtp(oauth), "imap": {"host": "box.test", "username": "u", **login}})


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in OAUTH_SECRETS.items():
        monkeypatch.setenv(f"MY_{name.upper()}", value)
    monkeypatch.setenv("BESIDE", "beside-the-others")
    monkeypatch.setenv("BOX", "password-of-the-box")


def said(*words: str) -> int:
    """The exit code of a command. In this process: main() would end it some seconds later."""
    arguments = parser(words).parse_args(words)
    return int(arguments.run(arguments))


async def resolved(check: LoopConfig) -> LoopConfig:
    """The check with its secrets from the environment, whatever they are good for."""
    sections = {name: await EnvironmentPasswords().resolve(one, name) for name, one in login_sections(check).items()}
    return check.model_copy(update=sections)


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("name", WAYS)
async def test_each_secret_is_found_by_its_name_and_put_in_place(name: str) -> None:
    check = loop(WAYS[name] | {f"{name}_secret": f"my-{name.replace('_', '-')}"})
    found = await resolved(check)
    assert found.imap is not None
    assert found.smtp.oauth is not None
    assert found.smtp.oauth.value(name) == OAUTH_SECRETS[name].rstrip("\n")
    assert unresolved(found.smtp) == unresolved(found.imap) == []
    assert found == with_known_secrets(check)
    assert await resolved(found) == found
    assert seen_in(repr(found)) == []
    assert found.smtp.oauth.grant == check.smtp.oauth.grant if check.smtp.oauth else False
    kept = [secret.path for secret in secrets_of(found.smtp) if secret.name is not None]
    assert kept == ([("oauth", "refresh_token")] if name == "refresh_token" else []), "it is written back"


@pytest.mark.parametrize("name", WAYS)
async def test_one_that_is_nowhere_is_said_by_its_field(name: str) -> None:
    check = loop(WAYS[name] | {f"{name}_secret": "is-nowhere"})
    with pytest.raises(ConfigError) as caught:
        await with_passwords(with_known_secrets(check), EnvironmentPasswords())
    first = "client_secret" if name == "refresh_token" else name
    variable = "BESIDE" if name == "refresh_token" else "IS_NOWHERE"
    assert caught.value.cause is Cause.SECRET_MISSING
    assert str(caught.value) == (
        f"smtp.oauth.{first}_secret: there is no environment variable {variable}, "
        "and without Prefect no Secret block is looked for: set the variable"
    )


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("client_secret", b"caf\xe9".decode("utf-8", "surrogateescape"), "is not UTF-8"),
        ("private_key", CORE, "holds no private key: it must be a PEM text with the private key and its certificate"),
        ("private_key", KEY, "holds no certificate: put the PEM text of the certificate behind that of the key"),
        (
            "service_account",
            KEY,
            "is no key of a service account: it must be the JSON text that Google hands out, with its private_key",
        ),
    ],
)
async def test_a_value_that_is_none_is_told_by_its_name_alone(
    name: str, value: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WRONG_ONE", value)
    check = loop(WAYS[name] | {f"{name}_secret": "wrong-one"})
    with pytest.raises(ConfigError) as caught:
        await with_passwords(check, EnvironmentPasswords())
    assert str(caught.value) == f"smtp.oauth.{name}_secret: the value of wrong-one {text}"
    known = with_known_secrets(check)
    assert isinstance(known, LoopConfig)
    assert unresolved(known.smtp) == unresolved(check.smtp)


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("name", WAYS)
def test_all_of_it_and_each_part_of_it_is_hidden_and_what_the_configuration_shows_is_not(name: str) -> None:
    check = with_known_secrets(loop(WAYS[name] | {f"{name}_secret": f"my-{name.replace('_', '-')}"}))
    assert isinstance(check, LoopConfig)
    value = OAUTH_SECRETS[name]
    written = [value, json.dumps(value), repr(value), base64.b64encode(value.encode()).decode(), value.encode().hex()]
    written += [line for line in value.splitlines() if seen_in(line)]
    for redact in (redactor(check.smtp), redactor_of(check)):
        for text in written:
            shown = redact.text(f"app at t.test of {text} for u at relay.test")
            assert HIDDEN in shown
            assert seen_in(shown) == []
            assert shown.startswith("app at t.test of ")
            assert shown.endswith(" for u at relay.test")
        endpoint = "https://oauth2.googleapis.com/token monitor@project.iam.gserviceaccount.example"
        assert redact.text(endpoint) == endpoint


def test_a_line_end_behind_one_is_noted_where_it_is_taken_off() -> None:
    check = loop(APP | {"client_secret": f"{CORE}\n"}, password="p\r\n")
    assert [*configuration_notes(check)] == [
        "The client secret of smtp ends with a line end, which is taken off: store it without.",
        "The password of imap ends with a line end, which is taken off: store it without.",
    ]
    assert [*configuration_notes(loop(APP | {"private_key": OAUTH_SECRETS["private_key"]}, password="p"))] == []
    assert check.smtp.oauth is not None
    assert check.smtp.oauth.value("client_secret") == CORE


# -- for which hosts


BOUND = [
    (APP | {"client_secret_secret": "s"}, {}, ["s@login.microsoftonline.com", "s@relay.test"]),
    (
        APP | {"client_secret_secret": "s", "refresh_token_secret": "R"},
        {"verify": False},
        [
            *("R@login.microsoftonline.com", "R@relay.test,unverified"),
            *("s@login.microsoftonline.com", "s@relay.test,unverified"),
        ],
    ),
    ({"provider": "google", "service_account_secret": "s"}, {}, ["s@oauth2.googleapis.com", "s@relay.test"]),
    (
        {"client_id": "a", "client_secret_secret": "s", "token_url": "http://[::1]:9/t", "scope": "mail"},
        {},
        ["s@::1,clear", "s@relay.test"],
    ),
    (
        {"client_id": "a", "client_secret_secret": "s", "token_url": "HTTPS://LOGIN.test:9/t", "scope": "mail"},
        {"host": "login.test"},
        ["s@login.test"],
    ),
]


@pytest.mark.parametrize(("oauth", "fields", "lines"), BOUND)
def test_a_secret_of_oauth_is_for_the_endpoint_and_for_the_host_of_its_section(
    oauth: Fields, fields: Fields, lines: list[str]
) -> None:
    check = loop_config({"name": "x", "smtp": smtp(oauth, **fields)})
    assert [use.line for use in uses_of([check])] == lines


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("allowed", [0, 1, 2, 3])
async def test_a_worker_hands_it_out_where_both_lines_are_there(
    allowed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else whoever may start runs chooses an endpoint that keeps it, or a host that gets a token of it."""
    needed = ["my-client-secret@login.microsoftonline.com", "my-client-secret@relay.test"]
    there = [line for number, line in enumerate(needed) if allowed & (1 << number)]
    lacking = [line for line in needed if line not in there]
    path = tmp_path / "secrets.allow"
    path.write_text("\n".join(there), encoding="utf-8")
    monkeypatch.setenv(LIST_VARIABLE, str(path))
    monkeypatch.setattr(SecretBlocks, "value", _nothing)
    section = smtp(APP | {"client_secret_secret": "my-client-secret"})
    if not lacking:
        found = await SecretBlocks().resolve(section, "smtp")
        assert found.oauth is not None
        assert found.oauth.value("client_secret") == OAUTH_SECRETS["client_secret"]
        return
    with pytest.raises(ConfigError) as caught:
        await SecretBlocks().resolve(section, "smtp")
    words = " and ".join(line.replace("@", " to ") for line in lacking)
    assert caught.value.cause is Cause.SECRET_NOT_ALLOWED
    assert str(caught.value) == (
        f"smtp.oauth.client_secret_secret: this worker may not hand {words}: add the line"
        f"{'s' if lacking[1:] else ''} {' and '.join(lacking)} to {path} on its machine, if it should"
    )


async def _nothing(self: SecretBlocks, secret: str, *, in_json: bool = False) -> tuple[str | None, str]:
    return None, f"no Prefect Secret block {secret!r}"


@pytest.mark.usefixtures("environment")
async def test_a_matrix_has_all_its_secrets_before_its_loops_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secrets.allow"
    hosts = ("login.microsoftonline.com", "a.test", "m.test", "oauth2.googleapis.com")
    names = [f"my-{name.replace('_', '-')}" for name in OAUTH_SECRETS]
    path.write_text("".join(f"{name}@{host}\n" for name in names for host in hosts), encoding="utf-8")
    monkeypatch.setenv(LIST_VARIABLE, str(path))
    monkeypatch.setattr(SecretBlocks, "value", _nothing)
    sender: Fields = {"host": "a.test", "username": "u", "from_addr": "a@a.test", "subject_prefix": "[x]"}
    sender["oauth"] = APP | {"client_secret_secret": names[0], "refresh_token_secret": names[2]}
    receiver: Fields = {"host": "m.test", "username": "u", "address": "b@b.test"}
    receivers = {"b": receiver | {"oauth": {"provider": "google", "service_account_secret": names[3]}}}
    matrix = await matrix_of("m", {"a": sender}, receivers, None, None)
    (one,) = matrix.loops().values()
    assert one.imap is not None
    found = [secret for section in (one.smtp, one.imap) for secret in secrets_of(section)]
    assert [secret.value for secret in found] == [OAUTH_SECRETS[secret.path[-1]] for secret in found]
    assert len(found) == 3
    receivers["b"]["oauth"] = {"provider": "google", "service_account_secret": "elsewhere"}
    with pytest.raises(ConfigError, match=r"^receivers\.b\.oauth\.service_account_secret: this worker may not hand"):
        await matrix_of("m", {"a": sender}, receivers, None, None)


@pytest.mark.parametrize(
    ("name", "block", "found"),
    [
        ("service_account", json.loads(OAUTH_SECRETS["service_account"]), True),
        ("service_account", OAUTH_SECRETS["service_account"], True),
        ("client_secret", {"a": CORE}, False),
        ("client_secret", "\n", False),
        ("service_account", [CORE], False),
    ],
)
async def test_a_block_of_a_service_account_may_hold_json_as_prefect_makes_an_object_of_it(
    name: str, block: object, found: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask(self: SecretBlocks, secret: str) -> tuple[object, str]:
        return block, ""

    path = tmp_path / "secrets.allow"
    hosts = ("relay.test", "login.microsoftonline.com", "oauth2.googleapis.com")
    path.write_text("".join(f"b@{host}\n" for host in hosts), encoding="utf-8")
    monkeypatch.setenv(LIST_VARIABLE, str(path))
    monkeypatch.setattr(SecretBlocks, "_ask", ask)
    section = smtp(WAYS[name] | {f"{name}_secret": "b"})
    if not found:
        with pytest.raises(
            ConfigError, match=rf"^smtp\.oauth\.{name}_secret: there is no text in the Prefect Secret"
        ) as no:
            await SecretBlocks().resolve(section, "smtp")
        assert seen_in(str(no.value)) == []
        return
    resolved = await SecretBlocks().resolve(section, "smtp")
    assert resolved.oauth is not None
    assert json.loads(resolved.oauth.value(name)) == json.loads(OAUTH_SECRETS[name])


# -- what a person is told, and what Prefect stores


def test_a_deployment_refuses_each_of_them_in_clear() -> None:
    assert clear_passwords(loop(APP | {"client_secret": CORE, "refresh_token": CORE}, password=CORE)) == [
        f"{where}: a deployment never holds a {what} in clear, for its parameters are stored and shown: "
        f"name a Prefect Secret block in {field}"
        for where, what, field in (
            ("smtp.oauth.client_secret", "client secret", "client_secret_secret"),
            ("smtp.oauth.refresh_token", "refresh token", "refresh_token_secret"),
            ("imap.password", "password", "password_secret"),
        )
    ]
    sender: Fields = {"host": "a.test", "username": "u", "from_addr": "a@a.test", "subject_prefix": "[x]"}
    matrix = matrix_config(
        {
            "name": "m",
            "senders": {
                "a": sender | {"oauth": {"provider": "google", "service_account": OAUTH_SECRETS["service_account"]}}
            },
            "receivers": {"b": {"host": "b.test", "username": "u", "address": "b@b.test", "password_secret": "x"}},
        }
    )
    (said,) = clear_passwords(matrix)
    assert said.startswith("senders.a.oauth.service_account: a deployment never holds a service account in clear")
    assert seen_in(said) == []


@pytest.mark.parametrize("oauth", [*({name: OAUTH_SECRETS[name]} for name in WAYS), CORE, [CORE], {"x": {"y": CORE}}])
def test_prefect_stores_of_parameters_what_a_section_is_known_to_have(oauth: object) -> None:
    async def body(name: object, smtp: object) -> None:
        """Whatever they are."""

    section = {"host": "relay.test", "oauth": {**APP, **oauth} if isinstance(oauth, dict) else oauth}
    stored = CheckFlow(body, validate_parameters=False).serialize_parameters({"name": "x", "smtp": section})
    assert seen_in(json.dumps(stored)) == []
    assert HIDDEN in json.dumps(stored)
    assert stored["smtp"]["host"] == "relay.test"
    if isinstance(oauth, dict):
        assert stored["smtp"]["oauth"] | APP == stored["smtp"]["oauth"]
    given = loop(APP | {"client_secret": OAUTH_SECRETS["client_secret"], "refresh_token_secret": "named"}).smtp
    stored = CheckFlow(body, validate_parameters=False).serialize_parameters({"name": "x", "smtp": given})
    assert stored["smtp"]["oauth"]["client_secret"] == HIDDEN
    assert stored["smtp"]["oauth"]["refresh_token_secret"] == "named"


@pytest.mark.usefixtures("environment")
def test_validate_prints_the_lines_that_a_list_needs_and_notes_what_is_odd_of_each_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.json"
    oauth = APP | {"client_secret_secret": "short-one", "refresh_token_secret": "my-refresh-token"}
    sections = {"smtp": {"host": "relay.test", "username": "u", "oauth": oauth, **ADDRESSES}}
    file.write_text(json.dumps(sections), encoding="utf-8")
    assert said("validate", "--secrets", str(file)) == 0
    assert capsys.readouterr().out.splitlines() == [
        *("my-refresh-token@login.microsoftonline.com", "my-refresh-token@relay.test"),
        *("short-one@login.microsoftonline.com", "short-one@relay.test"),
    ]
    monkeypatch.setenv("SHORT_ONE", "short \n")
    assert said("validate", str(file)) == 0
    field = "smtp.oauth.client_secret_secret"
    assert capsys.readouterr().err.splitlines() == [
        f"{file}: note: {field}: ends with a line end, which is taken off: store it without",
        f"{file}: note: {field}: begins or ends with a blank, which belongs to the password: see whether it should",
        f"{file}: note: {field}: has fewer than 8 characters, so it is hidden in servers' texts only where it stands "
        "alone: choose a longer password",
    ]
