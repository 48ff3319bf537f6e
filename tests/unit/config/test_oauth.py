"""`oauth` of a section: what goes together, where a token is asked for and what for; and no text shows its secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from tasks.mail.config.fleet import fleet_config
from tasks.mail.config.loop import ImapConfig, LoopConfig, SmtpConfig, loop_config
from tasks.mail.config.mailbox import BounceMailbox
from tasks.mail.config.matrix import matrix_config
from tasks.mail.config.oauth import MailboxOAuth, OAuth, SenderOAuth
from tasks.mail.config.section import secret_fields
from tasks.mail.model.errors import ConfigError
from tests.support.canaries import CORE, KEY, OAUTH_SECRETS, seen_in

Fields = dict[str, Any]

SMTP: Fields = {
    "host": "relay.example",
    "username": "monitor@example.org",
    "from_addr": "a@b.example",
    "to_addr": "c@d.example",
    "subject_prefix": "[office]",
}
IMAP: Fields = {"host": "imap.example", "username": "inbox@example.org"}
MICROSOFT: Fields = {"provider": "microsoft365", "tenant": "example.org", "client_id": "app"}
GOOGLE: Fields = {"provider": "google", "client_id": "app"}
OTHER: Fields = {"token_url": "https://login.example/token", "scope": "mail offline", "client_id": "app"}
ACCOUNT: Fields = {"provider": "google", "service_account_secret": "account"}
SECRET: Fields = {"client_secret_secret": "app-secret"}
REFRESH: Fields = {"refresh_token_secret": "app-refresh"}
KEY_PAIR: Fields = {"private_key_secret": "app-key"}


def loop(oauth: object, imap: object = None, **smtp: object) -> LoopConfig:
    data: Fields = {"name": "a", "smtp": SMTP | {"oauth": oauth} | smtp}
    return loop_config(data | ({"imap": IMAP | {"oauth": imap}} if imap is not None else {}))


def both(oauth: object) -> tuple[OAuth, OAuth]:
    config = loop(oauth, oauth)
    assert config.imap is not None
    assert config.smtp.oauth is not None
    assert config.imap.oauth is not None
    return config.smtp.oauth, config.imap.oauth


ENTRA = "https://login.microsoftonline.com/example.org/oauth2/v2.0/token"
GOOGLES = "https://oauth2.googleapis.com/token"
OUTLOOK = "https://outlook.office.com/"
DELEGATED = ((f"{OUTLOOK}SMTP.Send", "offline_access"), (f"{OUTLOOK}IMAP.AccessAsUser.All", "offline_access"))
BY_ITSELF = (("https://outlook.office365.com/.default",),) * 2
GMAIL = (("https://mail.google.com/",),) * 2


@pytest.mark.parametrize(
    ("oauth", "grant", "endpoint", "scopes"),
    [
        (MICROSOFT | SECRET, "client_credentials", ENTRA, BY_ITSELF),
        (MICROSOFT | KEY_PAIR, "client_credentials", ENTRA, BY_ITSELF),
        (MICROSOFT | REFRESH, "refresh_token", ENTRA, DELEGATED),
        (MICROSOFT | REFRESH | SECRET, "refresh_token", ENTRA, DELEGATED),
        (MICROSOFT | SECRET | {"scope": "x y"}, "client_credentials", ENTRA, (("x", "y"),) * 2),
        (MICROSOFT | SECRET | {"token_url": "https://l.us/t"}, "client_credentials", "https://l.us/t", BY_ITSELF),
        (ACCOUNT, "jwt_bearer", GOOGLES, GMAIL),
        (ACCOUNT | {"token_url": "http://127.0.0.1:9/t"}, "jwt_bearer", "http://127.0.0.1:9/t", GMAIL),
        (GOOGLE | REFRESH, "refresh_token", GOOGLES, GMAIL),
        (GOOGLE | REFRESH | SECRET, "refresh_token", GOOGLES, GMAIL),
        (OTHER | SECRET, "client_credentials", "https://login.example/token", (("mail", "offline"),) * 2),
        (OTHER | REFRESH, "refresh_token", "https://login.example/token", (("mail", "offline"),) * 2),
    ],
)
def test_where_a_token_is_asked_for_and_what_for(
    oauth: Fields, grant: str, endpoint: str, scopes: tuple[tuple[str, ...], ...]
) -> None:
    """On each leg what its users allow, where it is in a person's name."""
    sending, receiving = both(oauth)
    assert (sending.scopes, receiving.scopes) == scopes
    for one in (sending, receiving):
        assert (one.grant, one.endpoint, one.token_warn_days) == (grant, endpoint, 14)


