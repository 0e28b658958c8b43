"""The notes of a core, each as the values it holds.

Layouts are Linux's: `elf_prstatus` and `elf_prpsinfo` (include/linux/elfcore.h), `siginfo_t`,
NT_FILE (fs/binfmt_elf.c), and `user_regs_struct` or `pt_regs` of each processor. A note that is
missing or too short says nothing.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from crashes.formats.core_file.container import Core, Note

MAX_THREADS = 4096
MAX_FILES = 1 << 16

PRSTATUS, PRPSINFO, AUXV, SIGINFO, FILES = 1, 3, 6, 0x53494749, 0x46494C45

_MACHINES = {3: "x86", 40: "arm", 62: "x86_64", 183: "arm64", 243: "riscv64"}
_REGISTERS: Mapping[str, tuple[str, ...]] = {
    "x86": (
        "ebx", "ecx", "edx", "esi", "edi", "ebp", "eax", "", "", "", "", "", "eip", "", "eflags",
        "esp",
    ),
    "x86_64": (
        "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx",
        "rsi", "rdi", "", "rip", "", "eflags", "rsp",
    ),
    "arm": (*(f"r{number}" for number in range(12)), "ip", "sp", "lr", "pc", "cpsr"),
    "arm64": (*(f"x{number}" for number in range(30)), "lr", "sp", "pc", "pst"),
    "riscv64": (
        "pc", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1",
        *(f"a{number}" for number in range(8)), *(f"s{number}" for number in range(2, 12)),
        "t3", "t4", "t5", "t6",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class StatusLayout:
    """Places in NT_PRSTATUS and NT_PRPSINFO; `uid` is (place, bytes)."""

    tid: int
    registers: int
    uid: tuple[int, int]
    pid: int
    name: int
    arguments: int


LAYOUTS = {
    4: StatusLayout(tid=24, registers=72, uid=(8, 2), pid=12, name=28, arguments=44),
    8: StatusLayout(tid=32, registers=112, uid=(16, 4), pid=24, name=40, arguments=56),
}
"""By the bytes of a word."""
_WIDE_IDS = StatusLayout(tid=24, registers=72, uid=(8, 4), pid=16, name=32, arguments=48)
"""Processes of 32 bits on newer processors: user ids of four bytes."""
_WIDE_IDS_BYTES = 128
_NAME_BYTES, _ARGUMENTS_BYTES = 16, 80
_CURSIG = 12
_SIGNAL = struct.Struct("<iii")
_SENDER = struct.Struct("<II")


@dataclass(frozen=True, slots=True)
class ThreadStatus:
    """One thread: its registers by name, and the signal that it was stopped with (0 for none)."""

    tid: int
    signal: int
    registers: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Process:
    """Who crashed. `name` is the kernel's, 15 characters; `command` the first word of its line."""

    pid: int
    uid: int
    name: str
    command: str


@dataclass(frozen=True, slots=True)
class SignalInfo:
    """`siginfo_t`: number and code; the address of a fault, or who sent it."""

    number: int
    code: int
    address: int
    sender_pid: int
    sender_uid: int


@dataclass(frozen=True, slots=True)
class MappedFile:
    """One mapping of a file; `offset` in bytes."""

    start: int
    end: int
    offset: int
    path: str


@dataclass(slots=True)
class Facts:
    """All that the notes of a core say."""

    abi: str | None
    threads: list[ThreadStatus]
    process: Process | None = None
    signal: SignalInfo | None = None
    auxiliary: Mapping[int, int] | None = None
    files: tuple[MappedFile, ...] = ()


