"""A loop with a budget, and what spends it."""

from __future__ import annotations

from tasks.mail.config.loop import LoopConfig, loop_config
from tasks.mail.run_lock import hold_run


def loop(budget: int = 5, retries: int = 0, name: str = "office", host: str = "127.0.0.1", port: int = 9) -> LoopConfig:
    return loop_config(
        {
            "name": name,
            "smtp": {
                "host": host,
                "port": port,
                "tls": "none",
                "from_addr": "monitor@example.org",
                "to_addr": "inbox@example.org",
                "subject_prefix": "[loop]",
                "retries": retries,
                "retry_delay": 0.0,
            },
            "limits": {"max_per_hour": budget},
        }
    )


def spend(config: LoopConfig, messages: int) -> None:
    with hold_run(config) as mine:
        for _ in range(messages):
            mine.spend()
