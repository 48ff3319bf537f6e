"""Certificates are verified, and a password never goes in clear, unless the configuration says so in so many words."""

from __future__ import annotations

import ast
import ssl
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.direct import check
from tasks.mail.config.loop import CheckConfig, ImapConfig, LoopConfig, SmtpConfig, inbound_config, loop_config
from tasks.mail.model.result import LoopResult
from tasks.mail.net.tls import ssl_context
from tests.support import certificates
from tests.support.checks.check_file import load
from tests.support.raw.imap import RawImap
from tests.support.raw.server import Action
from tests.support.raw.smtp import RawSmtp

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "only-over-tls"
LOGIN = {"username": "monitor", "password": PASSWORD, "timeout": 5.0, "retries": 0, "retry_delay": 0.1}
ADDRESSES = {"from_addr": "a@raw.test", "to_addr": "b@raw.test", "subject_prefix": "[loop]"}
SMTP, IMAP = {"host": "localhost", **LOGIN, **ADDRESSES}, {"host": "localhost", **LOGIN}
FLAT = {**SMTP, "name": "flat"}  # as NyxMon has it


def written(folder: Path, data: object) -> CheckConfig:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return load(path)


@pytest.mark.parametrize("way", ["model", "loop", "inbound", "file", "file, flat", "file, half"])
def test_by_default_both_legs_are_encrypted_and_verified(way: str, tmp_path: Path) -> None:
    ways: dict[str, Any] = {
        "model": lambda: LoopConfig(
            name="a", smtp=SmtpConfig.model_validate(SMTP), imap=ImapConfig.model_validate(IMAP)
        ),
        "loop": lambda: loop_config({"name": "a", "smtp": SMTP, "imap": IMAP}),
        "inbound": lambda: inbound_config({"name": "a", "imap": {**IMAP, "search_subject": "x"}}),
        "file": lambda: written(tmp_path, {"smtp": SMTP, "imap": IMAP}),
        "file, flat": lambda: written(tmp_path, FLAT),
        "file, half": lambda: written(tmp_path, {"imap": {**IMAP, "search_subject": "x"}}),
    }
    config = ways[way]()
    if isinstance(config, LoopConfig):
        assert (config.smtp.tls, config.smtp.port, config.smtp.verify) == ("starttls", 587, True)
    if config.imap is not None:
        assert (config.imap.tls, config.imap.port, config.imap.verify) == ("implicit", 993, True)


def test_no_configuration_that_we_ship_gives_it_up() -> None:
    """The examples, and the deployments in prefect.yaml."""
    texts = [*(ROOT / "examples").glob("*.yaml"), ROOT / "prefect.yaml", ROOT / "README.md"]
    assert len(texts) > 3
    for path in texts:
        text = path.read_text(encoding="utf-8")
        assert "verify: false" not in text
        assert "tls: none" not in text


@pytest.mark.parametrize("own_authority", [False, True])
def test_a_context_verifies_certificate_and_name_and_takes_no_old_tls(own_authority: bool, tmp_path: Path) -> None:
    context = ssl_context(certificates.good(tmp_path).ca_file if own_authority else None, True)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    unverified = ssl_context(None, False)
    assert unverified is not context
    assert unverified.minimum_version >= ssl.TLSVersion.TLSv1_2


ALLOWED = {
    ("tasks/mail/net/tls.py", "create_default_context"),
    ("tasks/mail/net/tls.py", "CERT_NONE"),
    ("tasks/mail/net/tls.py", "check_hostname"),
    ("tasks/mail/config/loading/pem_files.py", "SSLContext"),  # only loads files to see whether they can be read
    ("tasks/sandbox/system.py", "create_default_context"),  # a server's
    ("tasks/mail/search/search.py", "verify_dkim"),  # a field of the configuration: signatures of messages, no TLS
}
TELLING = ("create_default_context", "CERT_", "check_hostname", "verify_", "_create_", "_https_", "wrap_socket")


