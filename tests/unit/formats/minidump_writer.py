"""Writes minidumps as Breakpad's clients do, for tests.

A dump is described by what it should say; places in the file come out by themselves. Everything
is laid out as in minidump_format.h, streams first, then what they point at.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

ARCHITECTURES = {"x86": 0, "arm": 5, "x86_64": 9, "arm64": 12}
LINUX, ANDROID, WINDOWS, MACOS, IOS = 0x8201, 0x8203, 2, 0x8101, 0x8102

_HEADER_BYTES = 32
_ENTRY_BYTES = 12

# Per processor: size of the context, its flags (offset, width, value), registers by offset.
_CONTEXTS: Mapping[str, tuple[int, tuple[int, str, int], str, Mapping[str, int]]] = {
    "x86": (
        716,
        (0, "<I", 0x1003F),
        "<I",
        {"edi": 156, "esi": 160, "ebx": 164, "edx": 168, "ecx": 172, "eax": 176, "ebp": 180,
         "eip": 184, "eflags": 192, "esp": 196},
    ),
    "x86_64": (
        1232,
        (48, "<I", 0x10001F),
        "<Q",
        {"rax": 120, "rcx": 128, "rdx": 136, "rbx": 144, "rsp": 152, "rbp": 160, "rsi": 168,
         "rdi": 176, **{f"r{number}": 184 + 8 * (number - 8) for number in range(8, 16)},
         "rip": 248},
    ),
    "arm": (
        368,
        (0, "<I", 0x40000006),
        "<I",
        {**{f"r{number}": 4 + 4 * number for number in range(12)}, "ip": 52, "sp": 56, "lr": 60,
         "pc": 64, "cpsr": 68},
    ),
    "arm64": (
        912,
        (0, "<I", 0x00400007),
        "<Q",
        {**{f"x{number}": 8 + 8 * number for number in range(30)}, "lr": 248, "sp": 256,
         "pc": 264},
    ),
}  # fmt: skip


@dataclass(frozen=True)
class WrittenModule:
    """A module; `codeview` is the raw record, made by `elf_record` or `pdb_record`."""

    path: str
    start: int
    size: int
    codeview: bytes = b""


@dataclass(frozen=True)
class WrittenThread:
    tid: int
    registers: Mapping[str, int]
    stack_start: int = 0
    stack: bytes = b""
    name: str | None = None
    stack_in_thread: bool = True


@dataclass(frozen=True)
class WrittenException:
    tid: int
    code: int
    flags: int = 0
    address: int = 0
    parameters: tuple[int, ...] = ()
    registers: Mapping[str, int] | None = None


@dataclass
class WrittenDump:
    cpu: str
    platform: int = ANDROID
    threads: list[WrittenThread] = field(default_factory=list)
    modules: list[WrittenModule] = field(default_factory=list)
    exception: WrittenException | None = None
    service_pack: str = ""
    version: tuple[int, int, int] = (0, 0, 0)
    written_at: int = 1_700_000_000
    pid: int | None = None
    extra: dict[int, bytes] = field(default_factory=dict)


def elf_record(build_id: bytes) -> bytes:
    return b"LEpB" + build_id


def pdb_record(guid: bytes, age: int, name: str = "a.pdb") -> bytes:
    return b"RSDS" + guid + struct.pack("<I", age) + name.encode() + b"\0"


def context(cpu: str, registers: Mapping[str, int]) -> bytes:
    """The registers as a context record."""
    size, (flags_at, flags_form, flags), form, offsets = _CONTEXTS[cpu]
    record = bytearray(size)
    struct.pack_into(flags_form, record, flags_at, flags)
    for name, value in registers.items():
        struct.pack_into(form, record, offsets[name], value)
    return bytes(record)


class _File:
    """The file being written: streams reserve their place, what they point at goes behind."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.data = bytearray()

    def put(self, content: bytes) -> int:
        """The RVA of these bytes."""
        self.data += bytes(-(self.start + len(self.data)) % 8)
        rva = self.start + len(self.data)
        self.data += content
        return rva

    def string(self, text: str) -> int:
        encoded = text.encode("utf-16-le")
        return self.put(struct.pack("<I", len(encoded)) + encoded + b"\0\0")


def write(dump: WrittenDump) -> bytes:
    """The bytes of the dump."""
    kinds = [3, 4, 5, 6, 7, 15, 24, *dump.extra]
    file = _File(_HEADER_BYTES + _ENTRY_BYTES * len(kinds))
    streams: dict[int, bytes] = {
        3: _threads(file, dump),
        4: _modules(file, dump.modules),
        5: _memory(file, dump.threads),
        7: _system(file, dump),
        15: struct.pack("<III", 24, int(dump.pid is not None), dump.pid or 0) + bytes(12),
        24: _names(file, dump.threads),
        **dump.extra,
    }
    if dump.exception:
        streams[6] = _exception(file, dump.cpu, dump.exception)
    directory = b"".join(
        struct.pack("<III", kind, len(streams[kind]), file.put(streams[kind]))
        if kind in streams
        else bytes(_ENTRY_BYTES)
        for kind in kinds
    )
    header = struct.pack(
        "<4sIIIIIQ", b"MDMP", 0xA793, len(kinds), _HEADER_BYTES, 0, dump.written_at, 0
    )
    return header + directory + bytes(file.data)


def _list(rows: Iterable[bytes]) -> bytes:
    kept = list(rows)
    return struct.pack("<I", len(kept)) + b"".join(kept)


def _threads(file: _File, dump: WrittenDump) -> bytes:
    rows = []
    for thread in dump.threads:
        stack = thread.stack if thread.stack_in_thread else b""
        record = context(dump.cpu, thread.registers)
        rows.append(
            struct.pack(
                "<IIIIQQIIII",
                thread.tid, 0, 0, 0, 0, thread.stack_start,
                len(stack), file.put(stack), len(record), file.put(record),
            )
        )  # fmt: skip
    return _list(rows)


def _modules(file: _File, modules: Iterable[WrittenModule]) -> bytes:
    return _list(
        struct.pack(
            "<QIIII52xIIII16x",
            module.start, module.size, 0, 0, file.string(module.path),
            len(module.codeview), file.put(module.codeview), 0, 0,
        )
        for module in modules
    )  # fmt: skip


def _memory(file: _File, threads: Iterable[WrittenThread]) -> bytes:
    return _list(
        struct.pack("<QII", thread.stack_start, len(thread.stack), file.put(thread.stack))
        for thread in threads
        if thread.stack
    )


def _names(file: _File, threads: Iterable[WrittenThread]) -> bytes:
    return _list(
        struct.pack("<IQ", thread.tid, file.string(thread.name))
        for thread in threads
        if thread.name
    )


def _system(file: _File, dump: WrittenDump) -> bytes:
    return struct.pack(
        "<HHHBBIIIIIHH24x",
        ARCHITECTURES[dump.cpu], 0, 0, 8, 0, *dump.version, dump.platform,
        file.string(dump.service_pack), 0, 0,
    )  # fmt: skip


def _exception(file: _File, cpu: str, exception: WrittenException) -> bytes:
    record = context(cpu, exception.registers) if exception.registers is not None else b""
    parameters = (*exception.parameters, *[0] * 15)[:15]
    return struct.pack(
        "<I4xIIQQI4x15QII",
        exception.tid, exception.code, exception.flags, 0, exception.address,
        len(exception.parameters), *parameters, len(record), file.put(record),
    )  # fmt: skip
