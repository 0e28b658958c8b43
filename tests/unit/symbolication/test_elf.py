"""What an uploaded file is."""

import contextlib
import io
import struct
import uuid
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crashes.symbolication.elf import DebugFileFacts, DebugFileKind, debug_id_of, identify
from crashes.symbolication.errors import UnreadableDebugFile
from tests.unit.symbolication.conftest import Toolchain

_SYM = (
    b"MODULE Linux arm64 24B40000C1A5C75E8E9F7E2F4D5E6F7A0 libcamera.so\n"
    b"INFO CODE_ID 0000B424A5C15EC78E9F7E2F4D5E6F7A00112233\n"
    b"FILE 0 camera.cc\nFUNC 1000 20 0 open_camera()\n1000 20 7 0\n"
)
_MAPPING = (
    b"# compiler: R8\n# compiler_version: 8.3.37\n# min_api: 26\n# pg_map_id: 5f0c1d2\n"
    b"com.example.app.Main -> a.a:\n    1:3:void onCreate():12:14 -> a\n"
)


def facts_of(path: Path) -> DebugFileFacts:
    with path.open("rb") as file:
        return identify(file)


class Counting(io.BytesIO):
    """A file that counts what is read from it."""

    read_bytes = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.read_bytes += len(data)
        return data


# --- ELF ------------------------------------------------------------------------------------


def test_a_library_with_everything_tells_all_of_it(host: Toolchain) -> None:
    path = host.plain()

    facts = facts_of(path)

    assert facts.kind is DebugFileKind.ELF
    assert facts.build_id == host.build_id(path)
    assert facts.debug_id == debug_id_of(facts.build_id)
    assert (facts.arch, facts.name) == ("x86_64", "libplain.so")
    assert facts.has_dwarf
    assert facts.has_symtab
    assert facts.has_dynsym
    assert facts.has_unwind
    assert not facts.is_stripped
    assert not facts.has_compressed_sections
    assert facts.load_base == 0


def test_the_text_ranges_hold_the_functions(host: Toolchain) -> None:
    path = host.plain()

    facts = facts_of(path)

    address = host.symbols(path)["plain_entry"]
    assert any(start <= address < end for start, end in facts.text_ranges)
    assert not any(start <= 0 < end for start, end in facts.text_ranges)


def test_a_phone_library_is_arm64(phone: Toolchain) -> None:
    path = phone.library()

    facts = facts_of(path)

    assert (facts.arch, facts.build_id) == ("arm64", phone.build_id(path))


def test_a_stripped_library_keeps_its_build_id(host: Toolchain) -> None:
    stripped = host.copied(host.plain(), "stripped", "--strip-all")

    facts = facts_of(stripped)

    assert facts.kind is DebugFileKind.ELF
    assert facts.build_id == host.build_id(host.plain())
    assert facts.is_stripped
    assert facts.has_dynsym
    assert not facts.has_symtab
    assert not facts.has_dwarf


def test_a_separate_debug_file_is_told_from_the_library(host: Toolchain) -> None:
    separate = host.copied(host.plain(), "debug", "--only-keep-debug")

    facts = facts_of(separate)

    assert facts.kind is DebugFileKind.ELF_DEBUG
    assert facts.build_id == host.build_id(host.plain())
    assert facts.has_dwarf
    assert not facts.has_unwind
    assert facts.text_ranges == facts_of(host.plain()).text_ranges


def test_the_debug_link_is_read(host: Toolchain) -> None:
    separate = host.copied(host.plain(), "debug", "--only-keep-debug")
    linked = host.copied(host.library(), "linked", "--strip-all", f"--add-gnu-debuglink={separate}")

    facts = facts_of(linked)

    assert facts.debuglink == separate.name
    assert facts.name == separate.name.removesuffix(".debug")


@pytest.mark.parametrize("style", ["zlib-gabi", "zlib-gnu"])
def test_compressed_sections_are_noticed_in_both_conventions(host: Toolchain, style: str) -> None:
    packed = host.copied(host.library(), style, f"--compress-debug-sections={style}")

    facts = facts_of(packed)

    assert facts.has_compressed_sections
    assert facts.has_dwarf


def test_mini_debug_info_counts_as_a_symbol_table(minidebug_library: Path) -> None:
    facts = facts_of(minidebug_library)

    assert facts.has_minidebug
    assert facts.has_symtab
    assert facts.is_stripped


def test_the_load_base_is_the_first_loaded_segment(host: Toolchain) -> None:
    program = host.program("fixed", "-no-pie", "-Wl,-Ttext-segment=0x4000000")

    assert facts_of(program).load_base == 0x4000000


def test_split_dwarf_is_noticed(shared_dir: Path) -> None:
    folder = shared_dir / "samples/symbolication/elf"

    assert facts_of(folder / "a64-gcc-split.so").is_split_dwarf
    assert not facts_of(folder / "a64-clang-dwarf5.so").is_split_dwarf
    assert not facts_of(folder / "a64-gcc-dwarf5.so").is_split_dwarf