LEFT_OUT = "must not be set together with a service account, whose key is all that it needs: leave it out"
URL = "must be a URL such as https://login.example.org/oauth2/token, with no name, password or fragment"
HTTPS = "must begin with https://, for secrets are sent there; http:// is for this machine alone"
TENANT = "must be the directory's id or one of its domains, such as example.org"
SCOPE = 'must be scopes with single blanks between, without quotes (") and backslashes'
KEY_BLOCK = "is the key that probes are signed with, and no password: name another"
NO_SECRET = (
    "needs a secret: set client_secret_secret or private_key_secret, or refresh_token_secret for a login in a person's "
    "name"
)


@pytest.mark.parametrize(
    ("oauth", "field", "text"),
    [
        ({"client_id": "app"} | SECRET, "token_url", "is required without a provider: where tokens are asked for"),
        ({**OTHER, "scope": None} | SECRET, "scope", "is required without a provider: what the token is for"),
        (
            {**MICROSOFT, "tenant": None} | SECRET,
            "tenant",
            "is required with microsoft365: the directory's id, or one of its domains",
        ),
        (GOOGLE | REFRESH | {"tenant": "x"}, "tenant", "is a directory of microsoft365: leave it out"),
        (OTHER | SECRET | {"tenant": "x"}, "tenant", "is a directory of microsoft365: leave it out"),
        (
            {**MICROSOFT, "client_id": None} | SECRET,
            "client_id",
            "is required: id of the application, as the provider registered it",
        ),
        (MICROSOFT, "client_id", NO_SECRET),
        (OTHER, "client_id", NO_SECRET),
        (
            MICROSOFT | SECRET | KEY_PAIR,
            "private_key_secret",
            "must not be set together with a client secret: keep one of them",
        ),
        (
            GOOGLE | SECRET,
            "provider",
            "google has no login of applications by themselves: set service_account_secret alone, or "
            "refresh_token_secret",
        ),
        (
            MICROSOFT | {"service_account_secret": "x"},
            "service_account_secret",
            "is for the provider google: set provider to google",
        ),
        (ACCOUNT | {"client_id": "app"}, "client_id", LEFT_OUT),
        (ACCOUNT | SECRET, "client_secret_secret", LEFT_OUT),
        (ACCOUNT | KEY_PAIR, "private_key_secret", LEFT_OUT),
        (ACCOUNT | REFRESH, "refresh_token_secret", LEFT_OUT),
        (ACCOUNT | {"refresh_token": "x"}, "refresh_token", LEFT_OUT),
        *(
            (
                ACCOUNT | {"client_id": "app", f"{name}_secret": "x", name: OAUTH_SECRETS[name]},
                name,
                f"must not be set together with {name}_secret: keep one of them",
            )
            for name in OAUTH_SECRETS
        ),
        *((OTHER | {f"{name}_secret": "mail_loop_KEY"}, f"{name}_secret", KEY_BLOCK) for name in OAUTH_SECRETS),
        *(
            (OTHER | SECRET | {"token_url": url}, "token_url", URL)
            for url in (
                "login.example",
                "https://",
                "https:///t",
                "https://a b/",
                "https://a.example:x/",
                "https://ü.de/",
            )
        ),
        (OTHER | SECRET | {"token_url": "https://me:pw@a.example/t"}, "token_url", URL),
        (OTHER | SECRET | {"token_url": "https://a.example/t#x"}, "token_url", URL),
        *(
            (OTHER | SECRET | {"token_url": url}, "token_url", HTTPS)
            for url in ("http://login.example/t", "http://10.0.0.1/t", "ftp://127.0.0.1/t", "http://localhost.example/")
        ),
        *((MICROSOFT | SECRET | {"tenant": tenant}, "tenant", TENANT) for tenant in ("a/b", "../x", "a b", "-a", "ä")),
        *((OTHER | SECRET | {"scope": scope}, "scope", SCOPE) for scope in ("a  b", " a", 'a"b', "a\\b", "ä")),
        (MICROSOFT | SECRET | {"provider": "yahoo"}, "provider", "must be one of microsoft365, google"),
        (
            MICROSOFT | SECRET | {"token_warn_days": -1},
            "token_warn_days",
            "must be a whole number of days from 0 to 3650, without quotes",
        ),
        (MICROSOFT | {"client_secrets": "x"}, "client_secrets", "unknown field; did you mean client_secret?"),
        (MICROSOFT | {"client_secret": "a\nb"}, "client_secret", "must not contain line breaks or NUL"),
        (
            MICROSOFT | {"private_key": "hunter2"},
            "private_key",
            "holds no private key: it must be a PEM text with the private key and its certificate",
        ),
        (
            MICROSOFT | {"private_key": KEY},
            "private_key",
            "holds no certificate: put the PEM text of the certificate behind that of the key",
        ),
        (
            MICROSOFT | {"private_key": KEY.replace("PRIVATE", "ENCRYPTED PRIVATE")},
            "private_key",
            "holds a key with a passphrase, which nobody is there to type: store it without (openssl pkey)",
        ),
        (MICROSOFT | {"private_key": OAUTH_SECRETS["private_key"] + "\0"}, "private_key", "must be text without NUL"),
        *(
            (
                {"provider": "google", "service_account": text},
                "service_account",
                "is no key of a service account: it must be the JSON text that Google hands out, with its private_key",
            )
            for text in ("hunter2", "[]", "{}", '{"client_email": "a", "private_key": "b"}', KEY)
        ),
    ],
)
def test_what_does_not_go_together_is_said_at_its_field(oauth: Fields, field: str, text: str) -> None:
    given = {name: value for name, value in oauth.items() if value is not None}
    with pytest.raises(ConfigError) as caught:
        loop(given)
    assert str(caught.value) == f"smtp.oauth.{field}: {text}"
    assert seen_in(str(caught.value)) == []


