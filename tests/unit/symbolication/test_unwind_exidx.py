"""ARM's own unwind tables say where a function keeps what its caller needs."""

import struct
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crashes.formats.stackwalk import CPUS, ModuleMap, StackMemory, walk
from crashes.stack import FrameTrust, Module
from crashes.symbolication.unwind import UnwindTable, build_unwind_table
from crashes.symbolication.unwind.exidx import _NoRule, rules_of_opcodes

TEXT, EXIDX, EXTAB = 0x1000, 0x2000, 0x3000
TEXT_BYTES = 0x400


@pytest.mark.parametrize(
    ("opcodes", "rules"),
    [
        ("b0", ".cfa: sp 0 + .ra: lr"),
        ("a8 b0 b0", ".cfa: sp 8 + .ra: sp 4 + ^ r4: sp 0 + ^"),
        ("02 a1 b0", ".cfa: sp 20 + .ra: lr r4: sp 12 + ^ r5: sp 16 + ^"),
        ("9b 84 80", ".cfa: r11 8 + .ra: r11 4 + ^ r11: r11 0 + ^"),
        ("97 41 84 08", ".cfa: r7 0 + .ra: r7 -4 + ^ r7: r7 -8 + ^"),
        ("88 00", ".cfa: sp 4 + .ra: sp 0 + ^"),
        ("b1 08 84 00", ".cfa: sp 8 + .ra: sp 4 + ^ r3: sp 0 + ^"),
        ("b2 01 b0", ".cfa: sp 520 + .ra: lr"),
        ("b2 81 01 b0", ".cfa: sp 1032 + .ra: lr"),
        ("b3 81 b0", ".cfa: sp 20 + .ra: lr"),
        ("b9 b0", ".cfa: sp 20 + .ra: lr"),
        ("c9 81 b0", ".cfa: sp 16 + .ra: lr"),
        ("d1 b0", ".cfa: sp 16 + .ra: lr"),
        ("b4 a8 b0", ".cfa: sp 12 + .ra: sp 8 + ^ r4: sp 4 + ^"),
        ("3f 7f b0", ".cfa: sp 0 + .ra: lr"),
        ("8e 00", ".cfa: sp 0 + ^ .ra: sp 8 + ^"),
    ],
)
def test_opcodes_are_a_rule_set(opcodes: str, rules: str):
    assert rules_of_opcodes(bytes.fromhex(opcodes)) == rules


@pytest.mark.parametrize("opcodes", ["80 00", "b5", "c0", "ca", "e0", "b2 80 80 80 80 80"])
def test_opcodes_that_refuse_have_no_rules(opcodes: str):
    with pytest.raises(_NoRule):
        rules_of_opcodes(bytes.fromhex(opcodes))


@given(st.binary(max_size=40))
def test_any_opcodes_make_rules_or_refuse(opcodes: bytes):
    with suppress(_NoRule, IndexError):
        assert rules_of_opcodes(opcodes).startswith(".cfa: ")


def prel31(place: int, target: int) -> int:
    return target - place & 0x7FFF_FFFF


def arm_library(entries: list[tuple[int, int | None, bytes]]) -> bytes:
    """A library with `(function, second word, extab entry)`; None leads to the extab entry."""
    index, extra = bytearray(), bytearray()
    for function, word, entry in entries:
        place = EXIDX + len(index)
        second = prel31(place + 4, EXTAB + len(extra)) if word is None else word
        index += struct.pack("<II", prel31(place, function), second)
        extra += entry
    names = b"\0.text\0.ARM.exidx\0.ARM.extab\0.shstrtab\0"
    parts = [b"", bytes(TEXT_BYTES), bytes(index), bytes(extra), names]
    offsets, position = [], 52
    for part in parts:
        offsets.append(position)
        position += len(part)
    rows = [
        (0, 0, 0, 0),
        (names.index(b".text"), 1, 6, TEXT),
        (names.index(b".ARM.exidx"), 0x70000001, 2, EXIDX),
        (names.index(b".ARM.extab"), 1, 2, EXTAB),
        (names.index(b".shstrtab"), 3, 0, 0),
    ]
    sections = b"".join(
        struct.pack("<10I", name, kind, flags, addr, offset if kind else 0, len(part), 0, 0, 4, 0)
        for (name, kind, flags, addr), part, offset in zip(rows, parts, offsets, strict=True)
    )
    header = b"\x7fELF\1\1\1".ljust(16, b"\0")
    header += struct.pack("<HHIIIIIHHHHHH", 3, 40, 1, 0, 0, position, 0, 52, 32, 0, 40, 5, 4)
    return header + b"".join(parts) + sections


