"""Writes core files as Linux does (fs/binfmt_elf.c), for processors that no machine here has.

A core is described by what it should say. Binaries lie in memory with one page of headers: ELF
header, PT_LOAD, PT_NOTE, and the note with the build id.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

MACHINES = {"x86": 3, "arm": 40, "x86_64": 62, "arm64": 183, "riscv64": 243}
_NARROW = frozenset({"x86", "arm"})
PAGE = 4096

# By processor: how many registers, and at which place each one stands.
_REGISTERS: Mapping[str, tuple[int, Mapping[str, int]]] = {
    "x86": (17, {"ebx": 0, "ecx": 1, "edx": 2, "esi": 3, "edi": 4, "ebp": 5, "eax": 6, "eip": 12,
                 "eflags": 14, "esp": 15}),
    "x86_64": (27, {"r15": 0, "r14": 1, "r13": 2, "r12": 3, "rbp": 4, "rbx": 5, "r11": 6, "r10": 7,
                    "r9": 8, "r8": 9, "rax": 10, "rcx": 11, "rdx": 12, "rsi": 13, "rdi": 14,
                    "rip": 16, "eflags": 18, "rsp": 19}),
    "arm": (18, {**{f"r{number}": number for number in range(12)}, "ip": 12, "sp": 13, "lr": 14,
                 "pc": 15, "cpsr": 16}),
    "arm64": (34, {**{f"x{number}": number for number in range(30)}, "lr": 30, "sp": 31, "pc": 32,
                   "pst": 33}),
    "riscv64": (32, {"pc": 0, "ra": 1, "sp": 2, "gp": 3, "tp": 4, "s0": 8}),
}  # fmt: skip


@dataclass(frozen=True)
class CoreThread:
    tid: int
    registers: Mapping[str, int]
    stack_start: int = 0
    stack: bytes = b""
    signal: int = 11


@dataclass(frozen=True)
class CoreModule:
    """`first_addr` is the ELF address of its first segment; `offset` its place in the file."""

    path: str
    start: int
    size: int
    build_id: bytes = b""
    offset: int = 0
    first_addr: int = 0
    has_header: bool = True


@dataclass
class WrittenCore:
    abi: str
    threads: list[CoreThread]
    modules: list[CoreModule] = field(default_factory=list)
    pid: int = 7
    uid: int = 10_123
    name: str = "app"
    arguments: str = "com.example.app"
    signal: tuple[int, int] | None = (11, 1)
    address: int = 0
    sender: tuple[int, int] | None = None
    auxiliary: Mapping[int, int] = field(default_factory=dict)
    memory: Mapping[int, bytes] = field(default_factory=dict)
    has_files: bool = True
    extra: bytes = b""


def note(kind: int, content: bytes, owner: bytes = b"CORE\0") -> bytes:
    padded = owner.ljust(len(owner) + 3 & ~3, b"\0") + content.ljust(len(content) + 3 & ~3, b"\0")
    return struct.pack("<III", len(owner), len(content), kind) + padded


def write(core: WrittenCore) -> bytes:
    """The bytes of the core."""
    narrow = core.abi in _NARROW
    notes = _notes(core, narrow)
    regions = _regions(core)
    header_bytes, row_bytes = (52, 32) if narrow else (64, 56)
    at = header_bytes + row_bytes * (len(regions) + 1)
    rows = [_row(core.abi, 4, 0, (at, 0), (len(notes), 0))]
    content = bytearray(notes)
    for address, (data, size, flags) in sorted(regions.items()):
        content += bytes(-(at + len(content)) % 16)
        place = (at + len(content), address)
        rows.append(_row(core.abi, 1, flags, place, (len(data), size)))
        content += data
    return _header(core.abi, 4, header_bytes, len(rows)) + b"".join(rows) + bytes(content)


def _header(abi: str, kind: int, headers_at: int, count: int) -> bytes:
    narrow = abi in _NARROW
    identity = b"\x7fELF" + bytes([1 if narrow else 2, 1, 1]) + bytes(9)
    form, row_bytes = ("<HHIIIIIHHHHHH", 32) if narrow else ("<HHIQQQIHHHHHH", 56)
    return identity + struct.pack(
        form, kind, MACHINES[abi], 1, 0, headers_at, 0, 0, headers_at, row_bytes, count, 0, 0, 0
    )


def _row(abi: str, kind: int, flags: int, place: tuple[int, int], sizes: tuple[int, int]) -> bytes:
    """A program header; `place` in file and memory, `sizes` likewise."""
    offset, address = place
    if abi in _NARROW:
        return struct.pack("<8I", kind, offset, address, 0, *sizes, flags, 1)
    return struct.pack("<II6Q", kind, flags, offset, address, 0, *sizes, 1)


def _regions(core: WrittenCore) -> dict[int, tuple[bytes, int, int]]:
    """By address: content, size in memory, flags."""
    found: dict[int, tuple[bytes, int, int]] = {}
    for module in core.modules:
        page = image(core.abi, module) if module.has_header else b""
        found[module.start] = (page, module.size, 5)
    for thread in core.threads:
        if thread.stack:
            found[thread.stack_start] = (thread.stack, len(thread.stack), 6)
    for address, data in core.memory.items():
        found[address] = (data, len(data), 6)
    return found


def image(abi: str, module: CoreModule) -> bytes:
    """The first page of a binary."""
    narrow = abi in _NARROW
    header_bytes, row_bytes = (52, 32) if narrow else (64, 56)
    noted = note(3, module.build_id, b"GNU\0") if module.build_id else b""
    at = header_bytes + 2 * row_bytes
    rows = [
        _row(abi, 1, 5, (0, module.first_addr), (module.size, module.size)),
        _row(abi, 4, 4, (at, module.first_addr + at), (len(noted), len(noted))),
    ]
    page = _header(abi, 3, header_bytes, 2) + b"".join(rows) + noted
    return page.ljust(PAGE, b"\0")


def _notes(core: WrittenCore, narrow: bool) -> bytes:
    word = "I" if narrow else "Q"
    notes = []
    for number, thread in enumerate(core.threads):
        notes.append(note(1, _status(core.abi, narrow, thread, core.pid)))
        if not number:
            notes.append(note(3, _process(core, narrow)))
            if core.signal:
                notes.append(note(0x53494749, _signal(core, narrow)))
            pairs = [*core.auxiliary.items(), (0, 0)]
            notes.append(note(6, b"".join(struct.pack(f"<2{word}", *pair) for pair in pairs)))
            if core.has_files:
                notes.append(note(0x46494C45, _files(core, word)))
            notes.append(core.extra)
        notes.append(note(2, b"\xee" * 512))
    return b"".join(notes)


def _status(abi: str, narrow: bool, thread: CoreThread, pid: int) -> bytes:
    count, places = _REGISTERS[abi]
    registers = [0] * count
    for name, value in thread.registers.items():
        registers[places[name]] = value
    word = "I" if narrow else "Q"
    head = struct.pack("<iiihh", thread.signal, 0, 0, thread.signal, 0)
    head += struct.pack(f"<2{word}4I", 0, 0, thread.tid, 1, pid, pid)
    head += bytes(32 if narrow else 64)
    return head + struct.pack(f"<{count}{word}I", *registers, 0) + bytes(0 if narrow else 4)


def _process(core: WrittenCore, narrow: bool) -> bytes:
    name = core.name.encode()[:15].ljust(16, b"\0")
    arguments = core.arguments.encode()[:79].ljust(80, b"\0")
    if narrow:
        head = struct.pack("<4sIHH4I", b"\0R\0\0", 0, core.uid, core.uid, core.pid, 1, 1, 1)
    else:
        head = struct.pack("<4s4xQII4I", b"\0R\0\0", 0, core.uid, core.uid, core.pid, 1, 1, 1)
    return head + name + arguments


def _signal(core: WrittenCore, narrow: bool) -> bytes:
    number, code = core.signal or (0, 0)
    head = struct.pack("<iii", number, 0, code) + bytes(0 if narrow else 4)
    if core.sender:
        return (head + struct.pack("<II", *core.sender)).ljust(128, b"\0")
    return (head + struct.pack("<I" if narrow else "<Q", core.address)).ljust(128, b"\0")


def _files(core: WrittenCore, word: str) -> bytes:
    rows, names = [], []
    for module in core.modules:
        rows.append(
            struct.pack(
                f"<3{word}", module.start, module.start + module.size, module.offset // PAGE
            )
        )
        names.append(module.path.encode() + b"\0")
    return struct.pack(f"<2{word}", len(rows), PAGE) + b"".join(rows) + b"".join(names)
