"""`mail-loop stop`: ends what `serve` and a kept demo left running, and nothing else."""

import argparse
from pathlib import Path

from flows.cli.demo import end_demo
from flows.cli.serve import WORKER
from flows.server import processes
from tasks.mail.config.state_dir import state_home


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where it was started."""
    parser.add_argument("--home", type=Path, action="append", metavar="DIR", help="as given to serve or demo")


def run(arguments: argparse.Namespace) -> int:
    """End it; returns 0."""
    ended: list[str] = []
    # In the state folder itself a check of a former version may have left its server.
    for given in arguments.home or [state_home() / "demo", state_home() / "serve", state_home()]:
        home = given.absolute()
        # The worker first: it reports to the server what becomes of its runs.
        ended += [name for name in (WORKER,) if processes.stop(home, name)] + end_demo(home)
    print(f"ended: {', '.join(ended)}" if ended else "nothing of ours was running")
    return 0