def table_of(content: bytes, folder: Path) -> UnwindTable:
    source, out = folder / "library.so", folder / "table"
    source.write_bytes(content)
    with source.open("rb") as debug_file, out.open("w+b") as table:
        build_unwind_table(debug_file.fileno(), table.fileno())
    return UnwindTable(out.read_bytes())


@pytest.fixture
def library(tmp_path: Path) -> UnwindTable:
    """Functions whose rules stand in the index, in both layouts of the extra table, and nowhere."""
    return table_of(
        arm_library(
            [
                (TEXT, 0x80A8B0B0, b""),
                (TEXT + 0x101, None, struct.pack("<II", 0x8101_02A9, 0xB0B0B0B0)),
                (TEXT + 0x200, None, struct.pack("<III", 0x0000_1234, 0x00_03_A8_B0, 0)),
                (TEXT + 0x300, 1, b""),
            ]
        ),
        tmp_path,
    )


def test_every_layout_is_read(library: UnwindTable):
    stack = {0x100: 1, 0x104: 2, 0x108: 3, 0x10C: 4, 0x110: 5, 0x114: 6, 0x118: 7}
    registers = {"sp": 0x100, "lr": 9}

    found = [
        library.caller_registers(TEXT + at, registers, stack.get) for at in (0, 0xFE, 0x180, 0x210)
    ]

    assert found[0] == found[1] == {".cfa": 0x108, ".ra": 2, "r4": 1}
    assert found[2] == {".cfa": 0x118, ".ra": 6, "r4": 4, "r5": 5}
    assert found[3] == {".cfa": 0x118, ".ra": 6, "r4": 5}
    assert library.caller_registers(TEXT + 0x300, registers, stack.get) is None
    assert library.is_code(TEXT + 0x300)


def test_a_stack_of_32_bit_arm_is_unwound_by_them(library: UnwindTable):
    base, stack = 0x4000_0000, 0x5000_0000
    words = [4, base + TEXT + 0x181, 0, 0, 0, 44, 55, base + TEXT + 0x211, 1, 2, 3, 4, 9]
    data = b"".join(word.to_bytes(4, "little") for word in words)
    module = Module("/liba.so", start_addr=base, end_addr=base + 0x4000)

    frames = walk(
        {"pc": base + TEXT + 0x10, "sp": stack, "lr": 1},
        StackMemory(stack, memoryview(data), 4),
        ModuleMap([module]),
        cpu=CPUS["arm"],
        tables=lambda _: library,
    )

    assert [frame.relative for frame in frames] == [TEXT + 0x10, TEXT + 0x181, TEXT + 0x211]
    assert [frame.trust for frame in frames[1:]] == [FrameTrust.CFI] * 2


@given(st.binary(min_size=8, max_size=64), st.binary(max_size=64))
@settings(max_examples=60)
def test_any_tables_make_a_table(
    tmp_path_factory: pytest.TempPathFactory, index: bytes, extra: bytes
):
    folder = tmp_path_factory.getbasetemp() / "exidx"
    folder.mkdir(exist_ok=True)
    words = struct.unpack_from(f"<{len(index) // 4}I", index)
    entries = [(word & 0xFFFF, words[-1], extra) for word in words]

    table = table_of(arm_library(entries), folder)

    for address in (0, TEXT, 0xFFFF):
        table.caller_registers(address, {"sp": 1, "lr": 2}, lambda _: 3)
