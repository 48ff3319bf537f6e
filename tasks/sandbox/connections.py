"""How a server of the sandbox ends a connection."""

import asyncio

END_SECONDS = 5.0


async def end(writer: asyncio.StreamWriter) -> None:
    """Close a connection in good order, and cut it off where the peer takes no part in that.

    A transport that closes politely waits for its peer, with TLS for long, and would outlive the server.
    """
    transport = writer.transport
    writer.close()
    try:
        async with asyncio.timeout(END_SECONDS):
            await writer.wait_closed()
    except (OSError, TimeoutError):
        pass
    finally:
        transport.abort()