def test_nothing_else_makes_a_context_or_weakens_one() -> None:
    found = set()
    for path in (path for room in ("flows", "tasks") for path in (ROOT / room).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        where = str(path.relative_to(ROOT))
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr.startswith(TELLING) and node.attr != "verify_message":
                found.add((where, node.attr))
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("SSLContext"):
                found.add((where, "SSLContext"))
            if isinstance(node, ast.ImportFrom) and node.module == "ssl":
                found.add((where, "from ssl import"))  # would hide the names above
    assert found - {("tasks/mail/net/tls.py", "verify_mode")} == ALLOWED


SMTP_IN_CLEAR: dict[str, dict[str, Action]] = {
    "offers no STARTTLS": {},
    "takes STARTTLS back": {"starttls": b"454 4.7.0 not available\r\n"},
    "does not know STARTTLS": {"starttls": b"502 5.5.1 unknown\r\n"},
    "says it is encrypted already": {"starttls": b"503 5.5.1 TLS is active\r\n"},
    "lets us in without": {"starttls": b"235 2.7.0 you are in\r\n"},
}
IMAP_IN_CLEAR: dict[str, dict[str, Action]] = {
    "offers no STARTTLS": {},
    "takes STARTTLS back": {"starttls": b"{tag} NO not available\r\n"},
    "does not know STARTTLS": {"starttls": b"{tag} BAD unknown\r\n"},
    "is authenticated already": {"greeting": b"* PREAUTH [CAPABILITY IMAP4rev1] welcome\r\n"},
}


async def outbound(relay: RawSmtp, **changes: object) -> LoopResult:
    return await check(loop_config({"name": "a", "smtp": {**SMTP, "port": relay.port, **changes}}))


async def whole(relay: RawSmtp, box: RawImap, **changes: object) -> LoopResult:
    smtp = {**ADDRESSES, "host": relay.host, "port": relay.port, "tls": "none"}
    imap = {**IMAP, "host": box.host, "port": box.port, **changes}
    return await check(loop_config({"name": "a", "smtp": smtp, "imap": imap, "limits": {"max_wait": 0.3}}))


@pytest.mark.parametrize("relay", SMTP_IN_CLEAR)
async def test_no_relay_gets_the_password_in_clear_by_default(relay: str, tmp_path: Path) -> None:
    tls = None if relay == "offers no STARTTLS" else certificates.good(tmp_path).context
    async with RawSmtp(SMTP_IN_CLEAR[relay], tls=tls) as server:
        result = await outbound(server)
    assert (result.leg, result.stage) == ("smtp", "tls")
    assert (server.credentials, server.messages) == ([], [])
    assert server.in_clear <= {"EHLO", "STARTTLS", "QUIT"}


@pytest.mark.parametrize("mode", [None, "starttls"])
@pytest.mark.parametrize("mailbox", IMAP_IN_CLEAR)
async def test_no_mailbox_gets_the_password_in_clear_unless_told_so(
    mailbox: str, mode: str | None, tmp_path: Path
) -> None:
    """By default, which is TLS from the first byte, and with STARTTLS."""
    tls = None if mailbox == "offers no STARTTLS" else certificates.good(tmp_path).context
    async with RawSmtp() as relay, RawImap(IMAP_IN_CLEAR[mailbox], tls=tls) as server:
        result = await whole(relay, server, **({"tls": mode} if mode else {}))
    assert (result.leg, result.stage, result.error_type) == ("imap", "tls", "tls_error")
    assert server.credentials == []
    # A shorter line is no command, but an octet or two of a handshake that happen to be letters.
    assert {line.partition(" ")[0] for line in server.log if line.isascii() and line.isupper() and len(line) > 3} <= {
        "CAPABILITY",
        "STARTTLS",
        "LOGOUT",
    }


@pytest.mark.parametrize("leg", ["smtp", "imap"])
async def test_nobody_gets_the_password_whose_certificate_is_not_trusted(leg: str, tmp_path: Path) -> None:
    """By default that is an authority of the system, which has not signed this one."""
    tls = certificates.good(tmp_path).context
    async with RawSmtp(tls=tls) as relay, RawImap(tls=tls, implicit=True) as box:
        result = await (outbound(relay) if leg == "smtp" else whole(relay, box))
    assert (result.leg, result.stage, result.error_type) == (leg, "tls", "tls_error")
    assert "is not accepted" in str(result.error_msg)
    assert relay.credentials + box.credentials == []


@pytest.mark.parametrize("leg", ["smtp", "imap"])
async def test_in_clear_it_goes_where_tls_is_none_and_every_report_says_so(leg: str) -> None:
    """So the tests above could have seen it. CRAM-MD5, which shows no password, is not offered here."""
    async with RawSmtp(extensions=["AUTH PLAIN"]) as relay, RawImap() as box:
        result = await (outbound(relay, tls="none") if leg == "smtp" else whole(relay, box, tls="none"))
        assert (relay if leg == "smtp" else box).credentials == [("monitor", PASSWORD)]
    assert f"{leg}.tls is none: the login at" in " ".join(result.notes)


@pytest.mark.parametrize("word", ["false", 0, "no", None])
def test_verification_is_given_up_by_the_word_false_alone(word: object) -> None:
    for section in ({"smtp": {**SMTP, "verify": word}}, {"smtp": SMTP, "imap": {**IMAP, "verify": word}}):
        with pytest.raises(Exception, match="verify: must be true or false, without quotes"):
            loop_config({"name": "a", **section})
