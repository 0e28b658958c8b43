"""Dumps that are no plain stacks: minidumps, microdumps, cores, bug reports, battery statistics.

As small as their writers make them for one thread with a deep stack and the libraries of an app;
bug reports are cut to the sections that are read.
"""

import io
import struct
import zipfile
from collections.abc import Callable
from random import Random

_BASE, _STACK = 0x7000_0000_0000, 0x7FF0_0000_0000
_MODULES, _MODULE_BYTES = 120, 0x40000
_STACK_BYTES = 32 * 1024
_DEPTH = 40
_HEADER = struct.Struct("<4sIIIIIQ")
_DIRECTORY = struct.Struct("<III")
_THREAD = struct.Struct("<IIIIQQIIII")
_MODULE = struct.Struct("<QIIII52sIIIIQQ")
_EXCEPTION = struct.Struct("<IIIIQQII15QII")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_SYSTEM = struct.Struct("<HHHBBIIIIIHH24s")


def minidump(number: int) -> bytes:
    """A crash on arm64 with 120 modules and a chain of frame records on its stack."""
    random = Random(f"minidump {number}")  # noqa: S311  made up, not secret
    streams, data = 4, bytearray()
    start = _HEADER.size + streams * _DIRECTORY.size

    def put(content: bytes) -> int:
        data.extend(bytes(-len(data) % 8))
        at = start + len(data)
        data.extend(content)
        return at

    stack, context = _chain(random), _context(random)
    stack_at, context_at = put(stack), put(context)
    thread = _THREAD.pack(
        7, 0, 0, 0, 0, _STACK, len(stack), stack_at, len(context), context_at
    )  # fmt: skip
    modules = b"".join(_module(at, put) for at in range(_MODULES))
    exception = _EXCEPTION.pack(
        7, 0, 11, 1, 0, _BASE, 0, 0, *[0] * 15, len(context), context_at
    )  # fmt: skip
    system = _SYSTEM.pack(0x8003, 0, 0, 8, 0, 0, 0, 0, 0x8203, 0, 0, 0, bytes(24))
    listed = {
        3: struct.pack("<I", 1) + thread,
        4: struct.pack("<I", _MODULES) + modules,
        6: exception,
        7: system,
    }
    directory = b"".join(
        _DIRECTORY.pack(kind, len(content), put(content)) for kind, content in listed.items()
    )
    head = _HEADER.pack(b"MDMP", 0xA793, streams, _HEADER.size, 0, 1_795_000_000, 0)
    return head + directory + bytes(data)


def core(number: int) -> bytes:
    """The same as the kernel writes it: notes, the first page of every module, the whole stack."""
    random = Random(f"core {number}")  # noqa: S311  made up, not secret
    status = struct.pack("<iiihh", 11, 0, 0, 11, 0) + bytes(16) + struct.pack("<IIII", 7, 1, 7, 7)
    status += bytes(64) + struct.pack(
        "<34Q", *(random.getrandbits(40) for _ in range(29)), _STACK, _BASE + 4096, _STACK,
        _BASE + 4096, 0,
    ) + bytes(8)  # fmt: skip
    process = bytes(16) + struct.pack("<6I", 10_123, 10_123, 7, 1, 7, 7)
    process += b"com.example.app".ljust(16, b"\0") + b"com.example.app".ljust(80, b"\0")
    starts = [_BASE + at * _MODULE_BYTES for at in range(_MODULES)]
    names = (f"/data/app/com.example.app/lib/arm64/lib{at}.so\0" for at in range(_MODULES))
    files = struct.pack("<QQ", _MODULES, 4096)
    files += b"".join(struct.pack("<QQQ", at, at + _MODULE_BYTES, 0) for at in starts)
    files += "".join(names).encode()
    notes = b"".join((
        _note(1, status), _note(3, process),
        _note(0x53494749, struct.pack("<iiiiQ", 11, 0, 1, 0, 16).ljust(128, b"\0")),
        _note(0x46494C45, files),
    ))  # fmt: skip
    pieces = [(_BASE + at * _MODULE_BYTES, _page(at), _MODULE_BYTES, 5) for at in range(_MODULES)]
    pieces.append((_STACK, _chain(random), _STACK_BYTES, 6))
    at = 64 + 56 * (1 + len(pieces))
    rows = [_SEGMENT.pack(4, 0, at, 0, 0, len(notes), 0, 4)]
    at += len(notes)
    for address, content, size, flags in pieces:
        rows.append(_SEGMENT.pack(1, flags, at, address, 0, len(content), size, 4096))
        at += len(content)
    head = _elf_header(4, len(rows)) + b"".join(rows) + notes
    return head + b"".join(content for _, content, _, _ in pieces)


def _elf_header(kind: int, segments: int) -> bytes:
    return b"\x7fELF\2\1\1".ljust(16, b"\0") + struct.pack(
        "<HHIQQQIHHHHHH", kind, 183, 1, 0, 64, 0, 0, 64, 56, segments, 0, 0, 0
    )


def _note(kind: int, content: bytes, owner: bytes = b"CORE\0\0\0\0") -> bytes:
    size = len(owner.rstrip(b"\0")) + 1
    return (
        struct.pack("<III", size, len(content), kind) + owner + content + bytes(-len(content) % 4)
    )


def _page(at: int) -> bytes:
    """The first page of a library: its program headers, and the note with its build id."""
    noted = _note(3, _identity(at), b"GNU\0")
    rows = _SEGMENT.pack(1, 5, 0, 0, 0, _MODULE_BYTES, _MODULE_BYTES, 4096)
    rows += _SEGMENT.pack(4, 4, 176, 176, 0, len(noted), len(noted), 4)
    return (_elf_header(3, 2) + rows + noted).ljust(4096, b"\0")