def facts_of(core: Core) -> Facts:
    """What the notes say; of each kind that is about the process the first counts."""
    facts = Facts(_MACHINES.get(core.machine), [])
    for note in core.notes():
        if note.kind == PRSTATUS:
            status = _status(note, facts.abi, core)
            if status and len(facts.threads) < MAX_THREADS:
                facts.threads.append(status)
        elif note.kind == PRPSINFO:
            facts.process = facts.process or _process(note, core)
        elif note.kind == SIGINFO:
            facts.signal = facts.signal or _signal(note, core)
        elif note.kind == AUXV:
            facts.auxiliary = facts.auxiliary or dict(_pairs(note, core))
        elif note.kind == FILES and not facts.files:
            facts.files = tuple(files_in(note.content, core))
    return facts


def _status(note: Note, abi: str | None, core: Core) -> ThreadStatus | None:
    layout, content = LAYOUTS[core.width.word_bytes], note.content
    if len(content) < layout.registers:
        return None
    names = _REGISTERS.get(abi or "", ())
    row = struct.Struct(f"<{len(names)}{core.width.word.format[-1]}")
    values: tuple[int, ...] = ()
    if len(content) >= layout.registers + row.size:
        values = row.unpack_from(content, layout.registers)
    return ThreadStatus(
        tid=_number(content, layout.tid, 4),
        signal=_number(content, _CURSIG, 2) or _number(content, 0, 4),
        registers={name: value for name, value in zip(names, values, strict=False) if name},
    )


def _number(content: memoryview, at: int, size: int) -> int:
    return int.from_bytes(content[at : at + size], "little")


def process_layout(content: memoryview, word_bytes: int) -> StatusLayout | None:
    """Where things are in an NT_PRPSINFO; None for one that is too short."""
    layout = LAYOUTS[word_bytes]
    if word_bytes == 4 and len(content) == _WIDE_IDS_BYTES:  # noqa: PLR2004
        layout = _WIDE_IDS
    return layout if len(content) >= layout.arguments + _ARGUMENTS_BYTES else None


def _process(note: Note, core: Core) -> Process | None:
    content = note.content
    layout = process_layout(content, core.width.word_bytes)
    if layout is None:
        return None
    return Process(
        pid=_number(content, layout.pid, 4),
        uid=_number(content, *layout.uid),
        name=_text(content[layout.name :][:_NAME_BYTES]),
        command=_text(content[layout.arguments :][:_ARGUMENTS_BYTES]).partition(" ")[0],
    )


def _text(content: memoryview) -> str:
    return bytes(content).partition(b"\0")[0].decode("utf-8", "replace").strip()


def _signal(note: Note, core: Core) -> SignalInfo | None:
    at = 12 + 12 % core.width.word_bytes
    if len(note.content) < at + core.width.word_bytes:
        return None
    number, _, code = _SIGNAL.unpack_from(note.content)
    pid, uid = _SENDER.unpack_from(bytes(note.content[at : at + 8]).ljust(8, b"\0"))
    (address,) = core.width.word.unpack_from(note.content, at)
    return SignalInfo(number, code, address, pid, uid)


def _pairs(note: Note, core: Core) -> Iterator[tuple[int, int]]:
    word = core.width.word.format[-1]
    row = struct.Struct(f"<2{word}")
    for at in range(0, min(len(note.content), 1024) - row.size + 1, row.size):
        key, value = row.unpack_from(note.content, at)
        if not key:
            return
        yield key, value


def files_in(content: memoryview, core: Core) -> Iterator[MappedFile]:
    """NT_FILE: count, bytes per page, then start, end and page for each, then their names."""
    size = core.width.word_bytes
    if len(content) < 2 * size:
        return
    count, page_bytes = _number(content, 0, size), _number(content, size, size)
    row = struct.Struct(f"<3{core.width.word.format[-1]}")
    names_at = 2 * size + count * row.size
    if count > MAX_FILES or names_at > len(content):
        return
    names = bytes(content[names_at:]).split(b"\0")
    for number, name in enumerate(names[:count]):
        start, end, page = row.unpack_from(content, 2 * size + number * row.size)
        if start < end:
            yield MappedFile(start, end, page * page_bytes, name.decode("utf-8", "replace"))
