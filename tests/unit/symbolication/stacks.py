"""Dumps of real processes: from ELF cores, and from a program that says what a dump would hold."""

import io
import lzma
import re
import struct
from dataclasses import dataclass, field
from pathlib import Path

from crashes.symbolication.elffile import PT_LOAD, ElfFile
from tests.unit.formats.minidump_writer import (
    LINUX,
    WrittenDump,
    WrittenException,
    WrittenModule,
    WrittenThread,
    elf_record,
)

_NT_PRSTATUS = 1
_PRSTATUS_REGISTERS = 112
_X86_64 = (
    "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx",
    "rsi", "rdi", "orig_rax", "rip", "cs", "eflags", "rsp",
)  # fmt: skip
_ARM64 = (*(f"x{number}" for number in range(30)), "lr", "sp", "pc")
_WRITABLE = frozenset(("rip", "rsp", *_X86_64, *_ARM64)) - {"orig_rax", "cs", "eflags"}


def dump_of_core(path: Path, modules: list[WrittenModule]) -> WrittenDump:
    """A core (xz) as a minidump: the threads with their registers and stacks."""
    data = lzma.decompress(path.read_bytes())
    core = ElfFile(io.BytesIO(data))
    names = _X86_64 if core.arch == "x86_64" else _ARM64
    threads = []
    for _, kind, note in core.notes():
        if kind == _NT_PRSTATUS:
            values = struct.unpack_from(f"<{len(names)}Q", note, _PRSTATUS_REGISTERS)
            registers = dict(zip(names, values, strict=True))
            kept = {name: value for name, value in registers.items() if name in _WRITABLE}
            tid = struct.unpack_from("<I", note, 32)[0]
            threads.append(_thread(core, data, tid, kept))
    arch = core.arch or ""
    exception = WrittenException(threads[0].tid, 11, 1)
    return WrittenDump(arch, LINUX, threads, modules, exception)


def _thread(core: ElfFile, data: bytes, tid: int, registers: dict[str, int]) -> WrittenThread:
    sp = registers.get("rsp", registers.get("sp", 0))
    for segment in core.segments:
        if segment.type == PT_LOAD and segment.addr <= sp < segment.addr + segment.file_bytes:
            end = segment.offset + segment.file_bytes
            start = segment.offset + sp - segment.addr
            return WrittenThread(tid, registers, sp, data[start : min(end, start + (1 << 17))])
    return WrittenThread(tid, registers)


@dataclass
class Told:
    """What crasher.c printed."""

    registers: dict[str, int] = field(default_factory=dict)
    frames: list[int] = field(default_factory=list)
    stack_start: int = 0
    stack: bytes = b""
    files: dict[str, tuple[int, int]] = field(default_factory=dict)


_MAP = re.compile(r"map (?P<start>[0-9a-f]+)-(?P<end>[0-9a-f]+) \S+ \S+ \S+ \S+\s+(?P<path>/\S+)")


def told(output: str) -> Told:
    result = Told()
    lines = iter(output.splitlines())
    for line in lines:
        word, *rest = line.split()
        if word == "register":
            result.registers[rest[0]] = int(rest[1], 16)
        elif word == "frame":
            result.frames.append(int(rest[0], 16))
        elif word == "stack":
            result.stack_start, result.stack = int(rest[0], 16), bytes.fromhex(next(lines))
        elif match := _MAP.match(line):
            start, end = int(match["start"], 16), int(match["end"], 16)
            first, last = result.files.get(match["path"], (start, end))
            result.files[match["path"]] = (min(first, start), max(last, end))
    return result


def dump_of_told(said: Told, arch: str, build_ids: dict[str, str]) -> WrittenDump:
    modules = [
        WrittenModule(path, start, end - start, elf_record(bytes.fromhex(build_ids.get(path, ""))))
        for path, (start, end) in said.files.items()
    ]
    thread = WrittenThread(7, said.registers, said.stack_start, said.stack, name="main")
    return WrittenDump(arch, LINUX, [thread], modules, WrittenException(7, 11, 1))