TLS_ALONE = "sends a token, which is for connections with TLS alone: set tls to implicit or starttls"
KEEP_ONE = "must not be set together with oauth: keep one of them"


@pytest.mark.parametrize(
    ("section", "text"),
    [
        ({"tls": "none"}, f"smtp.oauth: {TLS_ALONE}"),
        ({"password": CORE}, f"smtp.password: {KEEP_ONE}"),
        ({"password_secret": "x"}, f"smtp.password_secret: {KEEP_ONE}"),
        ({"username": None}, "smtp.username: is required where oauth is set: the name to log in with"),
        ({"oauth": "x"}, "smtp.oauth: must be a mapping of fields such as provider"),
    ],
)
def test_a_token_takes_the_place_of_a_password_and_needs_a_name_and_tls(section: Fields, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loop_config({"name": "a", "smtp": SMTP | {"oauth": MICROSOFT | SECRET} | section})
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("login", "text"),
    [
        ({"key_file": "k"}, "key_file: is the key of a certificate: set cert_file, too"),
        ({"cert_file": "c", "tls": "none"}, "cert_file: is shown over TLS alone: set tls to implicit or starttls"),
        ({"cert_file": "c", "username": None}, ""),
        ({"cert_file": "c"}, ""),
        ({"cert_file": "c", "password_secret": "x"}, ""),
        ({"cert_file": "c", "oauth": MICROSOFT | SECRET}, ""),
    ],
)
def test_a_certificate_of_the_client_may_be_all_of_the_login_or_go_beside_it(login: Fields, text: str) -> None:
    for name, base in (("smtp", SMTP), ("imap", IMAP)):
        section = {field: value for field, value in (base | login).items() if value is not None or name == "imap"}
        given = {"name": "a", "smtp": SMTP | {"cert_file": "c"}} | {name: section | {"username": base["username"]}}
        if text:
            with pytest.raises(ConfigError, match=re.escape(f"{name}.{text}")):
                loop_config(given)
        else:
            assert isinstance(loop_config(given), LoopConfig)


