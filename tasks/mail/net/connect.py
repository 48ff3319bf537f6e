"""A connection to the first address that answers, for both legs."""

import socket
from collections.abc import Sequence

from aiohappyeyeballs import AddrInfoType, start_connection

STAGGER = 0.25  # seconds before the next address is tried beside the one that has not answered (RFC 8305)


async def connect(addresses: Sequence[AddrInfoType]) -> socket.socket:
    """The first connection that any of the addresses accepts (RFC 8305); the other attempts are given up.

    Raises OSError when all have failed. The caller bounds it, and owns the socket, which does not block.
    """
    if not addresses:
        raise OSError("no address")
    sock = await start_connection(addresses, happy_eyeballs_delay=STAGGER, interleave=1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock
