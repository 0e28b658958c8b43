"""tombstone.proto, the protobuf form of a tombstone: numbers, names and kinds of its fields.

Numbers from AOSP system/core `debuggerd/proto/tombstone.proto` (Android 12 to 16). Fields with
private content (`memory_dump`, `log_buffers`, `open_fds`, `fault_adjacent_metadata`) are COUNTED:
they are checked, because damage shows there too, and their content is not kept.

proto3 writes no zeros, so a zero and a field that an older Android did not know look the same.
"""

from typing import Final

from crashes.formats.protobuf_wire import Field, Kind, Schema

ABIS: Final = ("arm", "arm64", "x86", "x86_64", "riscv64")
"""By number of the enum Architecture; 5 is NONE."""

MEMORY_ERROR_TOOLS: Final = ("GWP-ASan", "Scudo")
MEMORY_ERROR_TYPES: Final = (
    "unknown",
    "use_after_free",
    "double_free",
    "invalid_free",
    "buffer_overflow",
    "buffer_underflow",
)

FRAME: Final[Schema] = {
    1: Field("rel_pc", Kind.UINT64),
    2: Field("pc", Kind.UINT64),
    3: Field("sp", Kind.UINT64),
    4: Field("function_name", Kind.STRING),
    5: Field("function_offset", Kind.UINT64),
    6: Field("file_name", Kind.STRING),
    7: Field("file_map_offset", Kind.UINT64),
    8: Field("build_id", Kind.STRING),
}

_MEMORY_DUMP: Final[Schema] = {
    1: Field("register_name", Kind.STRING),
    2: Field("mapping_name", Kind.STRING),
    3: Field("begin_address", Kind.UINT64),
    4: Field("memory", Kind.BYTES),
    5: Field("tags", Kind.BYTES),
    6: Field("arm_mte_metadata", Kind.MESSAGE, message={1: Field("memory_tags", Kind.BYTES)}),
}

_SIGNAL: Final[Schema] = {
    1: Field("number", Kind.INT32),
    2: Field("name", Kind.STRING),
    3: Field("code", Kind.INT32),
    4: Field("code_name", Kind.STRING),
    5: Field("has_sender", Kind.BOOL),
    6: Field("sender_uid", Kind.INT32),
    7: Field("sender_pid", Kind.INT32),
    8: Field("has_fault_address", Kind.BOOL),
    9: Field("fault_address", Kind.UINT64),
    10: Field("fault_adjacent_metadata", Kind.COUNTED, message=_MEMORY_DUMP),
}

_HEAP_OBJECT: Final[Schema] = {
    1: Field("address", Kind.UINT64),
    2: Field("size", Kind.UINT64),
    3: Field("allocation_tid", Kind.UINT64),
    4: Field("allocation_backtrace", Kind.MESSAGE, repeated=True, message=FRAME),
    5: Field("deallocation_tid", Kind.UINT64),
    6: Field("deallocation_backtrace", Kind.MESSAGE, repeated=True, message=FRAME),
}

_CAUSE: Final[Schema] = {
    1: Field("human_readable", Kind.STRING),
    2: Field(
        "memory_error",
        Kind.MESSAGE,
        message={
            1: Field("tool", Kind.INT32),
            2: Field("type", Kind.INT32),
            3: Field("heap", Kind.MESSAGE, message=_HEAP_OBJECT),
        },
    ),
}

_REGISTER: Final[Schema] = {1: Field("name", Kind.STRING), 2: Field("u64", Kind.UINT64)}

_THREAD: Final[Schema] = {
    1: Field("id", Kind.INT32),
    2: Field("name", Kind.STRING),
    3: Field("registers", Kind.MESSAGE, repeated=True, message=_REGISTER),
    4: Field("current_backtrace", Kind.MESSAGE, repeated=True, message=FRAME),
    5: Field("memory_dump", Kind.COUNTED, message=_MEMORY_DUMP),
    6: Field("tagged_addr_ctrl", Kind.INT64),
    7: Field("backtrace_note", Kind.STRING, repeated=True),
    8: Field("pac_enabled_keys", Kind.INT64),
    9: Field("unreadable_elf_files", Kind.STRING, repeated=True),
}

_THREADS_ENTRY: Final[Schema] = {
    1: Field("key", Kind.UINT32),
    2: Field("value", Kind.MESSAGE, message=_THREAD),
}

_MEMORY_MAPPING: Final[Schema] = {
    1: Field("begin_address", Kind.UINT64),
    2: Field("end_address", Kind.UINT64),
    3: Field("offset", Kind.UINT64),
    4: Field("read", Kind.BOOL),
    5: Field("write", Kind.BOOL),
    6: Field("execute", Kind.BOOL),
    7: Field("mapping_name", Kind.STRING),
    8: Field("build_id", Kind.STRING),
    9: Field("load_bias", Kind.UINT64),
}

_LOG_MESSAGE: Final[Schema] = {
    1: Field("timestamp", Kind.STRING),
    2: Field("pid", Kind.UINT32),
    3: Field("tid", Kind.UINT32),
    4: Field("priority", Kind.UINT32),
    5: Field("tag", Kind.STRING),
    6: Field("message", Kind.STRING),
}

_LOG_BUFFER: Final[Schema] = {
    1: Field("name", Kind.STRING),
    2: Field("logs", Kind.COUNTED, message=_LOG_MESSAGE),
}

_FD: Final[Schema] = {
    1: Field("fd", Kind.INT32),
    2: Field("path", Kind.STRING),
    3: Field("owner", Kind.STRING),
    4: Field("tag", Kind.UINT64),
}

_CRASH_DETAIL: Final[Schema] = {1: Field("name", Kind.BYTES), 2: Field("data", Kind.BYTES)}

TOMBSTONE: Final[Schema] = {
    1: Field("arch", Kind.INT32),
    2: Field("build_fingerprint", Kind.STRING),
    3: Field("revision", Kind.STRING),
    4: Field("timestamp", Kind.STRING),
    5: Field("pid", Kind.UINT32),
    6: Field("tid", Kind.UINT32),
    7: Field("uid", Kind.UINT32),
    8: Field("selinux_label", Kind.STRING),
    9: Field("command_line", Kind.STRING, repeated=True),
    10: Field("signal_info", Kind.MESSAGE, message=_SIGNAL),
    14: Field("abort_message", Kind.STRING),
    15: Field("causes", Kind.MESSAGE, repeated=True, message=_CAUSE),
    16: Field("threads", Kind.MESSAGE, repeated=True, message=_THREADS_ENTRY),
    17: Field("memory_mappings", Kind.MESSAGE, repeated=True, message=_MEMORY_MAPPING),
    18: Field("log_buffers", Kind.COUNTED, message=_LOG_BUFFER),
    19: Field("open_fds", Kind.COUNTED, message=_FD),
    20: Field("process_uptime", Kind.UINT32),
    21: Field("crash_details", Kind.MESSAGE, repeated=True, message=_CRASH_DETAIL),
    22: Field("page_size", Kind.UINT32),
    23: Field("has_been_16kb_mode", Kind.BOOL),
    24: Field("guest_arch", Kind.INT32),
    25: Field("guest_threads", Kind.MESSAGE, repeated=True, message=_THREADS_ENTRY),
}

WITH_HEADERS: Final[Schema] = {
    1: Field("tombstone", Kind.BYTES),
    2: Field("dropped_count", Kind.INT32),
}
"""What DropBox holds under SYSTEM_TOMBSTONE_PROTO_WITH_HEADERS since Android 14."""
