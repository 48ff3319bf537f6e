"""Configuration files: what is taken, and the exact message for what is not."""

from __future__ import annotations

import json
import os
import textwrap
from pathlib import Path
from typing import Any

import pytest
import trustme

from tasks.mail.config.loop import ImapConfig, InboundConfig, LoopConfig
from tasks.mail.model.errors import ConfigError
from tests.support.checks.check_file import load
from tests.support.unprivileged import unprivileged

SECRET = "hunter2-never-shown"

LOOP_YAML = """
    name: office-to-gmail
    smtp:
      host: mail.example
      port: 587
      from_addr: probe@mail.example
      to_addr: inbox@example.test
      subject_prefix: "[mail-loop]"
    imap: {host: imap.example, username: inbox, password_secret: inbox-password}
    limits: {warn_after: 60, max_wait: 120.5}
"""
LOOP_JSON = """
    {"name": "office-to-gmail",
     "smtp": {"host": "mail.example", "port": 587, "from_addr": "probe@mail.example",
              "to_addr": "inbox@example.test", "subject_prefix": "[mail-loop]"},
     "imap": {"host": "imap.example", "username": "inbox", "password_secret": "inbox-password"},
     "limits": {"warn_after": 60, "max_wait": 120.5}}
"""
LOOP_TOML = """
    name = "office-to-gmail"
    [smtp]
    host = "mail.example"
    port = 587
    from_addr = "probe@mail.example"
    to_addr = "inbox@example.test"
    subject_prefix = "[mail-loop]"
    [imap]
    host = "imap.example"
    username = "inbox"
    password_secret = "inbox-password"
    [limits]
    warn_after = 60
    max_wait = 120.5
"""
NYXMON_SMTP: dict[str, Any] = {
    "host": "mail.example",
    "port": 587,
    "tls": "starttls",
    "username": "probe",
    "password_secret": "probe-password",
    "from_addr": "probe@mail.example",
    "to_addr": "inbox@example.test",
    "subject_prefix": "[nyxmon]",
    "timeout": 30,
    "retries": 2,
    "retry_delay": 5,
}
NYXMON_IMAP: dict[str, Any] = {
    "host": "imap.example",
    "port": 993,
    "tls_mode": "implicit",
    "username": "inbox",
    "password": SECRET,
    "folder": "INBOX",
    "search_subject": "[nyxmon]",
    "max_age_minutes": 30,
    "delete_after_check": True,
    "no_recent_message_severity": "critical",
    "timeout": 30.0,
    "retries": 2,
    "retry_delay": 10,
}


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str, content: str | bytes) -> str:
    data = content if isinstance(content, bytes) else textwrap.dedent(content).encode()
    Path(name).write_bytes(data)
    return name


def refusal(path: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert caught.value.__cause__ is None
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.yaml", LOOP_YAML), ("a.yml", LOOP_YAML), ("a.json", LOOP_JSON), ("a.toml", LOOP_TOML), ("A.YAML", LOOP_YAML)],
)
def test_formats(name: str, content: str) -> None:
    """YAML, JSON and TOML say the same."""
    config = load(write(name, content))
    assert isinstance(config, LoopConfig)
    assert config == load(Path(write("reference.json", LOOP_JSON)))
    assert (config.name, config.smtp.port, config.limits.warn_after) == ("office-to-gmail", 587, 60.0)
    assert config.imap is not None
    assert config.imap.search_subject == "[mail-loop]"


def test_utf8_with_bom() -> None:
    """A byte order mark, as Windows editors write it, does no harm."""
    assert load(write("a.json", b"\xef\xbb\xbf" + LOOP_JSON.encode())) == load(write("b.json", LOOP_JSON))


def test_name_defaults_to_the_file() -> None:
    """A loop without a name takes that of its file, as a slug."""
    content = json.dumps({"smtp": {**NYXMON_SMTP}})
    assert load(write("Büro to Gmail.json", content)).name == "buro-to-gmail"


def test_file_name_without_a_slug() -> None:
    """A file whose name makes no slug needs a name inside."""
    assert refusal(write("日本.json", json.dumps({"smtp": NYXMON_SMTP}))) == (
        "日本.json: name: must be lower-case letters and digits with single hyphens between, at most 63 characters"
    )


def test_only_smtp_is_an_outbound_loop() -> None:
    """A file with smtp alone checks the sending half."""
    config = load(write("out.json", json.dumps({"smtp": NYXMON_SMTP})))
    assert isinstance(config, LoopConfig)
    assert config.imap is None


def test_only_imap_is_an_inbound_check() -> None:
    """A file with imap alone checks the receiving half."""
    config = load(write("in.json", json.dumps({"imap": NYXMON_IMAP})))
    assert isinstance(config, InboundConfig)
    assert config.name == "in"


