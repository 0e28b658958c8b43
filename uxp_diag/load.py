"""How much work waits, for those at the door: one number, at most two seconds old.

The application that owns the waiting work says how it is counted; whoever turns things away asks
`backlog.load()`. One request in two seconds pays for the count, all others take its answer. While
it cannot be counted, the last answer stands.
"""

import threading
import time
from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError, InterfaceError

from uxp_diag.outage import database_outage

_SECONDS = 2.0
_MOST = 4
"""Counting ends at so many times the threshold; more makes no difference."""


class Backlog:
    """Work that waits. `count(most)` is asked how much there is; it may stop at `most`."""

    def __init__(self) -> None:
        self._count: Callable[[int], int] | None = None
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._waiting = 0

    def counted_by(self, count: Callable[[int], int]) -> None:
        """Say how the waiting work is counted."""
        self._count = count

    def load(self) -> float:
        """What waits, as a multiple of the setting `BACKLOG_SHED`."""
        is_old = time.monotonic() - self._read_at >= _SECONDS
        if is_old and self._lock.acquire(blocking=False):
            try:
                self._read()
            finally:
                self._lock.release()
        return self._waiting / settings.BACKLOG_SHED

    def forget(self) -> None:
        """Count anew when next asked."""
        self._read_at = float("-inf")

    def _read(self) -> None:
        self._read_at = time.monotonic()
        if self._count is None or database_outage.is_on():
            return
        try:
            self._waiting = self._count(_MOST * settings.BACKLOG_SHED)
        except (DatabaseError, InterfaceError):
            database_outage.begin()


backlog = Backlog()
