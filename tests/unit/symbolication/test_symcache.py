"""Debug files become symcaches."""

import os
import resource
import struct
import sys
from pathlib import Path

import pytest
from symbolic.debuginfo import Archive
from symbolic.symcache import SymCache

from crashes.symbolication import inflating
from crashes.symbolication.elffile import SHF_COMPRESSED, ElfFile
from crashes.symbolication.errors import UnreadableDebugFile
from crashes.symbolication.lookup import Symcache
from crashes.symbolication.symcache import (
    SYMCACHE_VERSION,
    SymcacheSource,
    build_symcache,
    symcache_name,
)
from tests.unit.symbolication.conftest import NATIVE, Compiler, Toolchain, run


def names_at(symcache: Symcache, address: int) -> list[str | None]:
    return [frame.raw_function for frame in symcache.lookup([address])[0]]


def refusal_of(path: Path, tmp_path: Path) -> UnreadableDebugFile:
    with (
        path.open("rb") as source,
        (tmp_path / "out").open("w+b") as out,
        pytest.raises(UnreadableDebugFile) as refusal,
    ):
        build_symcache(source.fileno(), out.fileno())
    return refusal.value


def test_a_library_with_dwarf_gives_functions_files_and_lines(
    host: Toolchain, compiled: Compiler
) -> None:
    path = host.plain()

    result = compiled(path)

    assert result.facts.version == SYMCACHE_VERSION
    assert result.facts.source is SymcacheSource.DWARF
    assert result.facts.build_id == result.symcache.build_id == host.build_id(path)
    assert result.facts.size_bytes == result.symcache.size_bytes == result.path.stat().st_size
    frame = result.symcache.lookup([host.symbols(path)["plain_other"]])[0][-1]
    assert (frame.function, frame.line, frame.inlined) == ("plain_other", 17, False)
    assert (frame.file or "").endswith("/tests/data/native/plain.c")


def test_the_file_is_also_what_the_compiler_itself_reads(
    host: Toolchain, compiled: Compiler
) -> None:
    result = compiled(host.plain())

    theirs = SymCache.open(str(result.path))

    assert theirs.lookup(host.symbols(host.plain())["hidden"])[0].symbol == "hidden"


@pytest.mark.parametrize("style", ["zlib-gabi", "zlib-gnu"])
def test_compressed_sections_change_nothing(
    host: Toolchain, compiled: Compiler, style: str
) -> None:
    plain = compiled(host.library())
    packed = host.copied(host.library(), style, f"--compress-debug-sections={style}")

    result = compiled(packed)

    assert answers(result.symcache) == answers(plain.symcache)
    assert result.facts.dead_sequences == plain.facts.dead_sequences > 0


def test_zstd_sections_change_nothing(shared_dir: Path, compiled: Compiler) -> None:
    folder = shared_dir / "samples/symbolication/elf"

    plain = compiled(folder / "a64-gcc-dwarf5.so")
    packed = compiled(folder / "a64-gcc-dwarf5.zstd.so")

    assert answers(packed.symcache) == answers(plain.symcache)


def test_a_scratch_file_is_used_and_the_debug_file_left_alone(
    host: Toolchain, compiled: Compiler, tmp_path: Path
) -> None:
    packed = host.copied(host.library(), "scratch", "--compress-debug-sections=zlib-gabi")
    before = packed.read_bytes()

    result = compiled(packed, scratch=tmp_path / "scratch")

    with (tmp_path / "scratch").open("rb") as file:
        sections = ElfFile(file).sections
    assert not any(section.flags & SHF_COMPRESSED for section in sections)
    assert packed.read_bytes() == before
    assert answers(result.symcache) == answers(compiled(host.library()).symcache)


def answers(symcache: Symcache) -> list[object]:
    bounds = symcache.text_bounds
    return list(symcache.lookup(range(bounds[0], bounds[-1], 3)))


# --- Discarded code -------------------------------------------------------------------------


@pytest.fixture
def glued(host: Toolchain) -> Path:
    """A library with the discarded line sequence of tests/data/native/glued.s."""
    path = host.folder / "glued.so"
    if not path.exists():
        run(host.cc, "-shared", "-nostdlib", "-o", path, NATIVE / "kept.s", NATIVE / "glued.s")
    return path


@pytest.mark.parametrize("style", ["none", "zlib-gabi", "zlib-gnu"])
def test_discarded_code_hides_no_living_function(
    host: Toolchain, glued: Path, compiled: Compiler, style: str
) -> None:
    symbols = host.symbols(glued)

    result = compiled(host.copied(glued, style, f"--compress-debug-sections={style}"))

    lower, upper = result.symcache.lookup([symbols["lower"] + 4, symbols["upper"] + 4])
    assert [(frame.function, frame.line) for frame in lower] == [("lower", 30)]
    assert [(frame.function, frame.line) for frame in upper] == [("upper", 20)]
    assert result.facts.dead_sequences == 1


