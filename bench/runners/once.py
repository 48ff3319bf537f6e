"""Runs a program and says what it and its children took: `python -IS once.py FILE PROGRAM...`.

A process of its own, and a small one: a child's peak of memory is never less than its parent's was when it was made.
"""

import json
import os
import sys

pid = os.spawnv(os.P_NOWAIT, sys.argv[2], sys.argv[2:])
_, status, used = os.wait4(pid, 0)
with open(sys.argv[1], "w", encoding="ascii") as file:
    json.dump({"cpu": used.ru_utime + used.ru_stime, "memory": used.ru_maxrss * 1024}, file)
sys.exit(os.waitstatus_to_exitcode(status))