def test_bounce_mailboxes_fleets_and_matrices_have_it_too() -> None:
    mailbox = IMAP | {"oauth": MICROSOFT | SECRET}
    bounces = loop_config({"name": "a", "smtp": SMTP | {"cert_file": "c"}, "bounce_mailbox": mailbox}).bounce_mailbox
    assert bounces is not None
    assert isinstance(bounces.oauth, MailboxOAuth)
    smtp = {name: value for name, value in SMTP.items() if name != "to_addr"} | {"oauth": MICROSOFT | REFRESH}
    matrix = matrix_config(
        {"name": "m", "senders": {"a": smtp}, "receivers": {"b": mailbox | {"address": "c@d.example"}}}
    )
    (one,) = matrix.loops().values()
    assert one.imap is not None
    assert one.smtp.oauth == matrix.senders["a"].oauth
    assert one.imap.oauth == matrix.receivers["b"].oauth
    fleet = fleet_config(
        {"defaults": {"smtp": SMTP, "imap": mailbox}, "loops": {"b": {"smtp": {"oauth": GOOGLE | REFRESH}}}}
    )
    (member,) = fleet.members
    assert isinstance(member.config, LoopConfig)
    assert member.config.smtp.oauth == SenderOAuth.model_validate(GOOGLE | REFRESH)
    with pytest.raises(ConfigError, match=r"^defaults\.imap\.oauth\.client_id: needs a secret"):
        fleet_config(
            {
                "defaults": {"smtp": SMTP, "imap": IMAP | {"oauth": MICROSOFT}},
                "loops": {"b": {"smtp": {"username": None}}},
            }
        )


IN_CLEAR: Mapping[str, Fields] = {
    "client_secret": MICROSOFT,
    "private_key": MICROSOFT,
    "refresh_token": MICROSOFT,
    "service_account": {"provider": "google"},
}


@pytest.mark.parametrize("name", IN_CLEAR)
def test_no_secret_is_shown(name: str) -> None:
    """Neither in texts of the configuration, nor in dumps, nor in the report's view."""
    config = loop(IN_CLEAR[name] | {name: OAUTH_SECRETS[name]}, username="u")
    assert config.smtp.oauth is not None
    for shown in (repr(config), str(config), str(config.model_dump()), config.model_dump_json()):
        assert seen_in(shown) == []
    told = str(config.smtp.redacted()["oauth"])
    assert f"{name}: ********" in told
    assert seen_in(told) == []
    assert config.smtp.oauth.value(name) == OAUTH_SECRETS[name].rstrip("\n")
    with pytest.raises(ValidationError) as caught:
        SenderOAuth.model_validate(IN_CLEAR[name] | {name: OAUTH_SECRETS[name], "scope": "ä", "unknown": CORE})
    assert seen_in(str(caught.value)) == []


def test_its_secrets_are_the_fields_that_have_a_name_beside_them() -> None:
    assert secret_fields(SenderOAuth) == tuple(OAUTH_SECRETS)
    assert secret_fields(SmtpConfig) == secret_fields(BounceMailbox) == ("password",)


