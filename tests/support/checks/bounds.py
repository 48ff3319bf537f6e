"""Bounds for waits that end by themselves, unless something is wrong: a test that hangs keeps all others waiting."""

from __future__ import annotations

PROGRAM_SECONDS = 240.0  # until a program that a test runs must have ended, on a busy machine
THREAD_SECONDS = 60.0  # until a thread, or a process that was told to end, must be gone
