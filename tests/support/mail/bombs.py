"""Mail that costs whoever reads it more than whoever wrote it, as a default Postfix takes it."""

from __future__ import annotations

import smtplib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import cycle

from tests.support.servers.processes import Endpoint

DEPTH = 95  # Postfix takes 100
OCTETS = 128 * 2**10
BOUNCE = b"From: MAILER-DAEMON@elsewhere.test\r\nTo: %s\r\nSubject: Undelivered Mail Returned to Sender\r\n"


def _nested(kind: bytes = b"mixed") -> bytes:
    """Multiparts within multiparts, and as many short lines as fit into the innermost."""
    head = b"".join(
        b'Content-Type: multipart/%s; boundary="b%d"\r\n\r\n--b%d\r\n' % (kind, number, number)
        for number in range(DEPTH)
    )
    return head + b"\r\n" + b"x\r\n" * ((OCTETS - len(head)) // 3)


def _groups() -> bytes:
    """A status part of nothing but groups."""
    head = b'Content-Type: multipart/report; boundary="b"\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n'
    return head + b"A:b\r\n\r\n" * (OCTETS // 7)


def _parts() -> bytes:
    return b'Content-Type: multipart/report; boundary="b"\r\n\r\n' + b"--b\r\n\r\n" * (OCTETS // 7)


def _header(loop: bytes = b"acceptance") -> bytes:
    """A header of the fields that are asked for, with the name of a loop in it."""
    fields = b"X-Mail-Loop-Name: %s\r\n" % loop + b"".join(b"References: <%d@a.test>\r\n" % n for n in range(2800))
    return fields + b"\r\nhello\r\n"


KINDS: tuple[Callable[[], bytes], ...] = (_nested, _groups, _nested, _parts, _header, partial(_nested, b"report"))


def bombs(octets: int, to: str) -> Iterator[bytes]:
    """So many octets of it, each message as a bounce comes."""
    for make in cycle(KINDS):
        if octets <= 0:
            return
        text = BOUNCE % to.encode() + make()
        octets -= len(text)
        yield text


def pour(server: Endpoint, to: str, octets: int, connections: int = 4) -> int:
    """Hand it to a server, over several connections; returns the number of messages."""
    texts = list(bombs(octets, to))

    def send(place: int) -> None:
        with smtplib.SMTP(server.host, server.port, timeout=60) as client:
            for text in texts[place::connections]:
                client.sendmail("", [to], text)

    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(send, range(connections)))
    return len(texts)