def test_the_compiler_alone_would_lose_the_line(host: Toolchain, glued: Path) -> None:
    # When this fails, a new release of symbolic reads such tables right: see docs/adr/0003.
    table = next(iter(Archive.open(str(glued)).iter_objects())).make_symcache()

    found = table.lookup(host.symbols(glued)["lower"] + 4)

    assert [location.line for location in found] == [0]


# --- Less than DWARF ------------------------------------------------------------------------


def test_a_separate_debug_file_answers_like_the_library(
    host: Toolchain, compiled: Compiler
) -> None:
    whole = compiled(host.library())

    result = compiled(host.copied(host.library(), "separate", "--only-keep-debug"))

    assert answers(result.symcache) == answers(whole.symcache)


def test_a_symbol_table_gives_names_without_lines(host: Toolchain, compiled: Compiler) -> None:
    path = host.copied(host.plain(), "nodebug", "--strip-debug")

    result = compiled(path)

    frame = result.symcache.lookup([host.symbols(path)["hidden"]])[0][0]
    assert result.facts.source is SymcacheSource.SYMTAB
    assert (frame.function, frame.file, frame.line) == ("hidden", None, None)


def test_a_stripped_library_gives_its_exported_names(host: Toolchain, compiled: Compiler) -> None:
    result = compiled(host.copied(host.plain(), "exported", "--strip-all"))

    assert result.facts.source is SymcacheSource.DYNSYM
    assert names_at(result.symcache, host.symbols(host.plain())["plain_entry"]) == ["plain_entry"]


def test_mini_debug_info_adds_the_local_names(
    host: Toolchain, compiled: Compiler, minidebug_library: Path
) -> None:
    symbols = host.symbols(host.plain())

    result = compiled(minidebug_library)

    assert result.facts.source is SymcacheSource.MINIDEBUG
    for name in ("hidden", "plain_entry", "plain_other"):
        assert names_at(result.symcache, symbols[name] + 1) == [name]


def test_a_breakpad_file_gives_functions_inlines_and_lines(
    tmp_path: Path, compiled: Compiler
) -> None:
    path = tmp_path / "libcamera.sym"
    path.write_text(
        "MODULE Linux arm64 24B40000C1A5C75E8E9F7E2F4D5E6F7A0 libcamera.so\n"
        "INFO CODE_ID 0000B424A5C15EC78E9F7E2F4D5E6F7A00112233\n"
        "FILE 0 /src/camera.cc\nINLINE_ORIGIN 0 focus(int)\n"
        "FUNC 1000 20 0 open_camera()\nINLINE 0 9 0 0 1008 8\n"
        "1000 8 7 0\n1008 8 31 0\n1010 10 11 0\n"
    )

    result = compiled(path)

    inlined, outer = result.symcache.lookup([0x100C])[0]
    assert result.facts.source is SymcacheSource.BREAKPAD
    assert result.symcache.build_id == "0000b424a5c15ec78e9f7e2f4d5e6f7a00112233"
    assert (inlined.function, inlined.line, inlined.inlined) == ("focus(int)", 31, True)
    assert (outer.function, outer.line, outer.file) == ("open_camera()", 9, "/src/camera.cc")


def test_addresses_count_from_the_load_base(host: Toolchain, compiled: Compiler) -> None:
    program = host.program("fixed", "-no-pie", "-Wl,-Ttext-segment=0x4000000")

    result = compiled(program)

    address = host.symbols(program)["shapes_entry"]
    assert address > 0x4000000
    assert result.facts.load_base == 0x4000000
    # The compiler names a split function after the half that comes first: `shapes_entry.cold`.
    assert result.symcache.lookup([address])[0][-1].function == "shapes_entry"


def test_a_load_base_off_a_page_border_is_taken_as_it_is(
    host: Toolchain, compiled: Compiler, tmp_path: Path
) -> None:
    data = bytearray(host.plain().read_bytes())
    segments, count = struct.unpack_from("<Q", data, 32)[0], struct.unpack_from("<H", data, 56)[0]
    rows = [segments + 56 * index for index in range(count)]
    first = next(row for row in rows if struct.unpack_from("<I", data, row)[0] == 1)
    struct.pack_into("<Q", data, first + 16, 0x123)
    path = tmp_path / "odd.so"
    path.write_bytes(data)

    result = compiled(path)

    assert result.facts.load_base == 0x123
    assert names_at(result.symcache, host.symbols(host.plain())["hidden"]) == ["hidden"]


