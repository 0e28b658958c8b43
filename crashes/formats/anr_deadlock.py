"""Threads that wait for one another in a circle, inside one process or across several.

Inside a process the dump says who holds a monitor. Across processes it does not; there a wait is
believed only when exactly one thread of another process can be serving the call: a thread that
waits in `BinderProxy.transact` below `IFoo$Stub$Proxy.bar`, and one that runs `bar` inside
`IFoo$Stub.onTransact`. Every thread waits for at most one other, so following the waits finds
every circle in linear time.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from crashes.formats.anr_threads import thread_label
from crashes.stack import FrameStatus, JsonValue, LockWait, Thread

_Node = tuple[int, int]
_Waits = Mapping[_Node, _Node]
_TRANSACT = frozenset({"android.os.BinderProxy.transact", "android.os.BinderProxy.transactNative"})
_PROXY = re.compile(r"(?P<interface>[^$]{1,512})\$Stub\$Proxy\.(?P<method>[^.]{1,512})")
_SERVED = re.compile(r"(?P<interface>[^$]{1,512})\$Stub\.onTransact")
_HELPER = "$Stub.onTransact$"


@dataclass(frozen=True, slots=True)
class ProcessThreads:
    """The threads of one process, in the dump's order."""

    name: str | None
    threads: Sequence[Thread]


def find_deadlock(processes: Sequence[ProcessThreads]) -> JsonValue:
    """The first circle of waits, or None.

    Inside a process `{"process": name, "cycle": ["main (tid 1)", …]}`, each waiting for the next;
    across processes `{"across_processes": [names], "cycle": [["process", "thread (tid)"], …]}`.
    """
    lock_waits = dict(_lock_waits(processes))
    inside = _first_circle(lock_waits)
    if inside:
        process = processes[inside[0][0]]
        labels: list[JsonValue] = [thread_label(process.threads[at]) for _, at in inside]
        return {"process": process.name, "cycle": labels}
    across = _first_circle(dict(_binder_waits(processes)) | lock_waits)
    return _across(processes, across) if across else None


def _across(processes: Sequence[ProcessThreads], circle: Sequence[_Node]) -> JsonValue:
    names: list[JsonValue] = [processes[home].name for home in sorted({home for home, _ in circle})]
    cycle: list[JsonValue] = [
        [processes[home].name, thread_label(processes[home].threads[at])] for home, at in circle
    ]
    return {"across_processes": names, "cycle": cycle}


def _lock_waits(processes: Sequence[ProcessThreads]) -> Iterator[tuple[_Node, _Node]]:
    for home, process in enumerate(processes):
        by_tid = {thread.runtime_tid: at for at, thread in enumerate(process.threads)}
        by_lock = _holders(process.threads)
        for at, thread in enumerate(process.threads):
            holder = _holder(thread.blocked_on, by_tid, by_lock)
            if holder is not None and holder != at:
                yield (home, at), (home, holder)


def _holders(threads: Sequence[Thread]) -> dict[str, int]:
    """Which thread holds a monitor, where only one says so."""
    holders: dict[str, list[int]] = defaultdict(list)
    for at, thread in enumerate(threads):
        for lock in thread.held_locks:
            holders[lock].append(at)
    return {lock: held[0] for lock, held in holders.items() if len(held) == 1}


def _holder(
    wait: LockWait | None, by_tid: Mapping[int | None, int], by_lock: Mapping[str, int]
) -> int | None:
    if wait is None:
        return None
    if wait.held_by_tid is not None:
        return by_tid.get(wait.held_by_tid)
    return by_lock.get(wait.lock)


def _binder_waits(processes: Sequence[ProcessThreads]) -> Iterator[tuple[_Node, _Node]]:
    servers: dict[tuple[str, str], list[_Node]] = defaultdict(list)
    callers: dict[_Node, tuple[str, str]] = {}
    for home, process in enumerate(processes):
        for at, thread in enumerate(process.threads):
            functions = [
                frame.function or "" for frame in thread.frames if frame.status is FrameStatus.JAVA
            ]
            for served in set(_served_calls(functions)):
                servers[served].append((home, at))
            if called := _called(functions):
                callers[home, at] = called
    for caller, called in callers.items():
        serving = [node for node in servers[called] if node[0] != caller[0]]
        if len(serving) == 1:
            yield caller, serving[0]


def _called(functions: Sequence[str]) -> tuple[str, str] | None:
    """Interface and method of the binder call that a stack waits for, or None."""
    waiting = len(list(takewhile(_TRANSACT.__contains__, functions)))
    if not waiting or waiting == len(functions):
        return None
    found = _PROXY.fullmatch(functions[waiting])
    return (found["interface"], found["method"]) if found else None


def _served_calls(functions: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Interface and method of every binder call that a stack is answering."""
    inner = ""
    for function in functions:
        found = _SERVED.fullmatch(function)
        if found and inner:
            yield found["interface"], inner.rpartition(".")[2]
        if _HELPER not in function:
            inner = function


def _first_circle(waits: _Waits) -> list[_Node]:
    """The first circle in the order of the dump, from its first thread on; empty for none."""
    done: set[_Node] = set()
    for start in sorted(waits):
        path: dict[_Node, None] = {}
        node: _Node | None = start
        while node is not None and node not in done and node not in path:
            path[node] = None
            node = waits.get(node)
        if node is not None and node in path:
            return _circle_from(waits, node)
        done.update(path)
    return []


def _circle_from(waits: _Waits, node: _Node) -> list[_Node]:
    circle = [node]
    while (following := waits[circle[-1]]) != node:
        circle.append(following)
    first = circle.index(min(circle))
    return circle[first:] + circle[:first]
