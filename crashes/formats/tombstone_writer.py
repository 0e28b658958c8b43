"""Tombstones written from a `Crash`, as debuggerd of Android 16 would: for demo fleets and tests.

`write_text` and `write_proto` say what the format has a place for, so that reading the result
gives the crash again: `parse(write_text(crash)) == crash`. What a tombstone cannot say is left
out (source lines, inlined frames, package and version), and what `Crash` only counts (mappings
of no module, open files) is filled up with mappings and files of no interest.

Layout: AOSP system/core `debuggerd/libdebuggerd/tombstone_proto_to_text.cpp`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from crashes.formats.protobuf_wire import Message, encode
from crashes.formats.tombstone_parts import native_frame
from crashes.formats.tombstone_schema import (
    ABIS,
    MEMORY_ERROR_TOOLS,
    MEMORY_ERROR_TYPES,
    TOMBSTONE,
    WITH_HEADERS,
)
from crashes.stack import Crash, Frame, Module, Thread

_BANNER = " ".join(["***"] * 16)
_NEXT_THREAD = " ".join(["---"] * 16)
_UNKNOWN = "<unknown>"
_NO_ABI = 5
_ROW = 4
_NARROW_ABIS = frozenset({"arm", "x86"})
_LAST_REGISTERS: Final = {
    "arm": ("ip", "lr", "sp", "pc", "pst"),
    "arm64": ("ip", "lr", "sp", "pc", "pst"),
    "x86": ("ebp", "esp", "eip"),
    "x86_64": ("rbp", "rsp", "rip"),
    "riscv64": ("ra", "sp", "pc"),
}
_FILLER_START = 0xE0000000
_PAGE = 0x1000


def write_text(crash: Crash, *, log_prefix: str = "") -> str:
    """The crash as text. With `log_prefix` (`I/DEBUG   (  123): `) as a log shows it."""
    return "".join(f"{log_prefix}{line}\n" for line in _Text(crash).lines())


def write_proto(crash: Crash, *, with_headers: bool = False, dropped_count: int = 0) -> bytes:
    """The crash as a `Tombstone`, bare or in the wrapper that DropBox uses since Android 14."""
    tombstone = encode(_tombstone(crash), TOMBSTONE)
    if not with_headers:
        return tombstone
    return encode({"tombstone": tombstone, "dropped_count": dropped_count}, WITH_HEADERS)


class _Text:
    """Lines of one tombstone; `_width` is the number of digits of a pointer."""

    def __init__(self, crash: Crash) -> None:
        self._crash = crash
        self._details: Mapping[str, Any] = crash.details
        self._width = 8 if crash.abi in _NARROW_ABIS else 16

    def lines(self) -> Iterator[str]:
        first, *others = self._crash.threads or (Thread(tid=self._crash.tid, crashing=True),)
        yield from self._header()
        yield from self._process(first)
        yield from self._signal()
        yield from self._messages()
        yield from self._registers(first)
        yield from self._backtrace(first.frames, self._details.get("backtrace_notes", []))
        yield from self._causes()
        yield from self._side_stacks()
        yield from self._memory_map()
        yield from self._guest_threads()
        for thread in others:
            yield _NEXT_THREAD
            yield from self._process(thread)
            yield from self._registers(thread)
            yield from self._backtrace(thread.frames, [])
        yield from self._open_files()

    def _header(self) -> Iterator[str]:
        crash, details = self._crash, self._details
        yield _BANNER
        yield from _if_known("Build fingerprint: '{}'", crash.build_fingerprint)
        yield from _if_known("Revision: '{}'", details.get("revision"))
        yield from _if_known("ABI: '{}'", crash.abi)
        yield from _if_known("Guest architecture: '{}'", details.get("guest_architecture"))
        yield from _if_known("Timestamp: {}", crash.timestamp)
        yield from _if_known("Process uptime: {}s", details.get("uptime_s"))
        yield from _if_known("Page size: {} bytes", details.get("page_size_bytes"))
        if details.get("has_been_16kb_mode"):
            yield "Has been in 16 KB mode before: yes"

    def _process(self, thread: Thread) -> Iterator[str]:
        crash, details = self._crash, self._details
        yield f"Cmdline: {details.get('command_line') or _UNKNOWN}"
        if crash.pid is not None:
            name, process = thread.name or _UNKNOWN, crash.process or _UNKNOWN
            yield f"pid: {crash.pid}, tid: {thread.tid or 0}, name: {name}  >>> {process} <<<"
        yield from _if_known("uid: {}", details.get("uid"))
        for name in ("tagged_addr_ctrl", "pac_enabled_keys"):
            if name in details:
                yield f"{name}: {int(details[name], 16):016x}"

    def _signal(self) -> Iterator[str]:
        crash, details = self._crash, self._details
        if crash.signal_number is None:
            yield "signal information missing"
            return
        sender = details.get("sender")
        by = " from pid {pid}, uid {uid}".format(**sender) if sender else ""
        address = "--------" if crash.fault_addr is None else f"0x{self._pointer(crash.fault_addr)}"
        yield (
            f"signal {crash.signal_number} ({crash.signal or '?'}), "
            f"code {details.get('signal_code_number', 0)} ({crash.signal_code or '?'}{by}), "
            f"fault addr {address}"
        )

    def _messages(self) -> Iterator[str]:
        causes = _causes(self._crash)
        if len(causes) == 1:
            yield f"Cause: {causes[0]}"
        if self._crash.abort_message:
            yield from f"Abort message: '{self._crash.abort_message}'".split("\n")
        for detail in self._details.get("crash_details", []):
            yield f"Extra crash detail: {_octal(detail['name'])}: '{_octal(detail['data'])}'"

    def _registers(self, thread: Thread) -> Iterator[str]:
        last = _LAST_REGISTERS.get(self._crash.abi or "", ())
        ordinary = [item for item in thread.registers.items() if item[0] not in last]
        for start in range(0, len(ordinary), _ROW):
            yield self._register_row(ordinary[start : start + _ROW])
        special = [(name, thread.registers[name]) for name in last if name in thread.registers]
        if special:
            yield self._register_row(special)

    def _register_row(self, row: Sequence[tuple[str, int]]) -> str:
        return "  " + "".join(f"  {name:<3} {self._pointer(value)}" for name, value in row)

    def _backtrace(self, frames: Sequence[Frame], notes: Iterable[str]) -> Iterator[str]:
        yield ""
        yield f"{len(frames)} total frames"
        yield "backtrace:"
        yield from (f"  NOTE: {note}" for note in notes)
        yield from map(self._frame, frames)

    def _frame(self, frame: Frame) -> str:
        line = f"      #{frame.index:02d} pc {self._pointer(frame.address or 0)}"
        line += f"  {frame.module or _UNKNOWN}"
        if frame.map_offset:
            line += f" (offset {frame.map_offset:#x})"
        if frame.function:
            line += f" ({frame.raw_function or frame.function}+{frame.function_offset or 0})"
        return line + (f" (BuildId: {frame.build_id})" if frame.build_id else "")

    def _causes(self) -> Iterator[str]:
        causes = _causes(self._crash)
        if len(causes) > 1:
            yield ""
            yield (
                "Note: multiple potential causes for this crash were detected, listing them in "
                "decreasing order of likelihood."
            )
            for cause in causes:
                yield from ("", f"Cause: {cause}")

    def _side_stacks(self) -> Iterator[str]:
        for stack in self._details.get("heap_stacks", []):
            yield ""
            yield f"{stack['role']} by thread {stack['tid'] or 0}:"
            yield from map(self._frame, map(_frame_of, stack["frames"]))

    def _guest_threads(self) -> Iterator[str]:
        for stack in self._details.get("guest_threads", []):
            yield _NEXT_THREAD
            yield f"Guest thread information for tid: {stack['tid'] or 0}"
            yield from self._backtrace([_frame_of(frame) for frame in stack["frames"]], [])

    def _memory_map(self) -> Iterator[str]:
        mappings = list(_mappings(self._crash))
        yield ""
        if not mappings:
            yield "No memory maps found"
            return
        yield f"memory map ({len(mappings)} {'entry' if len(mappings) == 1 else 'entries'}):"
        yield from map(self._mapping, mappings)

    def _mapping(self, module: Module) -> str:
        start, end = module.start_addr or 0, module.end_addr or 0
        flags = "r-x" if module.path else "rw-"
        line = f"    {self._split_pointer(start)}-{self._split_pointer(end - 1)} {flags}"
        line += f"  {module.map_offset or 0:8x}  {end - start:8x}"
        line += f"  {module.path}" if module.path else ""
        return line + (f" (BuildId: {module.build_id})" if module.build_id else "")

    def _open_files(self) -> Iterator[str]:
        count = self._details.get("open_fds", 0)
        if count:
            yield ""
            yield "open files:"
            yield from (f"    fd {number}: /dev/null (unowned)" for number in range(count))

    def _pointer(self, value: int) -> str:
        return f"{value:0{self._width}x}"

    def _split_pointer(self, value: int) -> str:
        digits = self._pointer(value)
        return digits if len(digits) <= 8 else f"{digits[:-8]}'{digits[-8:]}"  # noqa: PLR2004


def _if_known(text: str, value: object) -> Iterator[str]:
    if value is not None:
        yield text.format(value)


def _causes(crash: Crash) -> list[str]:
    causes: Any = crash.details.get("causes")
    return causes or ([crash.reason] if crash.reason else [])


def _octal(text: str) -> str:
    """Text as debuggerd writes foreign bytes: octal numbers for what cannot be printed."""
    return "".join(
        chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:o}"  # noqa: PLR2004
        for byte in text.encode("utf-8", "replace")
    )


def _frame_of(document: Mapping[str, Any]) -> Frame:
    """The frame of a stack in `details`."""
    return native_frame(
        document["index"],
        int(document["address"] or "0x0", 16),
        module=document["module"],
        function=document["raw_function"],
        function_offset=document["function_offset"],
        map_offset=int(document["map_offset"] or "0x0", 16),
        build_id=document["build_id"],
    )


def _mappings(crash: Crash) -> Iterator[Module]:
    """The modules, and nameless mappings up to the number the crash counts."""
    modules = [module for module in crash.modules if module.start_addr is not None]
    yield from modules
    wanted: Any = crash.details.get("memory_mappings") or 0
    for number in range(wanted - len(modules)):
        start = _FILLER_START + number * _PAGE
        yield Module(path="", start_addr=start, end_addr=start + _PAGE)


def _tombstone(crash: Crash) -> Message:
    details: Mapping[str, Any] = crash.details
    return {
        "arch": _number_of(crash.abi, ABIS, _NO_ABI),
        "build_fingerprint": crash.build_fingerprint,
        "revision": details.get("revision"),
        "timestamp": crash.timestamp,
        "pid": crash.pid,
        "tid": crash.tid,
        "uid": details.get("uid"),
        "selinux_label": details.get("selinux_label"),
        "command_line": (details.get("command_line") or crash.process or "").split(),
        "signal_info": _signal(crash),
        "abort_message": crash.abort_message,
        "causes": _cause_messages(crash),
        "threads": [_thread_entry(crash, thread) for thread in crash.threads],
        "memory_mappings": [_mapping(module) for module in _mappings(crash)],
        "open_fds": [{"fd": at, "path": "/dev/null"} for at in range(details.get("open_fds", 0))],
        "process_uptime": details.get("uptime_s"),
        "crash_details": [_bytes_of(item) for item in details.get("crash_details", [])],
        "page_size": details.get("page_size_bytes"),
        "has_been_16kb_mode": details.get("has_been_16kb_mode"),
        "guest_arch": _number_of(details.get("guest_architecture"), ABIS, _NO_ABI),
        "guest_threads": [_guest_entry(stack) for stack in details.get("guest_threads", [])],
    }


def _number_of(name: str | None, names: Sequence[str], default: int = 0) -> int:
    return names.index(name) if name in names else default


def _signal(crash: Crash) -> Message:
    if crash.signal_number is None:
        return {}
    details: Mapping[str, Any] = crash.details
    sender = details.get("sender") or {}
    return {
        "number": crash.signal_number,
        "name": crash.signal,
        "code": details.get("signal_code_number"),
        "code_name": crash.signal_code,
        "has_sender": bool(sender),
        "sender_uid": sender.get("uid"),
        "sender_pid": sender.get("pid"),
        "has_fault_address": crash.fault_addr is not None,
        "fault_address": crash.fault_addr,
    }


def _cause_messages(crash: Crash) -> list[Message]:
    """The causes; the memory errors belong to the first of them, the stacks to the first error."""
    messages: list[Message] = [{"human_readable": cause} for cause in _causes(crash)]
    errors: Any = crash.details.get("memory_errors", [])
    for message, error in zip(messages, errors, strict=False):
        message["memory_error"] = {
            "tool": _number_of(error["tool"], MEMORY_ERROR_TOOLS),
            "type": _number_of(error["type"], MEMORY_ERROR_TYPES),
            "heap": {"address": int(error["address"], 16), "size": error["size"]},
        }
    stacks: Any = crash.details.get("heap_stacks", [])
    if errors and messages:
        messages[0]["memory_error"]["heap"] |= _heap_stacks(stacks)
    return messages


def _heap_stacks(stacks: Iterable[Mapping[str, Any]]) -> Message:
    heap: Message = {}
    for stack in stacks:
        action = stack["role"].removesuffix("ed") + "ion"
        heap[f"{action}_tid"] = stack["tid"]
        heap[f"{action}_backtrace"] = [_frame(_frame_of(frame), {}) for frame in stack["frames"]]
    return heap


def _thread_entry(crash: Crash, thread: Thread) -> Message:
    details: Mapping[str, Any] = crash.details if thread.crashing else {}
    loaded_at = {module.path: _load_address(module) for module in crash.modules}
    value = {
        "id": thread.tid,
        "name": thread.name,
        "registers": [{"name": name, "u64": value} for name, value in thread.registers.items()],
        "current_backtrace": [_frame(frame, loaded_at) for frame in thread.frames],
        "tagged_addr_ctrl": int(details.get("tagged_addr_ctrl", "-0x1"), 16),
        "pac_enabled_keys": int(details.get("pac_enabled_keys", "-0x1"), 16),
        "backtrace_note": details.get("backtrace_notes"),
    }
    return {"key": thread.tid, "value": value}


def _guest_entry(stack: Mapping[str, Any]) -> Message:
    frames = [_frame(_frame_of(frame), {}) for frame in stack["frames"]]
    return {"key": stack["tid"], "value": {"id": stack["tid"], "current_backtrace": frames}}


def _load_address(module: Module) -> int:
    return (module.start_addr or 0) - (module.map_offset or 0)


def _frame(frame: Frame, loaded_at: Mapping[str, int]) -> Message:
    rel_pc = frame.address or 0
    return {
        "rel_pc": rel_pc,
        "pc": rel_pc + loaded_at.get(frame.module or "", 0),
        "function_name": frame.raw_function or frame.function,
        "function_offset": frame.function_offset,
        "file_name": frame.module or _UNKNOWN,
        "file_map_offset": frame.map_offset,
        "build_id": frame.build_id,
    }


def _mapping(module: Module) -> Message:
    return {
        "begin_address": module.start_addr,
        "end_address": module.end_addr,
        "offset": module.map_offset,
        "read": True,
        "write": not module.path,
        "execute": bool(module.path),
        "mapping_name": module.path,
        "build_id": module.build_id,
    }


def _bytes_of(detail: Mapping[str, str]) -> Message:
    return {name: text.encode("utf-8", "replace") for name, text in detail.items()}
