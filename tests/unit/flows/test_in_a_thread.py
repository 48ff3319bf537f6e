"""An interrupt that another thread was given is seen by the main one, while asyncio runs beside it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
INTERRUPTED = """
import asyncio, os, signal, threading
from flows.prefect_api.connection import in_a_thread

async def work():
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    await asyncio.sleep(300)

signal.signal(signal.SIGTERM, signal.default_int_handler)
try:
    in_a_thread(work)
except KeyboardInterrupt:
    os._exit(3)
"""


def test_an_interrupt_that_another_thread_was_given_is_seen() -> None:
    """The kernel may choose any; a wait of the main thread would not end by it."""
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], cwd=ROOT, timeout=120, check=False)
    assert done.returncode == 3
