"""The rules of the configuration, each with the exact message that a user reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
from pydantic import SecretStr, ValidationError

from tasks.mail.config.loop import ImapConfig, Limits, LoopConfig, SmtpConfig, inbound_config, loop_config
from tasks.mail.config.mailbox import BounceMailbox
from tasks.mail.model.errors import ConfigError
from tests.support.mail.sentences import (
    ADDRESS,
    DURATION,
    EMPTY,
    HOST,
    NAME,
    NONE,
    PORT,
    TEXT,
    TLS,
)
from tests.support.malformed import SECRET, VALUES, good

SMTP: dict[str, Any] = {
    "host": "mail.example",
    "from_addr": "probe@mail.example",
    "to_addr": "inbox@example.test",
    "subject_prefix": "[mail-loop] office",
}
IMAP: dict[str, Any] = {"host": "imap.example", "username": "inbox", "password_secret": "inbox-password"}
BOUNCES: dict[str, Any] = {"host": "imap.sender.example", "username": "probe", "password_secret": "sender-password"}

KNOWN = "unknown field; known are name, smtp, imap, limits, bounce_mailbox"


def smtp(**fields: Any) -> SmtpConfig:
    return loop_config({"name": "office", "smtp": {**SMTP, **fields}}).smtp


def imap(**fields: Any) -> ImapConfig:
    return inbound_config({"name": "office", "imap": {**IMAP, "search_subject": "office", **fields}}).imap


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(ConfigError) as caught:
        call()
    return str(caught.value)


def without(fields: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key != name}


def test_smtp_defaults() -> None:
    """The four required fields are enough, and the defaults are NyxMon's."""
    assert smtp().redacted() == {
        **SMTP,
        "tls": "starttls",
        "port": 587,
        "timeout": 30.0,
        "retries": 2,
        "retry_delay": 5.0,
        "retry_backoff": 1.0,
        "retry_jitter": 0.0,
        "verify": True,
        "verp": False,
    }


def test_imap_defaults() -> None:
    """A host, a login and something to search are enough, and the defaults are NyxMon's."""
    assert imap().redacted() == {
        **IMAP,
        "tls": "implicit",
        "port": 993,
        "folder": "INBOX",
        "search_subject": "office",
        "max_age_minutes": 30.0,
        "delete_after_check": True,
        "retention": 86400.0,
        "spare_recent": False,
        "no_recent_message_severity": "critical",
        "junked_severity": "warning",
        "misplaced_severity": "warning",
        "verify_dkim": False,
        "drift_severity": "warning",
        "timeout": 30.0,
        "retries": 2,
        "retry_delay": 10.0,
        "verify": True,
    }


def test_limits_defaults() -> None:
    """Without limits a delivery is never late, and lost after five minutes."""
    config = loop_config({"name": "office", "smtp": SMTP})
    assert config.limits == Limits(warn_after=None, max_wait=300.0, max_per_hour=600)
    assert config.imap is None


@pytest.mark.parametrize(("tls", "port"), [("none", 25), ("starttls", 587), ("implicit", 465)])
def test_smtp_port_follows_tls(tls: str, port: int) -> None:
    """The port is that of the encryption unless it is given."""
    assert smtp(tls=tls).port == port
    assert smtp(tls=tls, port=2525).port == 2525


@pytest.mark.parametrize(("tls", "port"), [("none", 143), ("starttls", 143), ("implicit", 993)])
def test_imap_port_follows_tls(tls: str, port: int) -> None:
    """The port is that of the encryption unless it is given, and tls_mode is another name of tls."""
    assert imap(tls=tls).port == port
    assert imap(tls_mode=tls).tls == tls
    assert imap(tls_mode=tls, tls=tls).port == port
    assert imap(tls_mode=tls, port=1143).port == 1143


def test_every_wrong_value_is_refused_with_its_field_and_the_remedy_and_never_with_the_password() -> None:
    """The whole table, but for what a ca_file holds, which is read later. For files see test_malformed.py."""
    table = [value for value in VALUES if not ("ca_file" in value.path and "'/" in value.said)]
    said = [refusal(lambda value=value: loop_config(value.applied(good(9)))) for value in table]  # type: ignore[misc]
    assert said == [value.said for value in table]
    assert not any(SECRET in one for one in said)


