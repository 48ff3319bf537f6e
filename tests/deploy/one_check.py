"""In the machine: has the worker run one check, and prints the name of its last state.

Its arguments: the sandbox's JSON, the login of the API. The run waits some seconds between two attempts; as soon as it
runs, `running` is printed.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import httpx

PATIENCE = 90.0  # seconds until the worker must have run it
BUSY = 503

box = json.loads(sys.argv[1])
server = {name: box[name] for name in ("host", "ca_file", "username")} | {"password_secret": "sandbox-password"}
addresses = {"from_addr": "probe@sandbox.test", "to_addr": "monitor@sandbox.test"}
parameters = {
    "name": "unit",
    "smtp": {**server, **addresses, "port": box["smtp_port"], "subject_prefix": "[unit]", "retry_delay": 4},
    "imap": {**server, "port": box["imaps_port"]},
    "limits": {"max_wait": 20},
}
user, _, password = sys.argv[2].partition(":")
with httpx.Client(base_url="http://127.0.0.1:4200/api", auth=(user, password), timeout=PATIENCE) as client:

    def ask(method: str, path: str, **arguments: Any) -> Any:
        """A server that is busy with its database says 503, and Prefect's own clients try again."""
        until = time.monotonic() + PATIENCE
        while (response := client.request(method, path, **arguments)).status_code == BUSY and time.monotonic() < until:
            time.sleep(1.0)
        return response.raise_for_status().json()

    deployment = ask("GET", "/deployments/name/mail-loop-check/staging")
    run = ask("POST", f"/deployments/{deployment['id']}/create_flow_run", json={"parameters": parameters})
    until, told = time.monotonic() + PATIENCE, False
    while run["state_type"] in ("SCHEDULED", "PENDING", "RUNNING"):
        if time.monotonic() > until:
            break
        time.sleep(0.2)
        run = ask("GET", f"/flow_runs/{run['id']}")
        if run["state_type"] == "RUNNING" and not told:
            told = True
            print("running", flush=True)
    print(run["state_name"], run["state"]["message"], flush=True)
