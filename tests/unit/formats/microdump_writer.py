"""Microdumps of one's own, written from the form of Breakpad's microdump_writer."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.unit.formats.minidump_writer import context

_LINE_BYTES = 384


@dataclass(frozen=True)
class WrittenMicrodump:
    """A dump of one thread. Modules are (path, start, size, the first 16 bytes of the build id)."""

    cpu: str
    registers: Mapping[str, int]
    stack_start: int = 0
    stack: bytes = b""
    modules: Sequence[tuple[str, int, int, bytes]] = field(default_factory=tuple)
    signal_number: int = 11
    signal: str = "SIGSEGV"
    fault_addr: int = 0
    version: str = "lge/p1/p1:6.0/MRA58K/1:user/release-keys"


def write(dump: WrittenMicrodump, *, prefix: str = "") -> str:
    """The lines as logcat would show them behind `prefix`."""
    lines = [
        "-----BEGIN BREAKPAD MICRODUMP-----",
        f"O A {dump.cpu} 08 machine {dump.version}",
        f"R {dump.signal_number:08X} {dump.signal} {dump.fault_addr:X}",
        f"S 0 {dump.stack_start:X} {dump.stack_start:X} {len(dump.stack):X}",
        *(
            f"S {dump.stack_start + at:X} {dump.stack[at : at + _LINE_BYTES].hex().upper()}"
            for at in range(0, len(dump.stack), _LINE_BYTES)
        ),
        f"C {context(dump.cpu, dump.registers).hex().upper()}",
        *(
            f"M {start:X} 0 {size:X} {_guid(build_id)}0 {path}"
            for path, start, size, build_id in dump.modules
        ),
        "-----END BREAKPAD MICRODUMP-----",
    ]
    return "".join(f"{prefix}{line}\n" for line in lines)


def _guid(build_id: bytes) -> str:
    """Breakpad reads the bytes as a GUID of little-endian parts and writes its numbers."""
    return struct.pack(">IHH8s", *struct.unpack("<IHH8s", build_id[:16])).hex().upper()