@pytest.mark.parametrize("names", [[name] for name in OAUTH_SECRETS] + [[*OAUTH_SECRETS]], ids=str)
@pytest.mark.parametrize("other", [{}, {"unknown": "x"}, {"tenant": 5}, {"token_warn_days": -0.5}], ids=str)
@pytest.mark.parametrize(("model", "fields"), [(SmtpConfig, SMTP), (ImapConfig, IMAP)])
@pytest.mark.parametrize("optional", [False, True])
def test_the_form_has_no_clear_secret_and_the_error_about_one_does_not_repeat_it(
    model: type[SmtpConfig | ImapConfig], fields: Fields, optional: bool, other: Fields, names: list[str]
) -> None:
    """Whatever else is wrong there; the reason is the one for that field."""
    schema: Fields = model.model_json_schema()
    (form,) = [one for name, one in schema["$defs"].items() if name.endswith("OAuth")]
    assert [name for name in OAUTH_SECRETS if name in form["properties"]] == []
    assert {f"{name}_secret" for name in OAUTH_SECRETS} <= form["properties"].keys()
    if optional:  # how a parameter `imap: ImapConfig | None` looks
        definitions = schema.pop("$defs")
        schema = {"anyOf": [schema, {"type": "null"}], "$defs": definitions}
    jsonschema.validate(fields | {"oauth": MICROSOFT | SECRET}, schema)
    jsonschema.validate(fields | {"oauth": None}, schema)
    given = fields | {"oauth": MICROSOFT | other | {name: OAUTH_SECRETS[name] for name in names}}
    with pytest.raises(jsonschema.ValidationError) as caught:
        jsonschema.validate(given, schema)
    assert seen_in(caught.value.message) == []
    if not other:
        first = min(names)
        what = first.replace("_", " ")
        reason = f"a deployment never holds a {what} in clear: name a Prefect Secret block in {first}_secret"
        assert reason in caught.value.message


@pytest.mark.parametrize("oauth", [MICROSOFT | SECRET, MICROSOFT | REFRESH, ACCOUNT])
def test_a_dump_passes_its_own_schema_and_can_be_read_again(oauth: Fields) -> None:
    config = loop(oauth, oauth)
    for section in (config.smtp, config.imap):
        assert section is not None
        dumped = json.loads(section.model_dump_json())
        jsonschema.validate(dumped, type(section).model_json_schema())
        assert type(section).model_validate(dumped) == section


DEVICE, PAGE = {"device_url": "https://login.example/device"}, {"authorize_url": "https://login.example/authorize"}
NATIONAL = {"token_url": "https://login.microsoftonline.us/example.org/oauth2/v2.0/token"}
GOOGLES = "https://accounts.google.com/o/oauth2/v2/auth?access_type=offline&prompt=consent"


@pytest.mark.parametrize(
    ("fields", "device", "page"),
    [
        (MICROSOFT, "https://login.microsoftonline.com/example.org/oauth2/v2.0/devicecode", ""),
        (MICROSOFT | NATIONAL, "https://login.microsoftonline.us/example.org/oauth2/v2.0/devicecode", ""),
        (MICROSOFT | {"token_url": "https://login.example/issue"}, "", ""),
        (MICROSOFT | PAGE, "", PAGE["authorize_url"]),
        (GOOGLE, "", GOOGLES),
        (GOOGLE | PAGE, "", PAGE["authorize_url"]),
        (GOOGLE | DEVICE, DEVICE["device_url"], GOOGLES),
        (OTHER, "", ""),
        (OTHER | DEVICE, DEVICE["device_url"], ""),
        (OTHER | PAGE, "", PAGE["authorize_url"]),
    ],
)
def test_where_a_person_logs_in_is_known_of_a_provider_or_said(fields: Fields, device: str, page: str) -> None:
    """A device code goes before a browser, where there are both."""
    oauth = SenderOAuth.model_validate(fields | REFRESH)
    assert (oauth.device_endpoint, oauth.authorization_endpoint) == (device, page)


@pytest.mark.parametrize("model", [SenderOAuth, MailboxOAuth])
def test_the_form_explains_every_field(model: type[OAuth]) -> None:
    schema = model.model_json_schema()
    assert schema["title"] == "OAuth 2"
    assert all(field["description"] for field in schema["properties"].values())
