"""One thread of a thread dump: its header, attributes, frames and locks.

    "main" prio=5 tid=1 Blocked                              ART; Dalvik writes MONITOR
      | sysTid=28941 nice=-10 cgrp=top-app sched=0/0 handle=0x7deceb74f8
      native: #00 pc 0000000000081234  /system/lib64/libc.so (syscall+28)
      at com.example.Foo.bar(Foo.java:12)
      - waiting to lock <0x0d3a2f0a> (a java.lang.Object) held by thread 5
    "binder:28426_2" sysTid=28523                            debuggerd, for native threads

See ART's `runtime/thread.cc` and `runtime/monitor.cc`, Dalvik's `vm/Thread.cpp`, and
`libdebuggerd/backtrace.cpp`.
"""

import re
from dataclasses import dataclass, field, replace

from crashes.formats.lines import HeadAndTail
from crashes.formats.managed_frame import is_platform, managed_frame, split_call, without_module
from crashes.formats.tombstone_text.frames import read_frame
from crashes.stack import Frame, LockWait, Thread

_HEADER = re.compile(r'"(?P<name>.*)" (?P<facts>(?:daemon )?(?:prio=|tid=|sysTid=).*)')
_RUNTIME_TID = re.compile(r"(?<!\w)tid=(?P<tid>[0-9]{1,10})(?: (?P<state>[^()]*))?")
_SYSTEM_TID = re.compile(r"\bsysTid=(?P<tid>[0-9]{1,10})\b")
_LOCK = re.compile(
    r"- (?P<how>locked|waiting to lock|waiting on|sleeping on) (?:<(?P<lock>[^>]{1,64})>)?"
)
_HELD_BY = re.compile(r"(?:thread |threadid=|tid=)(?P<tid>[0-9]{1,10})(?: \((?P<name>.*)\))?\s*")
_MAX_LOCKS = 256
UNKNOWN_LOCK = "unknown"


@dataclass(slots=True)
class ThreadDraft:
    """A thread while its lines are read. Frames stay text until it is known which are kept."""

    name: str | None = None
    tid: int | None = None
    runtime_tid: int | None = None
    state: str | None = None
    calls: HeadAndTail[str] = field(default_factory=HeadAndTail)
    blocked_on: LockWait | None = None
    locked: dict[str, None] = field(default_factory=dict)
    waited_on: set[str] = field(default_factory=set)

    def take(self, text: str) -> None:
        """Add one stripped line that stands below the header; what is unknown is passed over."""
        if text.startswith("at ") and split_call(text[3:]) is not None:
            self.calls.add(text)
        elif text.startswith(("#", "native: #")):
            self.calls.add(text.removeprefix("native: "))
        elif text.startswith("| "):
            self._take_attributes(text)
        elif text.startswith("- "):
            self._take_lock(text)

    def _take_attributes(self, text: str) -> None:
        found = _SYSTEM_TID.search(text)
        if found:
            self.tid = int(found["tid"])

    def _take_lock(self, text: str) -> None:
        found = _LOCK.match(text)
        if found is None or len(self.locked) >= _MAX_LOCKS:
            return
        lock = found["lock"] or UNKNOWN_LOCK
        if found["how"] == "locked":
            self.locked[lock] = None
        elif found["how"] == "waiting to lock":
            self.blocked_on = self.blocked_on or lock_wait(lock, text[found.end() :])
        else:
            self.waited_on.add(lock)

    def finished(self) -> Thread:
        """The thread. A monitor it waits on was given up, so it is not among the held ones."""
        drafted = (_frame(call, index) for index, call in self.calls.items())
        return Thread(
            name=self.name,
            tid=self.tid,
            state=self.state,
            frames=tuple(frame for frame in drafted if frame is not None),
            runtime_tid=self.runtime_tid,
            blocked_on=self.blocked_on,
            held_locks=tuple(lock for lock in self.locked if lock not in self.waited_on),
        )

    def first_app_frame(self) -> str | None:
        """The innermost managed frame that is no platform code, as the dump spells it."""
        for call in self.calls.kept():
            parts = split_call(call[3:]) if call.startswith("at ") else None
            if parts is None:
                continue
            function = without_module(parts[0])
            if not is_platform(function):
                return function if parts[1] is None else f"{function}({parts[1]})"
        return None


def thread_header(text: str) -> ThreadDraft | None:
    """The thread that a stripped line opens, or None when it is no header."""
    found = _HEADER.fullmatch(text)
    if found is None:
        return None
    runtime = _RUNTIME_TID.search(found["facts"])
    system = _SYSTEM_TID.search(found["facts"])
    state = (runtime["state"] or "").strip() if runtime else ""
    return ThreadDraft(
        name=found["name"] or None,
        tid=int(system["tid"]) if system else None,
        runtime_tid=int(runtime["tid"]) if runtime else None,
        state=state or None,
    )


def lock_wait(lock: str, rest: str) -> LockWait:
    """The wait for `lock`; `rest` is ` (a CLASS) held by thread N`, in Dalvik with a name."""
    described, _, holder = rest.partition(" held by ")
    held = _HELD_BY.fullmatch(holder)
    _, _, lock_class = described.strip().removesuffix(")").partition("(a ")
    return LockWait(
        lock=lock,
        lock_class=lock_class or None,
        held_by_tid=int(held["tid"]) if held else None,
        holder=_label(held["name"], held["tid"]) if held and held["name"] else None,
    )


def _label(name: str, tid: str | int) -> str:
    return f"{name} (tid {tid})"


def thread_label(thread: Thread) -> str:
    """How a thread is called where others speak of it: `Thread-9 (tid 5)`."""
    tid = thread.runtime_tid if thread.runtime_tid is not None else thread.tid
    return _label(thread.name or "?", "?" if tid is None else tid)


def _frame(call: str, index: int) -> Frame | None:
    if call.startswith("at "):
        return managed_frame(call[3:], index)
    frame = read_frame(call)
    return None if frame is None else replace(frame, index=index)