# --- Refusals -------------------------------------------------------------------------------


def test_a_file_without_names_is_refused(host: Toolchain, tmp_path: Path) -> None:
    path = tmp_path / "nameless.elf"
    run(host.cc, "-nostdlib", "-static", "-Wl,-e,0", "-o", path, NATIVE / "kept.s")
    run(host.objcopy, "--strip-all", path)

    assert refusal_of(path, tmp_path).code == "no_symbols"


def test_a_mapping_is_no_native_file(tmp_path: Path) -> None:
    path = tmp_path / "mapping.txt"
    path.write_text("com.example.Main -> a.a:\n")

    assert refusal_of(path, tmp_path).code == "not_native"


def test_damaged_compression_is_refused(host: Toolchain, tmp_path: Path) -> None:
    packed = host.copied(host.library(), "damaged", "--compress-debug-sections=zlib-gabi")
    data = bytearray(packed.read_bytes())
    with packed.open("rb") as file:
        section = ElfFile(file).debug_section("line")
    assert section is not None
    data[section.offset + 60 : section.offset + 90] = bytes(30)
    path = tmp_path / "damaged.so"
    path.write_bytes(data)

    refusal = refusal_of(path, tmp_path)

    assert (refusal.code, refusal.where) == ("malformed_compression", ".debug_line")


@pytest.mark.parametrize("claimed", [10, 1 << 20])
def test_a_wrong_inflated_size_is_refused(host: Toolchain, tmp_path: Path, claimed: int) -> None:
    refusal = refusal_of(_claiming(host, tmp_path, claimed), tmp_path)

    assert refusal.code == "malformed_compression"


def test_a_section_that_inflates_too_far_is_refused_before_it_is_inflated(
    host: Toolchain, tmp_path: Path
) -> None:
    refusal = refusal_of(_claiming(host, tmp_path, inflating.MAX_INFLATED_BYTES), tmp_path)

    assert refusal.code == "inflates_too_far"


def test_a_scratch_file_over_the_limit_on_file_sizes_is_a_refusal(
    host: Toolchain, tmp_path: Path
) -> None:
    packed = host.copied(host.library(), "limited", "--compress-debug-sections=zlib-gabi")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, before[1]))

    try:
        refusal = refusal_of(packed, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert refusal.code == "inflates_too_far"


def _claiming(host: Toolchain, tmp_path: Path, size_bytes: int) -> Path:
    """A library whose compressed line table says that it holds `size_bytes`."""
    packed = host.copied(host.library(), "claims", "--compress-debug-sections=zlib-gabi")
    data = bytearray(packed.read_bytes())
    with packed.open("rb") as file:
        section = ElfFile(file).debug_section("line")
    assert section is not None
    struct.pack_into("<Q", data, section.offset + 8, size_bytes)
    path = tmp_path / "claims.so"
    path.write_bytes(data)
    return path


def test_a_library_cut_in_its_debug_information_is_refused(host: Toolchain, tmp_path: Path) -> None:
    data = host.library().read_bytes()
    path = tmp_path / "cut.so"
    path.write_bytes(data[: len(data) // 2])

    assert refusal_of(path, tmp_path).code == "truncated_elf"


def test_nothing_is_opened_while_compiling(host: Toolchain, tmp_path: Path) -> None:
    packed = host.copied(host.library(), "sealed", "--compress-debug-sections=zlib-gabi")

    status = _in_a_child_that_may_open_nothing(packed, tmp_path / "sealed.symcache")

    assert status == 0
    assert Symcache(tmp_path / "sealed.symcache").build_id == host.build_id(packed)


def _in_a_child_that_may_open_nothing(debug_file: Path, target: Path) -> int:
    """Compile in a child that ends with status 2 as soon as Python opens a path."""
    source = os.open(debug_file, os.O_RDONLY)
    out = os.open(target, os.O_RDWR | os.O_CREAT)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            sys.addaudithook(_end_at_an_open)
            build_symcache(source, out)
            status = 0
        finally:
            os._exit(status)
    os.close(source)
    os.close(out)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _end_at_an_open(event: str, arguments: tuple[object, ...]) -> None:
    if event == "import" or (event == "open" and not isinstance(arguments[0], int)):
        os._exit(2)


def test_the_name_of_a_symcache_holds_the_version() -> None:
    assert symcache_name("ab12", "arm64") == f"ab12.arm64.v{SYMCACHE_VERSION}.symcache"
    assert symcache_name("ab12") == f"ab12.any.v{SYMCACHE_VERSION}.symcache"
