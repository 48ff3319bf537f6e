"""`mail-loop serve`: a Prefect server, a worker and the deployments on one machine."""

import argparse
import asyncio
import os
import shlex
import socket
import sys
from pathlib import Path

from flows.cli.arguments import port
from flows.cli.output import program
from flows.server import login as logins
from flows.server import processes
from flows.server.login import how_to_log_in
from flows.server.prefect import SERVER, ServerError, answers, guarded, server_settings, start_server
from tasks.mail.config.state_dir import state_home

WORKER = "worker"
# As deploy/worker says; what its environment sets stays.
WORKER_SETTINGS = {
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "tasks",
    "PREFECT_CLIENT_MAX_RETRIES": "3",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the server is."""
    parser.add_argument("--port", type=port, default=4200, help="of the Prefect server, on loopback (%(default)s)")
    parser.add_argument("--home", type=Path, default=state_home() / "serve", help="folder for its state (%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Serve; returns 0."""
    return serve(arguments.home, arguments.port)


def serve(home: Path, port: int) -> int:
    """Start what is not running yet, deploy, and say where the UI is."""
    # Not above: `stop` needs no Prefect.
    from flows.deploy.prefect_yaml import all_checks, deployed_checks
    from flows.equip import DEPLOYMENTS, POOL, ROOT, allow, equip, unknown_passwords
    from tasks.mail.config.loading.secret_list import LIST_FILE, LIST_VARIABLE, missing_at, uses_of
    from tasks.run_context import VANTAGE

    home = home.absolute()
    checks = deployed_checks(DEPLOYMENTS)
    uses = uses_of(all_checks(DEPLOYMENTS))
    missing_at(home / LIST_FILE, uses)  # a list that is wrong is reported before anything is started
    print("starting a Prefect server and the deployments, which takes a moment ...", flush=True)
    worker, before = processes.running(home, WORKER), logins.known_login(home)
    inherited = processes.environment(worker) if worker else {}
    _server(home, port)
    env = os.environ | server_settings(home, port) | {"MAIL_LOOP_HOME": str(ROOT)}
    equip(env["PREFECT_API_URL"], env, ours=True)
    allow(home, uses, print)
    if inherited.get(logins.OF_CLIENT) != env[logins.OF_CLIENT]:
        processes.stop(home, WORKER)  # the server lets it in no more
    former = processes.running(home, WORKER)
    if former is not None and not former.url and processes.stop(home, WORKER):  # its environment names no list
        print("The worker was one of a former version, without a list of secrets and hosts: it is started anew.")
    if processes.running(home, WORKER) is None:
        # One that had to be ended keeps the passwords that it was started with, but not where its program lay.
        env = {name: value for name, value in inherited.items() if not name.startswith("PYTHON")} | env
        queue = env.get(VANTAGE) or "default"  # without one it would take the checks of other places, too
        argv = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--type", "process"]
        argv += ["--work-queue", queue]
        own = {"PREFECT_WORKER_QUERY_SECONDS": "5", LIST_VARIABLE: str(home / LIST_FILE)}
        worker_env = WORKER_SETTINGS | env | own
        processes.start(home, WORKER, argv, worker_env, url=env["PREFECT_API_URL"], cwd=home)
        for sentence in asyncio.run(unknown_passwords(env["PREFECT_API_URL"], checks, env)):
            print(sentence)
    else:
        print("The worker was running already, with the environment of its start: for new passwords, make stop first.")
    print(f"Prefect UI: {env['PREFECT_UI_URL']}/deployments")
    print(*how_to_log_in(home, env["PREFECT_API_URL"], show=logins.known_login(home) != before), sep="\n")
    print(f"End both with: {program()} stop --home {shlex.quote(str(home))} (make stop ends a kept demo, too)")
    return 0


def _server(home: Path, port: int) -> None:
    url = server_settings(home, port)["PREFECT_API_URL"]
    if (running := processes.running(home, SERVER)) is not None:
        if running.url != url:
            raise ServerError(f"a server is running already, at {running.url}: for another port, end it with make stop")
        if answers(url):
            if guarded(home, running):
                logins.remember_server(running, home)
                return
            lacked = "had another login" if logins.OF_SERVER in processes.environment(running) else "asked for no login"
            print(f"The Prefect server that was running {lacked}: it and its worker are ended, and started anew.")
            processes.stop(home, WORKER)
            processes.stop(home, SERVER)
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            raise ServerError(
                f"port {port} is taken by another program: choose another with make serve PORT=..."
            ) from None
    start_server(home, port)
