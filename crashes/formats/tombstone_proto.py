"""Tombstones as protobuf: what DropBox and ApplicationExitInfo hold since Android 12.

Two shapes arrive, and their first byte tells them apart without the DropBox tag: a bare
`Tombstone` begins with field 1 as a varint (`08`, the architecture) or, on 32-bit ARM, with the
build fingerprint (`12`); the wrapper of Android 14 begins with field 1 as bytes (`0a`), the
tombstone inside, and adds how many the system dropped before. Either may be gzip.

The schema is `tombstone_schema`; reading it strictly is `protobuf_wire`'s work; here the message
becomes a `Crash`. Since proto3 writes no zeros, a zero in guest_arch, page_size and uptime means
"unknown": dumps of Android 12 and 13 lack these fields. `details` has the keys that
`tombstone_text` lists, and selinux_label, dropped_count, memory_errors [{tool, type, address,
size}].
"""

from collections.abc import Iterable, Iterator
from typing import Any

from crashes.formats.errors import MalformedPayload
from crashes.formats.lines import MAX_THREADS, HeadAndTail
from crashes.formats.protobuf_wire import Message, decode
from crashes.formats.tombstone_parts import (
    BuildIds,
    MemoryMapping,
    inflated,
    is_requested_dump,
    known,
    modules_of,
    native_frame,
    package_of,
    present,
    process_id,
    stack_details,
)
from crashes.formats.tombstone_schema import (
    ABIS,
    MEMORY_ERROR_TOOLS,
    MEMORY_ERROR_TYPES,
    TOMBSTONE,
    WITH_HEADERS,
)
from crashes.stack import Crash, CrashKind, Frame, JsonValue, Thread

MAX_FACTS = 64
MAX_REGISTERS = 128

_WRAPPER_START = b"\x0a"
_TOMBSTONE_STARTS = (b"\x08", b"\x12")
_MAX_OFFSET = 2**63


def parse(payload: bytes) -> Crash:
    """The crash in a tombstone protobuf.

    Raises MalformedPayload: `not_a_tombstone` for bytes of another kind, the codes of
    `protobuf_wire.decode` for damaged ones, and for gzip `corrupt_gzip`, `truncated_gzip`,
    `too_large`.
    """
    tombstone, dropped_count = _open(inflated(payload))
    if not (tombstone.get("threads") or tombstone.get("signal_info")):
        raise MalformedPayload(
            "not_a_tombstone", "the message has no thread and no signal", where="offset 0x0"
        )
    return _crash(tombstone, dropped_count)


def _open(payload: bytes) -> tuple[Message, int]:
    """The tombstone, unwrapped, and how many others the system dropped."""
    if not payload.startswith(_WRAPPER_START):
        return _tombstone(payload), 0
    try:
        wrapper = decode(payload, WITH_HEADERS)
    except MalformedPayload as problem:
        if payload.lstrip(b"\n").isascii():
            raise _no_tombstone() from problem
        raise
    return _tombstone(wrapper.get("tombstone", b"")), wrapper.get("dropped_count", 0)


def _tombstone(payload: bytes) -> Message:
    if not payload.startswith(_TOMBSTONE_STARTS):
        raise _no_tombstone()
    return decode(payload, TOMBSTONE)


def _no_tombstone() -> MalformedPayload:
    return MalformedPayload(
        "not_a_tombstone", "begins neither with an architecture nor with a build fingerprint"
    )