def microdump(number: int) -> bytes:
    """The same crash as lines of a log."""
    random = Random(f"microdump {number}")  # noqa: S311  made up, not secret
    stack = _chain(random)
    lines = [
        "-----BEGIN BREAKPAD MICRODUMP-----",
        "V WebView:120.0.6099",
        "O A arm64 08 aarch64 example/phone/phone:14/UP1A/1:user/release-keys",
        "R 0000000B SIGSEGV 0000000000000010",
        f"S 0 {_STACK:X} {_STACK:X} {len(stack):X}",
        *(f"S {_STACK + at:X} {stack[at : at + 384].hex().upper()}" for at in range(0, len(stack), 384)),
        f"C {_context(random).hex().upper()}",
        *(
            f"M {_BASE + at * _MODULE_BYTES:X} 0 {_MODULE_BYTES:X} {_identity(at).hex().upper()}0 "
            f"lib{at}.so"
            for at in range(_MODULES)
        ),
        "-----END BREAKPAD MICRODUMP-----",
    ]  # fmt: skip
    return "".join(f"F/google-breakpad(4711): {line}\n" for line in lines).encode()


def bugreport(number: int, *, log: bytes, trace: bytes) -> bytes:
    """A zip with the main text: properties, a log with a crash in it, and quiet sections."""
    head = (
        "========================================================\n"
        "== dumpstate: 2026-01-08 15:30:07\n"
        "========================================================\n\n"
        "Build: UP1A.231005.007\n"
        "Build fingerprint: 'example/phone/phone:14/UP1A.231005.007/1:user/release-keys'\n"
        f"Uptime: up 0 weeks, 0 days, 1 hour, {number} minutes\n"
        "Bugreport format version: 2.0\n\n"
    )
    crash = b"".join(
        b"01-08 15:29:43.114  9876  9876 E AndroidRuntime: " + line + b"\n"
        for line in (
            b"FATAL EXCEPTION: main",
            b"Process: com.example.app, PID: 9876",
            *trace.splitlines(),
        )
    )
    sections = [
        head.encode(),
        b"------ SYSTEM LOG (logcat -v threadtime) ------\n" + log + crash,
        b"------ 0.016s was the duration of 'SYSTEM LOG' ------\n",
        b"------ CPU INFO (top -b) ------\n" + b"  1 root 20 0 10M 2M 1M S 0.0 0.1 0:01 init\n" * 400,
        b"------ 0.2s was the duration of 'CPU INFO' ------\n",
    ]  # fmt: skip
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("version.txt", "2.0")
        archive.writestr("main_entry.txt", "bugreport-phone.txt")
        archive.writestr("bugreport-phone.txt", b"".join(sections))
    return target.getvalue()


def batterystats(number: int) -> bytes:
    """A checkin of a day: 150 apps, their wake locks, and a history."""
    random = Random(f"battery {number}")  # noqa: S311  made up, not secret
    uids = range(10_001, 10_151)
    lines = [
        "9,0,i,vers,36,200,UP1A.1,UP1A.2",
        *(f"9,0,i,uid,{uid},com.example.app{uid}" for uid in uids),
        "9,0,l,bt,0,86400000,40000000,90000000,43000000,1700000000000,80000000,39000000,4000,4000,0",
        "9,0,l,dc,30,31,12,19,900000,300000,200000,400000",
        *(f"9,{uid},l,pwi,uid,{random.randrange(900) / 10},0,0,0" for uid in uids),
        *(f"9,{uid},l,wl,lock{at},0,f,0,0,0,0,{random.randrange(9_000)},p,3,0,0,0" for uid in uids
          for at in range(3)),
        *(f"9,h,{random.randrange(60_000)},Bl={100 - at // 20},+s,-w" for at in range(1_500)),
    ]  # fmt: skip
    return "\n".join(lines).encode()


def _chain(random: Random) -> bytes:
    """A stack whose frame records lead from one return address to the next."""
    stack = bytearray(_STACK_BYTES)
    step = _STACK_BYTES // (_DEPTH + 1) & ~15
    for depth in range(_DEPTH):
        following = _STACK + (depth + 1) * step if depth + 1 < _DEPTH else 0
        target = _BASE + random.randrange(_MODULES * _MODULE_BYTES)
        struct.pack_into("<QQ", stack, depth * step, following, target)
    return bytes(stack)


def _context(random: Random) -> bytes:
    """Registers of arm64 as Breakpad has always written them: flags, x0 to x30, sp, pc."""
    numbers = [random.getrandbits(40) for _ in range(29)]
    record = struct.pack(
        "<Q33Q", 0x8000_0006, *numbers, _STACK, _BASE + 0x1000, _STACK, _BASE + 4096
    )
    return record.ljust(796, b"\0")


def _module(at: int, put: Callable[[bytes], int]) -> bytes:
    name = f"/data/app/com.example.app/lib/arm64/lib{at}.so".encode("utf-16-le")
    name_at = put(struct.pack("<I", len(name)) + name + b"\0\0")
    record = b"LEpB" + _identity(at) + bytes(4)
    record_at = put(record)
    return _MODULE.pack(
        _BASE + at * _MODULE_BYTES, _MODULE_BYTES, 0, 0, name_at, bytes(52), len(record), record_at,
        0, 0, 0, 0,
    )  # fmt: skip


def _identity(at: int) -> bytes:
    return struct.pack("<QQ", 0x0102_0304_0506_0708, at + 1)
