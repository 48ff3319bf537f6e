"""Host names, for both legs: that of this machine, and the addresses of others."""

import re
import socket
from collections.abc import Sequence
from functools import partial

from aiohappyeyeballs import AddrInfoType

from tasks.mail.model.cause import Cause
from tasks.mail.net.threads import in_own_thread

# The name does not exist, or has no address. EAI_AGAIN is something else: the resolver could not tell.
_NO_SUCH_NAME = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})


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


def cause_of_os_error(error: OSError) -> Cause | None:
    """Why there is no connection: a resolver that could not tell says nothing about the name."""
    if isinstance(error, socket.gaierror):
        return Cause.NAME_NOT_FOUND if error.errno in _NO_SUCH_NAME else None
    return Cause.UNREACHABLE
