"""Unwind tables say what the debug file said, in bounded time, whatever the file holds."""

import struct
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crashes.symbolication.errors import UnreadableDebugFile
from crashes.symbolication.unwind import (
    UNWIND_VERSION,
    UnwindTable,
    build_unwind_table,
    unwind_name,
)
from crashes.symbolication.unwind.jobs import build_cfi_job
from crashes.symbolication.unwind.postfix import MAX_TOKENS, Evaluator, Unanswerable, compiled

MODULE = "MODULE Linux {arch} 000102030405060708090A0B0C0D0E0F0 liba.so\n"
WIDE = Evaluator(0xFFFF_FFFF_FFFF_FFFF)
MEMORY = {0x100: 7, 0x108: 0x200, 0xF8: 9}


def build(text: str | bytes, folder: Path) -> bytes:
    source, out = folder / "source", folder / "out"
    source.write_bytes(text if isinstance(text, bytes) else text.encode())
    with source.open("rb") as debug_file, out.open("w+b") as table:
        build_unwind_table(debug_file.fileno(), table.fileno())
    return out.read_bytes()


def table(folder: Path, *lines: str, arch: str = "x86_64") -> UnwindTable:
    return UnwindTable(build(MODULE.format(arch=arch) + "\n".join(lines) + "\n", folder))


def caller(it: UnwindTable, address: int, registers: Mapping[str, int]) -> dict[str, int] | None:
    return it.caller_registers(address, registers, MEMORY.get)


# --- The language ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "value"),
    [
        ("12", 12),
        ("-1", 0xFFFF_FFFF_FFFF_FFFF),
        ("$rsp 16 +", 0x110),
        ("$rsp 8 -", 0xF8),
        ("3 4 *", 12),
        ("17 5 /", 3),
        ("17 5 %", 2),
        ("$rsp 15 + 16 @", 0x100),
        ("$rsp ^", 7),
        ("$rsp 8 + ^ 1 +", 0x201),
        ("0 1 -", 0xFFFF_FFFF_FFFF_FFFF),
    ],
)
def test_a_rule_is_a_number(program: str, value: int):
    assert WIDE.value(compiled(program), {"$rsp": 0x100}, MEMORY.get) == value


@pytest.mark.parametrize(
    "program",
    ["", "+", "1 +", "1 2", "$rax", "1 0 /", "1 0 %", "4096 ^", "^", "=", "1 2 =", "1 $a ="],
)
def test_a_rule_without_an_answer_has_none(program: str):
    with pytest.raises(Unanswerable):
        WIDE.value(compiled(program), {"$rsp": 0x100}, MEMORY.get)


def test_a_program_assigns_in_order_and_may_run_words_together():
    program = compiled("$T0 $rsp 8 + =$rip $T0 ^ = $rsp $T0 8 + =")

    assert WIDE.assignments(program, {"$rsp": 0x100}, MEMORY.get) == {
        "$T0": 0x108,
        "$rip": 0x200,
        "$rsp": 0x110,
    }


def test_arithmetic_wraps_at_the_word():
    assert Evaluator(0xFFFF_FFFF).value(compiled("4294967295 2 +"), {}, MEMORY.get) == 1
    assert WIDE.value(compiled("4294967295 2 +"), {}, MEMORY.get) == 0x1_0000_0001


def test_programs_are_bounded_in_length_and_in_sum():
    with pytest.raises(Unanswerable):
        compiled("1 " * (MAX_TOKENS + 1))
    evaluator = Evaluator(0xFF, steps=7)
    assert [evaluator.value(compiled("1 2 +"), {}, MEMORY.get) for _ in range(2)] == [3, 3]
    with pytest.raises(Unanswerable):
        evaluator.value(compiled("1 2 +"), {}, MEMORY.get)


@given(st.lists(st.sampled_from(["1", "-7", "$a", ".b", "+", "-", "*", "/", "%", "@", "^", "="])))
def test_any_program_answers_a_word_or_nothing(tokens: list[str]):
    with suppress(Unanswerable):
        value = WIDE.value(compiled(" ".join(tokens)), {"$a": 0x100, ".b": 2}, MEMORY.get)
        assert 0 <= value < 1 << 64


# --- Tables ------------------------------------------------------------------------------------