def test_what_only_a_program_can_give_is_refused_as_well() -> None:
    assert refusal(lambda: smtp(host=b"mail.example")) == f"smtp.host: {TEXT}"
    assert refusal(lambda: imap(tls_mode="ssl")) == f"imap.tls: {TLS}"
    assert refusal(lambda: imap(host="a_b")) == f"imap.host: {HOST}'a_b'"
    limits = {"warn_after": 20.5, "max_wait": 10}
    assert refusal(lambda: loop_config({"name": "a", "smtp": SMTP, "limits": limits})) == (
        "limits.warn_after: must not exceed max_wait (10 s), but is 20.5 s"
    )


def test_equal_limits() -> None:
    """A limit may be met exactly."""
    limits = loop_config({"name": "a", "smtp": SMTP, "limits": {"warn_after": 10, "max_wait": 10}}).limits
    assert (limits.warn_after, limits.max_wait) == (10.0, 10.0)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (
            {"username": "u"},
            "smtp.username: needs a password: set password_secret, or oauth for a token, or password for local use",
        ),
        ({"password": SECRET}, "smtp.username: is required where password is set: the name to log in with"),
        ({"password_secret": "s"}, "smtp.username: is required where password_secret is set: the name to log in with"),
        (
            {"username": "u", "password": SECRET, "password_secret": "s"},
            "smtp.password: must not be set together with password_secret: keep one of them",
        ),
        *(
            (
                {"username": "u", "password_secret": name},
                "smtp.password_secret: is the key that probes are signed with, and no password: name another",
            )
            for name in ("mail-loop-key", "Mail_Loop_Key", "MAIL_LOOP_KEY")
        ),
    ],
)
def test_smtp_login_is_complete(fields: dict[str, Any], text: str) -> None:
    """A login is a name and one source of its password."""
    assert refusal(lambda: smtp(**fields)) == text


def test_smtp_login() -> None:
    """A login takes its password in clear, as a SecretStr, or by the name of a secret."""
    for password in (SECRET, SecretStr(SECRET)):
        config = smtp(username="u", password=password)
        assert config.password is not None
        assert config.password.get_secret_value() == SECRET
    assert smtp(username="u", password_secret="s").password_secret == "s"


@pytest.mark.parametrize("password", ['a "quoted\\one', "tab\tand\x01control", "pässwörd €", " blanks "])
def test_any_password(password: str) -> None:
    """A password is taken as it stands; only what would break the protocol's lines is refused."""
    config = smtp(username="u", password=password)
    assert config.password is not None
    assert config.password.get_secret_value() == password


def test_name_is_a_slug_of_an_inbound_check_too() -> None:
    """A name that cannot key the artifacts is refused with one that can."""
    search = {**IMAP, "search_subject": "x"}
    assert refusal(lambda: inbound_config({"name": "a--b", "imap": search})) == f"name: {NAME}; did you mean a-b?"


@pytest.mark.parametrize("name", ["a", "2", "office-to-gmail", "a" * 63])
def test_good_name(name: str) -> None:
    """Lower-case letters, digits and single hyphens make a name."""
    assert loop_config({"name": name, "smtp": SMTP}).name == name


