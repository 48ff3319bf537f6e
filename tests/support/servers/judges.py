"""Who signs mail and who judges it: OpenDKIM and OpenDMARC, as milters, and what stands in the DNS for them.

There is no name server. Files take its place: OpenDMARC reads one through libresolv_wrapper, which answers for the
resolver of the C library; policyd-spf, which Postfix starts, one through strangers/judge_spf.py; OpenDKIM has a setting
for keys.
"""

from __future__ import annotations

import base64
import os
import signal
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.servers import IS_ROOT
from tests.support.servers.accounts import account
from tests.support.servers.processes import Server, render

SELECTOR = "lab"
# Senders by what becomes of their mail: all passes; SPF fails, DKIM makes up for it; nobody signs, and so DMARC fails.
SIGNED = ("inbox.test", "spf-fail.test")
RECORDS = {
    "inbox.test": "v=spf1 ip4:127.0.0.1 -all",
    "spf-fail.test": "v=spf1 ip4:192.0.2.1 -all",
    "dmarc-fail.test": "v=spf1 ip4:192.0.2.1 ~all",
    **{f"_dmarc.{domain}": "v=DMARC1; p=reject" for domain in (*SIGNED, "dmarc-fail.test")},
}


def publish(lab: Path) -> Path:
    """Write what stands in the DNS in three forms, and the private key; return the key's file."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    record = f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}"
    keys = {f"{SELECTOR}._domainkey.{domain}": record for domain in SIGNED}
    (lab / "zone").write_text("".join(f"TXT {name} {text}\n" for name, text in RECORDS.items()))
    # A TXT record on the wire begins with its length. That of Debian 12 leaves it to the file.
    (lab / "wrapped-zone").write_text(
        "".join(f"TXT {name} {chr(len(text))}{text}\n" for name, text in RECORDS.items() if name.startswith("_"))
    )
    (lab / "public-keys").write_text("".join(f"{name} {text}\n" for name, text in keys.items()))
    private = lab / "private-key.pem"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    return private


class Milter(Server):
    """A filter that Postfix hands each message to. It has nothing to lose, so it is not asked to end."""

    def __init__(
        self, home: Path, program: str, template: str, environment: dict[str, str] | None = None, **values: object
    ) -> None:
        owner = account("nobody")
        owner.own(home)
        config = render(template, home / "config", home=home, **values)
        if IS_ROOT:
            with config.open("a") as file:
                file.write(f"UserID {owner.user}\n")
        argv: list[str | Path] = [program, "-f", *(["-x"] if program == "opendkim" else ["-c"]), config]
        super().__init__(home, argv, addresses=[home / "socket"], environment=environment)

    def stop(self) -> None:
        """OpenDKIM takes 5 s to end politely."""
        if self._child is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)
        super().stop()


class Signer(Milter):
    """Signs for the domain of From, where it is one of SIGNED."""

    def __init__(self, home: Path, key: Path) -> None:
        own = home / "private-key.pem"
        key.rename(own)
        own.chmod(0o600)
        (home / "signing").write_text("".join(f"{domain} {SELECTOR}\n" for domain in SIGNED))
        (home / "keys").write_text(f"{SELECTOR} %:{SELECTOR}:{own}\n")
        super().__init__(home, "opendkim", "opendkim-sign.conf")
        account("nobody").own(own)


class Verifier(Milter):
    """States in the header whether the DKIM signature is right."""

    def __init__(self, home: Path, lab: Path) -> None:
        super().__init__(home, "opendkim", "opendkim-verify.conf", lab=lab)


class Dmarc(Milter):
    """States in the header whether DMARC passes, by what SPF and DKIM gave; it refuses nothing."""

    def __init__(self, home: Path, lab: Path) -> None:
        faked = {"LD_PRELOAD": "libresolv_wrapper.so", "RESOLV_WRAPPER_HOSTS": str(lab / "wrapped-zone")}
        (home / "ignored-hosts").write_text("192.0.2.1\n")
        super().__init__(home, "opendmarc", "opendmarc.conf", faked)
