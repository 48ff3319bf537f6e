"""Every place at which a server or a stranger has a word in a check."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from imapclient import imap_utf7

from tasks.mail.config.loop import InboundConfig, LoopConfig, inbound_config, loop_config
from tasks.mail.model.outcome import Outcome
from tests.support.mail.hostile import as_reply
from tests.support.mail.notices import mail
from tests.support.raw.imap import RawImap
from tests.support.raw.server import DROP
from tests.support.raw.smtp import RawSmtp


class Scene:
    """A relay, a mailbox, and a loop through both."""

    def __init__(self, smtp: RawSmtp, imap: RawImap) -> None:
        self.smtp = smtp
        self.imap = imap
        smtp.deliver = imap.append

    @property
    def loop(self) -> LoopConfig:
        addresses = {"from_addr": "probe@raw.test", "to_addr": "box@raw.test", "subject_prefix": "[hostile]"}
        relay = {"host": self.smtp.host, "port": self.smtp.port, "tls": "none", "retries": 1, "retry_delay": 0.0}
        mailbox = {"host": self.imap.host, "port": self.imap.port, "tls": "none", "username": "box", "password": "pass"}
        limits = {"max_wait": 0.6, "max_per_hour": 3600}
        return loop_config(
            {"name": "hostile", "smtp": relay | addresses, "imap": mailbox | {"retry_delay": 0.1}, "limits": limits}
        )

    @property
    def inbound(self) -> InboundConfig:
        mailbox = self.loop.imap
        assert mailbox is not None
        return inbound_config({"name": "hostile", "imap": mailbox.model_copy(update={"retries": 0})})


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    async with RawSmtp(extensions=["8BITMIME"]) as smtp, RawImap() as imap:
        yield Scene(smtp, imap)


def rejected(at: Scene, text: str) -> None:
    at.smtp.play("rcpt", as_reply(550, text))


def deferred(at: Scene, text: str) -> None:
    at.smtp.play("rcpt", as_reply(450, text))


def accepted(at: Scene, text: str) -> None:
    at.smtp.play("eod", as_reply(250, f"2.0.0 Ok: queued as 4XyZ {text}"))


def no_smtp(at: Scene, text: str) -> None:
    at.smtp.play("mail", text.encode() + b"\r\n")


def banner(at: Scene, text: str) -> None:
    at.smtp.play("banner", as_reply(554, text))


def refused(at: Scene, text: str) -> None:
    at.imap.play("authenticate", b"{tag} NO [X] " + one(text) + b"\r\n")


def code(at: Scene, text: str) -> None:
    at.imap.play("authenticate", b"{tag} NO [" + one(text).replace(b" ", b"_") + b"] no\r\n")


def good_bye(at: Scene, text: str) -> None:
    at.imap.play("examine", b"* BYE " + one(text) + b"\r\n")


def no_imap(at: Scene, text: str) -> None:
    at.imap.play("login", one(text) + b"\r\n")
    at.imap.play("authenticate", one(text) + b"\r\n")


def lost(at: Scene, text: str) -> None:
    at.imap.play("examine", DROP)
    at.imap.play("greeting", [b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] " + one(text) + b"\r\n"] * 99)


def folder(at: Scene, text: str) -> None:
    """The probe in the junk folder, which has this name, in modified UTF-7."""
    name = imap_utf7.encode(text).decode()
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    at.imap.folders = {"INBOX": [], quoted: at.imap.folders["Junk"], name: at.imap.folders["Junk"]}
    at.imap.special = {quoted: "\\Junk"}
    at.smtp.deliver = lambda raw: at.imap.append(raw, name)


def bounced(at: Scene, text: str) -> None:
    """A delivery status notification, every field of which is as hostile as a header may be, and raw as well."""
    value = encoded(text)

    def bounce(raw: bytes) -> object:
        fields = [b"Reporting-MTA: dns; ", b"\nFinal-Recipient: rfc822; ", b"Remote-MTA: dns; "]
        fields += [b"Diagnostic-Code: smtp; 550 ", b"Status: 5.0.0 "]
        status = b"".join(field + value + b"\n" for field in fields) + b"Action: failed\n"
        notice = mail(
            b"Return-Path: <>\nFrom: %s <MAILER-DAEMON@raw.test>\nSubject: %s" % (value, value),
            b'MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary="x"\n',
            b"--x\nContent-Type: text/plain\n\nsorry\n--x\nContent-Type: message/delivery-status\n\n" + status,
            b"--x\nContent-Type: message/rfc822\n\n" + raw.replace(b"\r\n", b"\n") + b"\n--x--\n",
        )
        return at.imap.append(notice)

    at.smtp.deliver = bounce


PLACES: dict[str, tuple[Callable[[Scene, str], None], Outcome]] = {
    "a refusal": (rejected, Outcome.REJECTED),
    "a refusal for now": (deferred, Outcome.DEFERRED),
    "an acceptance": (accepted, Outcome.DELIVERED),
    "a banner": (banner, Outcome.REJECTED),
    "a refused login": (refused, Outcome.UNVERIFIED),
    "a response code": (code, Outcome.UNVERIFIED),
    "a good-bye": (good_bye, Outcome.UNVERIFIED),
    "not IMAP": (no_imap, Outcome.UNVERIFIED),
    "a greeting": (lost, Outcome.UNVERIFIED),
    "a folder's name": (folder, Outcome.JUNKED),
    "a bounce": (bounced, Outcome.BOUNCED),
}


def encoded(text: str) -> bytes:
    """As a header value (RFC 2047), in which anything can be said."""
    return b" ".join(b"=?utf-8?b?%s?=" % b64encode(text[i : i + 12].encode()) for i in range(0, len(text), 12))


def one(text: str) -> bytes:
    """On one line of IMAP."""
    return text.encode().replace(b"\r", b" ").replace(b"\n", b" ").replace(b"\0", b"?")
