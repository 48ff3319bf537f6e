"""Files with certificates and keys: found unreadable before anything is sent."""

import ssl
import stat
from pathlib import Path

from tasks.mail.config.addresses import quoted

_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"


def ca_problem(ca_file: str) -> str:
    """What is wrong with a file of certificate authorities, empty where nothing is."""
    try:
        if wrong := _no_file(ca_file):
            return wrong
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(ca_file)
    except ssl.SSLError:
        return f"must be a PEM file with at least one certificate, and {quoted(ca_file)} is not"
    except OSError as error:
        return _unreadable(ca_file, error)
    return ""


def client_problem(cert_file: str, key_file: str) -> tuple[str, str]:
    """The field that is wrong of a client's certificate and its key, and what is; empty where nothing is."""
    for field, file in (("cert_file", cert_file), ("key_file", key_file)):
        try:
            if wrong := _no_file(file) if file else "":
                return field, wrong
            content = Path(file).read_bytes() if file else b""
        except OSError as error:
            return field, _unreadable(file, error)
        if field == "cert_file" and _CERTIFICATE not in content:
            return field, f"must be a PEM file with the client's certificate, and {quoted(file)} is not"
    field, file = ("key_file", key_file) if key_file else ("cert_file", cert_file)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(cert_file, key_file or None, _ask_nobody)
    except _Passphrase:
        return field, f"{quoted(file)} holds a key with a passphrase, which nobody is there to type: store it without"
    except (ssl.SSLError, OSError):
        belongs = "must hold the private key of the certificate in cert_file: see which files belong together"
        return field, f"{quoted(file)} {belongs}"
    return "", ""


class _Passphrase(Exception):
    """The key has one."""


def _ask_nobody() -> str:  # without it OpenSSL asks on the terminal
    raise _Passphrase


def _no_file(path: str) -> str:
    if not stat.S_ISREG(Path(path).stat().st_mode):  # opening a named pipe would wait for ever
        return f"must be a PEM file, and {quoted(path)} is no regular file"
    return ""


def _unreadable(path: str, error: OSError) -> str:
    return f"cannot read {quoted(path)} ({error.strerror}): check the path"