def test_only_headers_are_read_from_a_large_file(host: Toolchain) -> None:
    file = Counting(host.library().read_bytes() + bytes(8 << 20))

    identify(file)

    assert file.read_bytes < 200_000


def test_the_debug_id_swaps_the_first_bytes_of_the_build_id() -> None:
    assert debug_id_of("ebd3242e" + "0011" * 8) == "2e24d3eb-1100-1100-0011-001100110011"
    assert debug_id_of("ab12cd34") == "34cd12ab-0000-0000-0000-000000000000"


def test_a_core_dump_is_refused(host: Toolchain) -> None:
    data = bytearray(host.plain().read_bytes())
    data[16:18] = struct.pack("<H", 4)

    with pytest.raises(UnreadableDebugFile) as refusal:
        identify(bytes(data))

    assert refusal.value.code == "core_dump"


def test_an_unknown_machine_is_refused(host: Toolchain) -> None:
    data = bytearray(host.plain().read_bytes())
    data[18:20] = struct.pack("<H", 21)

    with pytest.raises(UnreadableDebugFile) as refusal:
        identify(bytes(data))

    assert refusal.value.code == "unsupported_machine"


# --- Breakpad and mappings ------------------------------------------------------------------


def test_a_breakpad_file_is_known_by_its_code_id() -> None:
    facts = identify(_SYM)

    assert facts.kind is DebugFileKind.BREAKPAD_SYM
    assert facts.build_id == "0000b424a5c15ec78e9f7e2f4d5e6f7a00112233"
    assert facts.debug_id == "24b40000-c1a5-c75e-8e9f-7e2f4d5e6f7a"
    assert (facts.arch, facts.name) == ("arm64", "libcamera.so")
    assert facts.has_symtab
    assert not facts.has_unwind


def test_a_breakpad_file_with_stack_records_has_unwind_data() -> None:
    assert identify(_SYM + b"STACK CFI INIT 1000 20 .cfa: sp 0 +\n").has_unwind


def test_the_code_id_of_another_system_is_no_build_id() -> None:
    facts = identify(_SYM.replace(b"MODULE Linux", b"MODULE windows"))

    assert facts.build_id is None
    assert facts.debug_id is not None


def test_a_mapping_is_known_by_its_map_id_and_its_uuid() -> None:
    facts = identify(_MAPPING)

    space = uuid.uuid5(uuid.NAMESPACE_DNS, "guardsquare.com")
    assert facts.kind is DebugFileKind.PROGUARD_MAPPING
    assert facts.mapping_id == "5f0c1d2"
    assert facts.debug_id == str(uuid.uuid5(space, _MAPPING.decode()))


def test_a_mapping_without_a_header_is_recognised_by_its_classes() -> None:
    facts = identify(b"com.example.app.Main -> a.a:\n    void run() -> a\n")

    assert facts.kind is DebugFileKind.PROGUARD_MAPPING
    assert facts.mapping_id is None


# --- Hostile --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [b"", b"PK\x03\x04 a zip", b"{}", b"a -> b", b"\x00 -> \x00:\n", b"MODULE nonsense\n"],
)
def test_anything_else_is_no_debug_file(data: bytes) -> None:
    with pytest.raises(UnreadableDebugFile):
        identify(data)


def test_a_refusal_is_made_of_plain_words() -> None:
    refusal = UnreadableDebugFile("truncated_elf", "the file ends too early", where="notes")

    assert (refusal.code, refusal.detail, refusal.where) == (
        "truncated_elf",
        "the file ends too early",
        "notes",
    )
    assert str(refusal) == "the file ends too early (notes)"


def only_refuses(data: bytes) -> None:
    with contextlib.suppress(UnreadableDebugFile):
        assert identify(data).kind in DebugFileKind


@given(st.binary(max_size=400), st.sampled_from([b"", b"\x7fELF\x02\x01", b"MODULE ", b"# "]))
@example(b"", b"\x7fELF")
def test_random_bytes_are_identified_or_refused(data: bytes, start: bytes) -> None:
    only_refuses(start + data)


def test_a_library_cut_anywhere_is_identified_or_refused(host: Toolchain) -> None:
    data = host.plain().read_bytes()

    for size in [*range(0, 1500, 7), *range(1500, len(data), 397)]:
        only_refuses(data[:size])


@given(st.data())
def test_a_library_with_changed_headers_is_identified_or_refused(
    host: Toolchain, data: st.DataObject
) -> None:
    library = bytearray(host.plain().read_bytes())
    sections = struct.unpack_from("<Q", library, 40)[0]
    places = st.one_of(st.integers(4, 900), st.integers(sections, len(library) - 8))

    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(places)
        library[place : place + 4] = data.draw(st.binary(min_size=4, max_size=4))

    only_refuses(bytes(library))
