"""Reports are let in, made durable, and remembered as known for the day.

What is known is in the memory of each process, and only while much waits; a process that has just
started knows nothing and lets everything in once. A crash becomes known when a report of it is
durable, not before.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from datetime import date

from crashes.intake.admission import admits_reports, crash_key
from crashes.services.acceptance import Receipt, Upload, accept_reports
from uxp_diag.load import backlog

_MOST = 50_000
_REMEMBER_FROM = 1.0
"""Below this load nothing is looked at; the first repeats are turned away at twice as much."""


class Overloaded(Exception):
    """Too much waits for these reports to be taken; they may be sent again."""


class KnownCrashes:
    """How often each crash was met today. The least recently met are forgotten beyond `most`."""

    def __init__(self, *, most: int = _MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._day = date.min
        self._met: OrderedDict[bytes, int] = OrderedDict()

    def meet(self, keys: Sequence[bytes | None], *, today: date) -> list[int]:
        """How often each was met before; 0 for a new one. Known ones are met once more."""
        with self._lock:
            self._begin(today)
            return [self._meet(key) for key in keys]

    def learn(self, keys: Sequence[bytes | None], *, today: date) -> None:
        """What is new among these is known from now on."""
        with self._lock:
            self._begin(today)
            for key in keys:
                if key is not None:
                    self._met.setdefault(key, 1)
            while len(self._met) > self._most:
                self._met.popitem(last=False)

    def forget(self) -> None:
        """Know nothing."""
        with self._lock:
            self._met.clear()

    def _begin(self, today: date) -> None:
        if today != self._day:
            self._day = today
            self._met.clear()

    def _meet(self, key: bytes | None) -> int:
        met = self._met.get(key, 0) if key is not None else 0
        if key is not None and met:
            self._met[key] = met + 1
            self._met.move_to_end(key)
        return met


known_crashes = KnownCrashes()


def admit_reports(uploads: Sequence[Upload]) -> list[Receipt]:
    """Make reports durable unless too much waits; one receipt each, in order.

    Raises Overloaded, and what `accept_reports` raises.
    """
    load = backlog.load()
    if not uploads or load < _REMEMBER_FROM:
        return accept_reports(uploads) if uploads else []
    keys = [_key(upload) for upload in uploads]
    today = uploads[0].received_at.date()
    if not admits_reports(load, known_crashes.meet(keys, today=today)):
        raise Overloaded("too many reports wait; this crash is known already")
    receipts = accept_reports(uploads)
    known_crashes.learn(keys, today=today)
    return receipts


def _key(upload: Upload) -> bytes | None:
    report = upload.report
    return crash_key(
        program_id=upload.program_id,
        kind=report.kind.value,
        place=report.process or report.app.package,
        payload=upload.payload,
    )
