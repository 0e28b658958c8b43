"""Remembering for a few seconds that the database is away.

Each attempt to reach it costs seconds while it is. After one has failed, uploads do without for a
moment, so that an outage makes one request in a while slow and not all of them.
"""

import time

SECONDS = 3.0


class Outage:
    """On for a few seconds after each `begin`."""

    def __init__(self) -> None:
        self._until = 0.0

    def is_on(self) -> bool:
        """Whether somebody has met the outage a moment ago."""
        return time.monotonic() < self._until

    def begin(self) -> None:
        """Somebody has met it."""
        self._until = time.monotonic() + SECONDS

    def end(self) -> None:
        """It is over."""
        self._until = 0.0


database_outage = Outage()
