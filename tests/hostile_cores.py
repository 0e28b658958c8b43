"""Core files made to hurt whoever reads them: a part of `hostile_files`."""

import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial

from tests.unit.formats.core_writer import CoreModule, CoreThread, WrittenCore, note, write
from tests.unit.sandbox.hostile import damage

_MIB = 1 << 20
_STACK_AT = 0x7F00_0000_0000


@cache
def _core() -> bytes:
    stack = struct.pack("<64Q", *(_STACK_AT + 16 * at for at in range(64)))
    registers = {"pc": 0x1010, "sp": _STACK_AT, "x29": _STACK_AT}
    return write(
        WrittenCore(
            abi="arm64",
            threads=[CoreThread(7, registers, _STACK_AT, stack)],
            modules=[CoreModule("/a.so", 0x1000, 0x10000, bytes(range(1, 17)))],
        )
    )


def hostile_cores() -> Iterator[tuple[str, Callable[[], bytes]]]:
    """(what it does, what makes it)."""
    for at in range(16, 640, 12):
        yield f"a lie at byte {at}", partial(_lie, at)
    for seed in range(20):
        yield f"damage {seed}", partial(_damaged, seed)
    yield "cut in half", lambda: _core()[: len(_core()) // 2]
    yield "a header alone", lambda: _core()[:64]
    yield "a hundred thousand mappings of one page", lambda: _core_of(100_000, 1, 4096)
    yield "a hundred thousand notes", lambda: _core_of(100_000, 4, 24)
    yield (
        "threads without end",
        lambda: _core_of(1, 4, 400 * 20_000, note(1, bytes(388)) * 20_000),
    )
    yield "threads on one another's stacks", _many_stacks
    yield "files without end", _many_files
    yield "links in a circle", _circular_links
    yield "a count of four thousand million", lambda: _core_of(0xFFFF, 1, 8)


def _damaged(seed: int) -> bytes:
    return damage(_core(), random.Random(seed))


def _lie(at: int) -> bytes:
    return _core()[:at] + b"\xff\xff\xff\x7f" + _core()[at + 4 :]


def _core_of(count: int, kind: int, size: int, content: bytes = b"") -> bytes:
    """Program headers that all mean the same bytes; more than 65,534 by the first section header."""
    more = count >= 0xFFFF
    head = b"\x7fELF\2\1\1" + bytes(9) + struct.pack(
        "<HHIQQQIHHHHHH", 4, 183, 1, 0, 128, 64 if more else 0, 0, 64, 56, min(count, 0xFFFF), 64, 1, 0
    )  # fmt: skip
    declared = 0xFFFFFFFF if count == 0xFFFF else count
    section = bytes(44) + struct.pack("<I", declared) + bytes(16)
    at = 128 + 56 * count
    rows = b"".join(
        struct.pack("<IIQQQQQQ", kind, 7, at, number << 12, 0, size, 4096, 1)
        for number in range(count)
    )
    return head + section + rows + (content or b"\x15" + bytes(size))


def _many_stacks() -> bytes:
    """Four thousand threads, each with a mebibyte of stack: the same one."""
    stack = struct.pack("<2Q", 0x1010, 0x1010) * (_MIB // 16)
    registers = {"pc": 0x1010, "sp": _STACK_AT}
    return write(
        WrittenCore(
            abi="arm64",
            threads=[CoreThread(at + 1, registers, _STACK_AT, stack) for at in range(4_000)],
            modules=[CoreModule("/a.so", 0x1000, 0x10000)],
        )
    )


def _many_files() -> bytes:
    """Mappings that all begin with the same headers, which name notes without end."""
    count = 60_000
    rows = b"".join(struct.pack("<QQQ", 0x1000, 0x2000 + at, at) for at in range(count))
    files = struct.pack("<QQ", count, 4096) + rows + b"/a\0" * count
    return write(replace(_plain_core(), extra=note(0x46494C45, files), has_files=False))


def _circular_links() -> bytes:
    at = 0x20_0000
    links = struct.pack("<6Q", 21, at + 16, 1, at + 48, 0, 0)
    links += struct.pack("<8Q", 0x1000, at, 0, at + 48, 0x1000, at, 0, at + 48)
    return write(replace(_plain_core(), has_files=False, memory={at: links}))


def _plain_core() -> WrittenCore:
    return WrittenCore(
        abi="arm64",
        threads=[CoreThread(7, {"pc": 0x1010, "sp": 0x9000})],
        modules=[CoreModule("/a.so", 0x1000, 0x10000, bytes(range(1, 17)))],
    )
