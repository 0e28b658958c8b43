"""Telling workers without waiting for anybody.

A request that has promised something is done; that a worker hears of it is a courtesy. So the
bell is rung by a thread of its own, which gathers what several requests bring into one message
and gives up at once when the broker is away: the sweeper finds what no bell announced. While a broker
neither answers nor refuses, up to a thousand calls wait for it; later ones are left to the sweeper.
"""

import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Sequence

logger = logging.getLogger(__name__)

_SILENT_SECONDS = 5.0
_GATHER_SECONDS = 0.005
_MOST_WAITING = 1_000


class Bell:
    """Rings for numbers, at most `most` in one go, with `send`, which may fail in any way."""

    def __init__(self, send: Callable[[list[int]], None], *, most: int) -> None:
        self._send = send
        self._most = most
        self._lock = threading.Lock()
        self._owner = 0
        self._queue: queue.SimpleQueue[Sequence[int]] = queue.SimpleQueue()

    def ring(self, numbers: Sequence[int]) -> None:
        """Have somebody told; returns at once."""
        if not numbers:
            return
        self._start()
        if self._queue.qsize() < _MOST_WAITING:
            self._queue.put(numbers)

    def _start(self) -> None:
        """Start the thread of this process; after a fork the child needs one of its own."""
        if self._owner == os.getpid():
            return
        with self._lock:
            if self._owner != os.getpid():
                self._queue = queue.SimpleQueue()
                threading.Thread(
                    target=self._run, args=(self._queue,), name="bell", daemon=True
                ).start()
                self._owner = os.getpid()

    def _run(self, waiting: "queue.SimpleQueue[Sequence[int]]") -> None:
        silent_until = 0.0
        while True:
            numbers = self._gather(waiting)
            if time.monotonic() < silent_until:
                continue
            try:
                for start in range(0, len(numbers), self._most):
                    self._send(numbers[start : start + self._most])
            except Exception as error:
                logger.warning("the broker is away (%s); the sweeper rings", type(error).__name__)
                silent_until = time.monotonic() + _SILENT_SECONDS

    def _gather(self, waiting: "queue.SimpleQueue[Sequence[int]]") -> list[int]:
        """What waits now and what comes within a few milliseconds."""
        numbers = list(waiting.get())
        deadline = time.monotonic() + _GATHER_SECONDS
        while len(numbers) < self._most:
            try:
                numbers += waiting.get(timeout=max(deadline - time.monotonic(), 0))
            except queue.Empty:
                break
        return numbers
