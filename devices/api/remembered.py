"""Who was let in lately: enough to keep the door open while the database is away.

Every look-up asks the database; only when it does not answer is an earlier answer used, if it is
younger than an hour. Consent is looked at again when the report is stored, so a withdrawal is not
missed. Keys are hashes: a credential itself is not kept.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from django.db import InterfaceError, OperationalError

from devices.credentials import hash_token
from devices.selectors.access import Sender
from uxp_diag.api.problem import Problem
from uxp_diag.outage import database_outage

_MOST = 50_000
_SECONDS = 3600.0


class SenderMemory:
    """The senders of the last hour, the least recently seen forgotten first."""

    def __init__(self, *, most: int = _MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, tuple[Sender, float]] = OrderedDict()

    def find(self, credential: str, look_up: Callable[[str], Sender | None]) -> Sender | None:
        """What `look_up` says; while the database is away, what it said lately.

        Raises Problem 503 when the database is away and nobody remembers.
        """
        key = hash_token(credential)
        if database_outage.is_on():
            return self._recall(key)
        try:
            sender = look_up(credential)
        except (OperationalError, InterfaceError):
            database_outage.begin()
            return self._recall(key)
        self._remember(key, sender)
        return sender

    def _remember(self, key: bytes, sender: Sender | None) -> None:
        with self._lock:
            self._known.pop(key, None)
            if sender is not None:
                self._known[key] = (sender, time.monotonic())
            while len(self._known) > self._most:
                self._known.popitem(last=False)

    def _recall(self, key: bytes) -> Sender:
        with self._lock:
            sender, seen = self._known.get(key, (None, 0.0))
        if sender is None or time.monotonic() - seen > _SECONDS:
            raise Problem(
                503,
                "database_away",
                "The credential cannot be checked at the moment.",
                retry=True,
                headers={"Retry-After": "30"},
            )
        return sender
