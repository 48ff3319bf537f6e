"""Run the sandbox until SIGTERM or SIGINT: `python -m tasks.sandbox`."""

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from pathlib import Path

from tasks.sandbox.smtp import Script
from tasks.sandbox.system import Sandbox

PASSWORD_VARIABLE = "MAIL_LOOP_SANDBOX_PASSWORD"  # noqa: S105  # the name of a variable


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tasks.sandbox",
        description="A mail system in one process. Prints one line of JSON when it is ready, and runs until SIGTERM.",
        epilog=f"The password of the mailbox is read from the environment variable {PASSWORD_VARIABLE}.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--smtp-port", type=int, default=0, help="SMTP port with STARTTLS (default: a free one)")
    parser.add_argument("--imap-port", type=int, default=0, help="IMAP port with STARTTLS (default: a free one)")
    parser.add_argument("--greylist-first", action="store_true", help="answer the first RCPT with 450")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds until a message is delivered")
    parser.add_argument("--deliver-to", default="INBOX", help="folder of the mailbox (default: %(default)s)")
    parser.add_argument("--discard", action="store_true", help="accept messages and throw them away")
    parser.add_argument("--bounce", action="store_true", help="accept messages and return a notification instead")
    parser.add_argument("--user", default="monitor", help="name of the mailbox (default: %(default)s)")
    parser.add_argument("--oauth", action="store_true", help="hand out tokens, too: to an application of that name")
    parser.add_argument("--ca-dir", type=Path, help="existing folder for ca.pem (default: a temporary one)")
    return parser.parse_args()


async def _run(arguments: argparse.Namespace, password: str) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    script = Script(
        rcpt=["450 4.2.0 Greylisted, please try again"] if arguments.greylist_first else [],
        delay=arguments.delay,
        deliver_to=None if arguments.discard else arguments.deliver_to,
        bounces=arguments.bounce,
    )
    async with Sandbox(
        {arguments.user: password},
        script,
        host=arguments.host,
        smtp_port=arguments.smtp_port,
        imap_port=arguments.imap_port,
        ca_dir=arguments.ca_dir,
        tokens=arguments.oauth,
    ) as box:
        names = ("host", "smtp_port", "smtps_port", "imap_port", "imaps_port", "ca_file", "token_url")
        ready = {name: getattr(box, name) for name in names}
        print(json.dumps(ready | {"username": arguments.user}), flush=True)
        await stopped.wait()


def main() -> int:
    arguments = _arguments()
    password = os.environ.get(PASSWORD_VARIABLE)
    if not password:
        print(f"The sandbox needs a password for its mailbox: set {PASSWORD_VARIABLE}.", file=sys.stderr)
        return 3
    logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd warns of its own deprecations at every login
    try:
        asyncio.run(_run(arguments, password))
    except OSError as error:
        print(f"The sandbox could not start: {error}.", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