def test_nyxmon_smtp_data() -> None:
    """NyxMon's check.data for SMTP is taken as it stands."""
    flat = load(write("out.json", json.dumps(NYXMON_SMTP)))
    assert flat == load(write("out.yaml", json.dumps({"name": "out", "smtp": NYXMON_SMTP})))


def test_nyxmon_imap_data() -> None:
    """NyxMon's check.data for IMAP is taken as it stands, in any format, and may be given a name."""
    flat = load(write("in.json", json.dumps(NYXMON_IMAP)))
    assert flat == load(write("in.yaml", json.dumps({"imap": NYXMON_IMAP})))
    assert load(write("in.json", json.dumps({"name": "mine", **NYXMON_IMAP}))).name == "mine"


def test_problems_in_flat_data_name_the_field_alone() -> None:
    """What has no section is not told of one."""
    content = json.dumps({**NYXMON_SMTP, "port": "587", "hots": 1})
    assert refusal(write("a.json", content)) == (
        "a.json: port: must be a whole number from 1 to 65535, without quotes; hots: unknown field; did you mean host?"
    )
    content = json.dumps({**NYXMON_IMAP, "tls": "none"})
    assert refusal(write("a.json", content)) == (
        "a.json: tls and tls_mode are two names of one field and differ: keep one of them"
    )


def test_problems_in_sections_name_the_section() -> None:
    """File, section, field and remedy make the message."""
    assert refusal(write("a.json", json.dumps({"imap": {**NYXMON_IMAP, "port": 0}}))) == (
        "a.json: imap.port: must be a whole number from 1 to 65535, without quotes"
    )
    assert refusal(write("a.json", json.dumps({"imap": NYXMON_IMAP, "limits": {}}))) == (
        "a.json: limits: unknown field; known are name, imap"
    )
    assert refusal(write("a.yaml", "smtp:\nimap: {}")).startswith("a.yaml: smtp: must be a mapping of fields such as ")


def test_yaml_anchors_and_merges() -> None:
    """Halves that share their login may say so once; a field beside a merge wins."""
    content = """
        smtp: &both
          host: mail.example
          from_addr: &address probe@mail.example
          to_addr: *address
          subject_prefix: x
        """
    config = load(write("a.yaml", content))
    assert isinstance(config, LoopConfig)
    assert config.smtp.to_addr == "probe@mail.example"
    merged = """
        imap:
          <<: {host: a.example, username: u, password_secret: s, search_subject: x}
          host: b.example
        """
    inbound = load(write("b.yaml", merged))
    assert isinstance(inbound.imap, ImapConfig)
    assert inbound.imap.host == "b.example"


BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
QUOTE = "check the indentation (blanks, no tabs), and put texts with special characters in quotes"
TOP_LEVEL = "must hold fields at the top level, such as smtp and imap, not a list or one value"
IF = "put the value in quotes if it is text"
NOTHING = "is empty: give a section smtp or imap (or both)"


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.yaml", "", NOTHING),
        ("a.yaml", "# nothing\n---\n", NOTHING),
        ("a.json", " \n", NOTHING),
        ("a.json", "{}", NOTHING),
        ("a.json", "null", NOTHING),
        ("a.toml", "# nothing", NOTHING),
        ("a.yaml", "- a\n- b", TOP_LEVEL),
        ("a.yaml", "just text", TOP_LEVEL),
        ("a.json", "[]", TOP_LEVEL),
        (
            "a.json",
            '{"host": "x"}',
            "describes no check: give a section smtp or imap (or both), or the fields of one of them "
            "with from_addr or search_subject",
        ),
        ("a.ini", "x", "must be a file named .yaml, .yml, .json or .toml"),
        ("a", "x", "must be a file named .yaml, .yml, .json or .toml"),
        ("a.yaml", b"smtp:\n  host: b\xfccher\n", "is not UTF-8 at line 2: save it as UTF-8"),
        ("a.json", b"\xff\xfe{\0}\0", "is not UTF-8 at line 1: save it as UTF-8"),
        ("a.json", b" " * (64 * 1024 + 1), "is larger than 64 KiB: a configuration is a few lines"),
        ("a.yaml", "smtp: [", f"is not valid YAML at line 1, column 8: {QUOTE}"),
        (
            "a.yaml",
            "smtp:\n  password: *hunter2\n",
            f"has an alias (*) at line 2, column 13 of an anchor that is not there: {IF}",
        ),
        (
            "a.yaml",
            "smtp:\n  password: !hunter2\n",
            f"has a tag (!) at line 2, column 13 that no configuration needs: {IF}",
        ),
        (
            "a.yaml",
            "a: !!python/object:os.system x",
            f"has a tag (!) at line 1, column 4 that no configuration needs: {IF}",
        ),
        (
            "a.yaml",
            "a: 1\n---\nb: 2",
            "holds a second document at line 2, column 1: keep one, and no line of --- before another",
        ),
        ("a.yaml", "[a]: 1", f"is not valid YAML at line 1, column 1: {QUOTE}"),
        ("a.yaml", "a: \x01", "holds a control character at line 1: remove it"),
        (
            "a.yaml",
            "name: 2024-13-45",
            f"has a value at line 1, column 7 that makes no sense, such as a date in month 13: {IF}",
        ),
        ("a.yaml", "smtp:\n  host: a\n  host: b\n", "has the field 'host' twice, again at line 3: keep one of them"),
        ("a.yaml", "S3cret: 1\nS3cret: 2\n", "has a field twice, again at line 2: keep one of them"),
        ("a.json", '{"S3cret": 1, "S3cret": 2}', "has a field twice: keep one of them"),
        ("a.yaml", "smtp: {}\nsmtp: {}\n", "has the field 'smtp' twice, again at line 2: keep one of them"),
        ("a.yaml", BOMB, "holds more than 10000 values once its aliases are followed: write few values out"),
        ("a.yaml", "smtp: &a\n  host: *a\n", "has an anchor at line 1 that holds itself: write its values out"),
        ("a.yaml", "[" * 20000, "is nested too deeply to be a configuration: two levels are enough"),
        ("a.json", "[" * 60000, "is nested too deeply to be a configuration: two levels are enough"),
        ("a.json", '{"smtp": {"host": "a", "host": "b"}}', "has the field 'host' twice: keep one of them"),
        (
            "a.json",
            '{"smtp": {},\n "imap" {}}',
            "is not valid JSON at line 2, column 9 (expecting ':' delimiter): "
            "check the commas, brackets and double quotes there",
        ),
        ("a.json", '{"a": ' + "1" * 5000 + "}", "holds a number that is too long for any field: check its digits"),
        (
            "a.toml",
            "[smtp]\nhost = 'a'\nhost = 'b'\n",
            "has a field or section twice, again at line 3, column 11: keep one of them",
        ),
        (
            "a.toml",
            "[smtp]\nhost = mail",
            "is not valid TOML at line 2, column 8 (invalid value): "
            "write a field = value on each line, texts in quotes",
        ),
        ("a.toml", "a = " + "1" * 5000, "holds a number that is too long for any field: check its digits"),
    ],
)
def test_refused_content(name: str, content: str | bytes, text: str) -> None:
    """A file that is no configuration is refused in one sentence, without quoting what may be a password."""
    assert refusal(write(name, content)) == f"{name}: {text}"


@pytest.mark.parametrize(
    ("value", "field", "text"),
    [
        ("2024-01-01", "subject_prefix", "must be text: put it in quotes"),
        ("12345", "subject_prefix", "must be text: put it in quotes"),
        ("on", "subject_prefix", "must be text: put it in quotes"),
        ("'30'", "timeout", "must be a number of seconds above 0, at most 604800, without quotes"),
        (".inf", "timeout", "must be a number of seconds above 0, at most 604800, without quotes"),
        ("12:30", "timeout", None),
        ("no", "tls", "must be one of none, starttls, implicit"),
        ('"a\\nb"', "host", "must not contain control characters or line breaks"),
    ],
)
def test_yaml_types(value: str, field: str, text: str | None) -> None:
    """What YAML reads as another type than was meant is refused with the remedy."""
    fields = {key: json.dumps(given) for key, given in NYXMON_SMTP.items()} | {field: value}
    path = write("a.yaml", "".join(f"{key}: {given}\n" for key, given in fields.items()))
    if text is None:
        config = load(path)
        assert isinstance(config, LoopConfig)
        assert config.smtp.timeout == 750.0
    else:
        assert refusal(path) == f"a.yaml: {field}: {text}"


def test_json_without_numbers() -> None:
    """JSON's NaN and Infinity are no durations."""
    content = json.dumps({**NYXMON_SMTP, "timeout": float("inf"), "retry_delay": float("nan")})
    assert refusal(write("a.json", content)) == (
        "a.json: timeout: must be a number of seconds above 0, at most 604800, without quotes; "
        "retry_delay: must be a number of seconds from 0 to 604800, without quotes"
    )


def test_missing_file() -> None:
    """The path is shown as it was given."""
    assert refusal("./none/a.yaml") == "./none/a.yaml: does not exist: check the path"


