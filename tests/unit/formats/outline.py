"""A crash as short lines, so that golden answers can be read and written by eye."""

from collections.abc import Iterable
from typing import Any

from crashes.stack import Crash, ExceptionInfo, Frame, Thread


def frame_line(frame: Frame) -> str:
    """`com.example.Foo.bar(Foo.java:12)`, or `libc.so+0x12 read+4 [build id]` of native code."""
    if frame.module is not None or frame.address is not None:
        return _native_line(frame)
    source = "Native Method" if frame.native_method else frame.file
    line = "" if frame.line is None else f":{frame.line}"
    place = "" if source is None and not line else f"({source or ''}{line})"
    return f"{frame.function}{place}"


def _native_line(frame: Frame) -> str:
    address = "" if frame.address is None else f"+{frame.address:#x}"
    name = "" if frame.function is None else f" {frame.function}"
    offset = "" if frame.function_offset is None else f"+{frame.function_offset}"
    mapped = "" if frame.map_offset is None else f" @{frame.map_offset:#x}"
    build_id = "" if frame.build_id is None else f" [{frame.build_id}]"
    return f"{frame.module or '???'}{address}{name}{offset}{mapped}{build_id}"


def frame_lines(frames: Iterable[Frame]) -> list[str]:
    return [frame_line(frame) for frame in frames]


def _without_nothing(facts: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in facts.items() if value not in (None, [], {}, False, 0)}


def _exception(item: ExceptionInfo) -> dict[str, Any]:
    return _without_nothing(
        {
            "type": item.type,
            "message": item.message,
            "link": item.link.value,
            "depth": item.depth,
            "frames": frame_lines(item.frames),
            "omitted": item.frames_omitted,
        }
    )


def _thread(thread: Thread) -> dict[str, Any]:
    lock = thread.blocked_on
    return _without_nothing(
        {
            "name": thread.name,
            "tid": thread.tid,
            "runtime_tid": thread.runtime_tid,
            "crashing": thread.crashing,
            "state": thread.state,
            "process": thread.process,
            "pid": thread.pid,
            "blocked_on": lock and [lock.lock, lock.lock_class, lock.held_by_tid, lock.holder],
            "held_locks": list(thread.held_locks),
            "frames": frame_lines(thread.frames),
        }
    )


_PLAIN = (
    "process", "package", "version_name", "version_code", "pid", "tid", "abi",
    "build_fingerprint", "timestamp", "signal", "fault_addr", "exception_type",
    "exception_message", "reason",
)  # fmt: skip


def outline(crash: Crash) -> dict[str, Any]:
    """What stands in the `.expected.json` files: everything that is there, nothing that is not."""
    facts = {"kind": crash.kind.value} | {name: getattr(crash, name) for name in _PLAIN}
    facts["threads"] = [_thread(thread) for thread in crash.threads]
    facts["exceptions"] = [_exception(item) for item in crash.exceptions]
    if crash.exceptions and crash.threads and crash.exceptions[0].frames == crash.threads[0].frames:
        facts["exceptions"][0]["frames"] = "of the crashing thread"
    return _without_nothing(facts) | ({"details": dict(crash.details)} if crash.details else {})
