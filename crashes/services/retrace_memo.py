"""Stacks that were retraced before in this process, so that repeats need no child and no mapping.

What a mapping makes of a crash depends on its classes, frames and locks and on nothing else: not on
the device, the message or the time. So a crash goes into the sandbox as a skeleton of just those, and
the answer for a skeleton is remembered, the longest unused one going first when all of them take more
than a number of bytes. Fleets send few stacks very often; most of a batch is answered from here.
"""

import hashlib
import threading
from collections import OrderedDict
from dataclasses import replace
from typing import Any

import msgspec

from crashes.stack import Crash, ExceptionInfo, LockWait, Thread, from_json, to_json

_OVERHEAD_BYTES = 200  # of one entry: key, links, objects


class RetraceMemo:
    """Answers by mapping and skeleton, within a budget of bytes. Safe to share between threads."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._answers: OrderedDict[bytes, bytes] = OrderedDict()
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._answers)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._answers.clear()
            self.size_bytes = 0

    def get(self, key: bytes) -> Crash | None:
        """The retraced skeleton, if it is remembered."""
        with self._lock:
            packed = self._answers.get(key)
            if packed is None:
                return None
            self._answers.move_to_end(key)
        return from_json(msgspec.json.decode(packed))

    def put(self, key: bytes, answer: dict[str, Any]) -> None:
        """Remember a retraced skeleton, in its JSON form."""
        packed = msgspec.json.encode(answer)
        cost = len(packed) + _OVERHEAD_BYTES
        if cost > self._max_bytes // 8:  # one giant must not push out a thousand others
            return
        with self._lock:
            known = self._answers.pop(key, None)
            self.size_bytes -= len(known) + _OVERHEAD_BYTES if known is not None else 0
            self._answers[key] = packed
            self.size_bytes += cost
            while self.size_bytes > self._max_bytes:
                _, gone = self._answers.popitem(last=False)
                self.size_bytes -= len(gone) + _OVERHEAD_BYTES


def skeleton_of(crash: Crash) -> Crash:
    """What a mapping looks at."""
    return Crash(
        kind=crash.kind,
        exception_type=crash.exception_type,
        threads=tuple(
            Thread(
                crashing=thread.crashing,
                frames=thread.frames,
                blocked_on=thread.blocked_on and LockWait("", thread.blocked_on.lock_class),
            )
            for thread in crash.threads
        ),
        exceptions=tuple(
            ExceptionInfo(exception.type, frames=exception.frames) for exception in crash.exceptions
        ),
    )


def key_of(skeleton: Crash, *, mapping_sha256: str) -> tuple[bytes, dict[str, Any]]:
    """What its answer is remembered by, and its JSON form."""
    document: dict[str, Any] = to_json(skeleton)
    content = mapping_sha256.encode() + msgspec.json.encode(document)
    return hashlib.blake2b(content, digest_size=20).digest(), document


def filled(crash: Crash, retraced: Crash) -> Crash:
    """The crash with the names of its retraced skeleton."""
    threads = tuple(
        replace(
            thread,
            frames=named.frames,
            blocked_on=thread.blocked_on
            and replace(
                thread.blocked_on,
                lock_class=named.blocked_on.lock_class if named.blocked_on else None,
            ),
        )
        for thread, named in zip(crash.threads, retraced.threads, strict=True)
    )
    exceptions = tuple(
        replace(exception, type=named.type, frames=named.frames)
        for exception, named in zip(crash.exceptions, retraced.exceptions, strict=True)
    )
    return replace(
        crash,
        threads=threads,
        exceptions=exceptions,
        exception_type=retraced.exception_type,
        details={**crash.details, **retraced.details},
    )
