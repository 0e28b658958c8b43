"""A look at the process table."""

import time
from collections.abc import Callable
from pathlib import Path


def children_of(pid: int) -> dict[int, str]:
    """Direct children and their state letters (`Z` is a zombie)."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == pid:
            found[int(entry.parent.name)] = fields[0]
    return found


def exists(pid: int) -> bool:
    """Whether the process runs; a zombie waiting to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def eventually(holds: Callable[[], bool], *, seconds: float = 10.0) -> bool:
    """Whether it becomes true in time; the time is only there to end a failing test."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.01)
    return holds()