def _crash(tombstone: Message, dropped_count: int) -> Crash:
    tid = process_id(tombstone.get("tid"))
    threads = tuple(_threads(tombstone.get("threads", []), tid))
    mappings = [_mapping(mapping) for mapping in tombstone.get("memory_mappings", [])]
    build_ids = BuildIds()
    build_ids.learn_all(mappings, threads)
    process = _process(tombstone)
    signal = tombstone.get("signal_info", {})
    causes = tombstone.get("causes", [])
    return Crash(
        kind=CrashKind.NATIVE_CRASH,
        process=process,
        package=package_of(process),
        pid=process_id(tombstone.get("pid")),
        tid=tid,
        abi=_abi(tombstone.get("arch", 0)),
        build_fingerprint=known(_text(tombstone, "build_fingerprint")),
        timestamp=known(_text(tombstone, "timestamp")),
        signal=known(_text(signal, "name")),
        signal_number=signal.get("number"),
        signal_code=known(_text(signal, "code_name")),
        fault_addr=signal.get("fault_address", 0) if signal.get("has_fault_address") else None,
        abort_message=_text(tombstone, "abort_message") or None,
        reason=known(_text(causes[0], "human_readable")) if causes else None,
        threads=build_ids.complete_threads(threads),
        modules=build_ids.complete_modules(modules_of(mappings)),
        details=_details(tombstone, threads, dropped_count),
    )


def _text(message: Message, name: str) -> str:
    """A text without NUL, which no database column takes."""
    return str(message.get(name, "")).replace("\0", "")


def _process(tombstone: Message) -> str | None:
    command_line = tombstone.get("command_line", [])
    return known(command_line[0].replace("\0", "")) if command_line else None


def _abi(number: int) -> str | None:
    return ABIS[number] if 0 <= number < len(ABIS) else None


def _threads(entries: list[Message], crashed: int | None) -> Iterator[Thread]:
    """The threads, the one that crashed first and the others by id."""
    by_tid = {entry.get("key", 0): entry.get("value", {}) for entry in entries}
    order = sorted(by_tid, key=lambda tid: (tid != crashed, tid))
    for tid in order[:MAX_THREADS]:
        thread = by_tid[tid]
        yield Thread(
            name=known(_text(thread, "name")),
            tid=process_id(tid),
            crashing=tid == crashed,
            frames=_frames(thread.get("current_backtrace", [])),
            registers=_registers(thread.get("registers", [])),
        )


def _registers(registers: list[Message]) -> dict[str, int]:
    return {_text(item, "name"): item.get("u64", 0) for item in registers[:MAX_REGISTERS]}


def _frames(frames: Iterable[Message]) -> tuple[Frame, ...]:
    kept: HeadAndTail[Message] = HeadAndTail()
    for frame in frames:
        kept.add(frame)
    return tuple(_frame(index, frame) for index, frame in kept.items())


def _frame(index: int, frame: Message) -> Frame:
    offset = frame.get("function_offset", 0)
    return native_frame(
        index,
        frame.get("rel_pc", 0),
        module=_text(frame, "file_name"),
        function=_text(frame, "function_name"),
        function_offset=offset if offset < _MAX_OFFSET else None,
        map_offset=frame.get("file_map_offset"),
        build_id=_text(frame, "build_id"),
    )


def _mapping(mapping: Message) -> MemoryMapping:
    return MemoryMapping(
        start_addr=mapping.get("begin_address", 0),
        end_addr=mapping.get("end_address", 0),
        executable=mapping.get("execute", False),
        map_offset=mapping.get("offset"),
        path=_text(mapping, "mapping_name") or None,
        build_id=_text(mapping, "build_id").lower() or None,
    )


