"""Who made a thread wait: the holder of its lock, or the other end of its binder call.

    main waits for a monitor -> "Thread-9" holds it and waits for another -> "db" holds that
    main waits in IAudio$Stub$Proxy.start -> one thread of another process is inside IAudio.start

The last one of a chain of holders is the culprit; in a circle, the first. Its two innermost own
frames tell one culprit from another. Thread names, numbers and lock addresses do not.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Protocol

from crashes.grouping.normalize import Token, short_name
from crashes.stack import Crash, Frame, LockWait, Thread

LOCK_MARK = "lock held at "
BINDER_MARK = "binder peer at "
_KEY_FRAMES = 2
_TRANSACT = frozenset({"android.os.BinderProxy.transact", "android.os.BinderProxy.transactNative"})
_PROXY = re.compile(r"(?P<interface>[^$]+)\$Stub\$Proxy\.(?P<method>[^.]+)")
_HELPER = "$Stub.onTransact$"
_THREAD_NUMBER = re.compile(r"[-_ :#]*\d+")


class OwnFrames(Protocol):
    """Says which frames of a stack are a program's own."""

    def __call__(self, frames: Sequence[Frame], *, system: bool) -> list[Token]:
        """The own frames, innermost first; `system` if the platform is the program's own code."""


@dataclass(frozen=True, slots=True)
class Culprit:
    """`phrase` is for the signature, `key` tells culprits apart, `token` joins the stack.

    The key is empty where the report only names a thread.
    """

    phrase: str = ""
    key: str = ""
    token: Token | None = None


def find_culprit(crash: Crash, own_frames: OwnFrames, *, system: bool) -> Culprit:
    """The culprit of the crashing thread's wait; an empty one if it does not wait or none knows."""
    waiting = crash.crashing_thread
    if waiting is None:
        return Culprit()
    if waiting.blocked_on is None:
        return _binder_peer(crash, waiting, own_frames)
    holder = _last_holder(crash, waiting)
    if holder is None:
        return _named(waiting.blocked_on.holder)
    if holder.blocked_on is None:
        peer = _binder_peer(crash, holder, own_frames)
        if peer.key:
            return peer
    found = _from_frames(LOCK_MARK, own_frames(holder.frames, system=system))
    return found if found.key else _named(holder.name)


def thread_role(name: str) -> str:
    """A thread's name without the numbers that tell its instances apart."""
    return _THREAD_NUMBER.sub("", name).strip()


def _named(name: str | None) -> Culprit:
    role = thread_role(name) if name else ""
    return Culprit(f"lock held by {role}") if role else Culprit()


def _from_frames(mark: str, own: Sequence[Token]) -> Culprit:
    if not own:
        return Culprit()
    return Culprit(
        phrase=f"{mark}{short_name(own[0].text)}",
        key=mark + " < ".join(token.text for token in own[:_KEY_FRAMES]),
        token=own[0]._replace(text=f"{mark}{own[0].text}", in_app=True),
    )


# Locks ----------------------------------------------------------------------------------------


def _last_holder(crash: Crash, waiting: Thread) -> Thread | None:
    """The thread at the end of the chain of holders; the nearest one if the chain is a circle."""
    chain = [waiting]
    while (holder := _holder(crash, chain[-1])) is not None:
        if any(holder is seen for seen in chain):
            return chain[1] if len(chain) > 1 else None
        chain.append(holder)
    return chain[-1] if len(chain) > 1 else None


def _holder(crash: Crash, waiting: Thread) -> Thread | None:
    """The thread of the same process that holds what this one waits for."""
    lock = waiting.blocked_on
    if lock is None:
        return None
    others = (
        thread
        for thread in crash.threads
        if thread is not waiting and thread.process == waiting.process
    )
    return next((thread for thread in others if _holds(thread, lock)), None)


def _holds(thread: Thread, lock: LockWait) -> bool:
    if lock.held_by_tid is not None:
        return lock.held_by_tid in (thread.runtime_tid, thread.tid)
    return lock.holder is not None and lock.holder == thread.name


# Binder ---------------------------------------------------------------------------------------


def _binder_peer(crash: Crash, waiting: Thread, own_frames: OwnFrames) -> Culprit:
    """The thread of another process that alone can be serving the call this one waits for."""
    call = _called(_functions(waiting))
    if call is None:
        return Culprit()
    serving = [
        frames
        for thread in crash.threads
        if thread.process != waiting.process
        for frames in _serving(thread, *call)
    ]
    if len(serving) != 1:
        return Culprit()
    return _from_frames(BINDER_MARK, own_frames(serving[0], system=True))


def _functions(thread: Thread) -> list[str]:
    return [frame.function or "" for frame in thread.frames]


def _called(functions: Sequence[str]) -> tuple[str, str] | None:
    """Interface and method of the binder call that a stack waits for, or None."""
    waiting = len(list(takewhile(_TRANSACT.__contains__, functions)))
    if not waiting or waiting == len(functions):
        return None
    found = _PROXY.fullmatch(functions[waiting])
    return (found["interface"], found["method"]) if found else None


def _serving(thread: Thread, interface: str, method: str) -> Iterator[Sequence[Frame]]:
    """The frames down to the served method, if this thread is serving it."""
    inner = -1
    for at, function in enumerate(_functions(thread)):
        if function == f"{interface}$Stub.onTransact" and inner >= 0:
            if (thread.frames[inner].function or "").rpartition(".")[2] == method:
                yield thread.frames[: inner + 1]
            return
        if _HELPER not in function:
            inner = at