@pytest.mark.parametrize(
    ("host", "ascii_host"),
    [
        ("mail.straße.de", "mail.xn--strae-oqa.de"),
        ("MAIL.Example", "mail.example"),
        ("localhost", "localhost"),
        ("127.0.0.1", "127.0.0.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("xn--strae-oqa.de", "xn--strae-oqa.de"),
        ("bücher.example", "xn--bcher-kva.example"),
    ],
)
def test_hosts(host: str, ascii_host: str) -> None:
    """An international host becomes A-labels by IDNA 2008, where ß stays itself; an IP address stays as it is."""
    assert smtp(host=host).host == ascii_host
    assert imap(host=host).host == ascii_host


@pytest.mark.parametrize(
    ("name", "ascii_name"),
    [
        ("straße.de", "xn--strae-oqa.de"),
        ("localhost", "localhost"),
        ("[192.0.2.1]", "[192.0.2.1]"),
        ("[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]"),
    ],
)
def test_ehlo_names(name: str, ascii_name: str) -> None:
    """EHLO carries a host name in A-labels or an address literal."""
    assert smtp(ehlo_name=name).ehlo_name == ascii_name


@pytest.mark.parametrize(
    ("address", "ascii_address"),
    [
        ("a@straße.de", "a@xn--strae-oqa.de"),
        ("A+b@Mail.Example", "A+b@mail.example"),
        ("a@host.test", "a@host.test"),
        ("root@localhost", "root@localhost"),
        ("a@office.local", "a@office.local"),
        ("dörte@straße.de", "dörte@xn--strae-oqa.de"),
    ],
)
def test_addresses(address: str, ascii_address: str) -> None:
    """The domain of an address becomes A-labels, private ones are fine, and the local part stays as it is."""
    assert smtp(from_addr=address).from_addr == ascii_address
    assert smtp(to_addr=address).to_addr == ascii_address


def test_long_address_is_refused_not_cut() -> None:
    """An address beyond the 254 octets of RFC 5321 is refused."""
    domain = ".".join(["d" * 60] * 4)
    assert refusal(lambda: smtp(to_addr=f"{'a' * 20}@{domain}")).startswith(f"smtp.to_addr: {ADDRESS}'aaaa")


@pytest.mark.parametrize("prefix", ["[mail-loop]", "Prüfung Büro", "a" * 100, '100 % \\ "quoted"'])
def test_subject_prefixes(prefix: str) -> None:
    """A prefix may be any one line, non-ASCII too, and is kept as it is."""
    assert smtp(subject_prefix=prefix).subject_prefix == prefix


def test_search_subject_defaults_to_the_prefix() -> None:
    """A loop searches for what it sends."""
    config = loop_config({"name": "a", "smtp": SMTP, "imap": IMAP})
    assert config.imap is not None
    assert config.imap.search_subject == "[mail-loop] office"


@pytest.mark.parametrize("search", ["[mail-loop] office", "MAIL-LOOP", "office"])
def test_search_subject_agrees(search: str) -> None:
    """A search that is a part of the prefix, in whatever case, finds what the loop sends."""
    config = loop_config({"name": "a", "smtp": SMTP, "imap": {**IMAP, "search_subject": search}})
    assert config.imap is not None
    assert config.imap.search_subject == search


@pytest.mark.parametrize("search", ["[other]", "[mail-loop] office 2"])
def test_search_subject_disagrees(search: str) -> None:
    """A search that would not find what the loop sends is refused, with both values."""
    data = {"name": "a", "smtp": SMTP, "imap": {**IMAP, "search_subject": search}}
    assert refusal(lambda: loop_config(data, "loop.yaml")) == (
        f"loop.yaml: imap.search_subject: '{search}' is not part of smtp.subject_prefix '[mail-loop] office', "
        "so no probe would match it: leave it out"
    )


def bounces(**fields: Any) -> BounceMailbox:
    config = loop_config({"name": "a", "smtp": SMTP, "bounce_mailbox": {**BOUNCES, **fields}})
    assert config.bounce_mailbox is not None
    return config.bounce_mailbox


def test_bounce_mailbox_defaults() -> None:
    """A host and a login are enough; it needs no mailbox of the recipient beside it."""
    assert bounces().redacted() == {
        **BOUNCES,
        "tls": "implicit",
        "port": 993,
        "folder": "INBOX",
        "timeout": 30.0,
        "verify": True,
    }
    assert bounces(tls_mode="starttls").port == 143
    assert loop_config({"name": "a", "smtp": SMTP}).bounce_mailbox is None


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("host", "a b", HOST + "'a b'"),
        ("username", None, NONE),
        ("password", SECRET, "must not be set together with password_secret: keep one of them"),
        ("password_secret", "", EMPTY),
        ("timeout", 0, DURATION),
        ("folder", "", EMPTY),
        ("fodler", "x", "unknown field; did you mean folder?"),
        (
            "delete_after_check",
            True,
            "unknown field; known are host, tls, port, username, password, password_secret, "
            "oauth, folder, timeout, ca_file, verify, cert_file, key_file",
        ),
    ],
)
def test_bounce_mailbox_refuses(field: str, value: object, text: str) -> None:
    """The rules of the other mailbox hold, and what makes no sense here is no field: nothing is deleted in it."""
    said = refusal(lambda: bounces(**{field: value}))
    assert said == f"bounce_mailbox.{field}: {text}"
    assert SECRET not in said


