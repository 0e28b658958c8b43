"""Registers of a thread, by the layouts that minidumps have for each processor.

The layouts are MDRawContextX86, ...AMD64, ...ARM and ...ARM64 (Breakpad's minidump_cpu_*.h),
which follow Windows' CONTEXT. Only the general registers are read. arm64 has two layouts: where
they differ lies behind the registers.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from crashes.formats.stackwalk import CPUS, Cpu


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where runs of registers lie: at byte offset, with these names; and sizes to tell it by."""

    word: str
    runs: tuple[tuple[int, tuple[str, ...]], ...]
    sizes: tuple[int, ...]


_NUMBERED = tuple(f"r{number}" for number in range(8, 16))

_LAYOUTS: Mapping[str, _Layout] = {
    "x86": _Layout(
        "I",
        (
            (156, ("edi", "esi", "ebx", "edx", "ecx", "eax", "ebp", "eip")),
            (192, ("eflags", "esp")),
        ),
        (716,),
    ),
    "x86_64": _Layout(
        "Q",
        ((120, ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *_NUMBERED, "rip")),),
        (1232,),
    ),
    "arm": _Layout(
        "I",
        ((4, (*(f"r{number}" for number in range(12)), "ip", "sp", "lr", "pc", "cpsr")),),
        (368,),
    ),
    "arm64": _Layout(
        "Q",
        ((8, (*(f"x{number}" for number in range(30)), "lr", "sp", "pc")),),
        (912, 796),
    ),
}

_ARCHITECTURES = {0: "x86", 5: "arm", 9: "x86_64", 12: "arm64", 0x8003: "arm64"}


def cpu_of(architecture: int | None, context_bytes: int) -> Cpu | None:
    """The processor, as the system stream names it, else by the size of a context.

    None for one that we do not walk.
    """
    if architecture is not None and architecture in _ARCHITECTURES:
        return CPUS[_ARCHITECTURES[architecture]]
    fitting = [name for name, layout in _LAYOUTS.items() if context_bytes in layout.sizes]
    return CPUS[fitting[0]] if fitting and architecture is None else None


def registers_of(context: memoryview | None, cpu: Cpu) -> dict[str, int]:
    """The registers by the names of tombstones; none for a context that is cut off."""
    layout = _LAYOUTS[cpu.name]
    found: dict[str, int] = {}
    for offset, names in layout.runs:
        run = struct.Struct(f"<{len(names)}{layout.word}")
        if context is None or len(context) < offset + run.size:
            return {}
        found |= zip(names, run.unpack_from(context, offset), strict=True)
    return found