def test_rules_hold_from_their_address_to_the_next(tmp_path: Path):
    it = table(
        tmp_path,
        "STACK CFI INIT 1000 20 .cfa: $rsp 8 + .ra: .cfa -8 + ^",
        "STACK CFI 1004 .cfa: $rsp 16 + $rbx: .cfa -16 + ^",
        "STACK CFI 1010 .cfa: $rsp 8 +",
    )
    registers = {"$rsp": 0xF8, "$rbx": 1}

    assert caller(it, 0xFFF, registers) is None
    assert caller(it, 0x1003, registers) == {".cfa": 0x100, ".ra": 9}
    assert caller(it, 0x1004, registers) == {".cfa": 0x108, ".ra": 7, "$rbx": 9}
    assert caller(it, 0x101F, registers) == {".cfa": 0x100, ".ra": 9}  # rbx lies outside
    assert caller(it, 0x1020, registers) is None


def test_a_register_whose_rule_fails_is_left_out(tmp_path: Path):
    it = table(tmp_path, "STACK CFI INIT 0 9 .cfa: $rsp .ra: 77 $rbx: $nowhere $r12: 5")

    assert caller(it, 0, {"$rsp": 1}) == {".cfa": 1, ".ra": 77, "$r12": 5}
    assert caller(it, 0, {}) is None


def test_of_overlapping_ranges_the_first_one_stays(tmp_path: Path):
    it = table(
        tmp_path,
        "STACK CFI INIT 1010 10 .cfa: 2 .ra: 2",
        "STACK CFI INIT 1000 20 .cfa: 1 .ra: 1",
        "STACK CFI INIT 1020 0 .cfa: 3 .ra: 3",
        "STACK CFI INIT 1030 10 .cfa: 4 .ra: 4",
    )

    found = [caller(it, address, {}) for address in (0x1000, 0x1018, 0x1020, 0x1030)]
    assert [it and it[".cfa"] for it in found] == [1, 1, None, 4]


def test_code_is_where_functions_and_symbols_are(tmp_path: Path):
    it = table(
        tmp_path,
        "FUNC 1000 10 8 first(int, char)",
        "FUNC m 1020 10 0 second",
        "PUBLIC 1018 0 between",
        "PUBLIC 1028 0 inside",
        "PUBLIC 2000 4 last",
    )

    codes = [address for address in range(0xFF0, 0x2010, 8) if it.is_code(address)]
    assert codes[:8] == [0x1000, 0x1008, 0x1018, 0x1020, 0x1028, 0x1030, 0x1038, 0x1040]
    assert it.is_code(0x2008)
    assert not it.is_code(0x1010)


def test_a_file_that_names_no_function_excludes_no_address(tmp_path: Path):
    assert table(tmp_path, "STACK CFI INIT 0 9 .cfa: 1 .ra: 1").is_code(0x12345)


def test_frame_data_of_windows_is_nested_and_preferred(tmp_path: Path):
    program = "$T0 .raSearch = $eip $T0 ^ ="
    it = table(
        tmp_path,
        f"STACK WIN 4 1000 100 0 0 8 4 c 0 1 {program}",
        "STACK WIN 4 1010 10 0 0 0 0 10 0 0 1",
        "STACK WIN 0 1000 300 0 0 4 0 0 0 0 0",
        "STACK WIN 3 1400 10 0 0 4 0 0 0 0 0",
        "FUNC 1000 500 c f",
        arch="x86",
    )

    outer, inner, fpo, plain = (
        it.windows_frame(address) for address in (0x1020, 0x1010, 0x1100, 0x1400)
    )
    assert outer is not None
    assert inner is not None
    assert (outer.parameter_bytes, outer.saved_register_bytes, outer.local_bytes) == (8, 4, 12)
    assert (outer.program, outer.is_fpo, outer.has_sizes) == (program, False, True)
    assert (inner.program, inner.allocates_base_pointer, inner.local_bytes) == (None, True, 16)
    assert fpo is not None
    assert fpo.is_fpo
    assert plain is not None
    assert (plain.has_sizes, plain.parameter_bytes) == (False, 12)
    assert it.windows_frame(0x2000) is None


def test_damaged_records_do_not_cost_the_file(tmp_path: Path):
    it = table(
        tmp_path,
        "STACK CFI INIT zz 10 .cfa: 1 .ra: 1",
        "STACK CFI INIT 10",
        "STACK CFI 10",
        "STACK WIN 4 10",
        "FUNC 10",
        "PUBLIC",
        "STACK CFI INIT -10 20 .cfa: 1 .ra: 1",
        "STACK CFI INIT ffffffffffff 20 .cfa: 1 .ra: 1",
        f"STACK CFI INIT 20 8 .cfa: {'1 ' * 9000}.ra: 1",
        f"STACK CFI INIT 30 8 {' '.join(f'r{number}: 1' for number in range(99))} .cfa: 1 .ra: 1",
        "STACK CFI INIT 40 8 .cfa: 4 .ra: 5",
    )

    assert caller(it, 0x40, {}) == {".cfa": 4, ".ra": 5}
    assert [caller(it, address, {}) for address in (0x10, 0x20, 0x30)] == [None] * 3


@given(st.lists(st.sampled_from(
    ["STACK CFI INIT ", "STACK CFI ", "STACK WIN 4 ", "FUNC ", "PUBLIC ", "m ", "10 ", "ffffffff ",
     "-5 ", "0 ", ".cfa: ", ".ra: ", "$rsp ", "^ ", "+ ", "= ", "\n", "\xff", "x "]), max_size=60))  # fmt: skip
@settings(max_examples=200)
def test_any_records_make_a_table_that_answers(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str]
):
    folder = tmp_path_factory.getbasetemp() / "any"
    folder.mkdir(exist_ok=True)
    it = table(folder, "".join(parts), arch="x86")

    for address in (0, 0x10, 0x20, 0xFFFFFFFF, -1, 1 << 70):
        caller(it, address, {"$rsp": 0x100})
        it.windows_frame(address)
        it.is_code(address)
        it.is_outermost(address)


# --- The file ----------------------------------------------------------------------------------


def test_a_table_says_what_it_was_made_of(tmp_path: Path):
    text = MODULE.format(arch="arm64") + "INFO CODE_ID 00AB liba.so\n"
    it = UnwindTable(build(text, tmp_path))

    assert (it.build_id, it.arch, it.load_base) == ("00ab", "arm64", 0)
    assert it.debug_id == "00010203-0405-0607-0809-0a0b0c0d0e0f"
    assert unwind_name("00ab", "arm64") == f"00ab.arm64.v{UNWIND_VERSION}.unwind"


def test_the_job_answers_plain_values(tmp_path: Path):
    source = tmp_path / "a.sym"
    source.write_text(MODULE.format(arch="arm") + "STACK CFI INIT 0 9 .cfa: 1 .ra: 1\n")
    with source.open("rb") as debug_file, (tmp_path / "out").open("w+b") as out:
        facts = build_cfi_job(debug_file.fileno(), out.fileno())

    assert facts["version"] == UNWIND_VERSION
    assert (facts["arch"], facts["rows"], facts["rule_sets"]) == ("arm", 2, 1)
    assert facts["size_bytes"] == (tmp_path / "out").stat().st_size


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"neither this nor that", "not_a_debug_file"),
        (b"a.B -> a:\n", "not_native"),
        (b"\x7fELF\2\1\1" + bytes(4), "truncated_elf"),
    ],
)
def test_what_is_no_debug_file_is_refused(tmp_path: Path, content: bytes, code: str):
    with pytest.raises(UnreadableDebugFile) as refused:
        build(content, tmp_path)

    assert refused.value.code == code


@given(st.data())
@settings(max_examples=200)
def test_a_damaged_table_answers_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
):
    folder = tmp_path_factory.getbasetemp() / "damaged"
    folder.mkdir(exist_ok=True)
    lines = [f"STACK CFI INIT {at:x} 8 .cfa: {at} .ra: 1" for at in range(0, 99, 9)]
    content = bytearray(build(MODULE.format(arch="x86_64") + "\n".join(lines), folder))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 4))
        struct.pack_into("<I", content, at, data.draw(st.integers(0, 2**32 - 1)))
    cut = content[: data.draw(st.just(len(content)) | st.integers(0, len(content)))]

    with suppress(UnreadableDebugFile):
        it = UnwindTable(bytes(cut))
        for address in range(0, 120, 5):
            caller(it, address, {})
            it.is_code(address)