def test_an_inbound_check_has_no_bounce_mailbox() -> None:
    """It sends nothing, so nothing can bounce."""
    data = {"name": "a", "imap": {**IMAP, "search_subject": "x"}, "bounce_mailbox": BOUNCES}
    assert refusal(lambda: inbound_config(data)) == "bounce_mailbox: unknown field; known are name, imap"


def test_inbound_needs_a_search() -> None:
    """An inbound check has no prefix to take the search from."""
    assert refusal(lambda: inbound_config({"name": "a", "imap": IMAP})) == (
        "imap.search_subject: is required: text that the subject must contain"
    )


def test_tls_and_tls_mode_differ() -> None:
    """Two values for one field are refused, not chosen from."""
    assert refusal(lambda: imap(tls="none", tls_mode="implicit")) == (
        "imap: tls and tls_mode are two names of one field and differ: keep one of them"
    )


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (
            {},
            "name: is required: name of the loop, such as office-to-gmail; "
            "smtp: is required: the relay that a probe is handed to",
        ),
        ({"name": "a", "smtp": None}, "smtp: must be a mapping of fields such as host"),
        ({"name": "a", "smtp": SMTP, "imap": "x"}, "imap: must be a mapping of fields such as host"),
        ({"name": "a", "smtp": SMTP, "stmp": SMTP}, "stmp: unknown field; did you mean smtp?"),
        ({"name": "a", "smtp": SMTP, "host": "x"}, f"host: {KNOWN}"),
        ({"name": "a", "smtp": SMTP, "x\ny": 1}, f"'x\\ny': {KNOWN}"),
        ({"name": "a", "smtp": SMTP, 1: 2}, f"1: {KNOWN}"),
    ],
)
def test_loop_refuses(data: Any, text: str) -> None:
    """The sections of a loop are checked like their fields."""
    assert refusal(lambda: loop_config(data)) == text


def test_all_problems_at_once() -> None:
    """One message lists everything that is wrong, with the source once, in front."""
    data = {
        "name": "A b",
        "smtp": {**SMTP, "tls": "ssl", "hots": 1, "username": "u"},
        "imap": {**IMAP, "password": SECRET, "port": 0},
        "limits": {"warn_after": 400},
    }
    message = refusal(lambda: loop_config(data, "loop.yaml"))
    assert message == (
        f"loop.yaml: name: {NAME}; did you mean a-b?; "
        f"smtp.tls: {TLS}; "
        "smtp.username: needs a password: set password_secret, or oauth for a token, or password for local use; "
        "smtp.hots: unknown field; did you mean host?; "
        f"imap.port: {PORT}; "
        "imap.password: must not be set together with password_secret: keep one of them; "
        "limits.warn_after: must not exceed max_wait (300 s), but is 400 s"
    )
    assert SECRET not in message


def test_built_models_are_taken() -> None:
    """The parts of a loop may be models already."""
    smtp_config, imap_config = SmtpConfig(**SMTP), ImapConfig(**IMAP)
    config = loop_config({"name": "a", "smtp": smtp_config, "imap": imap_config, "limits": Limits(max_wait=5)})
    assert config.smtp is smtp_config
    assert config.imap == imap_config.model_copy(update={"search_subject": SMTP["subject_prefix"]})
    assert LoopConfig(name="a", smtp=smtp_config, imap=imap_config, limits=Limits(max_wait=5)) == config


