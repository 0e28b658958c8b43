"""Our reader of symcaches against the compiler's own, and the pool of open ones."""

import gc
import os
import random
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from symbolic.symcache import SymCache

from crashes.symbolication.errors import UnreadableDebugFile
from crashes.symbolication.lookup import Symcache, SymcachePool
from crashes.symbolication.table import string_at, string_bytes
from tests.unit.symbolication.conftest import Compiled, Compiler, Toolchain

_FILES_AT, _FILE_COUNT_AT = 80, 44


def same_as_the_compilers_own(result: Compiled, addresses: list[int]) -> None:
    """Both readers give the same functions, files and lines."""
    theirs = SymCache.open(str(result.path))
    for address, frames in zip(addresses, result.symcache.lookup(addresses), strict=True):
        if not frames:
            continue  # outside the code, where the compiler's own reader still names the last one
        found = theirs.lookup(address - result.facts.load_base)
        ours = [(frame.raw_function, frame.file, frame.line) for frame in frames]
        named = (x.symbol if x.symbol != "?" else None for x in found)  # its word for no name
        assert ours == [
            (name or None, x.full_path or None, x.line or None)
            for name, x in zip(named, found, strict=True)
        ]
        assert [frame.inlined for frame in frames] == [True] * (len(frames) - 1) + [False]


def addresses_of(result: Compiled, count: int) -> list[int]:
    """Some addresses of the code, the same ones every time."""
    bounds = result.symcache.text_bounds
    chance = random.Random(7)
    return [chance.randrange(bounds[0], bounds[-1]) for _ in range(count)]


@pytest.mark.parametrize("flags", [(), ("-gdwarf-4",), ("-O3", "-flto"), ("-Os",)])
def test_answers_equal_the_compilers_own(
    host: Toolchain, compiled: Compiler, flags: tuple[str, ...]
) -> None:
    result = compiled(host.library("".join(flags) or "dwarf5", *flags))

    addresses = addresses_of(result, 3000)

    same_as_the_compilers_own(result, addresses)
    assert sum(len(frames) > 1 for frames in result.symcache.lookup(addresses)) > 300


def test_answers_for_a_fixed_program_equal_the_compilers_own(
    host: Toolchain, compiled: Compiler
) -> None:
    result = compiled(host.program("fixed", "-no-pie", "-Wl,-Ttext-segment=0x4000000"))

    same_as_the_compilers_own(result, addresses_of(result, 2000))


def test_answers_for_large_objects_equal_the_compilers_own(
    shared_dir: Path, compiled: Compiler
) -> None:
    result = compiled(shared_dir / "samples/symbolication/elf/a64-clang-dwarf5.so")

    same_as_the_compilers_own(result, addresses_of(result, 8000))


def test_asking_again_gives_the_same_frames(host: Toolchain, compiled: Compiler) -> None:
    symcache = compiled(host.library()).symcache
    addresses = list(range(symcache.text_bounds[0], symcache.text_bounds[-1], 5))

    assert symcache.lookup(addresses) == symcache.lookup(addresses)


def test_answers_depend_neither_on_the_order_nor_on_the_company(
    host: Toolchain, compiled: Compiler
) -> None:
    path = compiled(host.library()).path
    with Symcache(path) as together, Symcache(path) as alone, Symcache(path) as backward:
        outer = range(together.text_bounds[0] - 3, together.text_bounds[-1] + 3, 7)
        addresses = [*outer, *outer]

        answers = together.lookup(addresses)

        assert answers == [alone.lookup([address])[0] for address in addresses]
        assert answers == backward.lookup(reversed(addresses))[::-1]
        assert any(answers)
        assert not all(answers)


def test_a_frame_is_made_once_for_all_places_that_say_the_same(
    host: Toolchain, compiled: Compiler
) -> None:
    symcache = compiled(host.library()).symcache
    addresses = range(symcache.text_bounds[0], symcache.text_bounds[-1])

    frames = [frame for answer in symcache.lookup(addresses) for frame in answer]

    # A few functions have one name and two rows, such as the clones of one.
    assert len(set(frames)) <= len({id(frame) for frame in frames}) < len(set(frames)) * 1.1