def _details(
    tombstone: Message, threads: tuple[Thread, ...], dropped_count: int
) -> dict[str, JsonValue]:
    crashed = _crashed_thread(tombstone)
    notes = crashed.get("backtrace_note", [])
    return present(
        {
            "uid": tombstone.get("uid", 0),
            "uptime_s": tombstone.get("process_uptime") or None,
            "page_size_bytes": tombstone.get("page_size") or None,
            "has_been_16kb_mode": tombstone.get("has_been_16kb_mode") or None,
            "command_line": " ".join(tombstone.get("command_line", [])).replace("\0", ""),
            "revision": _text(tombstone, "revision"),
            "selinux_label": _text(tombstone, "selinux_label"),
            "guest_architecture": _abi(tombstone.get("guest_arch") or -1),
            "tagged_addr_ctrl": _flags(crashed.get("tagged_addr_ctrl", 0)),
            "pac_enabled_keys": _flags(crashed.get("pac_enabled_keys", 0)),
            "backtrace_notes": [note.replace("\0", "") for note in notes[:MAX_FACTS]],
            "crash_details": [_crash_detail(item) for item in _some(tombstone, "crash_details")],
            "guest_threads": [_guest_thread(entry) for entry in _some(tombstone, "guest_threads")],
            "memory_mappings": len(tombstone.get("memory_mappings", [])) or None,
            "open_fds": tombstone.get("open_fds"),
            "frames_omitted": _frames_omitted(tombstone, threads) or None,
            "threads_omitted": len(tombstone.get("threads", [])) - len(threads) or None,
            "dropped_count": dropped_count or None,
            **_signal_details(tombstone.get("signal_info", {})),
            **_cause_details(_some(tombstone, "causes")),
        }
    )


def _some(tombstone: Message, name: str) -> list[Message]:
    items: list[Message] = tombstone.get(name, [])
    return items[:MAX_FACTS]


def _crashed_thread(tombstone: Message) -> Message:
    for entry in tombstone.get("threads", []):
        if entry.get("key") == tombstone.get("tid"):
            return dict(entry.get("value", {}))
    return {}


def _frames_omitted(tombstone: Message, threads: tuple[Thread, ...]) -> int:
    entries = tombstone.get("threads", [])
    all_frames = {
        e.get("key"): len(e.get("value", {}).get("current_backtrace", [])) for e in entries
    }
    return sum(all_frames.get(thread.tid, 0) - len(thread.frames) for thread in threads)


def _flags(value: int) -> str | None:
    """The bits of a `prctl`; -1 says that the kernel has no such call."""
    return hex(value) if value > 0 else None


def _crash_detail(item: Message) -> JsonValue:
    """What an app registered for the case of a crash; the bytes may be damaged by it."""
    texts = {
        name: bytes(item.get(name, b"")).decode("utf-8", "replace") for name in ("name", "data")
    }
    return {name: text.replace("\0", "") for name, text in texts.items()}


def _guest_thread(entry: Message) -> JsonValue:
    frames = _frames(entry.get("value", {}).get("current_backtrace", []))
    return stack_details(None, process_id(entry.get("key")), frames)


def _signal_details(signal: Message) -> dict[str, JsonValue]:
    if not signal:
        return {}
    sender: JsonValue = {"pid": signal.get("sender_pid", 0), "uid": signal.get("sender_uid", 0)}
    is_requested = is_requested_dump(known(_text(signal, "name")), signal.get("number"))
    return {
        "signal_code_number": signal.get("code", 0),
        "sender": sender if signal.get("has_sender") else None,
        "requested_dump": is_requested or None,
    }


def _cause_details(causes: list[Message]) -> dict[str, JsonValue]:
    errors = [cause["memory_error"] for cause in causes if "memory_error" in cause]
    return {
        "causes": [_text(cause, "human_readable") for cause in causes],
        "memory_errors": [_memory_error(error) for error in errors],
        "heap_stacks": [stack for error in errors for stack in _heap_stacks(error.get("heap", {}))],
    }


def _memory_error(error: Message) -> JsonValue:
    heap = error.get("heap", {})
    return {
        "tool": _name(MEMORY_ERROR_TOOLS, error.get("tool", 0)),
        "type": _name(MEMORY_ERROR_TYPES, error.get("type", 0)),
        "address": hex(heap.get("address", 0)),
        "size": heap.get("size", 0),
    }


def _name(names: tuple[str, ...], number: int) -> str | None:
    return names[number] if 0 <= number < len(names) else None


def _heap_stacks(heap: Message) -> Iterator[JsonValue]:
    for role in ("deallocat", "allocat"):
        backtrace: Any = heap.get(f"{role}ion_backtrace")
        if backtrace:
            yield stack_details(
                f"{role}ed", process_id(heap.get(f"{role}ion_tid")), _frames(backtrace)
            )
