"""Line sequences of discarded code are found, whatever the flavor of DWARF."""

import io
import struct

import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import given
from hypothesis import strategies as st

from crashes.symbolication.elffile import ElfFile
from crashes.symbolication.lineprograms import LineWalk, dead_addresses
from tests.unit.symbolication.conftest import NATIVE, Toolchain, run

_TEXT = 0x1000
_LENGTHS = bytes([0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1])


def walked(data: bytes, order: str = "<", text_start: int = _TEXT) -> tuple[LineWalk, list[int]]:
    walk = LineWalk()
    places = list(dead_addresses(memoryview(data), order, text_start, walk))
    return walk, [offset for offset, _ in places]


def unit(
    program: bytes,
    *,
    version: int = 5,
    order: str = "<",
    wide: bool = False,
    tables: bytes = b"abc",
) -> bytes:
    """A line unit of the given flavor around opcodes; `tables` stands for its file tables."""
    operations = b"\1" if version >= 4 else b""
    header = b"\1" + operations + b"\1\xfb\x0e\x0d" + _LENGTHS + tables
    offset = order + ("Q" if wide else "I")
    sizes = b"\x08\x00" if version == 5 else b""
    body = struct.pack(order + "H", version) + sizes + struct.pack(offset, len(header))
    body += header + program
    escape = b"\xff" * 4 if wide else b""
    return escape + struct.pack(offset, len(body)) + body


def sequence(*addresses: int, order: str = "<", size: int = 8) -> bytes:
    """A sequence that sets these addresses one after the other, with every kind of opcode between."""
    advance = struct.pack(order + "H", 0x0009)
    between = (
        b"\x01\x03\x8a\x00\x02\x81\x01\x4b\x09" + advance + b"\x05\x03\x0c\x81\x00\x0a\x0b\x06"
    )
    discriminated = b"\x00\x02\x04\x07\x00\x03\x04\x81\x01\x00\x05\x04\x80\x80\x80\x01"
    letter = {4: "I", 8: "Q"}[size]
    return b"".join(
        bytes([0, size + 1, 2]) + struct.pack(order + letter, address) + between + discriminated
        for address in addresses
    ) + bytes([0, 1, 1])


@pytest.mark.parametrize("version", [2, 3, 4, 5])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("wide", [False, True])
def test_every_address_of_a_dead_sequence_is_found(version: int, order: str, wide: bool) -> None:
    program = sequence(0x2000, order=order) + sequence(0, 0, order=order)
    data = unit(program + sequence(0x3000, order=order), version=version, order=order, wide=wide)

    walk, places = walked(data, order)

    zeros = [at for at in range(len(data)) if data[at : at + 11] == b"\0\x09\x02" + bytes(8)]
    assert places == [at + 3 for at in zeros]
    assert (walk.sequences, walk.dead_sequences, walk.unreadable_units) == (3, 1, 0)


def test_small_addends_are_dead_too() -> None:
    walk, _ = walked(unit(sequence(1) + sequence(0x40) + sequence(_TEXT)))

    assert (walk.sequences, walk.dead_sequences) == (3, 2)


def test_32_bit_addresses_are_understood() -> None:
    walk, places = walked(unit(sequence(0, size=4) + sequence(0x2000, size=4), version=4))

    assert len(places) == walk.dead_sequences == 1


def test_zeros_inside_operands_are_not_addresses() -> None:
    # DW_LNS_advance_line whose operand's bytes look like the start of an extended opcode.
    disguised = b"\x03\x80\x00" + b"\x09\x02\x00" + b"\x0c\x00" * 3
    walk, places = walked(unit(sequence(0x2000)[:-3] + disguised + bytes([0, 1, 1])))

    assert places == []
    assert walk.unreadable_units == 0


def test_a_damaged_unit_does_not_hide_the_next() -> None:
    damaged = unit(b"\x00\x09\x02\x00\x00")
    unknown = unit(sequence(0), version=5).replace(b"\x05\x00", b"\x09\x00", 1)

    walk, places = walked(damaged + unknown + unit(sequence(0)))

    assert (walk.units, walk.unreadable_units, len(places)) == (3, 2, 1)


def test_a_length_beyond_the_section_ends_the_walk() -> None:
    walk, places = walked(unit(sequence(0)) + b"\x00\x10\x00\x00\x05\x00")

    assert (walk.units, walk.unreadable_units, len(places)) == (1, 1, 1)


@given(st.binary(max_size=200), st.integers(0, 80), st.binary(max_size=12))
def test_random_programs_are_walked_without_an_error(program: bytes, at: int, noise: bytes) -> None:
    data = unit(program) + unit(sequence(0))
    data = data[:at] + noise + data[at + len(noise) :]

    _, places = walked(data)

    assert all(0 <= place < len(data) for place in places)


@pytest.mark.parametrize("flags", [(), ("-gdwarf-4",), ("-gdwarf-3",)])
def test_the_sequences_are_those_that_another_reader_sees(
    host: Toolchain, flags: tuple[str, ...]
) -> None:
    path = host.library("".join(flags) or "dwarf5", *flags)
    elf = ElfFile(io.BytesIO(path.read_bytes()))
    section = elf.debug_section("line")
    assert section is not None

    walk, _ = walked(elf.content(section, 1 << 30), text_start=elf.text_ranges[0][0])

    assert walk.unreadable_units == 0
    assert walk.sequences == _sequences_by_pyelftools(path.read_bytes())


def _sequences_by_pyelftools(data: bytes) -> int:
    dwarf = ELFFile(io.BytesIO(data)).get_dwarf_info()
    programs = {
        unit.get_top_DIE().attributes["DW_AT_stmt_list"].value: dwarf.line_program_for_CU(unit)
        for unit in dwarf.iter_CUs()
    }
    entries = (entry for program in programs.values() if program for entry in program.get_entries())
    return sum(1 for entry in entries if entry.state is not None and entry.state.end_sequence)


def test_a_linker_leaves_the_shape_that_this_is_about(host: Toolchain) -> None:
    path = host.folder / "glued.elf"
    run(host.cc, "-shared", "-nostdlib", "-o", path, NATIVE / "kept.s", NATIVE / "glued.s")
    elf = ElfFile(io.BytesIO(path.read_bytes()))
    section = elf.debug_section("line")
    assert section is not None

    walk, places = walked(elf.content(section, 1 << 20), text_start=elf.text_ranges[0][0])

    assert (walk.sequences, walk.dead_sequences, len(places)) == (3, 1, 2)