def test_error_carries_no_input() -> None:
    """Neither the error nor what is chained to it holds the password, so no traceback can show it."""
    with pytest.raises(ConfigError) as caught:
        loop_config({"name": "a", "smtp": {**SMTP, "username": "u", "password": SECRET, "port": 0}})
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_direct_construction_hides_the_input() -> None:
    """A model built by hand raises pydantic's error, without the input in its text."""
    with pytest.raises(ValidationError) as caught:
        SmtpConfig(**{**SMTP, "password": f"{SECRET}\n", "prot": SECRET})
    assert SECRET not in str(caught.value)


def test_password_is_never_shown() -> None:
    """repr, str, both dumps and the report's view keep the password to themselves."""
    for config in (smtp(username="u", password=SECRET), imap(password=SECRET, password_secret=None)):
        shown = f"{config!r} {config} {config.model_dump()} {config.model_dump_json()} {config.redacted()}"
        assert SECRET not in shown
        assert config.redacted()["password"] == "********"
    assert "password" not in smtp().redacted()


def test_frozen() -> None:
    """A configuration does not change once it is checked."""
    with pytest.raises(ValidationError, match="frozen"):
        smtp().port = 25  # type: ignore[misc]


@pytest.mark.parametrize(
    ("fields", "delays"),
    [
        ({}, [5.0, 5.0]),
        ({"retries": 0}, []),
        ({"retries": 4, "retry_delay": 1, "retry_backoff": 2}, [1.0, 2.0, 4.0, 8.0]),
        ({"retries": 3, "retry_delay": 1800, "retry_backoff": 3}, [1800.0, 3600.0, 3600.0]),
        ({"retries": 2, "retry_delay": 7200}, [3600.0, 3600.0]),
        ({"retries": 2, "retry_delay": 0, "retry_backoff": 100}, [0.0, 0.0]),
        ({"retries": 1000, "retry_delay": 1}, [1.0] * 1000),
        ({"retries": 60, "retry_delay": 1, "retry_backoff": 1.1}, [1.1**n for n in range(50)] + [1.1**49] * 10),
    ],
)
def test_retry_delays(fields: dict[str, Any], delays: list[float]) -> None:
    """The delays grow by the backoff, up to an hour each; past as many as Prefect takes the last one is repeated."""
    assert smtp(**fields).retry_delays() == pytest.approx(delays)


REASON = "a deployment never holds a password in clear: name a Prefect Secret block in password_secret"


@pytest.mark.parametrize(("model", "fields"), [(SmtpConfig, SMTP), (ImapConfig, IMAP)])
@pytest.mark.parametrize("optional", [False, True])
def test_schema_refuses_a_clear_password(
    model: type[SmtpConfig | ImapConfig], fields: dict[str, Any], optional: bool
) -> None:
    """The form has no password, and a server that validates by the schema refuses one with the reason alone."""
    schema: dict[str, Any] = model.model_json_schema()
    assert "password" not in schema["properties"]
    assert schema["additionalProperties"] is False
    if optional:  # how a parameter `imap: ImapConfig | None` looks
        schema = {"anyOf": [schema, {"type": "null"}]}
    jsonschema.validate(fields, schema)
    with pytest.raises(jsonschema.ValidationError) as caught:
        jsonschema.validate({**fields, "password": SECRET}, schema)
    assert REASON in caught.value.message
    assert SECRET not in caught.value.message
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**fields, "hots": "x"}, schema)


@pytest.mark.parametrize("model", [SmtpConfig, ImapConfig, Limits])
def test_form_explains_every_field(model: type[SmtpConfig | ImapConfig | Limits]) -> None:
    """Each field of the form has a description, and each card a title."""
    schema = model.model_json_schema()
    assert schema["title"] in ("SMTP", "IMAP", "Limits")
    assert all(field["description"] for field in schema["properties"].values())


@pytest.mark.parametrize("config", [SmtpConfig(**SMTP), ImapConfig(**IMAP), Limits()])
def test_dump_passes_its_own_schema(config: SmtpConfig | ImapConfig | Limits) -> None:
    """What a model without a clear password is dumped to may be the parameters of a deployment."""
    dumped = json.loads(config.model_dump_json())
    jsonschema.validate(dumped, type(config).model_json_schema())
    assert type(config).model_validate(dumped) == config