def test_directory() -> None:
    """A folder is no file, not even where it is named like one."""
    Path("loops.yaml").mkdir()
    assert refusal("loops.yaml") == "loops.yaml: is a directory: name a file in it"
    assert refusal("") == ".: is a directory: name a file in it"


def test_named_pipe() -> None:
    """What may never end is not opened."""
    os.mkfifo("a.yaml")
    assert refusal("a.yaml") == "a.yaml: is no regular file: name one"


def test_impossible_paths() -> None:
    """A path that cannot be is refused like one that is not there."""
    assert refusal("a\0.yaml") == "'a\\x00.yaml': is no path of a file: check the path"
    long = "a" * 300 + ".yaml"
    assert refusal(long) == f"{long}: cannot be read (File name too long): check the path"


def test_no_permission() -> None:
    """A file that this user may not read is not called missing."""
    path = write("a.yaml", LOOP_YAML)
    Path(path).chmod(0)
    with unprivileged():
        message = refusal(path)
    assert message == "a.yaml: may not be read by this user: change its permissions"


def test_ca_file_is_beside_the_configuration(tmp_path: Path) -> None:
    """A relative ca_file belongs to the folder of the file that names it, wherever the check is started from."""
    Path("etc").mkdir()
    trustme.CA().cert_pem.write_to_path("etc/ca.pem")
    content = {"smtp": {**NYXMON_SMTP, "ca_file": "ca.pem"}, "imap": {**NYXMON_IMAP, "ca_file": "../etc/ca.pem"}}
    config = load(write("etc/a.json", json.dumps(content)))
    assert isinstance(config, LoopConfig)
    assert config.imap is not None
    assert config.smtp.ca_file == str(tmp_path / "etc/ca.pem")
    assert config.imap.ca_file == str(tmp_path / "etc/../etc/ca.pem")
    absolute = str(tmp_path / "etc/ca.pem")
    content["bounce_mailbox"] = {"host": "imap.example", "username": "a", "password": "b", "ca_file": "ca.pem"}
    config = load(write("etc/a.json", json.dumps(content)))
    assert isinstance(config, LoopConfig)
    assert config.bounce_mailbox is not None
    assert config.bounce_mailbox.ca_file == str(tmp_path / "etc/ca.pem")
    content["bounce_mailbox"]["ca_file"] = "none.pem"
    assert "bounce_mailbox.ca_file: cannot read" in refusal(write("etc/a.json", json.dumps(content)))
    flat = load(write("b.json", json.dumps({**NYXMON_IMAP, "ca_file": absolute})))
    assert flat.imap is not None
    assert flat.imap.ca_file == absolute


def test_ca_file_must_be_readable(tmp_path: Path) -> None:
    """A ca_file that would fail in the TLS handshake fails before anything is sent."""
    Path("not.pem").write_text("no certificate")
    smtp = {**NYXMON_SMTP, "ca_file": "none.pem"}
    assert refusal(write("a.json", json.dumps({"smtp": smtp, "imap": {**NYXMON_IMAP, "ca_file": "not.pem"}}))) == (
        f"a.json: smtp.ca_file: cannot read '{tmp_path}/none.pem' (No such file or directory): check the path; "
        f"imap.ca_file: must be a PEM file with at least one certificate, and '{tmp_path}/not.pem' is not"
    )
    assert refusal(write("a.json", json.dumps(smtp))) == (
        f"a.json: ca_file: cannot read '{tmp_path}/none.pem' (No such file or directory): check the path"
    )
    assert refusal(write("a.json", json.dumps({**smtp, "ca_file": "."}))) == (
        f"a.json: ca_file: must be a PEM file, and '{tmp_path}' is no regular file"
    )
    assert refusal(write("a.json", json.dumps({**smtp, "ca_file": 5}))) == (
        "a.json: ca_file: must be text: put it in quotes"
    )


def test_password_stays_out_of_messages() -> None:
    """Whatever else is wrong with a file, its password is not in the message."""
    for change in (
        {"port": 0},
        {"hots": 1},
        {"password_secret": "x"},
        {"password": [SECRET]},
        {"password": {SECRET: 1}},
    ):
        assert SECRET not in refusal(write("a.json", json.dumps({**NYXMON_IMAP, **change})))


def test_a_misspelt_section_is_recognised(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text("smpt: {host: x}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"describes no check: .*; did you mean smtp\?$"):
        load(file)


def test_a_file_of_alerts_is_told_from_a_misspelt_check() -> None:
    said = r"alerts\.yaml: describes no check but alerts: keep it elsewhere, for mail-loop alerts apply$"
    with pytest.raises(ConfigError, match=said):
        load(Path(__file__).resolve().parents[3] / "examples" / "alerts.yaml")