def test_what_is_remembered_has_a_limit(
    host: Toolchain, compiled: Compiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = compiled(host.library()).path
    with Symcache(path) as plain, Symcache(path) as forgetful:
        addresses = list(range(plain.text_bounds[0], plain.text_bounds[-1], 3))
        answers = plain.lookup(addresses)
        monkeypatch.setattr("crashes.symbolication.lookup._MAX_REMEMBERED", 5)
        monkeypatch.setattr("crashes.symbolication.tablereader._MAX_REMEMBERED", 5)
        monkeypatch.setattr("crashes.symbolication.lookup._AT_A_TIME", 10)

        assert forgetful.lookup(addresses) == answers
        assert forgetful.lookup([*addresses[:3], -1]) == [*answers[:3], ()]

        assert len(forgetful._by_address) == 4
        assert 0 < len(forgetful._table._chains) < 50  # type: ignore[attr-defined]


def test_addresses_outside_the_code_have_no_frames(host: Toolchain, compiled: Compiler) -> None:
    symcache = compiled(host.library()).symcache
    first, last = symcache.text_bounds[0], symcache.text_bounds[-1]

    answers = symcache.lookup([-1, 0, first - 1, last, last + 1, 1 << 40, 1 << 64])

    assert answers == [()] * 7


def test_demangled_names_come_with_the_file(host: Toolchain, compiled: Compiler) -> None:
    path = host.library()
    address = host.symbols(path)[
        "_Z4moreRKSt6vectorINSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEESaIS5_EE"
    ]

    frame = compiled(path).symcache.lookup([address])[0][-1]

    assert (frame.function or "").startswith("more(std::vector<std::__cxx11::basic_string<char")
    assert (frame.raw_function or "").startswith("_Z4more")


def test_an_older_version_is_read_too(host: Toolchain, compiled: Compiler, tmp_path: Path) -> None:
    result = compiled(host.library())
    older = tmp_path / "older"
    older.write_bytes(as_version_8(result.path.read_bytes()))
    theirs = SymCache.open(str(older))

    symcache = Symcache(older)

    addresses = addresses_of(result, 500)
    assert theirs.version == 8
    assert symcache.lookup(addresses) == result.symcache.lookup(addresses)
    assert theirs.lookup(addresses[0])[0].symbol == symcache.lookup(addresses)[0][0].raw_function


def as_version_8(data: bytes) -> bytes:
    """The same table with the narrower file rows of version 8, and the names dropped."""
    (files,) = struct.unpack_from("<I", data, _FILE_COUNT_AT)
    end = _FILES_AT + files * 24
    rows = b"".join(data[at : at + 12] for at in range(_FILES_AT, end, 24))
    older = data[:4] + struct.pack("<I", 8) + data[8:_FILES_AT] + rows
    older += bytes(-len(older) % 8) + data[end + -end % 8 :]
    return older.replace(b'"names"', b'"nam_s"').replace(b"_offsets", b"_off_ets")


def test_a_version_we_do_not_know_goes_to_the_compilers_own_reader(
    host: Toolchain, compiled: Compiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = compiled(host.library())
    monkeypatch.setattr("crashes.symbolication.lookup.FILE_WORDS", {})

    foreign = Symcache(result.path)

    addresses = addresses_of(result, 500)
    assert foreign.lookup(addresses) == result.symcache.lookup(addresses)
    foreign.close()


@pytest.mark.parametrize("data", [b"", b"SYMC", b"ELF?" + bytes(100)])
def test_anything_but_a_symcache_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "other"
    path.write_bytes(data)

    with pytest.raises(UnreadableDebugFile, match=r"empty|SYMC"):
        Symcache(path)


def test_a_damaged_symcache_is_refused(host: Toolchain, compiled: Compiler, tmp_path: Path) -> None:
    data = compiled(host.library()).path.read_bytes()
    path = tmp_path / "damaged"
    for broken in (data[:2000], data[:-30] + bytes(14) + data[-16:]):
        path.write_bytes(broken)

        with pytest.raises(UnreadableDebugFile, match=r"fit the file|damaged"):
            Symcache(path)


@given(st.text(max_size=400))
def test_strings_come_back_as_they_were_written(text: str) -> None:
    data = b"xx" + string_bytes(text) + b"yy"

    assert string_at(data, 2) == text.encode("utf-8", "replace").decode()


# --- The pool -------------------------------------------------------------------------------


@pytest.fixture
def paths(host: Toolchain, compiled: Compiler, tmp_path: Path) -> list[Path]:
    """Four symcaches of one size."""
    data = compiled(host.plain()).path.read_bytes()
    paths = [tmp_path / f"pooled-{index}" for index in range(4)]
    for path in paths:
        path.write_bytes(data)
    return paths


def test_a_pool_opens_a_file_once(paths: list[Path]) -> None:
    pool = SymcachePool()

    assert pool.get(paths[0]) is pool.get(paths[0])
    assert (len(pool), pool.open_bytes) == (1, paths[0].stat().st_size)


def test_the_least_recently_used_is_given_up_first(paths: list[Path]) -> None:
    pool = SymcachePool(max_open=2)
    first, second = pool.get(paths[0]), pool.get(paths[1])
    pool.get(paths[0])

    pool.get(paths[2])

    assert len(pool) == 2
    assert pool.get(paths[0]) is first
    assert pool.get(paths[1]) is not second


def test_the_byte_budget_holds_but_the_newest_stays(paths: list[Path]) -> None:
    size_bytes = paths[0].stat().st_size
    pool = SymcachePool(max_bytes=size_bytes * 2)
    tiny = SymcachePool(max_bytes=1)

    for path in paths:
        pool.get(path)
        tiny.get(path)

    assert (len(pool), pool.open_bytes) == (2, size_bytes * 2)
    assert len(tiny) == 1


def test_what_was_given_up_stays_usable_while_somebody_holds_it(
    host: Toolchain, paths: list[Path]
) -> None:
    pool = SymcachePool(max_open=1)
    held = pool.get(paths[0])

    pool.get(paths[1])

    assert held.lookup([host.symbols(host.plain())["hidden"]])[0][0].function == "hidden"


def test_descriptors_are_given_back(paths: list[Path]) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counts, does not read
    pool = SymcachePool(max_open=1)

    for _ in range(5):
        for path in paths:
            pool.get(path)
    pool.clear()

    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    assert pool.open_bytes == 0


def test_a_dropped_file_is_opened_anew(paths: list[Path]) -> None:
    pool = SymcachePool()
    old = pool.get(paths[0])

    pool.drop(paths[0])
    pool.drop(paths[3])

    assert pool.get(paths[0]) is not old


def test_a_missing_file_is_an_error_and_leaves_no_trace(tmp_path: Path) -> None:
    pool = SymcachePool()

    with pytest.raises(FileNotFoundError):
        pool.get(tmp_path / "gone")

    assert len(pool) == 0


def test_closing_unmaps_the_file(host: Toolchain, compiled: Compiler) -> None:
    with compiled(host.plain()).symcache as symcache:
        symcache.lookup([0x1100])

    with pytest.raises(ValueError, match=r"released|closed"):
        symcache.lookup([symcache.text_bounds[0]])


def test_looking_up_leaves_the_collector_as_it_was(host: Toolchain, compiled: Compiler) -> None:
    with Symcache(compiled(host.library("collector")).path) as table:
        table.lookup([0, 1, 2])
        assert gc.isenabled()
        gc.disable()
        try:
            table.lookup([3, 4])
            assert not gc.isenabled()
        finally:
            gc.enable()


def test_a_table_of_ours_loads_nothing_that_is_slow_to_load(
    host: Toolchain, compiled: Compiler
) -> None:
    path = compiled(host.library("alone")).path
    code = (
        "import sys; from pathlib import Path; from crashes.symbolication.lookup import Symcache; "
        "Symcache(Path(sys.argv[1])).lookup([0]); "
        "slow = {'symbolic', 'cxxfilt', 'dataclasses', 'crashes.symbolication.kernel'}; "
        "print(sorted(slow & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, path], check=True, capture_output=True, text=True
    )

    assert done.stdout.strip() == "[]"
