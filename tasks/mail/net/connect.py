"""Names and connections, for both legs: that of this machine, the addresses of others, and the first that answers."""

import re
import socket
from collections.abc import Mapping, Sequence
from functools import partial

from aiohappyeyeballs import AddrInfoType, start_connection

from tasks.mail.model.cause import Cause
from tasks.mail.net.threads import in_own_thread

STAGGER = 0.25  # seconds before the next address is tried beside the one that has not answered (RFC 8305)
# The name does not exist, or has no address. EAI_AGAIN is something else: the resolver could not tell.
_NO_SUCH_NAME = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})

# Of the stages in which it is not the server that is waited for.
_SILENT: Mapping[str, Cause | None] = {"token": Cause.TOKEN_REQUEST_FAILED, "dns": None}


def own_name() -> str:
    """What to call this machine in EHLO. No DNS: socket.getfqdn() may take seconds."""
    name = socket.gethostname()
    return name if re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", name) else "[127.0.0.1]"


async def resolve(host: str, port: int) -> Sequence[AddrInfoType]:
    """The addresses of a host. Raises socket.gaierror. The caller bounds it."""
    try:
        return await in_own_thread(partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM))
    except UnicodeError:  # a label that is empty or too long
        raise socket.gaierror(socket.EAI_NONAME, "Not a host name") from None


async def connect(addresses: Sequence[AddrInfoType]) -> socket.socket:
    """The first connection that any of the addresses accepts (RFC 8305); the other attempts are given up.

    Raises OSError when all have failed. The caller bounds it, and owns the socket, which does not block.
    """
    if not addresses:
        raise OSError("no address")
    sock = await start_connection(addresses, happy_eyeballs_delay=STAGGER, interleave=1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def cause_of_silence(stage: str, is_connected: bool) -> Cause | None:
    """Why nothing came in time: a resolver that says nothing says nothing about the server."""
    return _SILENT.get(stage, Cause.NO_ANSWER if is_connected else Cause.UNREACHABLE)


def cause_of_os_error(error: OSError) -> Cause | None:
    """Why there is no connection: a resolver that could not tell says nothing about the name."""
    if isinstance(error, socket.gaierror):
        return Cause.NAME_NOT_FOUND if error.errno in _NO_SUCH_NAME else None
    return Cause.UNREACHABLE
